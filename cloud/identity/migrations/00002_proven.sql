-- +goose Up
-- When its person last proved at the issuer who they are, for what asks for more than a session; 0: never.
ALTER TABLE sessions ADD COLUMN proven BIGINT NOT NULL DEFAULT 0;
