CREATE TABLE saved_view(view_id TEXT PRIMARY KEY, login TEXT NOT NULL, type TEXT NOT NULL, name TEXT NOT NULL, query TEXT NOT NULL, shared BIGINT NOT NULL);
CREATE UNIQUE INDEX saved_view_name ON saved_view(login, type, name);
