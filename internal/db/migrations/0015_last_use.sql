-- +goose Up

-- identity: when somebody last used a session or token. Tokens know it of themselves,
-- but not for longer than they live.
ALTER TABLE users ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;
UPDATE users SET used_at = COALESCE((SELECT MAX(used_at) FROM tokens WHERE subject = name), 0);
