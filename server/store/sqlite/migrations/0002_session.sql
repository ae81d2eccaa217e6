CREATE TABLE session(session_id TEXT PRIMARY KEY, body BLOB NOT NULL, expires_at BIGINT NOT NULL);
CREATE INDEX session_expires ON session(expires_at);
