-- +goose Up

-- data/pack/catalog: objects of the store, each with many blobs. A pack is being written until
-- a root names what it holds (state writing, for as long as its lease is renewed), then
-- kept; a condemned one has no blobs any more, and its object is being deleted. writer
-- is empty if several sessions need it. size is the object's, live that of its blobs.
CREATE TABLE packs (
    id           TEXT   NOT NULL PRIMARY KEY,
    state        TEXT   NOT NULL,
    size         BIGINT NOT NULL,
    live         BIGINT NOT NULL,
    key_sealed   BYTEA  NOT NULL,
    writer       TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    lease_until  BIGINT NOT NULL,
    condemned_at BIGINT NOT NULL
);
CREATE INDEX packs_state ON packs (state, lease_until);

-- data/pack/catalog: where in its pack a blob is, and how long it is there and unsealed.
CREATE TABLE blobs (
    id   BYTEA  NOT NULL PRIMARY KEY,
    pack TEXT   NOT NULL REFERENCES packs (id),
    off  BIGINT NOT NULL,
    len  BIGINT NOT NULL,
    raw  BIGINT NOT NULL
);
CREATE INDEX blobs_pack ON blobs (pack);
