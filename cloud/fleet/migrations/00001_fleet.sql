-- +goose Up
CREATE TABLE sites (
	id         TEXT PRIMARY KEY,
	name       TEXT NOT NULL,
	registered BIGINT NOT NULL
);

-- A gateway's row is the lock of all that is its own: blocks and pulses take it first.
CREATE TABLE gateways (
	id         TEXT PRIMARY KEY,
	site       TEXT NOT NULL REFERENCES sites (id),
	event_key  {{blob}} NOT NULL,
	registered BIGINT NOT NULL,
	serial     TEXT NOT NULL -- the newest one drawn for this gateway; '' before the first
);
CREATE INDEX gateways_site ON gateways (site);

CREATE TABLE epochs (
	gateway    TEXT NOT NULL,
	epoch      BIGINT NOT NULL,
	registered BIGINT NOT NULL,
	serial     TEXT NOT NULL, -- drawn at registration: every later answer has a greater one
	previous   BIGINT NOT NULL,
	cause      TEXT NOT NULL, -- '' until its first event has come
	nonce      {{blob}} NOT NULL,
	muted      BIGINT NOT NULL, -- since when its events are logged and not projected; 0: never
	PRIMARY KEY (gateway, epoch)
);

CREATE TABLE streams (
	gateway TEXT NOT NULL,
	epoch   BIGINT NOT NULL,
	stream  TEXT NOT NULL,
	oldest  BIGINT NOT NULL, -- segments below it are no longer held
	newest  BIGINT NOT NULL, -- newest segment named by a pulse
	PRIMARY KEY (gateway, epoch, stream)
);

CREATE TABLE positions (
	gateway     TEXT NOT NULL,
	epoch       BIGINT NOT NULL,
	stream      TEXT NOT NULL,
	segment     BIGINT NOT NULL,
	seq         BIGINT NOT NULL,
	hash        {{blob}} NOT NULL,
	before_hash {{blob}} NOT NULL, -- before the segment's first event
	sealed_end  BIGINT NOT NULL,   -- 0: not known to be sealed
	lost        BIGINT NOT NULL,   -- 1: the rest is no longer held
	PRIMARY KEY (gateway, epoch, stream, segment)
);

CREATE TABLE losses (
	gateway      TEXT NOT NULL,
	epoch        BIGINT NOT NULL,
	stream       TEXT NOT NULL,
	from_segment BIGINT NOT NULL,
	to_segment   BIGINT NOT NULL,
	first_seq    BIGINT NOT NULL,
	last_seq     BIGINT NOT NULL,
	before_hash  {{blob}} NOT NULL,
	after_hash   {{blob}} NOT NULL,
	cause        TEXT NOT NULL,
	recorded     BIGINT NOT NULL,
	PRIMARY KEY (gateway, epoch, stream, from_segment, to_segment, first_seq, last_seq)
);

CREATE TABLE refusals (
	gateway TEXT NOT NULL,
	epoch   BIGINT NOT NULL,
	stream  TEXT NOT NULL,
	segment BIGINT NOT NULL,
	seq     BIGINT NOT NULL,
	block   {{blob}} NOT NULL,
	reason  TEXT NOT NULL,
	refused BIGINT NOT NULL,
	PRIMARY KEY (gateway, epoch, stream, segment)
);

CREATE TABLE alarms (
	gateway  TEXT NOT NULL,
	kind     TEXT NOT NULL,
	subject  TEXT NOT NULL,
	first_at BIGINT NOT NULL,
	last_at  BIGINT NOT NULL,
	times    BIGINT NOT NULL,
	cleared  BIGINT NOT NULL, -- 0: it stands
	PRIMARY KEY (gateway, kind, subject)
);

CREATE TABLE pulses (
	gateway       TEXT PRIMARY KEY,
	received      BIGINT NOT NULL,
	epoch         BIGINT NOT NULL,
	boot          BIGINT NOT NULL,
	counter       BIGINT NOT NULL,
	connection    BIGINT NOT NULL,
	gone          BIGINT NOT NULL, -- when its last will came; 0: it did not
	echo          TEXT NOT NULL,
	version       TEXT NOT NULL,
	keyset        BIGINT NOT NULL,
	state_version BIGINT NOT NULL,
	state_hash    {{blob}} NOT NULL,
	wall          BIGINT NOT NULL,
	clock         TEXT NOT NULL,
	undelivered   BIGINT NOT NULL,
	oldest_wall   BIGINT NOT NULL,
	disk_free     BIGINT NOT NULL,
	store_size    BIGINT NOT NULL,
	config        TEXT NOT NULL,
	refused_doc   TEXT NOT NULL
);

-- What gateways have marked delivered beyond the positions that stood here: answers of a life of this database that was
-- lost. Empty unless it was restored.
CREATE TABLE told (
	gateway      TEXT NOT NULL,
	epoch        BIGINT NOT NULL,
	stream       TEXT NOT NULL,
	from_segment BIGINT NOT NULL,
	to_segment   BIGINT NOT NULL,
	seq          BIGINT NOT NULL, -- 0: all of from..to
	PRIMARY KEY (gateway, epoch, stream, from_segment, to_segment, seq)
);

CREATE TABLE devices (
	gateway TEXT NOT NULL,
	id      TEXT NOT NULL,
	kind    TEXT NOT NULL,
	online  BIGINT NOT NULL,
	as_of   BIGINT NOT NULL, -- last good answer, the gateway's clock; 0: never
	code    TEXT NOT NULL,
	PRIMARY KEY (gateway, id)
);

CREATE TABLE documents (
	gateway TEXT PRIMARY KEY,
	version BIGINT NOT NULL,
	hash    {{blob}} NOT NULL,
	root    {{blob}} NOT NULL,
	issued  BIGINT NOT NULL,
	stale   BIGINT NOT NULL -- 1: to be built again
);

CREATE TABLE parts (
	gateway TEXT NOT NULL,
	name    TEXT NOT NULL,
	hash    {{blob}} NOT NULL,
	packed  {{blob}} NOT NULL,
	since   BIGINT NOT NULL, -- first version of the document that named this hash here
	PRIMARY KEY (gateway, name)
);

CREATE TABLE wishes (
	id       TEXT PRIMARY KEY,
	gateway  TEXT NOT NULL,
	kind     TEXT NOT NULL,
	subject  TEXT NOT NULL,
	version  BIGINT NOT NULL,
	data     TEXT NOT NULL,
	state    TEXT NOT NULL, -- asked, done, refused
	reason   TEXT NOT NULL,
	asked    BIGINT NOT NULL,
	answered BIGINT NOT NULL
);
CREATE UNIQUE INDEX wishes_living ON wishes (gateway, kind, subject) WHERE state = 'asked';
CREATE INDEX wishes_subject ON wishes (kind, subject, asked);

CREATE TABLE revocations (
	site    TEXT NOT NULL,
	id      TEXT NOT NULL,
	until   BIGINT NOT NULL,
	PRIMARY KEY (site, id)
);
