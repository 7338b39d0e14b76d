//! What a record says for each part of a match key. `docs/matching.md` §8.1.
//!
//! Handed a [`NormalRecord`]; a part that the record lacks has no value, and then no key that needs it
//! is made.

use crate::kind::KeyPart;
use crate::normal_record::NormalRecord;
use crate::phoneme::consonants;

/// The values of every part of a record, made once for all its keys.
pub struct PartValues<'a> {
    record: &'a NormalRecord,
    names: Vec<String>,
    initial: Option<String>,
    date: Option<String>,
    year_month: Option<String>,
    day_month: Option<String>,
    year_day: Option<String>,
    year: Option<String>,
}

impl<'a> PartValues<'a> {
    /// Makes the values of a record.
    pub fn of(record: &'a NormalRecord) -> Self {
        let birth = record.birth;
        let names = record.given_part().map_or_else(Vec::new, |given| {
            let pair = |family: &str| {
                // Sorted, so that swapped columns give the same.
                let (first, second) = if family < given {
                    (family, given)
                } else {
                    (given, family)
                };
                [first, "+", second].concat()
            };
            record
                .family
                .iter()
                .map(|family| pair(family.class.unwrap_or(&family.skeleton)))
                .collect()
        });
        Self {
            record,
            names,
            initial: record.initial.map(String::from),
            date: birth.and_then(|birth| birth.full()),
            year_month: birth.and_then(|birth| birth.year_month()),
            day_month: birth.and_then(|birth| birth.day_month()),
            year_day: birth.and_then(|birth| birth.year_day()),
            year: birth.map(|birth| birth.year()),
        }
    }

    /// What the record says for a part: nothing, one value, or one for each family-name variant.
    pub fn each(&self, part: KeyPart) -> impl Iterator<Item = &str> {
        let record = self.record;
        let one: Option<&str> = match part {
            KeyPart::Document => record.document.as_deref(),
            KeyPart::Service => record.service.as_deref(),
            KeyPart::Tax => record.tax.as_deref(),
            KeyPart::Given => record.given_part(),
            KeyPart::Initial => self.initial.as_deref(),
            KeyPart::Patronymic => record.patronymic_part(),
            KeyPart::Date => self.date.as_deref(),
            KeyPart::YearMonth => self.year_month.as_deref(),
            KeyPart::DayMonth => self.day_month.as_deref(),
            KeyPart::YearDay => self.year_day.as_deref(),
            KeyPart::Year => self.year.as_deref(),
            KeyPart::Place => record.place.as_deref(),
            KeyPart::Names | KeyPart::Family | KeyPart::FamilyStart2 | KeyPart::FamilyStart3 => {
                None
            }
        };
        let names = if part == KeyPart::Names {
            &self.names[..]
        } else {
            &[]
        };
        let family = match part {
            KeyPart::Family | KeyPart::FamilyStart2 | KeyPart::FamilyStart3 => &record.family[..],
            _ => &[],
        };
        let family = family.iter().filter_map(move |family| match part {
            KeyPart::FamilyStart2 => start_2(&family.skeleton),
            KeyPart::FamilyStart3 => start_3(&family.skeleton),
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
