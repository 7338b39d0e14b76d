//! What peers answered about records. Holds what lists say of people: never to be printed or logged.

use identity::{Answer, KeyKind};
use jiff::Timestamp;

use super::number::PeerNumber;

/// A peer that has answered.
#[derive(Clone, PartialEq, Eq)]
pub struct AnsweringPeer {
    pub peer: PeerNumber,
    /// What people here call it; its number if it is no longer paired.
    pub name: String,
    pub answered: Timestamp,
    /// Records that it was asked about.
    pub asked: u64,
}

/// What stands before records with their answers.
#[derive(Clone, PartialEq, Eq)]
pub struct ResultsHeader {
    /// The headers of the records' cells.
    pub columns: Vec<String>,
    /// The peers that have answered, in the order of each record's answers.
    pub peers: Vec<AnsweringPeer>,
}

/// A record with one answer of each peer of the header.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordAnswers {
    pub record_id: String,
    /// The line of its file.
    pub line: u32,
    pub cells: Vec<String>,
    pub answers: Vec<RecordAnswer>,
}

/// What one peer answered about a record.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordAnswer {
    /// `None` where the peer has not been asked about it yet.
    pub answer: Option<Answer>,
    /// The kinds of keys that matched.
    pub kinds: Vec<KeyKind>,
}
