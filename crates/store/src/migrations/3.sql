-- Sessions: what may run, what it costs, what it leaves.

CREATE TABLE prepared (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    peer    INTEGER NOT NULL REFERENCES peer (id),
    fit     BLOB NOT NULL,
    state   INTEGER NOT NULL,
    used_ms INTEGER
) STRICT;

CREATE TABLE prepared_chunk (
    owner  INTEGER NOT NULL REFERENCES prepared (id) ON DELETE CASCADE,
    place  INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (owner, place)
) STRICT;

CREATE TABLE approval (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    peer     INTEGER NOT NULL REFERENCES peer (id),
    asked_ms INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    client   INTEGER REFERENCES client (id)
) STRICT;

CREATE TABLE budget_use (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    peer      INTEGER NOT NULL REFERENCES peer (id),
    direction INTEGER NOT NULL,
    class     INTEGER NOT NULL,
    at_ms     INTEGER NOT NULL,
    elements  INTEGER NOT NULL,
    sessions  INTEGER NOT NULL
) STRICT;

CREATE INDEX budget_use_window ON budget_use (peer, direction, class, at_ms);

CREATE TABLE session (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    peer       INTEGER NOT NULL REFERENCES peer (id),
    prepared   INTEGER NOT NULL UNIQUE REFERENCES prepared (id),
    started_ms INTEGER NOT NULL,
    ended_ms   INTEGER,
    state      INTEGER NOT NULL,
    sealed     BLOB NOT NULL
) STRICT;

CREATE TABLE signed_chunk (
    owner  INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    place  INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (owner, place)
) STRICT;

CREATE TABLE receipt (
    session INTEGER PRIMARY KEY REFERENCES session (id),
    sealed  BLOB NOT NULL
) STRICT;

-- The answers to a query, or, without one, to the standing requested list.
CREATE TABLE answer (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    query   INTEGER REFERENCES query (id),
    peer    INTEGER NOT NULL REFERENCES peer (id),
    session INTEGER NOT NULL REFERENCES session (id),
    at_ms   INTEGER NOT NULL
) STRICT;

CREATE INDEX answer_query ON answer (query, peer);

CREATE TABLE answer_chunk (
    owner  INTEGER NOT NULL REFERENCES answer (id) ON DELETE CASCADE,
    place  INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (owner, place)
) STRICT;
