-- +goose Up

-- data/fileset. hash is of the set's id, which is nowhere else. root is what is added,
-- deletes what is taken out before, or all if clears is set. written are the bytes that
-- are kept for this set alone.
CREATE TABLE file_sets (
    hash    TEXT    NOT NULL PRIMARY KEY,
    owner   TEXT    NOT NULL,
    root    BYTEA   NOT NULL,
    deletes BYTEA   NOT NULL,
    clears  BOOLEAN NOT NULL,
    written BIGINT  NOT NULL,
    created BIGINT  NOT NULL,
    expires BIGINT  NOT NULL
);
CREATE INDEX file_sets_owner ON file_sets (owner, expires, written);
CREATE INDEX file_sets_expires ON file_sets (expires);

-- The cache of pipelines. used is when an entry was put or asked for last.
CREATE TABLE cache_entries (
    name    TEXT   NOT NULL PRIMARY KEY,
    tag     TEXT   NOT NULL,
    content BYTEA  NOT NULL,
    size    BIGINT NOT NULL,
    used    BIGINT NOT NULL
);
CREATE INDEX cache_entries_used ON cache_entries (used, size);

-- The file sets that an entry of the cache keeps.
CREATE TABLE cached_file_sets (
    entry    TEXT NOT NULL REFERENCES cache_entries (name),
    file_set TEXT NOT NULL REFERENCES file_sets (hash),
    PRIMARY KEY (entry, file_set)
);
CREATE INDEX cached_file_sets_set ON cached_file_sets (file_set);
