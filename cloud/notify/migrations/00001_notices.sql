-- +goose Up
-- Parcels of which somebody may have to be told, once all that came later is in.
CREATE TABLE notice_matters (
	gateway TEXT NOT NULL,
	parcel  TEXT NOT NULL,
	epoch   BIGINT NOT NULL,
	stream  TEXT NOT NULL,
	segment BIGINT NOT NULL,
	seq     BIGINT NOT NULL,
	PRIMARY KEY (gateway, parcel)
);

-- One row for each person and matter, for ever: it is what makes a notice go out once.
CREATE TABLE notices (
	id        TEXT PRIMARY KEY, -- of the message: the same for the same person and matter in every life of the database
	site      TEXT NOT NULL,
	person    TEXT NOT NULL,
	household TEXT NOT NULL,
	gateway   TEXT NOT NULL,
	parcel    TEXT NOT NULL,
	made      BIGINT NOT NULL,
	state     TEXT NOT NULL, -- waiting, sent, kept, withdrawn, given_up
	tries     BIGINT NOT NULL,
	next_at   BIGINT NOT NULL,
	ended     BIGINT NOT NULL
);
CREATE INDEX notices_waiting ON notices (next_at) WHERE state = 'waiting';
CREATE INDEX notices_site ON notices (site, made);
CREATE INDEX notices_person ON notices (person, made);
