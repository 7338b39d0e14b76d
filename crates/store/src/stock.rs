//! The two kinds of what is prepared for sessions as the database has them, their states, and how what is not used
//! is discarded.

use rusqlite::{Connection, params};

use super::error::Error;
use admin::PeerNumber;

pub(super) const UNUSED: i64 = 1;
pub(super) const RESERVED: i64 = 2;
pub(super) const USED: i64 = 3;

/// One of the two kinds of what is prepared, as the database has it.
#[derive(Clone, Copy)]
pub(super) struct Stock {
    pub(super) table: &'static str,
    pub(super) chunks: &'static str,
    pub(super) what: &'static str,
    pub(super) full: &'static str,
    /// That none it shares secrets with was taken before.
    pub(super) alone: &'static str,
}

pub(super) const TABLES: Stock = Stock {
    table: "prepared",
    chunks: "prepared_chunk",
    what: "the prepared table",
    full: "the stock of prepared tables",
    alone: "TRUE",
};
pub(super) const QUESTIONS: Stock = Stock {
    table: "questions",
    chunks: "questions_chunk",
    what: "the question set",
    full: "the stock of question sets",
    alone: "NOT EXISTS (SELECT 1 FROM questions AS other
            WHERE other.origin = questions.origin AND other.state <> 1)",
};

/// Discards everything that is not used, also what a session has taken and not committed to yet: after a
/// restart, and when the held list is withdrawn.
pub(super) fn discard_all_unused(database: &Connection) -> Result<(), Error> {
    for stock in [TABLES, QUESTIONS] {
        database.execute(
            &format!("DELETE FROM {} WHERE state IN (?, ?)", stock.table),
            [UNUSED, RESERVED],
        )?;
    }
    Ok(())
}

/// Discards what no session has taken of one peer.
pub(super) fn discard_unused_of(database: &Connection, peer: PeerNumber) -> Result<(), Error> {
    for stock in [TABLES, QUESTIONS] {
        database.execute(
            &format!("DELETE FROM {} WHERE peer = ? AND state = ?", stock.table),
            params![peer, UNUSED],
        )?;
    }
    Ok(())
}
