-- +goose Up
CREATE TABLE facilities (
	site      TEXT NOT NULL,
	id        TEXT NOT NULL,
	number    BIGINT NOT NULL, -- its place in the list
	gateway   TEXT NOT NULL,
	door      TEXT NOT NULL,
	name      TEXT NOT NULL,
	english   TEXT NOT NULL,
	slot      BIGINT NOT NULL, -- minutes
	from_time BIGINT NOT NULL, -- minutes after midnight, Asia/Taipei
	to_time   BIGINT NOT NULL,
	once      BIGINT NOT NULL, -- 1: a booking opens its door once
	PRIMARY KEY (site, id)
);

CREATE TABLE bookings (
	id         TEXT PRIMARY KEY,
	site       TEXT NOT NULL,
	facility   TEXT NOT NULL,
	gateway    TEXT NOT NULL, -- gateway, door and once as the facility had them when it was booked
	door       TEXT NOT NULL,
	once       BIGINT NOT NULL,
	household  TEXT NOT NULL,
	person     TEXT NOT NULL,
	state      TEXT NOT NULL,   -- confirmed, checked_in, cancelled, cancelled_late
	starts     BIGINT NOT NULL,
	ends       BIGINT NOT NULL,
	made       BIGINT NOT NULL,
	checked_in BIGINT NOT NULL, -- when the door first opened with it, by the gateway's clock; 0: not yet
	revoked    BIGINT NOT NULL, -- version of the gateway's state document that says so first; 0: not revoked
	version    BIGINT NOT NULL  -- grows with each change
);
CREATE INDEX bookings_facility ON bookings (site, facility, ends);
CREATE INDEX bookings_household ON bookings (site, household, ends);
CREATE INDEX bookings_site ON bookings (site, ends);

-- Nobody books what somebody has. SQLite's one writer looks before it writes.
{{postgres}} CREATE EXTENSION IF NOT EXISTS btree_gist;
{{postgres}} ALTER TABLE bookings ADD CONSTRAINT bookings_no_double EXCLUDE USING gist (site WITH =, facility WITH =, int8range(starts, ends) WITH &&) WHERE (state IN ('confirmed', 'checked_in'));

-- What gateways have said of their doors.
CREATE TABLE doors (
	gateway TEXT NOT NULL,
	id      TEXT NOT NULL,
	site    TEXT NOT NULL,
	state   TEXT NOT NULL,
	closed  BIGINT NOT NULL, -- 1: a guard closed it down
	device  TEXT NOT NULL,
	wall    BIGINT NOT NULL, -- of the event, the gateway's clock
	PRIMARY KEY (gateway, id)
);
CREATE INDEX doors_site ON doors (site);
