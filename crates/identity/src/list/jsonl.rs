//! Lists as JSON lines: one object a line, its keys the headers.
//!
//! The file is read twice: once for every key that any line has, since the first line may lack some, and
//! once for the rows.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Seek};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::cells::Cells;
use super::encoding;
use super::error::ListError;
use super::limits::{CELL_BYTES_MAX, COLUMNS_MAX};
use super::row::{Row, RowFault, RowSink};
use crate::issue::Reason;

/// The longest line, in bytes.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Reads JSON lines into `sink`.
pub(super) fn feed<R: Read + Seek>(
    reader: &mut R,
    sink: &mut impl RowSink,
) -> Result<(), ListError> {
    let mut header: Vec<String> = Vec::new();
    let encoding = each_line(reader, |_, line| {
        // What is no object becomes an issue of its row, when the rows are read.
        let Ok(object) = serde_json::from_str::<Object>(line) else {
            return Ok(());
        };
        for (key, _) in object.0 {
            if !header.contains(&key) {
                if header.len() == COLUMNS_MAX {
                    return Err(ListError::TooManyColumns);
                }
                header.push(key);
            }
        }
        Ok(())
    })?;
    if header.is_empty() {
        return Err(ListError::NotJsonLines);
    }
    sink.header(format!("JSON lines, {encoding}"), header.clone())?;
    each_line(reader, |line, text| {
        let content = cells(text, &header, line)?;
        sink.row(Row { line, content })
    })?;
    Ok(())
}

/// Calls `each` with the number and the text of every line that is not blank; gives the encoding.
fn each_line<R: Read + Seek>(
    reader: &mut R,
    mut each: impl FnMut(u32, &str) -> Result<(), ListError>,
) -> Result<&'static str, ListError> {
    let text = encoding::decode(reader)?;
    let mut lines = BufReader::new(text.reader);
    let mut line = Vec::new();
    let mut number = 0_u32;
    loop {
        line.clear();
        if lines
            .by_ref()
            // One byte more than allowed tells a line that is too long from one that just fits.
            .take(LINE_BYTES_MAX as u64 + 1)
            .read_until(b'\n', &mut line)?
            == 0
        {
            return Ok(text.encoding);
        }
        number = number.saturating_add(1);
        if line.len() > LINE_BYTES_MAX {
            return Err(ListError::CellTooLong {
                line: number.into(),
                column: 1,
            });
        }
        let text = String::from_utf8_lossy(&line);
        if !text.trim().is_empty() {
            each(number, text.trim())?;
        }
    }
}

/// The cells of one line, by the header's order; outside, what ends the reading.
fn cells(line: &str, header: &[String], number: u32) -> Result<Result<Cells, RowFault>, ListError> {
    let fault = |column, reason| RowFault { column, reason };
    let Ok(object) = serde_json::from_str::<Object>(line) else {
        return Ok(Err(fault(None, Reason::NotAnObject)));
    };
    let mut texts = vec![String::new(); header.len()];
    for (key, value) in object.0 {
        let Some(column) = header.iter().position(|name| *name == key) else {
            continue;
        };
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                return Ok(Err(fault(Some(column), Reason::NotText)));
            }
        };
        if text.contains(encoding::REPLACED) {
            return Ok(Err(fault(Some(column), Reason::BadEncoding)));
        }
        if text.len() > CELL_BYTES_MAX {
            return Err(ListError::CellTooLong {
                line: number.into(),
                column: column as u64 + 1,
            });
        }
        texts[column] = text;
    }
    Ok(Ok(Cells::new(texts.iter().map(String::as_str))))
}

/// A JSON object with its keys in the order of the file.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Object(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}
