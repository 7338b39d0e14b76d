//! Which format a list file is in. `docs/matching.md` §1.

use std::io::{Read, Seek, SeekFrom};

use super::error::ListError;

/// Bytes at the beginning that tell the format: a mark, blanks and a first character fit well.
const HEAD_BYTES: usize = 64;

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

/// Tells the format by the first bytes; anything that is not a workbook or an object is delimited text.
pub(super) fn sniff<R: Read + Seek>(reader: &mut R) -> Result<Format, ListError> {
    reader.seek(SeekFrom::Start(0))?;
    let mut head = Vec::with_capacity(HEAD_BYTES);
    reader
        .by_ref()
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)?;
    reader.seek(SeekFrom::Start(0))?;
    if head.is_empty() {
        return Err(ListError::Empty);
    }
    if head.starts_with(b"PK\x03\x04") {
        return Ok(Format::Xlsx);
    }
    // Spreadsheet programs and editors write a mark before UTF-8 too.
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
    if text.trim_ascii_start().starts_with(b"{") {
        Ok(Format::JsonLines)
    } else {
        Ok(Format::Csv)
    }
}
