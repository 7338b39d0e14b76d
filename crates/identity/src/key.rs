//! Match keys: a record's parts under one hash. `docs/matching.md` §8.
//!
//! Handed a [`NormalRecord`]; makes its [`MatchKey`]s by the kinds of a [`Schema`] and hashes them.

use element::{HashedIdentity, ListKind};
use ring::digest::{SHA512_256, digest};
use zeroize::Zeroizing;

use crate::kind::{Gap, KeyKind, KeyPart};
use crate::normal_record::NormalRecord;
use crate::part_values::PartValues;
use crate::schema::Schema;

/// The first part of every match key.
const LABEL: &[u8] = b"tacit/v1 key";
/// The most parts that a kind has.
const PARTS_MAX: usize = 4;
/// A match key's usual length, in bytes.
const KEY_BYTES: usize = 160;

/// The canonical bytes of one key of one person, wiped when dropped. Never printed or logged.
pub struct MatchKey(Zeroizing<Vec<u8>>);

impl MatchKey {
    fn empty() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(KEY_BYTES)))
    }

    /// Label, schema, kind, then each part's tag and value: every text after its length in two bytes,
    /// big-endian.
    fn write(&mut self, schema: Schema, kind: KeyKind, parts: &[(&'static str, &str)]) {
        // One buffer for all keys of a record: most fit, and none is left behind unwiped.
        self.0.clear();
        for text in [LABEL, schema.name().as_bytes(), kind.label().as_bytes()] {
            push(&mut self.0, text);
        }
        for (tag, value) in parts {
            push(&mut self.0, tag.as_bytes());
            push(&mut self.0, value.as_bytes());
        }
    }

    /// Hashes the key with SHA-512/256.
    pub fn hashed(&self) -> HashedIdentity {
        let hash = digest(&SHA512_256, &self.0);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.as_ref());
        HashedIdentity::from_bytes(bytes)
    }
}

/// Appends a text after its length. Parts come from cells of at most 64 KiB, folded shorter; one
/// that is longer still is cut, on both sides alike.
fn push(bytes: &mut Vec<u8>, text: &[u8]) {
    let text = &text[..text.len().min(usize::from(u16::MAX))];
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(text);
}

/// Calls `each` with every match key of a record under a schema, by kind. Keys of double names may coincide.
fn each_key(
    schema: Schema,
    list: ListKind,
    record: &NormalRecord,
    mut each: impl FnMut(KeyKind, &MatchKey),
) {
    let values = PartValues::of(record);
    let mut key = MatchKey::empty();
    let mut chosen = Vec::with_capacity(PARTS_MAX);
    for kind in schema.kinds().iter().copied() {
        let mut add = |chosen: &[(&'static str, &str)]| {
            key.write(schema, kind, chosen);
            each(kind, &key);
        };
        if kind
            .gap()
            .is_none_or(|gap| list == ListKind::Requested || lacks(record, gap))
        {
            combine(&values, kind.parts(), &mut chosen, &mut add);
        }
    }
}

/// Whether a record has a gap.
fn lacks(record: &NormalRecord, gap: Gap) -> bool {
    match (gap, record.birth) {
        (Gap::Date, birth) => birth.is_none(),
        (Gap::DayOrMonth, None) => false,
        (Gap::DayOrMonth, Some(birth)) => {
            // 1 January often stands for an unknown day.
            birth.day.is_none() || (birth.month, birth.day) == (Some(1), Some(1))
        }
    }
}

/// Every hashed identity of a record, by kind; those that coincide stand once.
pub fn hashed_identities(
    schema: Schema,
    list: ListKind,
    record: &NormalRecord,
) -> Vec<(KeyKind, HashedIdentity)> {
    let mut identities = Vec::with_capacity(16);
    each_key(schema, list, record, |kind, key| {
        let identity = (kind, key.hashed());
        // Double names may give one key twice; a list of so few is searched faster than a set.
        if !identities.contains(&identity) {
            identities.push(identity);
        }
    });
    identities
}

/// Calls `each` with every choice of one value a part; not at all when a part has none.
fn combine<'a>(
    values: &'a PartValues<'_>,
    parts: &[KeyPart],
    chosen: &mut Vec<(&'static str, &'a str)>,
    each: &mut impl FnMut(&[(&'static str, &str)]),
) {
    let Some((part, rest)) = parts.split_first() else {
        return each(chosen);
    };
    for value in values.each(*part) {
        chosen.push((part.tag(), value));
        combine(values, rest, chosen, each);
        chosen.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Field;

    fn record(cells: &[(Field, &'static str)]) -> NormalRecord {
        let cells = cells.to_vec();
        let cell = |field: Field| {
            cells
                .iter()
                .find(|(name, _)| *name == field)
                .map_or("", |(_, text)| *text)
        };
        NormalRecord::of(cell, jiff::civil::date(2026, 1, 15))
    }

    fn person(birth: &'static str) -> NormalRecord {
        record(&[
            (Field::FamilyName, "Бойчук"),
            (Field::GivenName, "Іван"),
            (Field::Patronymic, "Петрович"),
            (Field::DateOfBirth, birth),
        ])
    }

    fn meeting(held: &NormalRecord, requested: &NormalRecord) -> Vec<KeyKind> {
        let held = hashed_identities(Schema::PersonsV2, ListKind::Held, held);
        let requested = hashed_identities(Schema::PersonsV2, ListKind::Requested, requested);
        let mut kinds: Vec<KeyKind> = requested
            .iter()
            .filter(|(_, identity)| held.iter().any(|(_, other)| other == identity))
            .map(|(kind, _)| *kind)
            .collect();
        kinds.dedup();
        kinds
    }

    #[test]
    fn a_one_sided_key_is_given_by_held_records_that_lack_something_alone() {
        let (full, year, none) = (person("1990-05-04"), person("1990"), person(""));
        let default = person("01.01.1990");
        for held in [&year, &default] {
            assert!(meeting(held, &full).contains(&KeyKind::N12));
            assert!(meeting(held, &year).contains(&KeyKind::N12));
        }
        for requested in [&full, &year, &default, &none] {
            assert!(!meeting(&full, requested).contains(&KeyKind::N12));
            assert!(!meeting(&full, requested).contains(&KeyKind::N13));
        }
        assert_eq!(meeting(&none, &full), [KeyKind::N13]);
        assert_eq!(meeting(&full, &none), []);
    }

    #[test]
    fn a_key_is_its_parts_each_after_its_length() {
        let mut found = 0;
        each_key(
            Schema::PersonsV1,
            ListKind::Held,
            &person("1990-05-04"),
            |kind, key| {
                if kind == KeyKind::N2 {
                    found += 1;
                    assert_eq!(
                    key.0.as_slice(),
                    b"\0\x0ctacit/v1 key\0\x0apersons-v1\0\x02N2\0\x02FG\0\x08IVAN+bQk\0\x01D\0\x0819900405"
                );
                }
            },
        );
        assert_eq!(found, 1);
    }

    #[test]
    fn no_key_has_the_text_that_was_typed() {
        let person = person("1990-05-04");
        let mut keys = 0;
        for schema in Schema::ALL {
            each_key(schema, ListKind::Requested, &person, |_, key| {
                keys += 1;
                for typed in ["Бойчук", "бойчук", "Іван", "іван", "Петрович", "1990-05-04"]
                {
                    assert!(
                        !key.0
                            .windows(typed.len())
                            .any(|part| part == typed.as_bytes())
                    );
                }
            });
        }
        assert!(keys >= 17);
    }
}
