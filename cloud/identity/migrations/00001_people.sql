-- +goose Up
-- The one table with names.
CREATE TABLE persons (
	id      TEXT PRIMARY KEY,
	issuer  TEXT NOT NULL, -- of the OpenID account
	subject TEXT NOT NULL,
	name    TEXT NOT NULL,
	UNIQUE (issuer, subject)
);

CREATE TABLE units (
	id    TEXT PRIMARY KEY,
	site  TEXT NOT NULL,
	label TEXT NOT NULL, -- as on the door
	low   BOOLEAN NOT NULL, -- wants low compartments
	UNIQUE (site, label)
);

CREATE TABLE households (
	id     TEXT PRIMARY KEY,
	unit   TEXT NOT NULL REFERENCES units (id),
	starts BIGINT NOT NULL,
	ends   BIGINT NOT NULL -- 0: no end is known
);
CREATE INDEX households_unit ON households (unit);

CREATE TABLE memberships (
	person    TEXT NOT NULL REFERENCES persons (id),
	household TEXT NOT NULL REFERENCES households (id),
	role      TEXT NOT NULL, -- owner, tenant, member
	PRIMARY KEY (person, household)
);
CREATE INDEX memberships_household ON memberships (household);

CREATE TABLE roles (
	person TEXT NOT NULL REFERENCES persons (id),
	site   TEXT NOT NULL, -- '': everywhere
	role   TEXT NOT NULL, -- guard, manager, committee, operator, official, clerk
	PRIMARY KEY (person, site, role)
);
CREATE INDEX roles_site ON roles (site);

CREATE TABLE sessions (
	hash    {{blob}} PRIMARY KEY, -- SHA-256 of the token, which only its holder has
	person  TEXT NOT NULL REFERENCES persons (id),
	expires BIGINT NOT NULL
);
CREATE INDEX sessions_person ON sessions (person, expires);
