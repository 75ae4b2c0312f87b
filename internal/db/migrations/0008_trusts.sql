-- +goose Up

-- trust: whose workloads may act as which robot. claims and root_cas are JSON,
-- ttl is in seconds.
CREATE TABLE trusts (
    id         TEXT   NOT NULL PRIMARY KEY,
    issuer     TEXT   NOT NULL,
    audience   TEXT   NOT NULL,
    robot      TEXT   NOT NULL,
    claims     TEXT   NOT NULL,
    ttl        BIGINT NOT NULL,
    jwks       TEXT   NOT NULL,
    root_cas   TEXT   NOT NULL,
    created_by TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX trusts_issuer ON trusts (issuer);

-- token: when it was last used, to the hour or so; 0: not since it is noted.
ALTER TABLE tokens ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;
