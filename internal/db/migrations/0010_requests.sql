-- +goose Up

-- audit: the request that a change was made in; empty for pachd's own.
ALTER TABLE audit_events ADD COLUMN request TEXT NOT NULL DEFAULT '';
