-- +goose Up
-- What people asked doors to do, and what came of it. A row is never deleted: this is the record of who and why.
CREATE TABLE commands (
	id       TEXT PRIMARY KEY,
	gateway  TEXT NOT NULL,
	device   TEXT NOT NULL,
	what     TEXT NOT NULL,
	who      TEXT NOT NULL,   -- person/id; '': this database has only heard the outcome
	why      TEXT NOT NULL,   -- a code
	state    TEXT NOT NULL,   -- asked, signed, refused, pulsed, opened, unknown
	asked    BIGINT NOT NULL, -- the database's own clock, as the next
	signed   BIGINT NOT NULL, -- 0: not
	timeline TEXT NOT NULL,   -- the database's life in which it was asked
	ended    BIGINT NOT NULL, -- the gateway's clock; 0: no outcome yet
	code     TEXT NOT NULL    -- of the outcome
);
CREATE INDEX commands_gateway ON commands (gateway, asked);
CREATE INDEX commands_asked ON commands (asked);

-- The one row is the lock under which openings are counted.
CREATE TABLE command_counter (id TEXT PRIMARY KEY);
INSERT INTO command_counter (id) VALUES ('fleet');
