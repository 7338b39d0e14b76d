//! One row, read: normal form, hashed identities, and what is wrong with it.

use element::HashedIdentity;

use super::cells::Cells;
use super::columns::Columns;
use super::options::ListOptions;
use super::row::{Row, RowFault};
use crate::field::Field;
use crate::issue::{Reason, RowIssue};
use crate::key::hashed_identities;
use crate::kind::{Grade, KeyKind};
use crate::normal_record::NormalRecord;
use crate::schema::Schema;

/// One row, read: what [`scan`](super::scan()) hands on.
pub struct ScannedRow {
    /// The line of the file on which the row begins, from 1.
    pub line: u32,
    /// The row's id, without spaces around it; empty where it is missing.
    pub record_id: Box<str>,
    /// The row as the file has it; no cell at all where it could not be taken apart.
    pub cells: Cells,
    /// What is read of it.
    pub record: NormalRecord,
    /// Every hashed identity, with the kind of key it is of; none of a row that is left out.
    pub keys: Vec<(KeyKind, HashedIdentity)>,
    /// Everything wrong or doubtful, of the record and of the list around it.
    pub issues: Vec<RowIssue>,
}

impl ScannedRow {
    /// Whether the row is used.
    pub fn is_used(&self) -> bool {
        !self.issues.iter().any(|issue| issue.reason.voids_row())
    }

    /// Reads one row.
    pub(super) fn read(row: Row, columns: &Columns, schema: Schema, options: &ListOptions) -> Self {
        let line = row.line;
        let cells = match row.content {
            Ok(cells) => cells,
            Err(fault) => return Self::faulty(line, fault, columns),
        };
        let cell = |field: Field| {
            columns
                .index_of(field)
                .and_then(|column| cells.cell(column))
                .unwrap_or("")
        };
        let record_id: Box<str> = cell(Field::RecordId).trim().into();
        let record = NormalRecord::of(cell, options.today);
        let keys = if record.is_void() {
            Vec::new()
        } else {
            hashed_identities(schema, options.kind, &record)
        };
        let mut issues = record.issues.clone();
        if record_id.is_empty() {
            issues.push((Some(Field::RecordId), Reason::RecordIdMissing));
        }
        if keys.is_empty() && !record.is_void() {
            issues.push((None, Reason::NoUsableKey));
        } else if !keys.is_empty() && keys.iter().all(|(kind, _)| kind.grade() == Grade::Possible) {
            issues.push((None, Reason::OnlyPossibleKeys));
        }
        let at_line = |(field, reason)| RowIssue {
            line,
            field,
            reason,
        };
        Self {
            line,
            record_id,
            cells,
            record,
            keys,
            issues: issues.into_iter().map(at_line).collect(),
        }
    }

    /// A row whose cells cannot be used.
    fn faulty(line: u32, fault: RowFault, columns: &Columns) -> Self {
        let field = fault.column.and_then(|column| {
            Field::ALL
                .into_iter()
                .find(|field| columns.index_of(*field) == Some(column))
        });
        Self {
            line,
            record_id: "".into(),
            cells: Cells::default(),
            record: NormalRecord::default(),
            keys: Vec::new(),
            issues: vec![RowIssue {
                line,
                field,
                reason: fault.reason,
            }],
        }
    }
}
