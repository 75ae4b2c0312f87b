-- +goose Up

-- issuer/trace: what happened in sign-ins; the body is sealed. proven is whether
-- it is known who came: what strangers can make takes no place of the others.
CREATE TABLE sign_in_traces (
    code         TEXT    NOT NULL PRIMARY KEY,
    connector_id TEXT    NOT NULL,
    at           BIGINT  NOT NULL,
    person       TEXT    NOT NULL,
    client_id    TEXT    NOT NULL,
    revision     TEXT    NOT NULL,
    test         BOOLEAN NOT NULL,
    proven       BOOLEAN NOT NULL,
    result       TEXT    NOT NULL,
    cause        TEXT    NOT NULL,
    body         BYTEA   NOT NULL
);
CREATE INDEX sign_in_traces_age ON sign_in_traces (connector_id, proven, test, at);
CREATE INDEX sign_in_traces_tests ON sign_in_traces (test, at);
CREATE INDEX sign_in_traces_at ON sign_in_traces (at);
CREATE INDEX sign_in_traces_person ON sign_in_traces (person, at);

-- issuer/trace: how many people were sent to a provider, and came back, by day
-- (since 1970). host is by what address their browser reached pachd.
CREATE TABLE sign_in_counts (
    connector_id TEXT   NOT NULL,
    day          BIGINT NOT NULL,
    redirect_uri TEXT   NOT NULL,
    host         TEXT   NOT NULL,
    sent         BIGINT NOT NULL,
    returned     BIGINT NOT NULL,
    strayed      BIGINT NOT NULL,
    PRIMARY KEY (connector_id, day, redirect_uri, host)
);
