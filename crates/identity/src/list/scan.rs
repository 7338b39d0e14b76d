//! A list row by row, none kept: each row with its normal form and its keys. `docs/matching.md` §1.
//!
//! Rows are gathered into chunks; each chunk is worked through on all cores and handed on in file order.

use std::io::{Read, Seek};

use rayon::prelude::*;

use super::cells::Cells;
use super::columns::Columns;
use super::error::ListError;
use super::format::{Format, sniff};
use super::limits::COLUMNS_MAX;
use super::options::ListOptions;
use super::report::{ListReport, ReportBuilder};
use super::row::{Row, RowSink};
use super::scanned_row::ScannedRow;
use super::{csv, jsonl, xlsx};
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
    let mut scanner = Scanner {
        schema,
        options,
        columns: None,
        chunk: Vec::with_capacity(CHUNK_ROWS),
        report: ReportBuilder::default(),
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
