CREATE TABLE alike_head(village_id TEXT PRIMARY KEY, feed BIGINT NOT NULL);
CREATE TABLE alike(village_id TEXT NOT NULL, key BLOB NOT NULL, record_id TEXT NOT NULL, wide BIGINT NOT NULL, PRIMARY KEY(village_id, key, record_id)) WITHOUT ROWID;
CREATE INDEX alike_record ON alike(village_id, record_id);
CREATE INDEX alike_wide ON alike(key, village_id, record_id) WHERE wide = 1;
CREATE TABLE pair(village_id TEXT NOT NULL, record_id TEXT NOT NULL, other_id TEXT NOT NULL, type TEXT NOT NULL, kind TEXT NOT NULL, score BIGINT NOT NULL,
  who TEXT NOT NULL, since_feed BIGINT NOT NULL, since_at BIGINT NOT NULL, PRIMARY KEY(village_id, record_id, other_id));
CREATE INDEX pair_other ON pair(village_id, other_id);
CREATE INDEX pair_sort ON pair(village_id, kind, type, who);
