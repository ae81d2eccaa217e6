ALTER TABLE setaside ADD COLUMN claimed TEXT NOT NULL DEFAULT '';
ALTER TABLE setaside ADD COLUMN size BIGINT NOT NULL DEFAULT 0;
ALTER TABLE setaside ADD COLUMN changes BIGINT NOT NULL DEFAULT 0;
CREATE INDEX setaside_device ON setaside(village_id, device_id, size);
