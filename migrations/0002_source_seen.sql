-- What was seen in sources: derived, and added to now and then by every node that reads them. Not a part of any generation.

CREATE TABLE source_seen (
    source     TEXT   NOT NULL,
    -- 'record', 'column' or 'reject'
    kind       TEXT   NOT NULL,
    -- of a column, or the kind of flaw; empty for 'record'
    name       TEXT   NOT NULL,
    first_seen BIGINT NOT NULL,
    times      BIGINT NOT NULL,
    PRIMARY KEY (source, kind, name)
);
