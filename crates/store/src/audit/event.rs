//! What the audit log tells of: numbers and counts, never a name, a key or a record.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clients::Role;
use crate::lists::ListChange;
use crate::number::*;
use protocol::ListKind;

/// One thing that happened; in JSON, `event` is its name in `snake_case`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    StoreCreated {
        node: String,
    },
    NodeStarted,
    NodeStopped,
    /// Attempts with a wrong passphrase while the store was shut.
    UnlockFailed {
        times: u64,
        first: Timestamp,
        last: Timestamp,
    },
    PassphraseChanged,
    /// SHA-256 of the configuration that the node now runs with, in hexadecimal.
    ConfigChanged {
        digest: String,
    },
    /// `id` is the peer's node id, `policy` SHA-256 of its policy's JSON.
    PeerAdded {
        peer: PeerNumber,
        id: String,
        policy: String,
    },
    PolicyChanged {
        peer: PeerNumber,
        policy: String,
    },
    PeerRemoved {
        peer: PeerNumber,
    },
    ClientEnrolled {
        client: ClientNumber,
        role: Role,
    },
    RoleChanged {
        client: ClientNumber,
        role: Role,
    },
    ClientRemoved {
        client: ClientNumber,
    },
    /// A client that is not enrolled, or without the role for what it asked; `times` since the entry
    /// before of the same client and call.
    LoginFailed {
        client: Option<ClientNumber>,
        call: String,
        times: u64,
    },
    ListImported {
        #[serde(with = "ListKindName")]
        list: ListKind,
        client: Option<ClientNumber>,
        #[serde(flatten)]
        change: ListChange,
    },
    ListWithdrawn {
        #[serde(with = "ListKindName")]
        list: ListKind,
        client: Option<ClientNumber>,
        people: u64,
    },
    QuerySubmitted {
        query: QueryNumber,
        client: ClientNumber,
        people: u64,
    },
    QueryWithdrawn {
        query: QueryNumber,
    },
    ApprovalAsked {
        approval: ApprovalNumber,
        peer: PeerNumber,
    },
    ApprovalDecided {
        approval: ApprovalNumber,
        peer: PeerNumber,
        approved: bool,
        client: Option<ClientNumber>,
    },
    /// The peer asked for more than its budget.
    BudgetRefused {
        peer: PeerNumber,
        class: String,
        elements: u32,
    },
    /// A table is spent and budget counted: `narrow` and `wide` elements of the peer's may be evaluated.
    SessionStarted {
        session: SessionNumber,
        peer: PeerNumber,
        narrow: u32,
        wide: u32,
    },
    SessionSigned {
        session: SessionNumber,
    },
    SessionEnded {
        session: SessionNumber,
        peer: PeerNumber,
        outcome: Outcome,
        blame: Option<Blame>,
    },
    /// A session that never got as far as a Commitment.
    SessionRefused {
        peer: PeerNumber,
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

#[derive(Serialize, Deserialize)]
#[serde(remote = "ListKind", rename_all = "snake_case")]
enum ListKindName {
    Held,
    Requested,
}
