//! The record codec: one person of a list as bytes, before they are sealed.
//!
//! Version (1 byte); record id; number of cells plus one, or zero where none are kept (2), then each cell;
//! number of keys (2), then for each its kind (1) and hashed identity (32). Texts have their length in
//! bytes before them (4). Integers are big-endian. Zeros fill up to a multiple of [`PADDING_BYTES`], so
//! that the sealed length hardly tells one name from another.
//!
//! The line of the file is kept beside it: it may change while the record does not.

use sealing::{Reader, Writer};
use zeroize::Zeroizing;

use super::error::Error;
use identity::list::Cells;
use identity::{HashedIdentity, KeyKind, Person};

const VERSION: u8 = 1;
const PADDING_BYTES: usize = 128;

/// The most of a record, in bytes; 256 cells of 64 KiB would be more, and no record has them.
pub(super) const PERSON_BYTES_MAX: usize = 1 << 20;

/// Writes the layout.
///
/// # Errors
///
/// [`Error::TooLong`].
pub(super) fn encode(person: &Person) -> Result<Zeroizing<Vec<u8>>, Error> {
    let cells_bytes: usize = person
        .columns
        .iter()
        .flat_map(Cells::iter)
        .map(|cell| cell.len() + 4)
        .sum();
    let length = 9 + person.record_id.len() + cells_bytes + 33 * person.keys.len();
    let too_long = Error::TooLong {
        what: "a record, in bytes,",
        max: PERSON_BYTES_MAX,
    };
    let (Ok(cells), Ok(keys)) = (
        u16::try_from(person.columns.as_ref().map_or(0, |cells| cells.len() + 1)),
        u16::try_from(person.keys.len()),
    ) else {
        return Err(too_long);
    };
    if length > PERSON_BYTES_MAX {
        return Err(too_long);
    }
    let mut out = Writer::with_room(length.next_multiple_of(PADDING_BYTES));
    out.u8(VERSION);
    out.bytes_u32(person.record_id.as_bytes());
    out.u16(cells);
    for cell in person.columns.iter().flat_map(Cells::iter) {
        out.bytes_u32(cell.as_bytes());
    }
    out.u16(keys);
    for (kind, identity) in &person.keys {
        out.u8(kind_byte(*kind));
        out.bytes(identity.as_bytes());
    }
    out.pad_to(PADDING_BYTES);
    Ok(out.finish())
}

/// Reads the layout; `None` when it is another.
pub(super) fn decode(bytes: &[u8], line: u32) -> Option<Person> {
    let mut reader = Reader::new(bytes);
    if reader.u8()? != VERSION {
        return None;
    }
    let record_id = text(&mut reader)?.into();
    let columns = match reader.u16()? {
        0 => None,
        count => {
            let cells: Option<Vec<&str>> = (1..count).map(|_| text(&mut reader)).collect();
            Some(Cells::new(cells?))
        }
    };
    let count = reader.u16()?;
    let keys = (0..count)
        .map(|_| {
            let kind = kind(reader.u8()?)?;
            Some((kind, HashedIdentity::from_bytes(reader.array()?)))
        })
        .collect::<Option<Vec<_>>>()?;
    reader.padded_to(PADDING_BYTES)?;
    Some(Person {
        line,
        record_id,
        columns,
        keys,
    })
}

fn text<'a>(reader: &mut Reader<'a>) -> Option<&'a str> {
    std::str::from_utf8(reader.bytes_u32()?).ok()
}

/// Fixed for ever: it is on disk.
fn kind_byte(kind: KeyKind) -> u8 {
    match kind {
        KeyKind::Doc => 1,
        KeyKind::Srv => 2,
        KeyKind::Tax => 3,
        KeyKind::N1 => 11,
        KeyKind::N2 => 12,
        KeyKind::N3 => 13,
        KeyKind::N4 => 14,
        KeyKind::N5 => 15,
        KeyKind::N6 => 16,
        KeyKind::N7 => 17,
        KeyKind::N8 => 18,
        KeyKind::N9 => 19,
        KeyKind::N10 => 20,
        KeyKind::N11 => 21,
        KeyKind::N12 => 22,
        KeyKind::N13 => 23,
        KeyKind::N14 => 24,
        KeyKind::N15 => 25,
    }
}

fn kind(byte: u8) -> Option<KeyKind> {
    KeyKind::ALL
        .into_iter()
        .find(|kind| kind_byte(*kind) == byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str, cells: Option<&[&str]>) -> Person {
        let keys =
            KeyKind::ALL.map(|kind| (kind, HashedIdentity::from_bytes([kind_byte(kind); 32])));
        Person {
            line: 7,
            record_id: id.into(),
            columns: cells.map(|cells| Cells::new(cells.iter().copied())),
            keys: keys.to_vec(),
        }
    }

    #[test]
    fn records_come_back_as_they_were() {
        for cells in [None, Some(&[][..]), Some(&["Шевченко", "", "Тарас"][..])] {
            let before = person("№ 1", cells);
            let encoded = encode(&before).unwrap();
            assert_eq!(encoded.len() % PADDING_BYTES, 0);
            let after = decode(&encoded, 7).unwrap();
            assert_eq!(after.record_id, before.record_id);
            assert_eq!(after.columns, before.columns);
            assert!(after.keys == before.keys);
            for cut in 0..encoded.len() {
                decode(&encoded[..cut], 7);
            }
        }
    }

    #[test]
    fn a_record_beyond_the_limit_is_refused() {
        let cell = "x".repeat(PERSON_BYTES_MAX);
        let refused = encode(&person("1", Some(&[&cell])));
        assert!(matches!(refused, Err(Error::TooLong { .. })));
    }
}
