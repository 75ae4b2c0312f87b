-- +goose Up

-- token: who made a token of a robot, and who may make one of which.
ALTER TABLE tokens ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
CREATE TABLE robot_token_creators (
    robot  TEXT NOT NULL,
    creator TEXT NOT NULL,
    PRIMARY KEY (robot, creator)
);

-- access: what somebody has roles on.
CREATE INDEX bindings_principal ON bindings (principal);
