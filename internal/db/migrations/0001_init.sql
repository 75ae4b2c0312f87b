-- +goose Up

-- db: values that belong to the installation as a whole.
CREATE TABLE meta (
    key   TEXT  NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);

-- issuer/dexstore: Dex's objects as sealed documents.
CREATE TABLE dex_objects (
    kind       TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    body       BYTEA  NOT NULL,
    version    BIGINT NOT NULL,
    expires_at BIGINT,
    PRIMARY KEY (kind, id)
);
CREATE INDEX dex_objects_expiry ON dex_objects (expires_at) WHERE expires_at IS NOT NULL;

-- issuer: its settings, the connectors with all revisions a login may still
-- be running on, and the device sign-ins that people were asked about.
CREATE TABLE issuer_settings (
    id   TEXT  NOT NULL PRIMARY KEY,
    body BYTEA NOT NULL
);
CREATE TABLE connectors (
    id         TEXT    NOT NULL PRIMARY KEY,
    instance   TEXT    NOT NULL UNIQUE,
    revision   TEXT    NOT NULL UNIQUE,
    version    BIGINT  NOT NULL,
    managed    BOOLEAN NOT NULL,
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL
);
CREATE TABLE connector_revisions (
    revision     TEXT   NOT NULL PRIMARY KEY,
    connector_id TEXT   NOT NULL,
    type         TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    config       BYTEA  NOT NULL,
    replaced_at  BIGINT NOT NULL
);
CREATE TABLE device_requests (
    user_code    TEXT   NOT NULL PRIMARY KEY,
    device_hash  TEXT   NOT NULL UNIQUE,
    client_id    TEXT   NOT NULL,
    requester    TEXT   NOT NULL,
    address      TEXT   NOT NULL,
    confirmed_by TEXT   NOT NULL,
    refused      TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);

-- identity: people, what proves that they are they, and their groups with the
-- source of each fact.
CREATE TABLE users (
    name       TEXT    NOT NULL PRIMARY KEY,
    disabled   BOOLEAN NOT NULL,
    created_at BIGINT  NOT NULL,
    login_at   BIGINT  NOT NULL
);
CREATE TABLE identities (
    id           TEXT   NOT NULL PRIMARY KEY,
    user_name    TEXT   NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    connector_id TEXT   NOT NULL,
    instance     TEXT   NOT NULL,
    issuer       TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    token_sub    TEXT   NOT NULL UNIQUE,
    ended        BOOLEAN NOT NULL,
    waiting      BOOLEAN NOT NULL,
    email        TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    login_at     BIGINT NOT NULL,
    UNIQUE (instance, issuer, subject)
);
CREATE INDEX identities_user ON identities (user_name);
CREATE TABLE memberships (
    member     TEXT   NOT NULL,
    group_name TEXT   NOT NULL,
    source     TEXT   NOT NULL,
    seen_at    BIGINT NOT NULL,
    written    TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (member, group_name, source)
);
CREATE INDEX memberships_group ON memberships (group_name);
CREATE TABLE known_groups (
    name       TEXT   NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL
);

-- token: hashes only.
CREATE TABLE tokens (
    hash        TEXT   NOT NULL PRIMARY KEY,
    subject     TEXT   NOT NULL,
    identity_id TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX tokens_subject ON tokens (subject);

-- access: who has which role where.
CREATE TABLE bindings (
    resource_type BIGINT NOT NULL,
    resource_name TEXT   NOT NULL,
    principal     TEXT   NOT NULL,
    role          TEXT   NOT NULL,
    PRIMARY KEY (resource_type, resource_name, principal, role)
);
CREATE TABLE bound_resources (
    resource_type BIGINT NOT NULL,
    resource_name TEXT   NOT NULL,
    PRIMARY KEY (resource_type, resource_name)
);

-- login: sign-ins by GetOIDCLogin, where they lead if not to our own issuer
-- (sealed), and ID tokens that have been handed in.
CREATE TABLE login_attempts (
    state_hash TEXT   NOT NULL PRIMARY KEY,
    secrets    BYTEA  NOT NULL,
    requester  TEXT   NOT NULL,
    address    TEXT   NOT NULL,
    stage      TEXT   NOT NULL,
    identity_id TEXT  NOT NULL,
    reason     TEXT   NOT NULL,
    browser    TEXT   NOT NULL DEFAULT '', -- that was asked, by the hash of its cookie
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE TABLE oidc_config (
    id   TEXT  NOT NULL PRIMARY KEY,
    body BYTEA NOT NULL
);
CREATE TABLE used_id_tokens (
    hash       TEXT   NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

-- cluster: other installations that registered with this one, as clients of
-- older versions have them do. The secret is a hash.
CREATE TABLE clusters (
    id                TEXT    NOT NULL PRIMARY KEY,
    address           TEXT    NOT NULL,
    user_address      TEXT    NOT NULL,
    deployment_id     TEXT    NOT NULL,
    enterprise_server BOOLEAN NOT NULL,
    secret_hash       TEXT    NOT NULL,
    version           TEXT    NOT NULL,
    auth_enabled      BOOLEAN NOT NULL,
    client_id         TEXT    NOT NULL,
    created_at        BIGINT  NOT NULL,
    heartbeat_at      BIGINT  NOT NULL
);

-- audit: what happened, append only.
CREATE TABLE audit_events (
    id     TEXT   NOT NULL PRIMARY KEY,
    at     BIGINT NOT NULL,
    actor  TEXT   NOT NULL,
    action TEXT   NOT NULL,
    object TEXT   NOT NULL,
    detail TEXT   NOT NULL
);
