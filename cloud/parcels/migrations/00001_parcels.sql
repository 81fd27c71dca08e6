-- +goose Up
CREATE TABLE parcels (
	gateway     TEXT NOT NULL,
	id          TEXT NOT NULL,
	site        TEXT NOT NULL,
	epoch       BIGINT NOT NULL,
	version     BIGINT NOT NULL,
	state       TEXT NOT NULL,
	household   TEXT NOT NULL,
	unit        TEXT NOT NULL,
	compartment TEXT NOT NULL,
	shelf       TEXT NOT NULL,
	courier     TEXT NOT NULL,
	size        TEXT NOT NULL,
	stored_at   BIGINT NOT NULL, -- the gateway's clock, as the next two; 0: not yet
	settled_at  BIGINT NOT NULL,
	ended_at    BIGINT NOT NULL,
	how         TEXT NOT NULL,
	known_at    BIGINT NOT NULL, -- the cloud's clock: nobody is late for what nobody was told
	pos         BIGINT NOT NULL,
	PRIMARY KEY (gateway, id)
);
CREATE INDEX parcels_id ON parcels (id);
CREATE INDEX parcels_list ON parcels (site, ended_at, stored_at);
CREATE INDEX parcels_household ON parcels (site, household, ended_at);

-- The newest PIN of a parcel, sealed, and whose it is.
CREATE TABLE parcel_pins (
	gateway   TEXT NOT NULL,
	id        TEXT NOT NULL,
	epoch     BIGINT NOT NULL,
	version   BIGINT NOT NULL,
	household TEXT NOT NULL,
	seal      TEXT NOT NULL, -- id of the sealing key
	sealed    {{blob}} NOT NULL,
	PRIMARY KEY (gateway, id)
);

CREATE TABLE compartments (
	gateway TEXT NOT NULL,
	id      TEXT NOT NULL,
	site    TEXT NOT NULL,
	epoch   BIGINT NOT NULL,
	version BIGINT NOT NULL,
	bank    TEXT NOT NULL,
	number  BIGINT NOT NULL,
	content TEXT NOT NULL,
	parcel  TEXT NOT NULL,
	service TEXT NOT NULL,
	door    TEXT NOT NULL,
	item    TEXT NOT NULL,
	verify  BIGINT NOT NULL,
	why     TEXT NOT NULL,
	wall    BIGINT NOT NULL,
	PRIMARY KEY (gateway, id)
);
CREATE INDEX compartments_site ON compartments (site, gateway, bank, number);

-- Codes minted at gateways, sealed. The newest of a holder at a gateway is the living one.
CREATE TABLE credentials (
	gateway TEXT NOT NULL,
	id      TEXT NOT NULL,
	site    TEXT NOT NULL,
	epoch   BIGINT NOT NULL,
	version BIGINT NOT NULL,
	segment BIGINT NOT NULL, -- place of its first event, the order among those of a holder
	seq     BIGINT NOT NULL,
	purpose TEXT NOT NULL,
	holder  TEXT NOT NULL,
	seal    TEXT NOT NULL,
	sealed  {{blob}} NOT NULL,
	minted  BIGINT NOT NULL,
	until   BIGINT NOT NULL,
	ended   TEXT NOT NULL,
	PRIMARY KEY (gateway, id)
);
CREATE INDEX credentials_holder ON credentials (site, purpose, holder);

CREATE TABLE couriers (
	site      TEXT NOT NULL,
	id        TEXT NOT NULL,
	name      TEXT NOT NULL, -- the carrier's, no person's
	from_time BIGINT NOT NULL, -- minutes after midnight
	to_time   BIGINT NOT NULL,
	until     BIGINT NOT NULL,
	PRIMARY KEY (site, id)
);

CREATE TABLE guards (
	site   TEXT NOT NULL,
	id     TEXT NOT NULL,
	masked TEXT NOT NULL,
	until  BIGINT NOT NULL,
	PRIMARY KEY (site, id)
);

CREATE TABLE parcel_policies (
	site        TEXT PRIMARY KEY,
	stay_hours  BIGINT NOT NULL,
	holidays    TEXT NOT NULL, -- JSON list of days
	guard_phone TEXT NOT NULL
);

CREATE TABLE screen_notices (
	site   TEXT NOT NULL,
	number BIGINT NOT NULL,
	zh     TEXT NOT NULL,
	en     TEXT NOT NULL,
	until  BIGINT NOT NULL,
	PRIMARY KEY (site, number)
);
