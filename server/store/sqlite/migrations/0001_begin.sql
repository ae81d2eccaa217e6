CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE account(account_id TEXT PRIMARY KEY, login TEXT NOT NULL UNIQUE, secret TEXT NOT NULL, roles TEXT NOT NULL,
  created BIGINT NOT NULL);
CREATE TABLE device(device_id TEXT PRIMARY KEY, pubkey BLOB NOT NULL UNIQUE, token_hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL,
  role TEXT NOT NULL, profiles TEXT NOT NULL, villages TEXT NOT NULL, serial BIGINT NOT NULL, agent TEXT NOT NULL, revoked_at BIGINT,
  enrolled_at BIGINT NOT NULL);
CREATE TABLE code(code_id TEXT PRIMARY KEY, secret_hash BLOB NOT NULL, role TEXT NOT NULL, name TEXT NOT NULL, villages TEXT NOT NULL,
  created BIGINT NOT NULL, expires_at BIGINT NOT NULL, misses BIGINT NOT NULL DEFAULT 0, used_by TEXT, used_at BIGINT);
CREATE TABLE village(village_id TEXT PRIMARY KEY, name TEXT NOT NULL, township TEXT NOT NULL, created BIGINT NOT NULL);
CREATE TABLE audit(audit_id TEXT PRIMARY KEY, at BIGINT NOT NULL, who TEXT NOT NULL, act TEXT NOT NULL, subject TEXT NOT NULL,
  reason TEXT NOT NULL);
CREATE TABLE village_head(village_id TEXT PRIMARY KEY, feed BIGINT NOT NULL DEFAULT 0, log BIGINT NOT NULL DEFAULT 0);
CREATE TABLE record(village_id TEXT NOT NULL, record_id TEXT NOT NULL, type TEXT NOT NULL, feed BIGINT NOT NULL,
  feed_stream BLOB NOT NULL, feed_seq BIGINT NOT NULL, feed_other BIGINT NOT NULL, trail BLOB NOT NULL, state BLOB NOT NULL,
  PRIMARY KEY(village_id, record_id));
CREATE INDEX record_feed ON record(village_id, feed);
CREATE TABLE stream(village_id TEXT NOT NULL, stream_id BLOB NOT NULL, device_id TEXT NOT NULL, pubkey BLOB NOT NULL,
  number BIGINT NOT NULL, incarnation BLOB NOT NULL, head_seq BIGINT NOT NULL, head_hash BLOB NOT NULL, at BIGINT NOT NULL,
  feed BIGINT NOT NULL, PRIMARY KEY(village_id, stream_id));
CREATE TABLE segment(village_id TEXT NOT NULL, stream_id BLOB NOT NULL, last_seq BIGINT NOT NULL, first_seq BIGINT NOT NULL,
  log BIGINT NOT NULL, received BIGINT NOT NULL, before_hash BLOB NOT NULL, last_hash BLOB NOT NULL, receipt BLOB NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY(village_id, stream_id, last_seq));
CREATE UNIQUE INDEX segment_log ON segment(village_id, log);
CREATE TABLE quarantine(village_id TEXT NOT NULL, stream_id BLOB NOT NULL, seq BIGINT NOT NULL, device_id TEXT NOT NULL,
  reason TEXT NOT NULL, detail TEXT NOT NULL, record_id TEXT NOT NULL, type TEXT NOT NULL, author TEXT NOT NULL,
  received BIGINT NOT NULL, decided TEXT NOT NULL DEFAULT '', decided_at BIGINT NOT NULL DEFAULT 0,
  decided_by TEXT NOT NULL DEFAULT '', decided_why TEXT NOT NULL DEFAULT '', issued_stream BLOB, issued_seq BIGINT,
  PRIMARY KEY(village_id, stream_id, seq));
CREATE INDEX quarantine_open ON quarantine(village_id, received) WHERE decided = '';
CREATE TABLE setaside(village_id TEXT NOT NULL, stream_id BLOB NOT NULL, first_seq BIGINT NOT NULL, hash BLOB NOT NULL,
  device_id TEXT NOT NULL, reason TEXT NOT NULL, received BIGINT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY(village_id, stream_id, first_seq, hash));
CREATE TABLE contact(village_id TEXT NOT NULL, device_id TEXT NOT NULL, seen_at BIGINT NOT NULL, pending BIGINT NOT NULL,
  clock_offset BIGINT NOT NULL, agent TEXT NOT NULL, PRIMARY KEY(village_id, device_id));
CREATE TABLE review(village_id TEXT NOT NULL, record_id TEXT NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL, type TEXT NOT NULL,
  since_feed BIGINT NOT NULL, since_at BIGINT NOT NULL, PRIMARY KEY(village_id, record_id, path, kind));
