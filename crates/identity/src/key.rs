//! Match keys: which parts of a reading go under one hash together. `docs/matching.md` §8.
//!
//! Handed a [`Reading`]; makes its [`MatchKey`]s by the recipes of a [`Schema`] and hashes them.

use ring::digest::{SHA512_256, digest};
use zeroize::Zeroizing;

use super::phoneme::consonants;
use super::reading::Reading;
use super::schema::Schema;
use super::{HashedIdentity, KeyClass, ListKind};

/// The first part of every match key.
const LABEL: &[u8] = b"tacit/v1 key";
/// A match key's usual length, in bytes.
const KEY_BYTES: usize = 160;

/// What one match says of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grade {
    /// One match is enough.
    Strong,
    /// Enough between lists of moderate size; to be confirmed between large ones.
    StrongInSmallLists,
    /// A lead; two that one person could give together are strong.
    Possible,
}

/// A kind of match key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    Doc,
    Srv,
    Tax,
    N1,
    N2,
    N3,
    N4,
    N5,
    N6,
    N7,
    N8,
    N9,
    N10,
    N11,
    N12,
    N13,
    N14,
    N15,
}

/// One part of a match key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Document,
    Service,
    Tax,
    /// Family name and given name, in either order.
    Names,
    Family,
    /// The first three letters of a skeleton with at least four.
    FamilyStart3,
    /// The first two consonants.
    FamilyStart2,
    Given,
    Initial,
    Patronymic,
    /// Year and the unordered pair of day and month.
    Date,
    YearMonth,
    /// The unordered pair of day and month.
    DayMonth,
    /// Year and day, for where the month differs.
    YearDay,
    Year,
    /// Place of birth.
    Place,
}

/// What a held record must lack to give a key of a one-sided kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// Day or month is not known, or 1 January stands for it.
    DayOrMonth,
    /// No date at all.
    Date,
}

impl Part {
    /// The part's name, for people.
    pub const fn label(self) -> &'static str {
        self.names().0
    }

    /// The part's name in a match key: short, so that most keys fit one block of the hash.
    pub const fn tag(self) -> &'static str {
        self.names().1
    }

    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Document => ("document", "doc"),
            Self::Service => ("service", "srv"),
            Self::Tax => ("tax", "tax"),
            Self::Names => ("names", "FG"),
            Self::Family => ("family", "F"),
            Self::FamilyStart3 => ("family start 3", "F3"),
            Self::FamilyStart2 => ("family start 2", "F2"),
            Self::Given => ("given", "G"),
            Self::Initial => ("initial", "I"),
            Self::Patronymic => ("patronymic", "P"),
            Self::Date => ("date", "D"),
            Self::YearMonth => ("year and month", "YM"),
            Self::DayMonth => ("day and month", "DM"),
            Self::YearDay => ("year and day", "YD"),
            Self::Year => ("year", "Y"),
            Self::Place => ("place", "B"),
        }
    }
}

impl Gap {
    /// Whether a record has this gap.
    pub fn is_in(self, reading: &Reading) -> bool {
        match (self, reading.birth) {
            (Self::Date, birth) => birth.is_none(),
            (Self::DayOrMonth, None) => false,
            (Self::DayOrMonth, Some(birth)) => {
                birth.day.is_none() || (birth.month, birth.day) == (Some(1), Some(1))
            }
        }
    }

    /// What lacks, in words.
    pub const fn label(self) -> &'static str {
        match self {
            Self::DayOrMonth => "day or month",
            Self::Date => "date",
        }
    }
}

impl KeyKind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Doc,
        Self::Srv,
        Self::Tax,
        Self::N1,
        Self::N2,
        Self::N3,
        Self::N4,
        Self::N5,
        Self::N6,
        Self::N7,
        Self::N8,
        Self::N9,
        Self::N10,
        Self::N11,
        Self::N12,
        Self::N13,
        Self::N14,
        Self::N15,
    ];

    /// The kind's name in a match key, in results and in the specification.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Doc => "DOC",
            Self::Srv => "SRV",
            Self::Tax => "TAX",
            Self::N1 => "N1",
            Self::N2 => "N2",
            Self::N3 => "N3",
            Self::N4 => "N4",
            Self::N5 => "N5",
            Self::N6 => "N6",
            Self::N7 => "N7",
            Self::N8 => "N8",
            Self::N9 => "N9",
            Self::N10 => "N10",
            Self::N11 => "N11",
            Self::N12 => "N12",
            Self::N13 => "N13",
            Self::N14 => "N14",
            Self::N15 => "N15",
        }
    }

    /// The parts that make a key of this kind, all of them needed.
    pub const fn parts(self) -> &'static [Part] {
        use Part::*;
        match self {
            Self::Doc => &[Document, Given],
            Self::Srv => &[Service, Given],
            Self::Tax => &[Tax, Given],
            Self::N1 => &[Names, Patronymic, Date],
            Self::N2 => &[Names, Date],
            Self::N3 => &[Family, Given, Patronymic, Year],
            Self::N4 => &[Family, Initial, Date],
            Self::N5 => &[Family, Given, YearMonth],
            Self::N6 => &[FamilyStart3, Given, Date],
            Self::N7 => &[Given, Patronymic, Date],
            Self::N8 => &[Family, Patronymic, Date],
            Self::N9 => &[FamilyStart2, Given, Patronymic, Date],
            Self::N10 => &[FamilyStart2, Given, Date],
            Self::N11 => &[Family, Given, DayMonth],
            Self::N12 => &[Family, Given, Year],
            Self::N13 => &[Family, Given, Patronymic],
            Self::N14 => &[Family, Given, Place],
            Self::N15 => &[Family, Given, YearDay],
        }
    }

    /// For a one-sided kind, what a held record must lack to give it; a requested record always does.
    /// So two complete records never meet by it, and nobody whose date is known can be found by a
    /// guess that needs no date.
    pub const fn gap(self) -> Option<Gap> {
        match self {
            Self::N12 => Some(Gap::DayOrMonth),
            Self::N13 => Some(Gap::Date),
            _ => None,
        }
    }

    /// What a match of this kind says.
    pub const fn grade(self) -> Grade {
        match self {
            Self::Doc | Self::Srv | Self::Tax | Self::N1 => Grade::Strong,
            Self::N2 | Self::N9 => Grade::StrongInSmallLists,
            _ => Grade::Possible,
        }
    }

    /// The class whose OPRF key, table and ceiling this kind uses.
    pub const fn class(self) -> KeyClass {
        match self.grade() {
            Grade::Strong | Grade::StrongInSmallLists => KeyClass::Narrow,
            Grade::Possible => KeyClass::Wide,
        }
    }
}

/// The canonical bytes of one key of one person, wiped when dropped. Never printed or logged.
pub struct MatchKey(Zeroizing<Vec<u8>>);

impl MatchKey {
    fn empty() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(KEY_BYTES)))
    }

    /// Label, schema, kind, then each part's tag and value: every text after its length in two bytes,
    /// big-endian.
    fn write(&mut self, schema: Schema, kind: KeyKind, parts: &[(&'static str, &str)]) {
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

/// The values of every part of a reading, made once for all its keys.
pub struct Values<'a> {
    reading: &'a Reading,
    names: Vec<String>,
    initial: Option<String>,
    date: Option<String>,
    year_month: Option<String>,
    day_month: Option<String>,
    year_day: Option<String>,
    year: Option<String>,
}

impl<'a> Values<'a> {
    /// Makes the values of a reading.
    pub fn of(reading: &'a Reading) -> Self {
        let birth = reading.birth;
        let names = reading.given_part().map_or_else(Vec::new, |given| {
            let pair = |family: &str| {
                let (first, second) = if family < given {
                    (family, given)
                } else {
                    (given, family)
                };
                [first, "+", second].concat()
            };
            reading
                .family
                .iter()
                .map(|family| pair(family.class.unwrap_or(&family.skeleton)))
                .collect()
        });
        Self {
            reading,
            names,
            initial: reading.initial.map(String::from),
            date: birth.and_then(|birth| birth.full()),
            year_month: birth.and_then(|birth| birth.year_month()),
            day_month: birth.and_then(|birth| birth.day_month()),
            year_day: birth.and_then(|birth| birth.year_day()),
            year: birth.map(|birth| birth.year()),
        }
    }

    /// What the reading says for a part: nothing, one value, or one for each family-name variant.
    pub fn each(&self, part: Part) -> impl Iterator<Item = &str> {
        let reading = self.reading;
        let one: Option<&str> = match part {
            Part::Document => reading.document.as_deref(),
            Part::Service => reading.service.as_deref(),
            Part::Tax => reading.tax.as_deref(),
            Part::Given => reading.given_part(),
            Part::Initial => self.initial.as_deref(),
            Part::Patronymic => reading.patronymic_part(),
            Part::Date => self.date.as_deref(),
            Part::YearMonth => self.year_month.as_deref(),
            Part::DayMonth => self.day_month.as_deref(),
            Part::YearDay => self.year_day.as_deref(),
            Part::Year => self.year.as_deref(),
            Part::Place => reading.place.as_deref(),
            Part::Names | Part::Family | Part::FamilyStart2 | Part::FamilyStart3 => None,
        };
        let names = if part == Part::Names {
            &self.names[..]
        } else {
            &[]
        };
        let family = match part {
            Part::Family | Part::FamilyStart2 | Part::FamilyStart3 => &reading.family[..],
            _ => &[],
        };
        let family = family.iter().filter_map(move |family| match part {
            Part::FamilyStart2 => start_2(&family.skeleton),
            Part::FamilyStart3 => start_3(&family.skeleton),
            _ => Some(family.skeleton.as_str()),
        });
        one.into_iter()
            .chain(names.iter().map(String::as_str))
            .chain(family)
    }
}

/// The first three letters of a skeleton that has at least four, the mark of a first vowel among them.
fn start_3(skeleton: &str) -> Option<&str> {
    let consonants = consonants(skeleton);
    (consonants.len() >= 4).then(|| &consonants[..3])
}

/// The first two consonants of a skeleton, wherever its first vowel is.
fn start_2(skeleton: &str) -> Option<&str> {
    consonants(skeleton).trim_start_matches('-').get(..2)
}

/// Calls `each` with every match key of a reading under a schema, by kind. Keys of double names may coincide.
fn each_key(
    schema: Schema,
    list: ListKind,
    reading: &Reading,
    mut each: impl FnMut(KeyKind, &MatchKey),
) {
    let values = Values::of(reading);
    let mut key = MatchKey::empty();
    let mut chosen = Vec::with_capacity(6);
    for kind in schema.kinds().iter().copied() {
        let mut add = |chosen: &[(&'static str, &str)]| {
            key.write(schema, kind, chosen);
            each(kind, &key);
        };
        if kind
            .gap()
            .is_none_or(|gap| list == ListKind::Requested || gap.is_in(reading))
        {
            combine(&values, kind.parts(), &mut chosen, &mut add);
        }
    }
}

/// Every hashed identity of a reading, by kind; those that coincide stand once.
pub fn hashed_identities(
    schema: Schema,
    list: ListKind,
    reading: &Reading,
) -> Vec<(KeyKind, HashedIdentity)> {
    let mut identities = Vec::with_capacity(16);
    each_key(schema, list, reading, |kind, key| {
        let identity = (kind, key.hashed());
        if !identities.contains(&identity) {
            identities.push(identity);
        }
    });
    identities
}

/// Calls `each` with every choice of one value a part; not at all when a part has none.
fn combine<'a>(
    values: &'a Values<'_>,
    parts: &[Part],
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
    use super::super::header::Field;
    use super::*;

    fn reading(cells: &[(Field, &'static str)]) -> Reading {
        let cells = cells.to_vec();
        let cell = |field: Field| {
            cells
                .iter()
                .find(|(name, _)| *name == field)
                .map_or("", |(_, text)| *text)
        };
        Reading::of(cell, jiff::civil::date(2026, 1, 15))
    }

    fn person(birth: &'static str) -> Reading {
        reading(&[
            (Field::FamilyName, "Бойчук"),
            (Field::GivenName, "Іван"),
            (Field::Patronymic, "Петрович"),
            (Field::DateOfBirth, birth),
        ])
    }

    fn meeting(held: &Reading, requested: &Reading) -> Vec<KeyKind> {
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
