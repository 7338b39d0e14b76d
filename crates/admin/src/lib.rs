//! What the officers of a node decide and what its clients are told, as plain types.
//!
//! Peers and what is agreed with each ([`policy`]), clients and their roles, lists, sessions and budgets,
//! and the numbers they go by. The store keeps these values, `wire` carries them, the node acts on them
//! and clients show them; so they stand below all of those. They are handed nothing but values, and touch
//! no file, socket or clock.

#![warn(unreachable_pub)]

pub mod answer;
pub mod audit;
pub mod budget;
pub mod client;
pub mod list;
pub mod number;
pub mod peer;
pub mod policy;
pub mod query;
pub mod session;
pub mod status;

pub use audit::AuditVerdict;
pub use budget::Left;
pub use client::{Client, ClientRole, Credential, NewClient, RoleChange};
pub use list::ListChange;
pub use number::{
    ApprovalNumber, ClientNumber, PeerNumber, QueryNumber, QuestionsNumber, SessionNumber,
    TableNumber,
};
pub use peer::{Peer, PeerEntry};
pub use policy::Policy;
pub use session::{Blame, Decision, Outcome, Stage};
pub use status::{Activity, NodeStatus, PairStatus};
