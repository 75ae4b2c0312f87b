-- +goose Up

-- managed: what pachd's configuration declares, where it does, and what was there
-- before it did; and which declaration holds, of those that replicas have.
CREATE TABLE managed_objects (
    kind   TEXT NOT NULL,
    id     TEXT NOT NULL,
    origin TEXT NOT NULL,
    digest TEXT NOT NULL,
    before TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE TABLE declarations (
    number     BIGINT NOT NULL PRIMARY KEY,
    digest     TEXT   NOT NULL,
    applied_by TEXT   NOT NULL,
    applied_at BIGINT NOT NULL
);
CREATE TABLE declaring_replicas (
    name    TEXT   NOT NULL PRIMARY KEY,
    digest  TEXT   NOT NULL,
    seen_at BIGINT NOT NULL
);
