//! The two standing lists of a node, without their records.

use jiff::Timestamp;
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

/// What an import did, and what ceilings must hold from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    pub change: ListChange,
    /// Hashed keys of the narrow class in the list, each as often as records have it.
    pub narrow_elements: u64,
    /// The same of the wide class.
    pub wide_elements: u64,
}

/// A list as clients are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredList {
    pub people: u64,
    pub imported: Timestamp,
    /// The headers of the columns that are kept.
    pub columns: Vec<String>,
    /// The name of the schema that its keys were made by.
    pub schema: String,
}

/// Both standing lists, as far as there are any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredLists {
    pub held: Option<StoredList>,
    pub requested: Option<StoredList>,
}
