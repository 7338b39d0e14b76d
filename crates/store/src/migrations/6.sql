-- Question sets: what a session asks, made before it, as tables are.
-- Which sessions a table or a set serves, the process that made it knows; neither outlives it.

ALTER TABLE prepared DROP COLUMN fit;

CREATE TABLE questions (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    peer    INTEGER NOT NULL REFERENCES peer (id),
    state   INTEGER NOT NULL,
    used_ms INTEGER,
    -- The set that it was changed from, or that one's; its own number for one that was blinded whole.
    origin  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Sets of one origin share blinds: of them, one is ever taken for a session.
CREATE UNIQUE INDEX questions_once ON questions (origin) WHERE state <> 1;

-- What is asked is looked up again and again, whatever was asked before.
CREATE INDEX query_open ON query (id) WHERE state = 1;

CREATE TABLE questions_chunk (
    owner  INTEGER NOT NULL REFERENCES questions (id) ON DELETE CASCADE,
    place  INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (owner, place)
) STRICT;
