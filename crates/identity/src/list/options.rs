//! How a list is to be read.

use element::ListKind;
use jiff::civil::Date;

use super::format::Format;
use crate::field::Field;

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
