-- +goose Up

-- audit: pages of it, the latest first.
CREATE INDEX audit_events_at ON audit_events (at, id);
