//! Record → normal form → match keys → hashed identity: everything that makes two clerks' records
//! of one person meet.
//!
//! Handed the bytes of a list and today's date; opens no file, reads no clock. What both sides must
//! do alike (tables, rules, Unicode version) is one [`Schema`] with a digest that they agree on.
//! `docs/matching.md` is the specification; the files stand here in the order in which a record
//! passes through them: [`text`], [`phoneme`], [`given`], [`person_name`], [`date`], [`number`],
//! [`reading`], [`key`], and then [`list`] and [`grade`](mod@grade) for many records.

mod ascii_word;
mod birth_check;
pub mod birthplace;
pub mod date;
mod field;
pub mod given;
pub mod grade;
mod header;
mod issue;
pub mod key;
pub mod kind;
mod latin;
pub mod list;
pub mod normal_record;
pub mod number;
pub mod part_values;
pub mod patronymic;
pub mod person_name;
pub mod phoneme;
mod repair;
mod romanization;
pub mod schema;
mod settling;
mod sex;
mod tables;
pub mod tax_number;
pub mod text;
mod vocabulary;

pub use element::{HashedIdentity, KeyClass, ListKind};
pub use field::Field;
pub use grade::{Answer, ListSizes, grade};
pub use issue::{Reason, RowIssue, Severity};
pub use key::{MatchKey, hashed_identities};
pub use kind::{Gap, Grade, KeyKind, KeyPart};
pub use list::{List, ListError, ListOptions, ListReport, Person};
pub use normal_record::NormalRecord;
pub use part_values::PartValues;
pub use schema::Schema;
pub use sex::Sex;
