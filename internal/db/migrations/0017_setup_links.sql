-- +goose Up

-- issuer/setuplink: links by which somebody who is nobody here prepares a connector.
-- key_hash is of the link, and once it is begun of the browser that began. The body,
-- which is sealed, is what they have prepared.
CREATE TABLE setup_links (
    id           TEXT    NOT NULL PRIMARY KEY,
    key_hash     TEXT    NOT NULL UNIQUE,
    connector_id TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    type         TEXT    NOT NULL,
    preset       TEXT    NOT NULL,
    public_only  BOOLEAN NOT NULL,
    created_by   TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    expires_at   BIGINT  NOT NULL,
    changed_at   BIGINT  NOT NULL,
    state        TEXT    NOT NULL,
    attempts     BIGINT  NOT NULL,
    body         BYTEA   NOT NULL
);
CREATE INDEX setup_links_expires ON setup_links (expires_at);
