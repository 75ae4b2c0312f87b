-- +goose Up

-- limit: from which network what is pending came, so that one cannot push out
-- what others have.
ALTER TABLE dex_objects ADD COLUMN network TEXT NOT NULL DEFAULT '';
CREATE INDEX dex_objects_pending ON dex_objects (kind, network, expires_at) WHERE network <> '';
ALTER TABLE login_attempts ADD COLUMN network TEXT NOT NULL DEFAULT '';
ALTER TABLE device_requests ADD COLUMN network TEXT NOT NULL DEFAULT '';

-- guess: when the counter of wrong guesses is back at nothing. Keys are hashes.
CREATE TABLE guesses (
    key   TEXT   NOT NULL PRIMARY KEY,
    until BIGINT NOT NULL
);
CREATE INDEX guesses_until ON guesses (until);
