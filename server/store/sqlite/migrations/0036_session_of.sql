-- Whose a session is, from where and in which browser, so that people can look through theirs.
-- Sessions that do not say it end: they could be on no list.
DELETE FROM session;
ALTER TABLE session ADD COLUMN login TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN stamp TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN began BIGINT NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN seen BIGINT NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN browser TEXT NOT NULL DEFAULT '';
CREATE INDEX session_login ON session(login);
