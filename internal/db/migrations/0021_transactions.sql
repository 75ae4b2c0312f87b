-- +goose Up

-- data/txn: changes that are being gathered, to be made together. version counts them.
CREATE TABLE transactions (
    id      TEXT   NOT NULL PRIMARY KEY,
    owner   TEXT   NOT NULL,
    started BIGINT NOT NULL,
    version BIGINT NOT NULL
);

CREATE TABLE transaction_requests (
    transaction_id TEXT   NOT NULL REFERENCES transactions (id),
    n              BIGINT NOT NULL,
    request        BYTEA  NOT NULL,
    response       BYTEA  NOT NULL,
    PRIMARY KEY (transaction_id, n)
);
