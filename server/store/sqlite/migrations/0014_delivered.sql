ALTER TABLE village_head ADD COLUMN delivered BIGINT NOT NULL DEFAULT 0;

UPDATE village_head SET delivered = coalesce((SELECT max(s.received) FROM segment s JOIN stream t ON t.village_id = s.village_id AND t.stream_id = s.stream_id
	WHERE s.village_id = village_head.village_id AND t.device_id <> 'office'), 0);
