//! Lists as Excel workbooks: the first visible sheet, cell by cell, without holding the sheet.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{DataRef, Reader, SheetType, SheetVisible, Xlsx, XlsxError};

use super::cells::Cells;
use super::error::ListError;
use super::limits::{CELL_BYTES_MAX, COLUMNS_MAX};
use super::row::{Row, RowFault, RowSink};
use crate::issue::Reason;

/// The largest workbook, in bytes: its shared texts are held while it is read.
const WORKBOOK_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Reads a workbook into `sink`.
pub(super) fn feed<R: Read + Seek>(
    reader: &mut R,
    sink: &mut impl RowSink,
) -> Result<(), ListError> {
    if reader.seek(SeekFrom::End(0))? > WORKBOOK_BYTES_MAX {
        return Err(ListError::WorkbookTooLarge);
    }
    reader.seek(SeekFrom::Start(0))?;
    let mut workbook: Xlsx<_> =
        guarded(|| Xlsx::new(BufReader::new(reader)))?.map_err(unreadable)?;
    let sheet = workbook
        .sheets_metadata()
        .iter()
        // A hidden sheet is seldom what its owner sees as the list.
        .find(|sheet| sheet.visible == SheetVisible::Visible && sheet.typ == SheetType::WorkSheet)
        .map(|sheet| sheet.name.clone())
        .ok_or(ListError::Empty)?;
    let mut cells = guarded(|| workbook.worksheet_cells_reader(&sheet))?.map_err(unreadable)?;
    let mut rows = SheetRows {
        row: 0,
        texts: Vec::new(),
        columns: None,
        sink,
    };
    loop {
        let next = guarded(|| {
            let cell = cells.next_cell()?;
            Ok(cell.map(|cell| (cell.get_position(), text(cell.get_value()))))
        })?;
        let Some(((row, column), text)) = next.map_err(unreadable)? else {
            break;
        };
        if row != rows.row {
            rows.end_row()?;
            rows.row = row;
        }
        rows.take(column as usize, text)?;
    }
    rows.end_row()
}

/// Calls the workbook library, which panics on some malformed workbooks (a cell's name so long that
/// its column overflows, for one): to whoever has the file, it is one that cannot be read.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, ListError> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| ListError::Workbook)
}

fn unreadable(error: XlsxError) -> ListError {
    match error {
        XlsxError::Io(error) => ListError::Io(error),
        _ => ListError::Workbook,
    }
}

/// Gathers the cells of one row after the other.
struct SheetRows<'a, S> {
    /// The row being gathered, from 0.
    row: u32,
    texts: Vec<String>,
    /// How many columns the header has, once it was read.
    columns: Option<usize>,
    sink: &'a mut S,
}

impl<S: RowSink> SheetRows<'_, S> {
    fn take(&mut self, column: usize, text: String) -> Result<(), ListError> {
        if text.is_empty() {
            return Ok(());
        }
        if text.len() > CELL_BYTES_MAX {
            return Err(ListError::CellTooLong {
                line: u64::from(self.row) + 1,
                column: column as u64 + 1,
            });
        }
        if column >= COLUMNS_MAX {
            return Err(ListError::TooManyColumns);
        }
        if self.texts.len() <= column {
            self.texts.resize(column + 1, String::new());
        }
        self.texts[column] = text;
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), ListError> {
        let mut texts = std::mem::take(&mut self.texts);
        if texts.iter().all(|text| text.trim().is_empty()) {
            return Ok(());
        }
        let Some(columns) = self.columns else {
            self.columns = Some(texts.len());
            let header = texts.iter().map(|text| text.trim().to_owned()).collect();
            return self.sink.header("XLSX, the first sheet".to_owned(), header);
        };
        let line = self.row.saturating_add(1);
        let content = if texts.len() > columns {
            let count = |columns: usize| u32::try_from(columns).unwrap_or(u32::MAX);
            Err(RowFault {
                column: None,
                reason: Reason::ColumnCount {
                    expected: count(columns),
                    found: count(texts.len()),
                },
            })
        } else {
            texts.resize(columns, String::new());
            Ok(Cells::new(texts.iter().map(String::as_str)))
        };
        self.sink.row(Row { line, content })
    }
}

/// A cell as the text that a list would have: whole numbers without a point, dates as year-month-day.
fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            text.clone()
        }
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        // 2^53: up to here every whole number is itself.
        DataRef::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
            format!("{number:.0}")
        }
        DataRef::Float(number) => number.to_string(),
        DataRef::Bool(value) => value.to_string(),
        DataRef::DateTime(date) => {
            let (year, month, day, ..) = date.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}")
        }
        DataRef::Error(_) | DataRef::Empty => String::new(),
    }
}
