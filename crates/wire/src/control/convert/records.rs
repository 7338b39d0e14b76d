//! Records with their hashed keys, and what the records of a list have in common.

use std::collections::HashMap;

use prost::encoding::encoded_len_varint;

use crate::control::message::Header;
use crate::control::{BATCH_PEOPLE_MAX, KEYS_PER_PERSON_MAX, Malformed, RECORD_BYTES_MAX};
use crate::pb::{self, ListHeader, Person};
use identity::list::{CELL_BYTES_MAX, COLUMNS_MAX, Cells};
use identity::{HashedIdentity, Schema};

/// SHA-512/256.
const HASHED_KEY_BYTES: usize = 32;

impl TryFrom<ListHeader> for Header {
    type Error = Malformed;

    fn try_from(header: ListHeader) -> Result<Self, Malformed> {
        let bytes: usize = header.columns.iter().map(String::len).sum();
        if header.columns.len() > COLUMNS_MAX || bytes > CELL_BYTES_MAX {
            return Err(Malformed::Length("the header"));
        }
        let schema = Schema::named(&header.schema).ok_or(Malformed::Unknown("the schema"))?;
        if header.schema_digest != schema.digest() {
            return Err(Malformed::OtherSchema);
        }
        Ok(Self {
            columns: header.columns,
            schema,
        })
    }
}

impl From<&Header> for ListHeader {
    fn from(header: &Header) -> Self {
        Self {
            columns: header.columns.clone(),
            schema: header.schema.name().to_owned(),
            schema_digest: header.schema.digest().to_vec(),
        }
    }
}

impl From<&identity::Person> for Person {
    fn from(person: &identity::Person) -> Self {
        let key = |(kind, identity): &(identity::KeyKind, HashedIdentity)| pb::Key {
            kind: kind_number(*kind),
            identity: prost::bytes::Bytes::copy_from_slice(identity.as_bytes()),
        };
        let cells = person.columns.iter().flat_map(Cells::iter);
        Self {
            record_id: person.record_id.to_string(),
            line: person.line,
            cells: cells.map(str::to_owned).collect(),
            keys: person.keys.iter().map(key).collect(),
        }
    }
}

/// How many bytes a record takes in a message.
pub fn person_bytes(person: &identity::Person) -> usize {
    // Tag, length and value; all field numbers in use take a tag of one byte.
    let field = |length: usize| 1 + encoded_len_varint(length as u64) + length;
    let nonempty = |length: usize| if length == 0 { 0 } else { field(length) };
    let line = match person.line {
        0 => 0,
        line => 1 + encoded_len_varint(u64::from(line)),
    };
    let cells = person.columns.iter().flat_map(Cells::iter);
    // Every kind's number takes one byte.
    let key = field(2 + field(HASHED_KEY_BYTES));
    let record_id = nonempty(person.record_id.len());
    record_id + line + cells.map(|cell| field(cell.len())).sum::<usize>() + key * person.keys.len()
}

/// A record as a client sent it.
///
/// # Errors
/// What is wrong with it.
pub fn person(person: Person) -> Result<identity::Person, Malformed> {
    if person.record_id.is_empty() {
        return Err(Malformed::Missing("a record's id"));
    }
    let bytes: usize = person.cells.iter().map(String::len).sum();
    let longest = person.cells.iter().map(String::len).max().unwrap_or(0);
    if longest.max(person.record_id.len()) > CELL_BYTES_MAX
        || bytes + person.record_id.len() > RECORD_BYTES_MAX
    {
        return Err(Malformed::Length("a record"));
    }
    if person.keys.is_empty() || person.keys.len() > KEYS_PER_PERSON_MAX {
        return Err(Malformed::Length("a record's keys"));
    }
    let key = |key: pb::Key| {
        let identity = key.identity.as_ref().try_into();
        let identity = identity.map_err(|_| Malformed::Length("a hashed key"))?;
        Ok((
            kind_numbered(key.kind)?,
            HashedIdentity::from_bytes(identity),
        ))
    };
    let cells = &person.cells;
    Ok(identity::Person {
        line: person.line,
        columns: (!cells.is_empty()).then(|| Cells::new(cells.iter().map(String::as_str))),
        record_id: person.record_id.into(),
        keys: person.keys.into_iter().map(key).collect::<Result<_, _>>()?,
    })
}

/// The records of one message.
///
/// # Errors
/// None or too many of them, or what is wrong with one.
pub fn people(people: Vec<Person>) -> Result<Vec<identity::Person>, Malformed> {
    if people.is_empty() || people.len() > BATCH_PEOPLE_MAX {
        return Err(Malformed::Length("the list of records"));
    }
    people.into_iter().map(person).collect()
}

/// Checks that records have as many cells as their header has columns.
///
/// # Errors
/// [`Malformed::Length`].
pub fn check_cells(people: &[identity::Person], columns: usize) -> Result<(), Malformed> {
    let cells = |person: &identity::Person| person.columns.as_ref().map_or(0, Cells::len);
    match people.iter().all(|person| cells(person) == columns) {
        true => Ok(()),
        false => Err(Malformed::Length("a record's cells")),
    }
}

/// The number of a kind of keys.
pub fn kind_number(kind: identity::KeyKind) -> i32 {
    use identity::KeyKind as Kind;
    let number = match kind {
        Kind::Doc => pb::KeyKind::Doc,
        Kind::Srv => pb::KeyKind::Srv,
        Kind::Tax => pb::KeyKind::Tax,
        Kind::N1 => pb::KeyKind::N1,
        Kind::N2 => pb::KeyKind::N2,
        Kind::N3 => pb::KeyKind::N3,
        Kind::N4 => pb::KeyKind::N4,
        Kind::N5 => pb::KeyKind::N5,
        Kind::N6 => pb::KeyKind::N6,
        Kind::N7 => pb::KeyKind::N7,
        Kind::N8 => pb::KeyKind::N8,
        Kind::N9 => pb::KeyKind::N9,
        Kind::N10 => pb::KeyKind::N10,
        Kind::N11 => pb::KeyKind::N11,
        Kind::N12 => pb::KeyKind::N12,
        Kind::N13 => pb::KeyKind::N13,
        Kind::N14 => pb::KeyKind::N14,
        Kind::N15 => pb::KeyKind::N15,
    };
    number.into()
}

/// The kind of keys of that number.
///
/// # Errors
/// [`Malformed::Unknown`].
pub fn kind_numbered(number: i32) -> Result<identity::KeyKind, Malformed> {
    static KINDS: std::sync::OnceLock<HashMap<i32, identity::KeyKind>> = std::sync::OnceLock::new();
    let kinds = KINDS.get_or_init(|| {
        let all = identity::KeyKind::ALL.into_iter();
        all.map(|kind| (kind_number(kind), kind)).collect()
    });
    let kind = kinds.get(&number).copied();
    kind.ok_or(Malformed::Unknown("the kind of a key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent() -> Person {
        Person {
            record_id: "7".into(),
            line: 2,
            cells: vec!["Шевченко".into(), String::new()],
            keys: identity::KeyKind::ALL
                .map(|kind| pb::Key {
                    kind: kind_number(kind),
                    identity: vec![kind_number(kind) as u8; 32].into(),
                })
                .to_vec(),
        }
    }

    #[test]
    fn a_record_comes_over_as_it_was() {
        let read = person(sent()).unwrap();
        assert_eq!((&*read.record_id, read.line), ("7", 2));
        assert_eq!(read.keys.len(), identity::KeyKind::ALL.len());
        assert!(Person::from(&read) == sent());
        assert_eq!(person_bytes(&read), prost::Message::encoded_len(&sent()));
    }

    #[test]
    fn a_record_that_breaks_a_bound_is_refused() {
        let refused = |change: fn(&mut Person)| {
            let mut record = sent();
            change(&mut record);
            person(record)
                .and_then(|read| check_cells(&[read], 2))
                .err()
        };
        assert!(refused(|_| ()).is_none());
        let length = |what| Some(Malformed::Length(what));
        assert!(refused(|p| p.record_id.clear()) == Some(Malformed::Missing("a record's id")));
        assert!(refused(|p| drop(p.cells.pop())) == length("a record's cells"));
        assert!(refused(|p| p.keys.clear()) == length("a record's keys"));
        assert!(refused(|p| p.keys[0].identity = vec![0; 31].into()) == length("a hashed key"));
        assert!(refused(|p| p.keys[0].kind = 4) == Some(Malformed::Unknown("the kind of a key")));
        assert!(refused(|p| p.cells[0] = "x".repeat(CELL_BYTES_MAX + 1)) == length("a record"));
        let many = |count| (0..count).map(|_| sent()).collect();
        assert!(people(many(0)).is_err() && people(many(1001)).is_err());
        assert!(people(many(1000)).is_ok());
    }

    #[test]
    fn a_header_under_another_digest_is_refused() {
        let header = Header {
            columns: vec!["id".into()],
            schema: Schema::default(),
        };
        let mut sent = ListHeader::from(&header);
        assert!(Header::try_from(sent.clone()).is_ok());
        sent.schema_digest[0] ^= 1;
        assert!(Header::try_from(sent.clone()).err() == Some(Malformed::OtherSchema));
        sent.schema = "persons-v9".into();
        assert!(Header::try_from(sent).err() == Some(Malformed::Unknown("the schema")));
    }
}
