//! A list row by row, none kept: each row with its normal form and its keys. `docs/matching.md` §1.
//!
//! Rows are gathered into chunks; each chunk is worked through on all cores and handed on in file order.

use std::io::{Read, Seek};

use rayon::prelude::*;

use super::cells::Cells;
use super::columns::Columns;
use super::error::ListError;
use super::format::{Format, sniff};
use super::limits::{CELL_BYTES_MAX, COLUMNS_MAX};
use super::options::ListOptions;
use super::report::{ListReport, ReportBuilder};
use super::row::{Row, RowFault, RowSink};
use super::scanned_row::ScannedRow;
use super::{csv, encoding, jsonl, xlsx};
use crate::issue::Reason;
use crate::schema::Schema;

/// Rows that are worked through at once: enough to keep all cores busy, few enough to hold.
pub(super) const CHUNK_ROWS: usize = 8_192;

/// Reads a list and hands every row with its reading to `each`, in file order, keeping none.
///
/// # Errors
/// As `list::read`.
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
/// As `list::read`.
pub fn scan_under<R: Read + Seek>(
    mut reader: R,
    schema: Schema,
    options: &ListOptions,
    mut header: impl FnMut(&Columns),
    mut each: impl FnMut(ScannedRow),
) -> Result<(Columns, ListReport), ListError> {
    let mut scanner = Scanner::new(schema, options, &mut header, &mut each);
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

/// Reads one row that is in no file, from its headers with their cells, and hands it to `each`; its line is 1.
///
/// # Errors
/// As `list::read`, those of a header and of a cell.
pub(super) fn scan_row(
    cells: &[(&str, &str)],
    schema: Schema,
    options: &ListOptions,
    mut each: impl FnMut(ScannedRow),
) -> Result<(Columns, ListReport), ListError> {
    const LINE: u32 = 1;
    let mut ignored = |_: &Columns| ();
    let mut scanner = Scanner::new(schema, options, &mut ignored, &mut each);
    let header = cells.iter().map(|(header, _)| (*header).to_owned());
    scanner.header("one row".to_owned(), header.collect())?;
    let mut content = Ok(Cells::new(cells.iter().map(|(_, cell)| *cell)));
    for (column, (_, cell)) in cells.iter().enumerate() {
        if cell.len() > CELL_BYTES_MAX {
            return Err(ListError::CellTooLong {
                line: LINE.into(),
                column: column as u64 + 1,
            });
        }
        if content.is_ok() && cell.contains(encoding::REPLACED) {
            let (column, reason) = (Some(column), Reason::BadEncoding);
            content = Err(RowFault { column, reason });
        }
    }
    scanner.row(Row {
        line: LINE,
        content,
    })?;
    scanner.finish()
}

/// Gathers rows into chunks and works through each on all cores.
struct Scanner<'a> {
    schema: Schema,
    options: &'a ListOptions,
    columns: Option<Columns>,
    chunk: Vec<Row>,
    report: ReportBuilder,
    header: &'a mut dyn FnMut(&Columns),
    each: &'a mut dyn FnMut(ScannedRow),
}

impl<'a> Scanner<'a> {
    fn new(
        schema: Schema,
        options: &'a ListOptions,
        header: &'a mut dyn FnMut(&Columns),
        each: &'a mut dyn FnMut(ScannedRow),
    ) -> Self {
        Self {
            schema,
            options,
            columns: None,
            chunk: Vec::new(),
            report: ReportBuilder::default(),
            header,
            each,
        }
    }
}

impl RowSink for Scanner<'_> {
    fn header(&mut self, format: String, header: Vec<String>) -> Result<(), ListError> {
        if header.len() > COLUMNS_MAX {
            return Err(ListError::TooManyColumns);
        }
        self.report.set_format(format);
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
            .map(|row| ScannedRow::read(row, columns, schema, options))
            .collect();
        // One after the other again: what comes twice is told with the line that was first.
        for mut row in scanned {
            self.report.add(&mut row)?;
            (self.each)(row);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Columns, ListReport), ListError> {
        self.work_through()?;
        match self.columns {
            Some(columns) => Ok((columns, self.report.finish())),
            None => Err(ListError::Empty),
        }
    }
}
