-- +goose Up

-- token: who made a token of a robot, and who may make one of which.
ALTER TABLE tokens ADD COLUMN drawn_by TEXT NOT NULL DEFAULT '';
CREATE TABLE robot_drawers (
    robot  TEXT NOT NULL,
    drawer TEXT NOT NULL,
    PRIMARY KEY (robot, drawer)
);

-- access: what somebody has roles on.
CREATE INDEX bindings_principal ON bindings (principal);
