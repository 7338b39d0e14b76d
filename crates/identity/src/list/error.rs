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
    /// Nothing that could be a header row.
    #[error("the file is empty")]
    Empty,
    /// A list of nobody is more likely a mistake than meant.
    #[error("the file has a header but no rows")]
    NoRows,
    /// Bytes that no text has, or the beginning of a known file format.
    #[error("this is {what}, not a list")]
    Binary {
        /// What it looks like, for people: "a PDF".
        what: &'static str,
    },
    /// Read in a wrong encoding every name would be another one, so it is not guessed.
    #[error("the text is {what}")]
    Encoding {
        /// What it is not, for people.
        what: &'static str,
    },
    /// Most likely the header row is missing.
    #[error("the first row has no known header: it has {}", shown(seen))]
    NoKnownColumn {
        /// The first row.
        seen: Vec<String>,
    },
    /// Every list needs ids, names, and a date of birth or a number.
    #[error("no column for {}: the headers are {}", needed.name(), shown(seen))]
    ColumnMissing {
        /// The first one that is missing.
        needed: Field,
        /// The headers of the list.
        seen: Vec<String>,
    },
    /// The user said which header a field has, and the list has none such.
    #[error("no column is headed {wanted:?}, which was to be {}: the headers are {}", field.name(), shown(seen))]
    MappedColumnMissing {
        /// Which field was mapped.
        field: Field,
        /// The header that the user wrote.
        wanted: String,
        /// The headers of the list.
        seen: Vec<String>,
    },
    /// Which of the two is meant would be a guess.
    #[error("two columns could be {}: {first:?} and {second:?}", field.name())]
    FieldTwice {
        /// Which field both mean.
        field: Field,
        /// Header of the column further left.
        first: String,
        /// Header of the other.
        second: String,
    },
    /// Usually a quotation mark that is not closed; read on, it would swallow the file.
    #[error("line {line}, column {column}: a field is longer than {} KiB", CELL_BYTES_MAX / 1024)]
    CellTooLong {
        /// Where the cell begins, from 1.
        line: u64,
        /// Which cell of the row, from 1.
        column: u64,
    },
    /// Bounds what one row may cost in memory.
    #[error("the header has more than {COLUMNS_MAX} columns")]
    TooManyColumns,
    /// Bounds what a list may cost in memory and time.
    #[error("the list has more than {ROWS_MAX} rows")]
    TooManyRows,
    /// The CSV reader gave up there.
    #[error("line {line} cannot be read")]
    Malformed {
        /// From 1.
        line: u64,
    },
    /// It begins like an object, and no line is one.
    #[error("no line is a JSON object with headers for keys")]
    NotJsonLines,
    /// The three cannot be told apart from outside.
    #[error("the workbook is damaged, protected, or no workbook")]
    Workbook,
    /// A workbook's shared texts are held while it is read.
    #[error("the workbook is larger than 256 MiB")]
    WorkbookTooLarge,
    /// From the reader that was handed in.
    #[error("the file cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

impl ListError {
    /// What the user can do about it, in one line.
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
