//! What the calls of the control service say that no other part of a node has a type for.
//!
//! What holds records is never printed: it has no `Debug`.

use admin::answer::{RecordAnswers, ResultsHeader};
use identity::{Person, Schema};
use protocol::ListKind;

/// What the records of a list or query have in common; as a message with the schema's digest, which must be
/// the reader's.
#[derive(Clone)]
pub struct Header {
    pub columns: Vec<String>,
    pub schema: Schema,
}

/// A part of a list on its way to the node: one start, then batches, then one end.
pub enum ImportPart {
    Start {
        kind: ListKind,
        header: Header,
    },
    /// 1 to [`BATCH_PEOPLE_MAX`](super::BATCH_PEOPLE_MAX) records.
    Batch(Vec<Person>),
    /// All of so many records were sent; without it nothing changes.
    End {
        people: u64,
    },
}

/// What a clerk asks: 1 to [`BATCH_PEOPLE_MAX`](super::BATCH_PEOPLE_MAX) people.
pub struct NewQuery {
    pub header: Header,
    pub people: Vec<Person>,
}

/// A part of the answers on their way to a client: one header, then records.
#[derive(Clone, PartialEq, Eq)]
pub enum ResultsPart {
    Header(ResultsHeader),
    Records(Vec<RecordAnswers>),
}

/// Whether records are left out that no peer was found to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundOnly(pub bool);

/// So many of the newest; 0 stands for the node's own choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest(pub u32);

impl Newest {
    /// How many that is: `default` for 0, and never more than `max`.
    pub fn at_most(self, max: u32, default: u32) -> u32 {
        match self.0 {
            0 => default,
            count => count.min(max),
        }
    }
}
