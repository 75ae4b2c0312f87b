-- +goose Up

-- issuer: the revision of a connector that somebody who may grant roles has
-- approved, which is the one that serves; empty while there is none. What is
-- there already was made when there was no such question.
ALTER TABLE connectors ADD COLUMN approved_revision TEXT NOT NULL DEFAULT '';
UPDATE connectors SET approved_revision = revision;

-- identity: whether what vouched for an identity has been approved.
ALTER TABLE identities ADD COLUMN approved BOOLEAN NOT NULL DEFAULT TRUE;
