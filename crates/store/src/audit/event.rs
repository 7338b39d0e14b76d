//! What the audit log tells of: numbers and counts, never a name, a key or a record.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use admin::{
    ApprovalNumber, Blame, ClientNumber, ClientRole, ListChange, Outcome, PeerNumber, QueryNumber,
    SessionNumber,
};
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
        role: ClientRole,
    },
    RoleChanged {
        client: ClientNumber,
        role: ClientRole,
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

#[derive(Serialize, Deserialize)]
#[serde(remote = "ListKind", rename_all = "snake_case")]
enum ListKindName {
    Held,
    Requested,
}
