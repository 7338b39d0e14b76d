//! Which encoding a text file is in, and its text as UTF-8.

use std::io::{Read, Seek};

use super::ListError;

/// A file's text as UTF-8, and what it was encoded in.
pub struct Text<'a> {
    pub reader: Box<dyn Read + 'a>,
    pub encoding: &'static str,
}

/// Finds the encoding of a file and decodes it.
pub fn decode<R: Read + Seek>(reader: &mut R) -> Result<Text<'_>, ListError> {
    let mut head = [0; 3];
    let mut count = 0;
    while count < head.len() {
        let more = reader.read(&mut head[count..])?;
        if more == 0 {
            break;
        }
        count += more;
    }
    if count == 0 {
        return Err(ListError::Empty);
    }
    let start = if head[..count] == *b"\xef\xbb\xbf" {
        3
    } else {
        0
    };
    reader.seek(std::io::SeekFrom::Start(start))?;
    Ok(Text {
        reader: Box::new(reader),
        encoding: "UTF-8",
    })
}
