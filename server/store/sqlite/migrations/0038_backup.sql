-- Backups that were made, and what trying them gave.
CREATE TABLE backup(made BIGINT PRIMARY KEY, file TEXT NOT NULL, bytes BIGINT NOT NULL, changes BIGINT NOT NULL, lost BIGINT NOT NULL,
  tested BIGINT NOT NULL DEFAULT 0, result TEXT NOT NULL DEFAULT '{}');
