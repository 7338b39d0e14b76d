//! One record in normal form: folds, classes, date and numbers, and what is doubtful about them.
//! `docs/matching.md` §1–7 and §9.
//!
//! Handed the cells of one row by field, and today's date to judge an age; holds normal forms only.

use jiff::civil::Date;

use crate::birth_check::{agrees, exists, judge_age};
use crate::birthplace;
use crate::date::{self, BirthDate};
use crate::field::Field;
use crate::given::{self, NameClass, Recognition};
use crate::issue::Reason;
use crate::number::{self, NumberKind};
use crate::patronymic;
use crate::person_name::{NameCells, sort_out};
use crate::phoneme::{phonemes, skeleton};
use crate::romanization::{ch_is_kh, with_kh};
use crate::sex::{Sex, sex};
use crate::tables;
use crate::tax_number;
use crate::text::{clean, is_cyrillic, is_latin, is_plain_name, repair_script};

/// One variant of a family name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyName {
    /// The cleaned word.
    pub word: String,
    /// Its A fold.
    pub phonemes: String,
    /// Its B fold.
    pub skeleton: String,
    /// The class, when it is a given name too.
    pub class: Option<&'static str>,
}

/// A record in normal form.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct NormalRecord {
    /// The variants of the family name, at most three; the first is the whole name.
    pub family: Vec<FamilyName>,
    /// The cleaned word taken for the given name.
    pub given_word: String,
    /// Its class or fold; none for initials.
    pub given: Option<NameClass>,
    /// The class of its first letter.
    pub initial: Option<char>,
    /// The cleaned words taken for the patronymic.
    pub patronymic_word: String,
    /// The father's class or fold; none for an initial.
    pub patronymic: Option<NameClass>,
    /// The date of birth, as far as it is known.
    pub birth: Option<BirthDate>,
    /// The document number: capitals and digits alone.
    pub document: Option<String>,
    /// The service number: capitals and digits alone.
    pub service: Option<String>,
    /// The tax number's digits, when its check digit is right.
    pub tax: Option<String>,
    /// The B fold of the place of birth's own name.
    pub place: Option<String>,
    /// What is wrong or doubtful, and in which field.
    pub issues: Vec<(Option<Field>, Reason)>,
}

impl NormalRecord {
    /// Reads the cells of one record; `cell` gives a field's text, empty where the list has none.
    pub fn of<'a>(cell: impl Fn(Field) -> &'a str, today: Date) -> Self {
        let mut record = Self::default();
        record.read_names(&cell);
        record.read_birth(cell(Field::DateOfBirth), today);
        record.read_numbers(&cell);
        record.place = birthplace::fold(cell(Field::PlaceOfBirth));
        record.compare_sex(sex(cell(Field::Sex)), &cell);
        record
    }

    /// The given name as it goes into a key.
    pub fn given_part(&self) -> Option<&str> {
        self.given.as_ref().map(NameClass::as_str)
    }

    /// The patronymic as it goes into a key.
    pub fn patronymic_part(&self) -> Option<&str> {
        self.patronymic.as_ref().map(NameClass::as_str)
    }

    /// Whether something leaves the record out altogether.
    pub fn is_void(&self) -> bool {
        self.issues.iter().any(|(_, reason)| reason.voids_row())
    }

    fn note(&mut self, field: Field, reason: Reason) {
        self.issues.push((Some(field), reason));
    }

    fn read_names<'a>(&mut self, cell: &impl Fn(Field) -> &'a str) {
        let family = self.name_cell(Field::FamilyName, cell);
        let given = self.name_cell(Field::GivenName, cell);
        let patronymic = self.name_cell(Field::Patronymic, cell);
        let full = self.name_cell(Field::FullName, cell);
        let other_family = self.name_cell(Field::OtherFamilyNames, cell);
        let mut cells = [family, given, patronymic, full, other_family];
        if cells.iter().any(|cell| cell.contains("ch"))
            && ch_is_kh(cells.iter().map(String::as_str))
        {
            cells = cells.map(|cell| with_kh(&cell));
        }
        let [family, given, patronymic, full, other_family] = &cells;
        let name = sort_out(NameCells {
            family,
            given,
            patronymic,
            full,
            other_family,
        });
        if name.swapped {
            self.note(Field::FamilyName, Reason::ColumnsSwapped);
        }
        self.family = name.family.into_iter().filter_map(family_name).collect();
        if self.family.is_empty() {
            self.note(Field::FamilyName, Reason::FamilyNameMissing);
        }
        self.read_given(name.given);
        self.read_patronymic(name.patronymic);
    }

    /// Cleans one name cell and notes what is odd about it.
    fn name_cell<'a>(&mut self, field: Field, cell: &impl Fn(Field) -> &'a str) -> String {
        let text = clean(cell(field));
        if text.is_empty() || tables::is_placeholder(&text) {
            return String::new();
        }
        if is_plain_name(&text) {
            // Nothing odd can be in it.
        } else if text.chars().any(char::is_numeric) {
            self.note(field, Reason::DigitInName);
        } else if text
            .chars()
            .any(|letter| letter.is_alphabetic() && !is_cyrillic(letter) && !is_latin(letter))
        {
            self.note(field, Reason::UnknownScript);
        }
        let mixed = |word: &str| word.chars().any(is_cyrillic) && word.chars().any(is_latin);
        if !mixed(&text) || !text.split([' ', '-', '.', ',', '/']).any(mixed) {
            return text;
        }
        self.note(field, Reason::ScriptRepaired);
        let mut repaired = String::with_capacity(text.len());
        for word in text.split_inclusive([' ', '-', '.', ',', '/']) {
            repaired.push_str(&repair_script(word));
        }
        repaired
    }

    fn read_given(&mut self, word: String) {
        let sounds = phonemes(&word);
        self.initial = given::initial(&sounds);
        // One letter is an initial, and has no class.
        if word.chars().nth(1).is_some() {
            if let Some((part, found)) = given::given_class(&sounds) {
                match found {
                    Recognition::Known => {}
                    Recognition::Repaired => self.note(Field::GivenName, Reason::GivenNameRepaired),
                    Recognition::Unknown => self.note(Field::GivenName, Reason::GivenNameUnknown),
                }
                self.given = Some(part);
            }
        } else if !word.is_empty() {
            self.note(Field::GivenName, Reason::InitialsOnly);
        }
        self.given_word = word;
    }

    fn read_patronymic(&mut self, words: String) {
        if words.chars().nth(1).is_some() {
            self.patronymic = patronymic::patronymic_class(&words)
                .map(|(part, _)| part)
                .filter(|part| match part {
                    NameClass::Official(_) => true,
                    // One letter is an initial, not a name.
                    NameClass::Fold(fold) => fold.len() >= 2,
                });
        }
        self.patronymic_word = words;
    }

    fn read_birth(&mut self, cell: &str, today: Date) {
        const FIELD: Field = Field::DateOfBirth;
        let text = clean(cell);
        if text.is_empty() || tables::is_placeholder(&text) {
            return;
        }
        let Some(birth) = date::parse(cell) else {
            return self.note(FIELD, Reason::DateUnreadable);
        };
        if let Some(reason) = judge_age(&birth, today) {
            self.note(FIELD, reason);
        }
        match (birth.month, birth.day) {
            (Some(1), Some(1)) => self.note(FIELD, Reason::DateFirstOfJanuary),
            (Some(month), Some(day)) if !exists(birth.year, month, day) => {
                self.note(FIELD, Reason::DayNotInMonth)
            }
            (Some(_), Some(_)) if birth.ambiguous => self.note(FIELD, Reason::DayMonthAmbiguous),
            (Some(_), Some(_)) => {}
            _ => self.note(FIELD, Reason::DatePartial),
        }
        self.birth = Some(birth);
    }

    fn read_numbers<'a>(&mut self, cell: &impl Fn(Field) -> &'a str) {
        self.document = self.read_number(Field::DocumentNumber, NumberKind::Document, cell);
        self.service = self.read_number(Field::ServiceNumber, NumberKind::Service, cell);
        let text = cell(Field::TaxId);
        if is_blank(text) {
            return;
        }
        match tax_number::parse(text) {
            Ok(tax) => {
                if let (Some(said), Some(birth)) = (tax.birth, self.birth)
                    && !agrees(&birth, said)
                {
                    self.note(Field::TaxId, Reason::TaxDateDiffers);
                }
                self.tax = Some(tax.digits);
            }
            Err(reason) => self.note(Field::TaxId, reason),
        }
    }

    fn read_number<'a>(
        &mut self,
        field: Field,
        kind: NumberKind,
        cell: &impl Fn(Field) -> &'a str,
    ) -> Option<String> {
        let text = cell(field);
        if is_blank(text) {
            return None;
        }
        number::number(kind, text)
            .map_err(|reason| self.note(field, reason))
            .ok()
    }

    fn compare_sex<'a>(&mut self, sex: Option<Sex>, cell: &impl Fn(Field) -> &'a str) {
        let Some(sex) = sex else { return };
        if patronymic::patronymic_sex(&self.patronymic_word).is_some_and(|said| said != sex) {
            self.note(Field::Patronymic, Reason::PatronymicSexDiffers);
        }
        let tax_sex = self
            .tax
            .as_ref()
            .and_then(|_| tax_number::parse(cell(Field::TaxId)).ok()?.sex);
        if tax_sex.is_some_and(|said| said != sex) {
            self.note(Field::TaxId, Reason::TaxSexDiffers);
        }
    }
}

fn family_name(word: String) -> Option<FamilyName> {
    let sounds = phonemes(&word);
    if sounds.is_empty() {
        return None;
    }
    let skeleton = skeleton(&sounds);
    let class = given::known_given(&sounds);
    Some(FamilyName {
        word,
        phonemes: sounds,
        skeleton,
        class,
    })
}

fn is_blank(cell: &str) -> bool {
    let text = clean(cell);
    text.is_empty() || tables::is_placeholder(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Date = jiff::civil::date(2026, 1, 15);

    fn record(cells: &[(Field, &'static str)]) -> NormalRecord {
        let cells = cells.to_vec();
        let cell = |field: Field| {
            cells
                .iter()
                .find(|(name, _)| *name == field)
                .map_or("", |(_, text)| *text)
        };
        NormalRecord::of(cell, TODAY)
    }

    fn reasons(record: &NormalRecord) -> Vec<Reason> {
        record.issues.iter().map(|(_, reason)| *reason).collect()
    }

    #[test]
    fn a_clean_record_has_no_issues() {
        let record = record(&[
            (Field::FamilyName, "Шевченко"),
            (Field::GivenName, "Олексій"),
            (Field::Patronymic, "Сергійович"),
            (Field::DateOfBirth, "26.08.1994"),
            (Field::Sex, "ч"),
            (Field::TaxId, "3457142190"),
        ]);
        assert_eq!(reasons(&record), []);
        assert_eq!(record.given_part(), Some("OLEKSII"));
        assert_eq!(record.patronymic_part(), Some("SERHII"));
        assert_eq!(record.family[0].skeleton, "SvQnk");
    }

    #[test]
    fn what_is_wrong_or_doubtful_is_noted() {
        let base = [(Field::FamilyName, "Бойко"), (Field::GivenName, "Іван")];
        let with = |extra: &[(Field, &'static str)]| reasons(&record(&[extra, &base].concat()));
        assert_eq!(
            with(&[(Field::DateOfBirth, "завтра")]),
            [Reason::DateUnreadable]
        );
        assert_eq!(
            with(&[(Field::DateOfBirth, "2030-01-01")])[0],
            Reason::DateInFuture
        );
        assert_eq!(
            with(&[(Field::DateOfBirth, "2015-03-02")]),
            [Reason::AgeUnder14]
        );
        assert_eq!(
            with(&[(Field::DateOfBirth, "1920-03-02")]),
            [Reason::AgeOver100]
        );
        assert_eq!(with(&[(Field::DateOfBirth, "1990")]), [Reason::DatePartial]);
        assert_eq!(
            with(&[(Field::DateOfBirth, "31.02.1990")]),
            [Reason::DayNotInMonth]
        );
        assert_eq!(
            with(&[(Field::DateOfBirth, "03/02/1990")]),
            [Reason::DayMonthAmbiguous]
        );
        assert_eq!(
            with(&[(Field::TaxId, "3457142191")]),
            [Reason::CheckDigitWrong]
        );
        assert_eq!(with(&[(Field::DocumentNumber, "б/н")]), []);
        assert_eq!(
            with(&[(Field::DocumentNumber, "12")]),
            [Reason::NumberTooShort]
        );
        assert_eq!(
            with(&[(Field::Patronymic, "Петрівна"), (Field::Sex, "m")]),
            [Reason::PatronymicSexDiffers]
        );
        assert_eq!(with(&[(Field::FamilyName, "Б0йко")]), [Reason::DigitInName]);
        assert_eq!(
            with(&[(Field::FamilyName, "田中")]),
            [Reason::UnknownScript, Reason::FamilyNameMissing]
        );
        assert_eq!(
            with(&[(Field::FamilyName, "Бoйкo")]),
            [Reason::ScriptRepaired]
        );
        assert_eq!(with(&[(Field::GivenName, "І.")]), [Reason::InitialsOnly]);
    }
}
