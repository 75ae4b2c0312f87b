-- +goose Up

-- issuer/registry: whether people may sign in with a connector (active), may not
-- yet (draft) or may not now (disabled); the revision that a connector test has
-- succeeded with; and to which revision it goes back, and when, unless somebody
-- confirms what is stored.
ALTER TABLE connectors ADD COLUMN state TEXT NOT NULL DEFAULT 'active';
ALTER TABLE connectors ADD COLUMN verified_revision TEXT NOT NULL DEFAULT '';
ALTER TABLE connectors ADD COLUMN undo_revision TEXT NOT NULL DEFAULT '';
ALTER TABLE connectors ADD COLUMN undo_at BIGINT NOT NULL DEFAULT 0;

-- issuer/registry: the history of connectors. Logins use revisions of the present
-- instance only; an earlier pachd writes none, which stands for the present one.
ALTER TABLE connector_revisions ADD COLUMN instance TEXT NOT NULL DEFAULT '';
ALTER TABLE connector_revisions ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE connector_revisions ADD COLUMN author TEXT NOT NULL DEFAULT '';
ALTER TABLE connector_revisions ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE connector_revisions ADD COLUMN note TEXT NOT NULL DEFAULT '';
CREATE INDEX connector_revisions_history ON connector_revisions (connector_id, created_at);
