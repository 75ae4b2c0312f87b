-- +goose Up

-- token: when the person of a session last proved to their provider who they are, in
-- microseconds; 0 where that is not known, or where there is no person.
ALTER TABLE tokens ADD COLUMN auth_at BIGINT NOT NULL DEFAULT 0;
