//! What is left of a peer's budget.

use jiff::Timestamp;

/// What is left of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    pub elements: u64,
    pub sessions: u32,
    /// When the oldest entry that counts stops counting; `None` when nothing counts.
    pub more_at: Option<Timestamp>,
}
