CREATE TABLE figure(village_id TEXT NOT NULL, period TEXT NOT NULL, until TEXT NOT NULL, feed BIGINT NOT NULL, body BLOB NOT NULL, PRIMARY KEY(village_id, period));

CREATE TABLE closing(village_id TEXT NOT NULL, month TEXT NOT NULL, feed BIGINT NOT NULL, closed_at BIGINT NOT NULL, login TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY(village_id, month));
