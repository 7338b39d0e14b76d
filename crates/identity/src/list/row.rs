//! One row of a file as its format gives it, and where the format's reader puts it.

use super::cells::Cells;
use super::error::ListError;
use crate::issue::Reason;

/// Why a row has no cells that can be used: which column it is about, from 0, where it is about one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowFault {
    pub(super) column: Option<usize>,
    pub(super) reason: Reason,
}

/// One row of a file, whatever its format.
pub(super) struct Row {
    pub(super) line: u32,
    pub(super) content: Result<Cells, RowFault>,
}

/// Takes what a file format's reader reads: the header once, then every row.
pub(super) trait RowSink {
    /// Takes what the file was found to be, for people, and its header.
    fn header(&mut self, format: String, header: Vec<String>) -> Result<(), ListError>;

    /// Takes one row; an error ends the reading.
    fn row(&mut self, row: Row) -> Result<(), ListError>;
}
