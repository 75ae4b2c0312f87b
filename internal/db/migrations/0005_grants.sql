-- +goose Up

-- issuer/grant: what people have granted to applications. Codes and refresh
-- tokens are hashes; who it is, the scopes and the connector's data are sealed.
CREATE TABLE grants (
    id            TEXT   NOT NULL PRIMARY KEY,
    client_id     TEXT   NOT NULL,
    connector_id  TEXT   NOT NULL,
    identity_id   TEXT   NOT NULL,
    stage         TEXT   NOT NULL,
    code_hash     TEXT   NOT NULL UNIQUE,
    device_hash   TEXT   NOT NULL,
    family_hash   TEXT   NOT NULL,
    refresh_hash  TEXT   NOT NULL,
    previous_hash TEXT   NOT NULL,
    body          BYTEA  NOT NULL,
    created_at    BIGINT NOT NULL,
    used_at       BIGINT NOT NULL,
    refresh_until BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL
);
CREATE UNIQUE INDEX grants_device ON grants (device_hash) WHERE device_hash <> '';
CREATE UNIQUE INDEX grants_family ON grants (family_hash) WHERE family_hash <> '';
CREATE INDEX grants_identity ON grants (identity_id);
CREATE INDEX grants_expiry ON grants (expires_at);

-- token, login: the grant that a session began from.
ALTER TABLE tokens ADD COLUMN grant_id TEXT NOT NULL DEFAULT '';
CREATE INDEX tokens_grant ON tokens (grant_id) WHERE grant_id <> '';
ALTER TABLE login_attempts ADD COLUMN grant_id TEXT NOT NULL DEFAULT '';

-- issuer/device: what Dex kept of a device.
ALTER TABLE device_requests ADD COLUMN scopes TEXT NOT NULL DEFAULT 'openid';
ALTER TABLE device_requests ADD COLUMN challenge TEXT NOT NULL DEFAULT '';
ALTER TABLE device_requests ADD COLUMN polled_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE device_requests ADD COLUMN poll_seconds BIGINT NOT NULL DEFAULT 5;

-- issuer/registry: whether a confidential client needs PKCE.
CREATE TABLE client_pkce (
    client_id TEXT NOT NULL PRIMARY KEY,
    policy    TEXT NOT NULL
);

-- issuer/dexstore: Dex's own grants, which nothing reads any more.
DELETE FROM dex_objects WHERE kind IN ('auth_code', 'refresh_token', 'offline_sessions', 'device_request', 'device_token');
DELETE FROM device_requests;
