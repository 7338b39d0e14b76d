//! The two standing lists of a node, without their records.

use serde::{Deserialize, Serialize};

/// What an import did to a list, in records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListChange {
    /// Records in the list now.
    pub people: u64,
    pub added: u64,
    /// Of the same id as before, with another content.
    pub changed: u64,
    pub removed: u64,
    pub unchanged: u64,
}
