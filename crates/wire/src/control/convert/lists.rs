//! Lists: their import, and what is told of them.

use super::{ms, records, time};
use crate::control::Malformed;
use crate::control::codec::Carries;
use crate::control::message::{Header, ImportPart};
use crate::pb::{self, ListKind, import_list_request::Part};
use admin::ListChange;
use admin::list::{Imported, StoredList, StoredLists};
use protocol::ListKind as Kind;

impl Carries<ImportPart> for pb::ImportListRequest {
    fn write(part: ImportPart) -> Self {
        let part = match part {
            ImportPart::Start { kind, header } => Part::Start(pb::ImportStart {
                kind: list_number(kind),
                header: Some((&header).into()),
            }),
            ImportPart::Batch(people) => Part::Batch(pb::PersonBatch {
                people: people.iter().map(pb::Person::from).collect(),
            }),
            ImportPart::End { people } => Part::End(pb::ImportEnd { people }),
        };
        Self { part: Some(part) }
    }

    fn read(self) -> Result<ImportPart, Malformed> {
        match self
            .part
            .ok_or(Malformed::Missing("a part of the import"))?
        {
            Part::Start(start) => Ok(ImportPart::Start {
                kind: list_numbered(start.kind)?,
                header: Header::try_from(start.header.ok_or(Malformed::Missing("the header"))?)?,
            }),
            Part::Batch(batch) => records::people(batch.people).map(ImportPart::Batch),
            Part::End(end) => Ok(ImportPart::End { people: end.people }),
        }
    }
}

impl Carries<Imported> for pb::ImportListReply {
    fn write(imported: Imported) -> Self {
        let change = imported.change;
        Self {
            people: change.people,
            added: change.added,
            changed: change.changed,
            removed: change.removed,
            unchanged: change.unchanged,
            narrow_elements: imported.narrow_elements,
            wide_elements: imported.wide_elements,
        }
    }

    fn read(self) -> Result<Imported, Malformed> {
        Ok(Imported {
            change: ListChange {
                people: self.people,
                added: self.added,
                changed: self.changed,
                removed: self.removed,
                unchanged: self.unchanged,
            },
            narrow_elements: self.narrow_elements,
            wide_elements: self.wide_elements,
        })
    }
}

impl Carries<StoredLists> for pb::ListInfoReply {
    fn write(lists: StoredLists) -> Self {
        let list = |list: StoredList| pb::StoredList {
            people: list.people,
            imported_ms: ms(list.imported),
            columns: list.columns,
            schema: list.schema,
        };
        Self {
            held: lists.held.map(list),
            requested: lists.requested.map(list),
        }
    }

    fn read(self) -> Result<StoredLists, Malformed> {
        let list = |list: pb::StoredList| {
            Ok(StoredList {
                people: list.people,
                imported: time(list.imported_ms)?,
                columns: list.columns,
                schema: list.schema,
            })
        };
        Ok(StoredLists {
            held: self.held.map(list).transpose()?,
            requested: self.requested.map(list).transpose()?,
        })
    }
}

impl Carries<Kind> for pb::WithdrawListRequest {
    fn write(kind: Kind) -> Self {
        Self {
            kind: list_number(kind),
        }
    }

    fn read(self) -> Result<Kind, Malformed> {
        list_numbered(self.kind)
    }
}

/// The number of a list's kind.
pub fn list_number(kind: Kind) -> i32 {
    match kind {
        Kind::Held => ListKind::Held.into(),
        Kind::Requested => ListKind::Requested.into(),
    }
}

/// The list's kind of that number.
///
/// # Errors
/// [`Malformed::Unknown`].
pub fn list_numbered(number: i32) -> Result<Kind, Malformed> {
    match ListKind::try_from(number) {
        Ok(ListKind::Held) => Ok(Kind::Held),
        Ok(ListKind::Requested) => Ok(Kind::Requested),
        Ok(ListKind::Unspecified) | Err(_) => Err(Malformed::Unknown("the list")),
    }
}
