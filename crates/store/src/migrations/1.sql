-- The keys that open the store, and who may use it.
-- `sealed` is always ciphertext, bound to table, column and primary key; `tag` a keyed hash to find a row by.

CREATE TABLE slot (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    seal    TEXT NOT NULL,
    wrapped BLOB NOT NULL
) STRICT;

-- Counted while the store is shut, and moved to the audit log when it opens.
CREATE TABLE failed_unlock (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    times    INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms  INTEGER NOT NULL
) STRICT;

-- Never deleted: a peer that is added again has the budget that it had.
CREATE TABLE peer (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    tag    BLOB NOT NULL UNIQUE,
    active INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE client (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    tag    BLOB NOT NULL UNIQUE,
    active INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE audit (
    seq    INTEGER PRIMARY KEY,
    hash   BLOB NOT NULL,
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE audit_head (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    seq       INTEGER NOT NULL,
    at_ms     INTEGER NOT NULL,
    hash      BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT;
