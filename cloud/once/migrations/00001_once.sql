-- +goose Up
CREATE TABLE once (
	hash    {{blob}} PRIMARY KEY, -- SHA-256 over who asked and the key
	request {{blob}} NOT NULL,    -- SHA-256 over what was asked
	answer  TEXT NOT NULL,        -- JSON
	made    BIGINT NOT NULL
);
CREATE INDEX once_made ON once (made);
