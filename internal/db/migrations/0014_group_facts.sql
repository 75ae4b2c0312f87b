-- +goose Up

-- identity: what a connector needs to read the groups of somebody again without
-- them, sealed; when it last did, and whether the provider could not be asked then.
ALTER TABLE identities ADD COLUMN group_data BYTEA;
ALTER TABLE identities ADD COLUMN groups_read_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE identities ADD COLUMN groups_failed BOOLEAN NOT NULL DEFAULT FALSE;

-- access/freshness: how old a fact about a group may be for its roles on a resource
-- to count, in microseconds; grace is added while the provider cannot be asked.
CREATE TABLE binding_rules (
    resource_type BIGINT NOT NULL,
    resource_name TEXT   NOT NULL,
    group_name    TEXT   NOT NULL,
    max_age       BIGINT NOT NULL,
    grace         BIGINT NOT NULL,
    PRIMARY KEY (resource_type, resource_name, group_name)
);
