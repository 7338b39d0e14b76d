//! Match keys: which parts of a reading go under one hash together. `docs/matching.md` §8.
//!
//! Handed a [`Reading`]; makes its [`MatchKey`]s by the recipes of a [`Schema`] and hashes them.

use std::borrow::Cow;

use ring::digest::{SHA512_256, digest};
use zeroize::Zeroizing;

use super::phoneme::consonants;
use super::reading::Reading;
use super::schema::Schema;
use super::{HashedIdentity, KeyClass};

/// The first part of every match key.
const LABEL: &[u8] = b"tacit/v1 match key";
/// Family names with fewer consonants give no key by their beginning.
const START_CONSONANTS_MIN: usize = 4;
/// How many consonants the beginning of a family name is.
const START_CONSONANTS: usize = 3;

/// What one match says of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grade {
    /// One match is enough.
    Strong,
    /// Enough between lists of moderate size; to be confirmed between large ones.
    StrongInSmallLists,
    /// A lead; two different ones together are strong.
    Possible,
}

/// A kind of match key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
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
    /// The first three consonants of a family name of at least four.
    FamilyStart,
    Given,
    Initial,
    Patronymic,
    /// Year and the unordered pair of day and month.
    Date,
    YearMonth,
    Year,
}

impl Part {
    /// The part's name in a match key.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Service => "service",
            Self::Tax => "tax",
            Self::Names => "names",
            Self::Family => "family",
            Self::FamilyStart => "family start",
            Self::Given => "given",
            Self::Initial => "initial",
            Self::Patronymic => "patronymic",
            Self::Date => "date",
            Self::YearMonth => "year and month",
            Self::Year => "year",
        }
    }

    /// What a reading says for this part: nothing, one value, or one for each family-name variant.
    pub fn values(self, reading: &Reading) -> Vec<Cow<'_, str>> {
        let one = |value: Option<Cow<'_, str>>| {
            value.map_or_else(Vec::new, |value| vec![value.into_owned().into()])
        };
        let text = |value: &Option<String>| one(value.as_deref().map(Cow::from));
        match self {
            Self::Document => text(&reading.document),
            Self::Service => text(&reading.service),
            Self::Tax => text(&reading.tax),
            Self::Given => one(reading.given_part().map(Cow::from)),
            Self::Initial => one(reading.initial.map(|initial| initial.to_string().into())),
            Self::Patronymic => one(reading.patronymic_part().map(Cow::from)),
            Self::Date => one(reading.birth.and_then(|birth| birth.full()).map(Cow::from)),
            Self::YearMonth => one(reading
                .birth
                .and_then(|birth| birth.year_month())
                .map(Cow::from)),
            Self::Year => one(reading.birth.map(|birth| birth.year().into())),
            Self::Family => reading
                .family
                .iter()
                .map(|family| Cow::from(&family.skeleton))
                .collect(),
            Self::FamilyStart => reading
                .family
                .iter()
                .filter_map(|family| start(&family.skeleton))
                .map(Cow::from)
                .collect(),
            Self::Names => {
                let Some(given) = reading.given_part() else {
                    return Vec::new();
                };
                let pair = |family: &str| {
                    let (first, second) = if family < given {
                        (family, given)
                    } else {
                        (given, family)
                    };
                    Cow::from(format!("{first}+{second}"))
                };
                reading
                    .family
                    .iter()
                    .map(|family| pair(family.class.unwrap_or(&family.skeleton)))
                    .collect()
            }
        }
    }
}

/// The beginning of a long enough skeleton.
fn start(skeleton: &str) -> Option<&str> {
    let consonants = consonants(skeleton);
    (consonants.len() >= START_CONSONANTS_MIN).then(|| &consonants[..START_CONSONANTS])
}

impl KeyKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
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
            Self::N6 => &[FamilyStart, Given, Date],
            Self::N7 => &[Given, Patronymic, Date],
            Self::N8 => &[Family, Patronymic, Date],
        }
    }

    /// What a match of this kind says.
    pub const fn grade(self) -> Grade {
        match self {
            Self::Doc | Self::Srv | Self::Tax | Self::N1 => Grade::Strong,
            Self::N2 => Grade::StrongInSmallLists,
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
    /// Label, schema, kind, then each part's label and value: every one after its length in two bytes, big-endian.
    fn new(schema: Schema, kind: KeyKind, parts: &[(Part, &str)]) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(128));
        for text in [LABEL, schema.name().as_bytes(), kind.label().as_bytes()] {
            push(&mut bytes, text);
        }
        for (part, value) in parts {
            push(&mut bytes, part.label().as_bytes());
            push(&mut bytes, value.as_bytes());
        }
        Self(bytes)
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

/// Every match key of a reading under a schema, by kind; keys that coincide stand once.
pub fn match_keys(schema: Schema, reading: &Reading) -> Vec<(KeyKind, MatchKey)> {
    let mut keys = Vec::with_capacity(12);
    for kind in schema.kinds().iter().copied() {
        let before = keys.len();
        let parts: Vec<(Part, Vec<Cow<'_, str>>)> = kind
            .parts()
            .iter()
            .map(|part| (*part, part.values(reading)))
            .collect();
        combine(&parts, &mut Vec::new(), &mut |chosen| {
            let key = MatchKey::new(schema, kind, chosen);
            let known = keys[before..]
                .iter()
                .any(|(_, other): &(KeyKind, MatchKey)| *other.0 == *key.0);
            if !known {
                keys.push((kind, key));
            }
        });
    }
    keys
}

/// Calls `each` with every choice of one value a part; not at all when a part has none.
fn combine<'a>(
    parts: &'a [(Part, Vec<Cow<'_, str>>)],
    chosen: &mut Vec<(Part, &'a str)>,
    each: &mut impl FnMut(&[(Part, &str)]),
) {
    let Some(((part, values), rest)) = parts.split_first() else {
        return each(chosen);
    };
    for value in values {
        chosen.push((*part, value));
        combine(rest, chosen, each);
        chosen.pop();
    }
}

/// Every hashed identity of a reading, by kind.
pub fn hashed_identities(schema: Schema, reading: &Reading) -> Vec<(KeyKind, HashedIdentity)> {
    match_keys(schema, reading)
        .iter()
        .map(|(kind, key)| (*kind, key.hashed()))
        .collect()
}
