-- +goose Up

-- issuer/logout: where applications hear that a sign-in has ended, and what they
-- have not heard yet. The address is kept with each, since an application may be
-- deleted meanwhile.
CREATE TABLE logout_clients (
    client_id TEXT NOT NULL PRIMARY KEY,
    uri       TEXT NOT NULL
);
CREATE TABLE logouts (
    grant_id    TEXT   NOT NULL PRIMARY KEY,
    client_id   TEXT   NOT NULL,
    identity_id TEXT   NOT NULL,
    uri         TEXT   NOT NULL,
    attempts    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    next_at     BIGINT NOT NULL
);
CREATE INDEX logouts_next ON logouts (next_at);
