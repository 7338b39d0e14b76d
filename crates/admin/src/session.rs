//! How far a session is, and how it ended.

use jiff::Timestamp;
use protocol::SessionId;
use serde::{Deserialize, Serialize};

use super::number::{ApprovalNumber, PeerNumber, SessionNumber};

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

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Answered,
        Self::Settled,
        Self::CutOff,
        Self::NeverSettled,
        Self::Unanswered,
        Self::TableShut,
        Self::Refused,
    ];

    /// Its name, as the audit log and the control service write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Settled => "settled",
            Self::CutOff => "cut_off",
            Self::NeverSettled => "never_settled",
            Self::Unanswered => "unanswered",
            Self::TableShut => "table_shut",
            Self::Refused => "refused",
        }
    }
}

impl Blame {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Peer,
        Self::Own,
        Self::Channel,
        Self::Mediator,
        Self::Nobody,
    ];

    /// Its name, as the audit log and the control service write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Own => "own",
            Self::Channel => "channel",
            Self::Mediator => "mediator",
            Self::Nobody => "nobody",
        }
    }
}

impl Stage {
    /// Its name, as the control service writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Signed => "signed",
            Self::Ended { .. } => "ended",
        }
    }
}

/// A session as clients are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    pub number: SessionNumber,
    pub peer: PeerNumber,
    /// What people here call the peer; its number if it is no longer paired.
    pub peer_name: String,
    /// When its table was spent.
    pub started: Timestamp,
    /// Known once this side has signed.
    pub id: Option<SessionId>,
    pub stage: Stage,
}

/// A session that waits for an officer, or was approved and has not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalSummary {
    pub number: ApprovalNumber,
    pub peer: PeerNumber,
    /// As in [`SessionSummary`].
    pub peer_name: String,
    pub asked: Timestamp,
    /// Whether it was given; else it waits.
    pub approved: bool,
}

/// An officer's word on a session that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    pub approval: ApprovalNumber,
    /// Whether the session may run.
    pub approved: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The audit log writes them by serde, the control service by `name`.
    #[test]
    fn outcome_and_blame_have_one_name_each() {
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.name());
        }
        for blame in Blame::ALL {
            assert_eq!(serde_json::to_value(blame).unwrap(), blame.name());
        }
    }
}
