-- How many bytes are free on the device's disk, as it said; 0: not known.
ALTER TABLE contact ADD COLUMN room BIGINT NOT NULL DEFAULT 0;
