-- +goose Up

-- audit: what somebody did, what was done to something, and what was done of one kind,
-- among a million others.
CREATE INDEX audit_events_actor ON audit_events (actor, at, id);
CREATE INDEX audit_events_object ON audit_events (object, at, id);
CREATE INDEX audit_events_action ON audit_events (action, at, id);
