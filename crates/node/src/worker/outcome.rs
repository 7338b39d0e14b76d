//! What came of a session: what it found, or why there is nothing. Plain values, which the session and
//! what ends it hand to each other.

use jiff::Timestamp;

use crate::Cause;
use crate::disposition::Disposition;
use admin::{Outcome, SessionNumber};
use identity::HashedIdentity;
use protocol::{Matches, Receipt};

/// A session that has run, and what it asked.
pub(super) struct SessionRun {
    pub number: SessionNumber,
    /// When the lists were read.
    pub asked_at: Timestamp,
    /// The version of the requested list, where it is known.
    pub asked_list: Option<i64>,
    /// Every identity that it asked, padding among them.
    pub asked: Vec<HashedIdentity>,
    /// Whether the wide class was asked too.
    pub wide: bool,
}

/// What a session found.
pub(super) struct Findings {
    pub outcome: Outcome,
    pub receipt: Option<Receipt>,
    pub held: Matches,
}

/// A session without answers.
pub(super) struct Without {
    pub cause: Cause,
    pub means: Disposition,
    /// When the lists were read.
    pub asked_at: Timestamp,
    pub receipt: Option<Box<Receipt>>,
}
