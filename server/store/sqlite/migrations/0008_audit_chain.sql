ALTER TABLE audit RENAME TO audit_before;
CREATE TABLE audit(number BIGINT PRIMARY KEY, at BIGINT NOT NULL, who TEXT NOT NULL, act TEXT NOT NULL, subject TEXT NOT NULL,
  reason TEXT NOT NULL, hash BLOB NOT NULL);
CREATE INDEX audit_act ON audit(act, number);
CREATE INDEX audit_who ON audit(who, number);
CREATE TABLE audit_head(number BIGINT PRIMARY KEY, day TEXT NOT NULL, hash BLOB NOT NULL, signature BLOB NOT NULL);
