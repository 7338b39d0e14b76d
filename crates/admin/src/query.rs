//! What a clerk asks beside the standing list, and how far that is.

use jiff::Timestamp;

use super::number::{PeerNumber, QueryNumber};
use super::status::PairStatus;

/// A query of the caller's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuerySummary {
    pub number: QueryNumber,
    pub submitted: Timestamp,
    /// Whether it is still asked.
    pub open: bool,
}

/// How a query stands with one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryAtPeer {
    pub peer: PeerNumber,
    /// What people here call the peer.
    pub name: String,
    /// When it answered this query; `None` if it has not.
    pub answered: Option<Timestamp>,
    pub pair: PairStatus,
}
