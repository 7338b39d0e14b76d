//! Lists as delimited text: comma, semicolon, tab or bar, told by the header.

use std::io::{self, BufReader, Read, Seek};

use super::cells::Cells;
use super::encoding;
use super::error::ListError;
use super::limits::CELL_BYTES_MAX;
use super::row::{Row, RowFault, RowSink};
use crate::field::Field;
use crate::issue::Reason;

const DELIMITERS: [(u8, &str); 4] = [
    (b',', "commas"),
    (b';', "semicolons"),
    (b'\t', "tabs"),
    (b'|', "bars"),
];
/// How much of the file the delimiter is looked for in, in bytes: the header is no longer than a cell may be.
const HEAD_BYTES: usize = CELL_BYTES_MAX;

/// Reads a delimited text into `sink`.
pub(super) fn feed<R: Read + Seek>(
    reader: &mut R,
    sink: &mut impl RowSink,
) -> Result<(), ListError> {
    let mut text = encoding::decode(reader)?;
    let mut head = Vec::with_capacity(HEAD_BYTES);
    text.reader
        .by_ref()
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)?;
    if head.iter().all(u8::is_ascii_whitespace) {
        return Err(ListError::Empty);
    }
    let (delimiter, name) = delimiter(&head);
    let format = format!("CSV with {name}, {}", text.encoding);
    let whole = io::Cursor::new(head).chain(text.reader);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        // Rows of another length are issues of their own, not the end of the list.
        .flexible(true)
        .from_reader(BoundedFields::new(whole, delimiter));
    let mut record = csv::ByteRecord::new();
    let mut columns = None;
    while advance(&mut reader, &mut record)? {
        match columns {
            None if is_blank(&record) => {}
            None => {
                let header = record
                    .iter()
                    .map(|cell| String::from_utf8_lossy(cell).trim().to_owned())
                    .collect();
                sink.header(format.clone(), header)?;
                columns = Some(record.len());
            }
            Some(columns) => {
                let line = record.position().map_or(0, csv::Position::line);
                let line = u32::try_from(line).unwrap_or(u32::MAX);
                sink.row(Row {
                    line,
                    content: cells(&record, columns),
                })?;
            }
        }
    }
    Ok(())
}

/// Reads the next record; `false` at the end.
fn advance<R: Read>(
    reader: &mut csv::Reader<R>,
    record: &mut csv::ByteRecord,
) -> Result<bool, ListError> {
    reader.read_byte_record(record).map_err(|error| {
        let line = error.position().map_or(0, csv::Position::line);
        match error.into_kind() {
            csv::ErrorKind::Io(error) => too_long(&error).unwrap_or(ListError::Io(error)),
            _ => ListError::Malformed { line },
        }
    })
}

fn is_blank(record: &csv::ByteRecord) -> bool {
    record.iter().all(|cell| cell.trim_ascii().is_empty())
}

/// The cells of a record, when their count and encoding are right; empty ones beyond the header are let go.
fn cells(record: &csv::ByteRecord, columns: usize) -> Result<Cells, RowFault> {
    let beyond = record
        .iter()
        .skip(columns)
        .any(|cell| !cell.trim_ascii().is_empty());
    if !is_blank(record) && (beyond || record.len() < columns) {
        let count = |columns: usize| u32::try_from(columns).unwrap_or(u32::MAX);
        return Err(RowFault {
            column: None,
            reason: Reason::ColumnCount {
                expected: count(columns),
                found: count(record.len()),
            },
        });
    }
    let mut texts = Vec::with_capacity(columns);
    for (column, cell) in record.iter().take(columns).enumerate() {
        // A few broken cells do not make the file another encoding; their rows are left out.
        match std::str::from_utf8(cell) {
            Ok(text) if !text.contains(encoding::REPLACED) => texts.push(text),
            _ => {
                return Err(RowFault {
                    column: Some(column),
                    reason: Reason::BadEncoding,
                });
            }
        }
    }
    Ok(Cells::new(texts))
}

/// The delimiter that gives the header the most known fields, and then the most columns.
fn delimiter(head: &[u8]) -> (u8, &'static str) {
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| !line.trim_ascii().is_empty())
        .unwrap_or(head);
    let score = |delimiter: u8| {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(line);
        let mut record = csv::ByteRecord::new();
        if !reader.read_byte_record(&mut record).unwrap_or(false) {
            return (0, 0);
        }
        let known = record
            .iter()
            .filter(|cell| Field::of_header(&String::from_utf8_lossy(cell)).is_some())
            .count();
        (known, record.len())
    };
    // The first of equals wins: a comma, when nothing speaks for another.
    let mut best = (DELIMITERS[0], score(DELIMITERS[0].0));
    for candidate in &DELIMITERS[1..] {
        let score = score(candidate.0);
        if score > best.1 {
            best = (*candidate, score);
        }
    }
    best.0
}

/// Lets bytes pass until a field grows beyond [`CELL_BYTES_MAX`], so that no field is ever held that is longer.
struct BoundedFields<R> {
    inner: BufReader<R>,
    delimiter: u8,
    state: FieldState,
    field_bytes: usize,
    /// Where the field that is being read begins, from 1.
    line: u64,
    column: u64,
    /// Line ends inside the field.
    lines_in_field: u64,
}

/// What the bytes of a field so far make of the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldState {
    Start,
    Plain,
    Quoted,
    /// After a quotation mark inside quotes: the closing one, or the first of two that stand for one.
    Closed,
}

/// Carried through `io::Error`, since that is what a reader can fail with.
#[derive(Debug, thiserror::Error)]
#[error("field too long")]
struct FieldTooLong {
    line: u64,
    column: u64,
}

fn too_long(error: &io::Error) -> Option<ListError> {
    let FieldTooLong { line, column } = error.get_ref()?.downcast_ref()?;
    Some(ListError::CellTooLong {
        line: *line,
        column: *column,
    })
}

impl<R: Read> BoundedFields<R> {
    fn new(inner: R, delimiter: u8) -> Self {
        let inner = BufReader::with_capacity(64 * 1024, inner);
        Self {
            inner,
            delimiter,
            state: FieldState::Start,
            field_bytes: 0,
            line: 1,
            column: 1,
            lines_in_field: 0,
        }
    }

    fn pass(&mut self, byte: u8) -> io::Result<()> {
        if self.state != FieldState::Quoted
            && (byte == self.delimiter || byte == b'\n' || byte == b'\r')
        {
            self.line += self.lines_in_field + u64::from(byte == b'\n');
            self.column = if byte == self.delimiter {
                self.column + 1
            } else {
                1
            };
            self.state = FieldState::Start;
            self.lines_in_field = 0;
            self.field_bytes = 0;
            return Ok(());
        }
        self.state = match (self.state, byte) {
            (FieldState::Start | FieldState::Closed, b'"') => FieldState::Quoted,
            (FieldState::Quoted, b'"') => FieldState::Closed,
            (FieldState::Quoted, _) => FieldState::Quoted,
            _ => FieldState::Plain,
        };
        self.lines_in_field += u64::from(byte == b'\n');
        self.field_bytes += 1;
        if self.field_bytes > CELL_BYTES_MAX {
            return Err(io::Error::other(FieldTooLong {
                line: self.line,
                column: self.column,
            }));
        }
        Ok(())
    }
}

impl<R: Read> Read for BoundedFields<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        for byte in &out[..count] {
            self.pass(*byte)?;
        }
        Ok(count)
    }
}
