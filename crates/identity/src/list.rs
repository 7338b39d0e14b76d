//! A list of people: its file read row by row into people with hashed identities, and a report of
//! what is wrong with it. `docs/matching.md` §1 and §9.
//!
//! Handed a reader and today's date. Rows are read one chunk after the other and worked through on
//! all cores; kept of a person are its id, its hashed identities and, when asked for, its columns.

pub mod cells;
mod csv;
mod encoding;
mod error;
mod jsonl;
mod xlsx;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek, SeekFrom};

use jiff::civil::Date;
use rayon::prelude::*;
use ring::digest::{SHA512_256, digest};

use super::header::{Columns, Field};
use super::issue::{Reason, RowIssue, Severity};
use super::key::{Grade, KeyKind, hashed_identities};
use super::reading::Reading;
use super::{HashedIdentity, KeyClass, ListKind, Schema};
pub use cells::Cells;
pub use error::ListError;

/// The longest cell, in bytes of UTF-8; a longer one ends the reading.
pub const CELL_BYTES_MAX: usize = 64 * 1024;
/// The most columns a list may have.
pub const COLUMNS_MAX: usize = 256;
/// The most rows a list may have.
pub const ROWS_MAX: u32 = 20_000_000;
/// Row issues kept with their line; beyond this many only their counts are.
pub const ISSUES_KEPT_MAX: usize = 10_000;
/// Rows that are worked through at once.
const CHUNK_ROWS: usize = 8_192;

/// What a list file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text with a comma, semicolon, tab or bar between columns.
    Csv,
    /// The first sheet of an Excel workbook.
    Xlsx,
    /// One JSON object a line.
    JsonLines,
}

/// How to read a list.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// Whether the people are held or asked about.
    pub kind: ListKind,
    /// Fields whose header is not a known one, with that header.
    pub columns: Vec<(Field, String)>,
    /// To judge ages by.
    pub today: Date,
    /// Keep every row's cells, to carry them through to the results.
    pub carry_columns: bool,
    /// Keep keys of the wide class, where it is matched.
    pub wide: bool,
    /// The file's format, where it is known; otherwise its first bytes tell.
    pub format: Option<Format>,
}

impl ListOptions {
    /// Options for a list with known headers, whose columns are not needed later.
    pub const fn new(kind: ListKind, today: Date) -> Self {
        Self {
            kind,
            columns: Vec::new(),
            today,
            carry_columns: false,
            wide: true,
            format: None,
        }
    }
}

/// One record that is used.
pub struct Person {
    /// The line of the file on which the row begins, from 1.
    pub line: u32,
    pub record_id: Box<str>,
    /// The row as the file has it, when it was asked for.
    pub columns: Option<Cells>,
    /// Every hashed identity, with the kind of key it is of.
    pub keys: Vec<(KeyKind, HashedIdentity)>,
}

/// A list that was read.
pub struct List {
    pub schema: Schema,
    /// The records that are used, in file order.
    pub people: Vec<Person>,
    /// Which column holds which field; `header()` has the headers.
    pub columns: Columns,
    pub report: ListReport,
}

/// What a list's reading brought up.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ListReport {
    /// What the file was found to be, for people: "CSV with semicolons, UTF-8".
    pub format: String,
    /// Rows with anything in them, the header aside.
    pub rows: u32,
    /// Records that are used.
    pub people: u32,
    /// Rows with at least one error, and of them those left out altogether.
    pub rows_with_errors: u32,
    pub rows_left_out: u32,
    /// Rows with a warning and no error.
    pub rows_with_warnings: u32,
    /// Records that share a strong key with an earlier one: the same person again. Their keys are
    /// folded into one; each keeps its own answer.
    pub people_twice: u32,
    /// How often each reason was given, by its code.
    pub counts: BTreeMap<&'static str, u32>,
    /// The first issues, at most [`ISSUES_KEPT_MAX`].
    pub issues: Vec<RowIssue>,
}

impl ListReport {
    /// The issues kept that are errors.
    pub fn errors(&self) -> impl Iterator<Item = &RowIssue> {
        self.issues
            .iter()
            .filter(|issue| issue.reason.severity() == Severity::Error)
    }

    /// The issues kept that are warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &RowIssue> {
        self.issues
            .iter()
            .filter(|issue| issue.reason.severity() == Severity::Warning)
    }

    fn count(&mut self, issue: RowIssue) {
        *self.counts.entry(issue.reason.code()).or_default() += 1;
        if self.issues.len() < ISSUES_KEPT_MAX {
            self.issues.push(issue);
        }
    }
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

/// One row, read: what [`scan`] hands on.
pub struct ScannedRow {
    pub line: u32,
    pub record_id: Box<str>,
    pub cells: Cells,
    pub reading: Reading,
    pub keys: Vec<(KeyKind, HashedIdentity)>,
    /// Everything wrong or doubtful, of the reading and of the list around it.
    pub issues: Vec<RowIssue>,
}

impl ScannedRow {
    /// Whether the row is used.
    pub fn is_used(&self) -> bool {
        !self.issues.iter().any(|issue| issue.reason.voids_row())
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
        if row.is_used() {
            let columns = options.carry_columns.then_some(row.cells);
            let kept = |kind: KeyKind| options.wide || kind.class() == KeyClass::Narrow;
            let mut keys =
                Vec::with_capacity(row.keys.iter().filter(|(kind, _)| kept(*kind)).count());
            keys.extend(row.keys.into_iter().filter(|(kind, _)| kept(*kind)));
            people.push(Person {
                line: row.line,
                record_id: row.record_id,
                columns,
                keys,
            });
        }
    })?;
    progress(rows);
    Ok(List {
        schema,
        people,
        columns,
        report,
    })
}

/// Reads a list and hands every row with its reading to `each`, in file order, keeping none.
///
/// # Errors
/// As [`read`].
pub fn scan<R: Read + Seek>(
    reader: R,
    schema: Schema,
    options: &ListOptions,
    each: impl FnMut(ScannedRow),
) -> Result<(Columns, ListReport), ListError> {
    scan_under(reader, schema, options, |_| {}, each)
}

/// The same, and hands the columns to `header` before the first row, for those who pass a list on while
/// it is read.
///
/// # Errors
/// As [`read`].
pub fn scan_under<R: Read + Seek>(
    mut reader: R,
    schema: Schema,
    options: &ListOptions,
    mut header: impl FnMut(&Columns),
    mut each: impl FnMut(ScannedRow),
) -> Result<(Columns, ListReport), ListError> {
    let mut scanner = Scanner {
        schema,
        options,
        columns: None,
        chunk: Vec::with_capacity(CHUNK_ROWS),
        collector: Collector::default(),
        header: &mut header,
        each: &mut each,
    };
    let format = match options.format {
        Some(format) => format,
        None => sniff(&mut reader)?,
    };
    match format {
        Format::Csv => csv::feed(&mut reader, &mut scanner)?,
        Format::Xlsx => xlsx::feed(&mut reader, &mut scanner)?,
        Format::JsonLines => jsonl::feed(&mut reader, &mut scanner)?,
    }
    scanner.finish()
}

/// Tells the format by the first bytes; anything that is not a workbook or an object is delimited text.
fn sniff<R: Read + Seek>(reader: &mut R) -> Result<Format, ListError> {
    reader.seek(SeekFrom::Start(0))?;
    let mut head = Vec::with_capacity(64);
    reader.by_ref().take(64).read_to_end(&mut head)?;
    reader.seek(SeekFrom::Start(0))?;
    if head.is_empty() {
        return Err(ListError::Empty);
    }
    if head.starts_with(b"PK\x03\x04") {
        return Ok(Format::Xlsx);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
    if text.trim_ascii_start().starts_with(b"{") {
        Ok(Format::JsonLines)
    } else {
        Ok(Format::Csv)
    }
}

/// One row of a file, whatever its format.
struct Row {
    line: u32,
    content: Result<Cells, (Option<usize>, Reason)>,
}

/// Where a file format's reader puts what it reads: the header once, then every row.
trait Sink {
    /// Takes what the file was found to be, for people, and its header.
    fn header(&mut self, format: String, header: Vec<String>) -> Result<(), ListError>;
    fn row(&mut self, row: Row) -> Result<(), ListError>;
}

/// Gathers rows into chunks and works through each on all cores.
struct Scanner<'a> {
    schema: Schema,
    options: &'a ListOptions,
    columns: Option<Columns>,
    chunk: Vec<Row>,
    collector: Collector,
    header: &'a mut dyn FnMut(&Columns),
    each: &'a mut dyn FnMut(ScannedRow),
}

impl Sink for Scanner<'_> {
    fn header(&mut self, format: String, header: Vec<String>) -> Result<(), ListError> {
        if header.len() > COLUMNS_MAX {
            return Err(ListError::TooManyColumns);
        }
        self.collector.report.format = format;
        let columns = Columns::of(header, &self.options.columns)?;
        (self.header)(&columns);
        self.columns = Some(columns);
        Ok(())
    }

    fn row(&mut self, row: Row) -> Result<(), ListError> {
        if row.content.as_ref().is_ok_and(Cells::are_blank) {
            return Ok(());
        }
        self.chunk.push(row);
        if self.chunk.len() == CHUNK_ROWS {
            self.work_through()
        } else {
            Ok(())
        }
    }
}

impl Scanner<'_> {
    fn work_through(&mut self) -> Result<(), ListError> {
        let Some(columns) = &self.columns else {
            return Ok(());
        };
        let (schema, options) = (self.schema, self.options);
        let scanned: Vec<ScannedRow> = self
            .chunk
            .par_drain(..)
            .map(|row| read_row(row, columns, schema, options))
            .collect();
        for mut row in scanned {
            self.collector.add(&mut row)?;
            (self.each)(row);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Columns, ListReport), ListError> {
        self.work_through()?;
        match self.columns {
            Some(columns) => Ok((columns, self.collector.report)),
            None => Err(ListError::Empty),
        }
    }
}

fn read_row(row: Row, columns: &Columns, schema: Schema, options: &ListOptions) -> ScannedRow {
    let line = row.line;
    let cells = match row.content {
        Ok(cells) => cells,
        Err((place, reason)) => {
            let field = place.and_then(|place| {
                Field::ALL
                    .into_iter()
                    .find(|field| columns.place(*field) == Some(place))
            });
            return ScannedRow {
                line,
                record_id: "".into(),
                cells: Cells::default(),
                reading: Reading::default(),
                keys: Vec::new(),
                issues: vec![RowIssue {
                    line,
                    field,
                    reason,
                }],
            };
        }
    };
    let cell = |field: Field| {
        columns
            .place(field)
            .and_then(|place| cells.cell(place))
            .unwrap_or("")
    };
    let record_id: Box<str> = cell(Field::RecordId).trim().into();
    let reading = Reading::of(cell, options.today);
    let mut issues: Vec<RowIssue> = reading
        .issues
        .iter()
        .map(|(field, reason)| RowIssue {
            line,
            field: *field,
            reason: *reason,
        })
        .collect();
    let mut note = |field, reason| {
        issues.push(RowIssue {
            line,
            field,
            reason,
        })
    };
    if record_id.is_empty() {
        note(Some(Field::RecordId), Reason::RecordIdMissing);
    }
    let keys = if reading.is_void() {
        Vec::new()
    } else {
        hashed_identities(schema, options.kind, &reading)
    };
    if keys.is_empty() && !reading.is_void() {
        note(None, Reason::NoUsableKey);
    } else if !keys.is_empty() && keys.iter().all(|(kind, _)| kind.grade() == Grade::Possible) {
        note(None, Reason::OnlyPossibleKeys);
    }
    ScannedRow {
        line,
        record_id,
        cells,
        reading,
        keys,
        issues,
    }
}

/// What only shows across rows: ids and people that come twice; and the counts.
#[derive(Default)]
struct Collector {
    report: ListReport,
    /// Hash of each record id, to its line.
    ids: HashMap<[u8; 16], u32>,
    /// The first half of each strong identity, to the line it came from first.
    strong: HashMap<[u8; 16], u32>,
}

impl Collector {
    fn add(&mut self, row: &mut ScannedRow) -> Result<(), ListError> {
        self.report.rows += 1;
        if self.report.rows > ROWS_MAX {
            return Err(ListError::TooManyRows);
        }
        let line = row.line;
        if !row.record_id.is_empty() {
            match self
                .ids
                .entry(half(digest(&SHA512_256, row.record_id.as_bytes()).as_ref()))
            {
                Entry::Vacant(slot) => {
                    slot.insert(line);
                }
                Entry::Occupied(slot) => {
                    let reason = Reason::RecordIdTwice {
                        first_line: *slot.get(),
                    };
                    row.issues.push(RowIssue {
                        line,
                        field: Some(Field::RecordId),
                        reason,
                    });
                }
            }
        }
        if row.is_used() {
            self.report.people += 1;
            if let Some(first_line) = self.same_person(row) {
                self.report.people_twice += 1;
                row.issues.push(RowIssue {
                    line,
                    field: None,
                    reason: Reason::SamePersonTwice { first_line },
                });
            }
        }
        self.count(row);
        Ok(())
    }

    /// The first earlier line that has one of this row's strong keys.
    fn same_person(&mut self, row: &ScannedRow) -> Option<u32> {
        let mut first = None;
        for (_, identity) in row
            .keys
            .iter()
            .filter(|(kind, _)| kind.grade() == Grade::Strong)
        {
            let line = *self
                .strong
                .entry(half(identity.as_bytes()))
                .or_insert(row.line);
            if line != row.line && first.is_none_or(|first| line < first) {
                first = Some(line);
            }
        }
        first
    }

    fn count(&mut self, row: &ScannedRow) {
        for issue in &row.issues {
            self.report.count(*issue);
        }
        let has = |severity| {
            row.issues
                .iter()
                .any(|issue| issue.reason.severity() == severity)
        };
        if has(Severity::Error) {
            self.report.rows_with_errors += 1;
            self.report.rows_left_out += u32::from(!row.is_used());
        } else if has(Severity::Warning) {
            self.report.rows_with_warnings += 1;
        }
    }
}

/// The first 16 bytes of a hash.
fn half(hash: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(hash) {
        *to = *from;
    }
    out
}
