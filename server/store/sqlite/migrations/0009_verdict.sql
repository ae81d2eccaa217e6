ALTER TABLE quarantine ADD COLUMN decided_feed BIGINT NOT NULL DEFAULT 0;
CREATE INDEX quarantine_decided ON quarantine(village_id, device_id, decided_feed) WHERE decided_feed > 0;
UPDATE quarantine SET decided_feed = h.feed + d.place FROM village_head h, (SELECT village_id, stream_id, seq,
  row_number() OVER (PARTITION BY village_id ORDER BY decided_at, stream_id, seq) AS place FROM quarantine WHERE decided <> '') d
  WHERE h.village_id = quarantine.village_id AND d.village_id = quarantine.village_id AND d.stream_id = quarantine.stream_id AND d.seq = quarantine.seq;
UPDATE village_head SET feed = feed + (SELECT count(*) FROM quarantine q WHERE q.village_id = village_head.village_id AND q.decided <> '');
