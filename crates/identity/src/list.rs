//! A list of people: its file read row by row into people with hashed identities, and a report of
//! what is wrong with it. `docs/matching.md` §1 and §9.
//!
//! Handed a reader and today's date. Rows are read one chunk after the other and worked through on
//! all cores; kept of a person are its id, its hashed identities and, when asked for, its columns.

mod cells;
mod columns;
mod csv;
mod encoding;
mod error;
mod format;
mod jsonl;
mod limits;
mod options;
mod report;
mod row;
mod scan;
mod scanned_row;
mod xlsx;

use std::io::{Read, Seek};

use element::{HashedIdentity, KeyClass};
use rayon::prelude::*;

pub use cells::Cells;
pub use columns::Columns;
pub use error::ListError;
pub use format::Format;
pub use limits::{CELL_BYTES_MAX, COLUMNS_MAX, ROWS_MAX};
pub use options::ListOptions;
pub use report::{ISSUES_KEPT_MAX, ListReport};
pub use scan::{scan, scan_under};
pub use scanned_row::ScannedRow;

use scan::{CHUNK_ROWS, scan_row};

use crate::kind::KeyKind;
use crate::schema::Schema;

/// One record that is used.
pub struct Person {
    /// The line of the file on which the row begins, from 1.
    pub line: u32,
    /// The list's own number for the person.
    pub record_id: Box<str>,
    /// The row as the file has it, when it was asked for.
    pub columns: Option<Cells>,
    /// Every hashed identity, with the kind of key it is of.
    pub keys: Vec<(KeyKind, HashedIdentity)>,
}

/// A list that was read.
pub struct List {
    /// By which schema its keys are made.
    pub schema: Schema,
    /// The records that are used, in file order.
    pub people: Vec<Person>,
    /// Which column holds which field; `header()` has the headers.
    pub columns: Columns,
    /// What came up.
    pub report: ListReport,
}

impl List {
    /// The headers as the list has them.
    pub fn header(&self) -> &[String] {
        self.columns.header()
    }

    /// The hashed identities of one class, sorted; those that coincide stand once.
    pub fn elements(&self, class: KeyClass) -> Vec<HashedIdentity> {
        let mut elements: Vec<HashedIdentity> = self
            .people
            .iter()
            .flat_map(|person| &person.keys)
            .filter(|(kind, _)| kind.class() == class)
            .map(|(_, identity)| *identity)
            .collect();
        elements.par_sort_unstable();
        elements.dedup();
        elements
    }
}

/// Reads a whole list. `progress` is called now and then with the number of rows read so far.
///
/// # Errors
/// Anything that keeps the file as a whole from being read; what is wrong with single rows is in the report.
pub fn read<R: Read + Seek>(
    reader: R,
    schema: Schema,
    options: &ListOptions,
    mut progress: impl FnMut(u32),
) -> Result<List, ListError> {
    let mut people = Vec::new();
    let mut rows = 0_u32;
    let (columns, report) = scan(reader, schema, options, |row| {
        rows += 1;
        if rows.is_multiple_of(CHUNK_ROWS as u32) {
            progress(rows);
        }
        people.extend(Person::of(row, options));
    })?;
    progress(rows);
    Ok(List {
        schema,
        people,
        columns,
        report,
    })
}

/// Reads one row that is in no file, from the headers of its columns with their cells, as a list of one
/// person or none: a person on a command line or in a form. Checked as a row of a file is; its line is 1,
/// and the options' format does not count.
///
/// # Errors
/// Columns that no list may have, or a cell longer than [`CELL_BYTES_MAX`]; what is wrong with the row itself is
/// in the report.
pub fn read_row(
    cells: &[(&str, &str)],
    schema: Schema,
    options: &ListOptions,
) -> Result<List, ListError> {
    let mut people = Vec::new();
    let (columns, report) = scan_row(cells, schema, options, |row| {
        people.extend(Person::of(row, options));
    })?;
    Ok(List {
        schema,
        people,
        columns,
        report,
    })
}

impl Person {
    /// What is kept of a row, where it is used.
    fn of(row: ScannedRow, options: &ListOptions) -> Option<Self> {
        if !row.is_used() {
            return None;
        }
        let kept = |kind: KeyKind| options.wide || kind.class() == KeyClass::Narrow;
        // Exactly as large as needed: these stay in memory for every person of the list.
        let mut keys = Vec::with_capacity(row.keys.iter().filter(|(kind, _)| kept(*kind)).count());
        keys.extend(row.keys.into_iter().filter(|(kind, _)| kept(*kind)));
        Some(Self {
            line: row.line,
            record_id: row.record_id,
            columns: options.carry_columns.then_some(row.cells),
            keys,
        })
    }
}
