ALTER TABLE quarantine ADD COLUMN decided_feed BIGINT NOT NULL DEFAULT 0;
CREATE INDEX quarantine_decided ON quarantine(village_id, device_id, decided_feed) WHERE decided_feed > 0;
