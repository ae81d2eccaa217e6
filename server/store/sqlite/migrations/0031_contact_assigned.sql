-- The serial of the assignment that the device says it has; 0: not known.
ALTER TABLE contact ADD COLUMN assigned BIGINT NOT NULL DEFAULT 0;
