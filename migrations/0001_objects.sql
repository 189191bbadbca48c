-- Written in the subset that SQLite and PostgreSQL share. A migration that was released is never changed.

CREATE TABLE objects (
    id         TEXT   NOT NULL PRIMARY KEY,
    namespace  TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    sql        TEXT   NOT NULL,
    -- microseconds since 1970, as all times here
    created_at BIGINT NOT NULL,
    -- JSON
    definition TEXT   NOT NULL,
    UNIQUE (namespace, name)
);

-- One row. Each write takes it first, so it is the lock of all writers, and its number tells readers that something changed.
-- The token tells a writer whose COMMIT got no answer whether it was the one that wrote last.
CREATE TABLE catalog_generation (
    only_row     BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    generation   BIGINT NOT NULL,
    token        TEXT   NOT NULL,
    committed_at BIGINT NOT NULL
);

INSERT INTO catalog_generation (only_row, generation, token, committed_at) VALUES (1, 0, '', 0);
