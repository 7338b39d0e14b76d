//! Makes two clerks' records of one person meet, however they spell the name, and says how sure the
//! meeting is.
//!
//! A list's bytes become rows, normal records, match keys, and one hash a key: the *hashed identities*, all
//! of a person that the protocol ever touches. Two records meet when they share one. Which of them were
//! shared gives each requested person an [`Answer`]: *strong*, *confirm*, *possible* or *none*.
//!
//! ```
//! use std::collections::HashSet;
//! use std::io::Cursor;
//!
//! use identity::{Answer, KeyClass, ListKind, ListOptions, ListSizes, Schema, grade, list};
//!
//! // One side holds him under a Ukrainian spelling, the other asks for him under a Latin one.
//! let held = "id,surname,name,dob\nH-1,Щербаков,Володимир,04.05.1990\n";
//! let requested = "id,surname,name,dob\nR-1,Shcherbakov,Vladimir,1990-05-04\n\
//!                  R-2,Bondarenko,Ivan,1988-02-17\n";
//!
//! // The crate reads no clock: who calls it says what day it is, to judge ages by.
//! let today = jiff::civil::date(2026, 1, 15);
//! let read = |text: &'static str, kind| {
//!     let options = ListOptions::new(kind, today);
//!     list::read(Cursor::new(text), Schema::default(), &options, |_rows| ())
//! };
//! let held = read(held, ListKind::Held)?;
//! let requested = read(requested, ListKind::Requested)?;
//! assert_eq!(requested.report.people, 2);
//!
//! // In a session the protocol finds out which are shared, and neither side sees the other's.
//! let classes = [KeyClass::Narrow];
//! let matched: HashSet<_> = held.elements(KeyClass::Narrow).into_iter().collect();
//!
//! let sizes = ListSizes { requested: 2, held: 1 };
//! let answers = grade::answers(&requested, &matched, &classes, sizes);
//! assert_eq!(answers[0].answer, Answer::Strong);
//! assert_eq!(answers[1].answer, Answer::None);
//! # Ok::<(), identity::ListError>(())
//! ```
//!
//! It opens no file, reads no clock, prints and logs nothing; a hashed identity has no `Debug`, since a
//! name can be guessed from it. What both sides must do alike (tables, rules, Unicode version) is one
//! [`Schema`] with a digest that they agree on before anything else: a change of a fold or a key is a new
//! schema, not a mend.
//!
//! `docs/matching.md` is the specification. In the order in which a record passes through them:
//!
//! | section | what | module |
//! |---|---|---|
//! | 1 | a file to rows and fields | [`list`], [`Field`] |
//! | 2 | text to one plain form | [`text`] |
//! | 3 | words to sounds | [`phoneme`] |
//! | 4 | vocabularies of names | [`given`], [`patronymic`] |
//! | 5 | whole names, places of birth | [`person_name`], [`birthplace`] |
//! | 6 | dates | [`date`] |
//! | 7 | numbers | [`number`], [`tax_number`] |
//! | 1–7 | all of them for one record | [`normal_record`] |
//! | 8 | kinds of keys, keys, hashed identities | [`kind`], [`part_values`], [`key`] |
//! | 8.3 | from matched keys to an answer | [`grade`](mod@grade) |
//! | 9 | what is wrong or doubtful | [`Reason`], [`ListReport`] |
//! | 10 | schema and digest | [`schema`] |

#![warn(missing_docs, unreachable_pub)]

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
