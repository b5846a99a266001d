CREATE SCHEMA IF NOT EXISTS meter;
CREATE TABLE IF NOT EXISTS meter.ledger (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    format bigint NOT NULL,
    writer bigint NOT NULL
);
INSERT INTO meter.ledger (format, writer) VALUES (1, 0) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS meter.leases (
    lease bytea PRIMARY KEY,
    at bigint NOT NULL,
    state bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS meter.rollups (
    lease bytea NOT NULL,
    span bigint NOT NULL,
    start bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (lease, span, start)
);
CREATE TABLE IF NOT EXISTS meter.published (
    lease bytea NOT NULL,
    sequence bigint NOT NULL,
    at bigint NOT NULL,
    root bytea NOT NULL,
    signed boolean NOT NULL,
    cut bytea NOT NULL,
    PRIMARY KEY (lease, sequence)
);
