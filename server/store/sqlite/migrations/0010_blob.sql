CREATE TABLE blob(village_id TEXT NOT NULL, hash BLOB NOT NULL, kind TEXT NOT NULL, size BIGINT NOT NULL, device_id TEXT NOT NULL,
  received BIGINT NOT NULL, receipt BLOB NOT NULL, PRIMARY KEY(village_id, hash));
CREATE TABLE thumbnail(village_id TEXT NOT NULL, hash BLOB NOT NULL, body BLOB NOT NULL, PRIMARY KEY(village_id, hash));
CREATE TABLE upload(village_id TEXT NOT NULL, upload_id TEXT NOT NULL, device_id TEXT NOT NULL, hash BLOB, kind TEXT NOT NULL,
  size BIGINT NOT NULL, expires BIGINT NOT NULL, PRIMARY KEY(village_id, upload_id));
CREATE TABLE shown(village_id TEXT NOT NULL, target BLOB NOT NULL, record_id TEXT NOT NULL, PRIMARY KEY(village_id, target, record_id));
CREATE INDEX shown_record ON shown(village_id, record_id);
