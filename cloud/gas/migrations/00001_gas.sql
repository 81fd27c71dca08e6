-- +goose Up
-- Which meter measures which unit, from when on. An exchange ends one row and begins the next.
CREATE TABLE gas_meters (
	site    TEXT NOT NULL,
	gateway TEXT NOT NULL,
	id      TEXT NOT NULL,
	starts  BIGINT NOT NULL, -- 0: as long as anyone knows
	ends    BIGINT NOT NULL, -- 0: no end is known
	unit    TEXT NOT NULL,
	serial  TEXT NOT NULL, -- as on its plate
	PRIMARY KEY (gateway, id, starts)
);
CREATE INDEX gas_meters_site ON gas_meters (site, id);
CREATE INDEX gas_meters_unit ON gas_meters (unit);

-- Every reading, named by its event's first name. Instants are the gateway's, but received.
CREATE TABLE gas_readings (
	gateway     TEXT NOT NULL,
	epoch       BIGINT NOT NULL,
	segment     BIGINT NOT NULL,
	seq         BIGINT NOT NULL,
	pos         BIGINT NOT NULL,
	site        TEXT NOT NULL,
	meter       TEXT NOT NULL,
	sweep       TEXT NOT NULL,
	observed    BIGINT NOT NULL, -- its best estimate
	earliest    BIGINT NOT NULL, -- it was seen between these two; equal to observed when the clock was certain
	latest      BIGINT NOT NULL,
	received    BIGINT NOT NULL, -- the cloud's clock
	litres      BIGINT NOT NULL,
	serial      TEXT NOT NULL, -- as the meter says; '': it does not
	quality     TEXT NOT NULL,
	code        TEXT NOT NULL,
	rollover    BIGINT NOT NULL,
	good_litres BIGINT NOT NULL, -- the last good one before it
	good_at     BIGINT NOT NULL, -- 0: there was none
	flags       TEXT NOT NULL, -- JSON list
	PRIMARY KEY (gateway, epoch, segment, seq)
);
CREATE UNIQUE INDEX gas_readings_pos ON gas_readings (pos);
CREATE INDEX gas_readings_meter ON gas_readings (gateway, meter, observed, pos);
CREATE INDEX gas_readings_order ON gas_readings (gateway, meter, epoch, segment, seq);
CREATE INDEX gas_readings_site ON gas_readings (site, observed, pos);
