-- What came after a signature: both signatures, and the peer's release.

CREATE TABLE signed_more (
    session INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    what    INTEGER NOT NULL,
    sealed  BLOB NOT NULL,
    PRIMARY KEY (session, what)
) STRICT;
