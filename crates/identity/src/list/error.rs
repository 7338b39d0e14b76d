//! Why a file as a whole cannot be read as a list.

use super::limits::{CELL_BYTES_MAX, COLUMNS_MAX, ROWS_MAX};
use crate::field::Field;

/// Headers shown of a list whose columns are not known.
const HEADERS_SHOWN_MAX: usize = 12;
/// Characters shown of one header.
const HEADER_SHOWN_CHARS_MAX: usize = 40;

/// Why a file as a whole cannot be read as a list. Only headers are ever quoted, never rows.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error("the file is empty")]
    Empty,
    #[error("the file has a header but no rows")]
    NoRows,
    #[error("this is {what}, not a list")]
    Binary { what: &'static str },
    #[error("the text is {what}")]
    Encoding { what: &'static str },
    #[error("the first row has no known header: it has {}", shown(seen))]
    NoKnownColumn { seen: Vec<String> },
    #[error("no column for {}: the headers are {}", needed.name(), shown(seen))]
    ColumnMissing { needed: Field, seen: Vec<String> },
    #[error("no column is headed {wanted:?}, which was to be {}: the headers are {}", field.name(), shown(seen))]
    MappedColumnMissing {
        field: Field,
        wanted: String,
        seen: Vec<String>,
    },
    #[error("two columns could be {}: {first:?} and {second:?}", field.name())]
    FieldTwice {
        field: Field,
        first: String,
        second: String,
    },
    #[error("line {line}, column {column}: a field is longer than {} KiB", CELL_BYTES_MAX / 1024)]
    CellTooLong { line: u64, column: u64 },
    #[error("the header has more than {COLUMNS_MAX} columns")]
    TooManyColumns,
    #[error("the list has more than {ROWS_MAX} rows")]
    TooManyRows,
    #[error("line {line} cannot be read")]
    Malformed { line: u64 },
    #[error("no line is a JSON object with headers for keys")]
    NotJsonLines,
    #[error("the workbook is damaged, protected, or no workbook")]
    Workbook,
    #[error("the workbook is larger than 256 MiB")]
    WorkbookTooLarge,
    #[error("the file cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

impl ListError {
    /// What the user can do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Empty => "a list begins with a header row, then one row a person",
            Self::NoRows => "add a row a person below the header",
            Self::Binary { .. } => "save the list as CSV (UTF-8) or .xlsx",
            Self::Encoding { .. } => {
                "save the list again as \"CSV UTF-8\"; windows-1251 and UTF-16 are read too"
            }
            Self::NoKnownColumn { .. } | Self::ColumnMissing { .. } => {
                "say which column it is: --column family_name=HEADER, and so for record_id, given_name, date_of_birth"
            }
            Self::MappedColumnMissing { .. } => {
                "write the header in --column exactly as the file has it"
            }
            Self::FieldTwice { .. } => {
                "say which of the two it is with --column, or rename the other one"
            }
            Self::CellTooLong { .. } => "is a quotation mark not closed there?",
            Self::NotJsonLines => {
                "write one object a line: {\"record_id\": \"1\", \"family_name\": \"…\", …}"
            }
            Self::Workbook | Self::WorkbookTooLarge => {
                "open it in a spreadsheet program and save it as CSV UTF-8"
            }
            Self::TooManyColumns | Self::TooManyRows => {
                "split the list, or take what is not needed out of it"
            }
            Self::Malformed { .. } => "look at that line in an editor",
            Self::Io(_) => "is the file still there, and may it be read?",
        }
    }
}

/// Headers as an error shows them.
fn shown(headers: &[String]) -> String {
    let mut out = String::new();
    for (place, header) in headers.iter().take(HEADERS_SHOWN_MAX).enumerate() {
        if place > 0 {
            out.push_str(", ");
        }
        let cut: String = header
            .chars()
            .filter(|letter| !letter.is_control())
            .take(HEADER_SHOWN_CHARS_MAX)
            .collect();
        out.push_str(&format!("\"{cut}\""));
    }
    if headers.len() > HEADERS_SHOWN_MAX {
        out.push_str(&format!(" and {} more", headers.len() - HEADERS_SHOWN_MAX));
    }
    out
}
