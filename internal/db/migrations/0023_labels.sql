-- +goose Up

-- data/graph. metadata is a JSON object of texts that people and programs attach, or
-- "" for none. forgotten says of a commit that its files were, and it stays.
ALTER TABLE projects ADD COLUMN metadata TEXT NOT NULL DEFAULT '';
ALTER TABLE repos ADD COLUMN metadata TEXT NOT NULL DEFAULT '';
ALTER TABLE branches ADD COLUMN metadata TEXT NOT NULL DEFAULT '';
ALTER TABLE commits ADD COLUMN metadata TEXT NOT NULL DEFAULT '';
ALTER TABLE commits ADD COLUMN forgotten BOOLEAN NOT NULL DEFAULT FALSE;

-- The branches that follow another at set times, which are looked through often.
CREATE INDEX branches_cron ON branches (id) WHERE trigger_cron <> '';
