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

pub use element::{HashedIdentity, KeyClass, ListKind};
pub use grade::{Answer, ListSizes, grade};
pub use header::Field;
pub use issue::{Reason, RowIssue, Severity};
pub use key::{Grade, KeyKind, MatchKey};
pub use list::{List, ListError, ListOptions, ListReport, Person};
pub use schema::Schema;
