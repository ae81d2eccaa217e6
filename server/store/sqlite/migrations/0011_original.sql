CREATE TABLE original(village_id TEXT NOT NULL, photo BLOB NOT NULL, hash BLOB NOT NULL, PRIMARY KEY(village_id, photo, hash));
CREATE INDEX original_hash ON original(village_id, hash);
ALTER TABLE upload ADD COLUMN original BLOB;
CREATE TABLE erased_file(village_id TEXT NOT NULL, hash BLOB NOT NULL, PRIMARY KEY(village_id, hash));
