//! How a node stands with its peers at a moment.

use jiff::Timestamp;
use pairing::NodeId;
use protocol::ByClass;

use super::budget::Left;
use super::number::{ApprovalNumber, PeerNumber};

/// What a node does about a peer at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activity {
    /// Nothing before the next session.
    #[default]
    Nothing,
    /// Computing a sealed table.
    Preparing,
    /// A session waits for an officer's word.
    AwaitingApproval(ApprovalNumber),
    /// Trying to reach the peer, or waiting for it to come.
    AwaitingPeer,
    /// A session runs: `done` of `all` elements are answered or evaluated.
    Running { done: u64, all: u64 },
    /// This side has signed, and waits for the mediator's word.
    Settling,
}

impl Activity {
    /// Its name, as `tacit status --json` writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Preparing => "preparing",
            Self::AwaitingApproval(_) => "awaiting_approval",
            Self::AwaitingPeer => "awaiting_peer",
            Self::Running { .. } => "running",
            Self::Settling => "settling",
        }
    }
}

/// How a node stands with a peer. Times are whole milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PairStatus {
    pub activity: Activity,
    /// When the next session is to run.
    pub next: Option<Timestamp>,
    /// When the last attempt came to nothing, and why; `None` once a session ended with answers.
    pub trouble: Option<(Timestamp, String)>,
    /// When a session last ended with answers, since the node was started.
    pub answered: Option<Timestamp>,
    /// A change of the lists or queries is worked in, or waits for the tick at which it begins to serve: until
    /// then sessions are of what was before.
    pub changing: bool,
}

/// A paired peer: how the node stands with it, and what is left of both budgets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    pub peer: PeerNumber,
    /// What people here call it.
    pub name: String,
    pub pair: PairStatus,
    /// What the peer may still have evaluated here.
    pub theirs: ByClass<Left>,
    /// What this node may still ask, as far as the peer's budget for it is the same.
    pub ours: ByClass<Left>,
}

/// A node with its lists and peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    pub id: NodeId,
    /// `None` for who may not ask how long lists are.
    pub people: Option<PeopleOnLists>,
    /// When the newest entry of the audit log is of, if the node's clock is well before that: it is wrong now, or was
    /// then.
    pub log_ahead: Option<Timestamp>,
    pub peers: Vec<PeerStatus>,
}

/// How long a node's lists are, in records; `None` for a list that there is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeopleOnLists {
    pub held: Option<u64>,
    pub requested: Option<u64>,
}
