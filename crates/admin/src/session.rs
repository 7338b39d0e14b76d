//! How far a session is, and how it ended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its table is spent; nothing is signed.
    Committed,
    /// This side has signed.
    Signed,
    Ended {
        at: Timestamp,
        outcome: Outcome,
        blame: Option<Blame>,
    },
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With answers for this side.
    Answered,
    /// With answers for this side, from the mediator: the peer left after the agreement.
    Settled,
    /// Before this side signed: neither has answers, and it can run again.
    CutOff,
    /// After this side signed, and it is settled that nobody gets answers.
    NeverSettled,
    /// After this side signed, without a mediator who could settle: the peer's release did not come.
    Unanswered,
    /// After this side signed: the peer's table does not open under the key that it proved.
    TableShut,
    /// The two sides are set up differently, or policy does not allow it.
    Refused,
}

/// Whose doing it was that a session ended without answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// The peer broke the protocol.
    Peer,
    /// This node: its disk, its lists, its being stopped.
    Own,
    /// The line between them, or the peer's going away.
    Channel,
    Mediator,
    Nobody,
}
