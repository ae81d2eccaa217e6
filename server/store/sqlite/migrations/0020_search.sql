CREATE TABLE search_head(village_id TEXT PRIMARY KEY, feed BIGINT NOT NULL);
CREATE TABLE search_key(village_id TEXT NOT NULL, type TEXT NOT NULL, word TEXT NOT NULL, record_id TEXT NOT NULL,
  PRIMARY KEY(village_id, type, word, record_id)) WITHOUT ROWID;
CREATE TABLE type_count(village_id TEXT NOT NULL, type TEXT NOT NULL, records BIGINT NOT NULL, PRIMARY KEY(village_id, type)) WITHOUT ROWID;
