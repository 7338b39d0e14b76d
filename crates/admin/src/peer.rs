//! The peers that a node is paired with.

use pairing::NodeId;

use super::number::PeerNumber;
use super::policy::Policy;

/// Bytes of a peer's name or address at most.
pub const PEER_TEXT_BYTES_MAX: usize = 255;

/// A peer as an officer enters it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerEntry {
    /// What people here call it; this node's own business.
    pub name: String,
    pub id: NodeId,
    /// Where to dial it, host:port; without one it dials this node.
    pub address: Option<String>,
    /// Meet it at the relay of the policy's mediator instead: both nodes dial out.
    pub by_relay: bool,
    pub policy: Policy,
}

/// A peer that the node is paired with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub number: PeerNumber,
    pub entry: PeerEntry,
}
