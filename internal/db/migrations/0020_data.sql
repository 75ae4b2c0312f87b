-- +goose Up

-- data/graph. Ids are made by pachd. Times are 0 for never, ids 0 for none.
CREATE TABLE projects (
    name        TEXT   NOT NULL PRIMARY KEY,
    description TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    created_by  TEXT   NOT NULL
);

CREATE TABLE repos (
    id          BIGINT NOT NULL PRIMARY KEY,
    project     TEXT   NOT NULL REFERENCES projects (name),
    name        TEXT   NOT NULL,
    type        TEXT   NOT NULL,
    description TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    UNIQUE (project, name, type)
);

-- set_id is the global id, which the commits of one transaction share. seq counts
-- the commits of a repository. root is what its files are.
CREATE TABLE commits (
    id          BIGINT NOT NULL PRIMARY KEY,
    repo        BIGINT NOT NULL REFERENCES repos (id),
    set_id      TEXT   NOT NULL,
    seq         BIGINT NOT NULL,
    parent      BIGINT NOT NULL,
    branch      TEXT   NOT NULL,
    origin      BIGINT NOT NULL,
    description TEXT   NOT NULL,
    started     BIGINT NOT NULL,
    finished    BIGINT NOT NULL,
    error       TEXT   NOT NULL,
    size        BIGINT NOT NULL,
    root        BYTEA  NOT NULL,
    created_by  TEXT   NOT NULL,
    UNIQUE (set_id, repo),
    UNIQUE (repo, seq)
);
CREATE INDEX commits_parent ON commits (parent);
CREATE INDEX commits_started ON commits (started, id);

-- The commits that a commit was made from, in other repositories.
CREATE TABLE commit_provenance (
    made   BIGINT NOT NULL REFERENCES commits (id),
    source BIGINT NOT NULL REFERENCES commits (id),
    PRIMARY KEY (made, source)
);
CREATE INDEX commit_provenance_source ON commit_provenance (source);

CREATE TABLE branches (
    id              BIGINT  NOT NULL PRIMARY KEY,
    repo            BIGINT  NOT NULL REFERENCES repos (id),
    name            TEXT    NOT NULL,
    head            BIGINT  NOT NULL REFERENCES commits (id),
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL,
    created_by      TEXT    NOT NULL,
    trigger_branch  TEXT    NOT NULL,
    trigger_all     BOOLEAN NOT NULL,
    trigger_rate    TEXT    NOT NULL,
    trigger_cron    TEXT    NOT NULL,
    trigger_size    TEXT    NOT NULL,
    trigger_commits BIGINT  NOT NULL,
    UNIQUE (repo, name)
);
CREATE INDEX branches_head ON branches (head);

-- The branches that the commits of a branch are made from: only those that were
-- named, not what these come from. never says that new commits there make none here.
CREATE TABLE branch_provenance (
    made   BIGINT  NOT NULL REFERENCES branches (id),
    source BIGINT  NOT NULL REFERENCES branches (id),
    never  BOOLEAN NOT NULL,
    PRIMARY KEY (made, source)
);
CREATE INDEX branch_provenance_source ON branch_provenance (source);
