//! What a node found when it checked its audit log.

/// Whether a node's audit log holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditVerdict {
    /// It does: its head, one line of JSON to keep elsewhere.
    Holds { head: String },
    /// It does not, and this is the first fault, in words.
    Broken { fault: String },
}
