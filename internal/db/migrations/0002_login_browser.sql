-- +goose Up

-- login: the browser that was asked whether it is they who wait, by the hash of
-- its cookie; only it may answer.
ALTER TABLE login_attempts ADD COLUMN browser TEXT NOT NULL DEFAULT '';
