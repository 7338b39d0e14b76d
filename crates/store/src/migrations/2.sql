-- Lists, queries and their answers.

CREATE TABLE list (
    kind    INTEGER PRIMARY KEY CHECK (kind IN (1, 2)),
    version INTEGER NOT NULL,
    sealed  BLOB NOT NULL
) STRICT;

CREATE TABLE record (
    id      INTEGER PRIMARY KEY,
    kind    INTEGER NOT NULL,
    tag     BLOB NOT NULL,
    content BLOB NOT NULL,
    version INTEGER NOT NULL,
    line    INTEGER NOT NULL,
    sealed  BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX record_tag ON record (kind, tag);

CREATE TABLE query (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    client       INTEGER NOT NULL REFERENCES client (id),
    submitted_ms INTEGER NOT NULL,
    state        INTEGER NOT NULL,
    sealed       BLOB NOT NULL
) STRICT;
