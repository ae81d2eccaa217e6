ALTER TABLE review ADD COLUMN who TEXT NOT NULL DEFAULT '';
ALTER TABLE review ADD COLUMN asked BIGINT NOT NULL DEFAULT 0;
CREATE INDEX review_since ON review(village_id, since_feed, record_id);
CREATE INDEX review_sort ON review(village_id, kind, type, path, asked, who);
CREATE TABLE bulk(village_id TEXT NOT NULL, bulk_id TEXT NOT NULL, nth BIGINT NOT NULL, record_id TEXT NOT NULL, path TEXT NOT NULL, stream_id BLOB NOT NULL, seq BIGINT NOT NULL,
  undone BIGINT NOT NULL DEFAULT 0, PRIMARY KEY(village_id, bulk_id, nth));
CREATE TABLE bulk_head(bulk_id TEXT PRIMARY KEY, at BIGINT NOT NULL, login TEXT NOT NULL, rule TEXT NOT NULL, reason TEXT NOT NULL, decided BIGINT NOT NULL);
