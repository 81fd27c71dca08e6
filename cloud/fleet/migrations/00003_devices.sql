-- +goose Up
-- Where the audit stream of the living epoch stood when the newest pulse was made: events beyond it are newer.
ALTER TABLE pulses ADD COLUMN segment BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pulses ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pulses ADD COLUMN devices BIGINT NOT NULL DEFAULT 0; -- that the gateway has
ALTER TABLE pulses ADD COLUMN more BIGINT NOT NULL DEFAULT 0;    -- of them, those that the pulse had no room for

ALTER TABLE devices ADD COLUMN error TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN heard BIGINT NOT NULL DEFAULT 0; -- when the cloud last heard of it
-- The newest event of its own.
ALTER TABLE devices ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN segment BIGINT NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;

-- For looking at all gateways at once.
CREATE INDEX devices_silent ON devices (gateway) WHERE online = 0;
CREATE INDEX alarms_standing ON alarms (gateway) WHERE cleared = 0;
