//! Record → normal form → match keys → hashed identity: everything that makes two clerks' records
//! of one person meet.
//!
//! Handed the bytes of a list and today's date; opens no file, reads no clock. What both sides must
//! do alike (tables, rules, Unicode version) is one [`Schema`] with a digest that they agree on.
//! `docs/matching.md` is the specification; the files stand here in the order in which a record
//! passes through them: [`text`], [`phoneme`], [`given`], [`person_name`], [`date`], [`number`],
//! [`reading`], [`key`], and then [`list`] and [`grade`](mod@grade) for many records.

pub mod date;
pub mod given;
pub mod grade;
pub mod header;
pub mod issue;
pub mod key;
mod latin;
mod latin_style;
pub mod list;
pub mod number;
pub mod person_name;
pub mod phoneme;
pub mod place;
pub mod reading;
pub mod schema;
mod tables;
pub mod text;

pub use grade::{Answer, ListSizes, grade};
pub use header::Field;
pub use issue::{Reason, RowIssue, Severity};
pub use key::{Grade, KeyKind, MatchKey, Role};
pub use list::{List, ListError, ListOptions, ListReport, Person};
pub use schema::Schema;

/// Which of the two classes of match keys a key is of; each has its own OPRF key, table, ceilings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyClass {
    /// Keys that name one person: document, service and tax number, whole name with birth date.
    Narrow,
    /// Keys that several people may share; used only where both sides' policy turns them on.
    Wide,
}

/// SHA-512/256 of one match key: all of a person that the protocol ever touches. Guessable, so never logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashedIdentity([u8; 32]);

impl HashedIdentity {
    /// Wraps 32 bytes that are already the hash of a match key.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl AsRef<[u8]> for HashedIdentity {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
