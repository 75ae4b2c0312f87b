-- +goose Up

-- issuer: sign-ins that try a connector which is not stored. The body is
-- sealed; a row lives for minutes.
CREATE TABLE connector_trials (
    id         TEXT   NOT NULL PRIMARY KEY,
    owner      TEXT   NOT NULL,
    body       BYTEA  NOT NULL,
    expires_at BIGINT NOT NULL
);
