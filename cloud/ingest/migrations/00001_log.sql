-- +goose Up
-- Nothing here is unique by an event's name: the position of its segment is what keeps it from being logged twice, and a
-- log cut into stretches of time could not have such a key.
CREATE TABLE log (
	pos      {{identity}},
	xid      {{xid}},
	gateway  TEXT NOT NULL,
	site     TEXT NOT NULL,
	epoch    BIGINT NOT NULL,
	stream   TEXT NOT NULL,
	segment  BIGINT NOT NULL,
	seq      BIGINT NOT NULL,
	hash     {{blob}} NOT NULL,
	event    {{blob}} NOT NULL,
	received BIGINT NOT NULL,
	told     BIGINT NOT NULL,
	effect   BIGINT NOT NULL -- 0 projected, 1 a projection failed, 2 in effect under another name, 3 muted
);
CREATE INDEX log_name ON log (gateway, epoch, stream, segment, seq);
CREATE INDEX log_order ON log (xid, pos);
CREATE INDEX log_site ON log (site, pos);

-- First names that took effect through a copy.
CREATE TABLE firsts (
	gateway TEXT NOT NULL,
	epoch   BIGINT NOT NULL,
	stream  TEXT NOT NULL,
	segment BIGINT NOT NULL,
	seq     BIGINT NOT NULL,
	hash    {{blob}} NOT NULL,
	PRIMARY KEY (gateway, epoch, stream, segment, seq, hash)
);

-- The newest (epoch, version) of each subject that a gateway spoke of.
CREATE TABLE subjects (
	gateway TEXT NOT NULL,
	subject TEXT NOT NULL,
	epoch   BIGINT NOT NULL,
	version BIGINT NOT NULL,
	PRIMARY KEY (gateway, subject)
);
