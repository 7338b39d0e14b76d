//! Which field a column's header means. `docs/matching.md` §1.
//!
//! Handed one header; the known ones, in three languages, are in `data/headers.txt`. Which columns a
//! list must have is judged where it is read, in [`list`](crate::list).

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::field::Field;
use crate::tables;
use crate::text::clean;

impl Field {
    /// The field that a header means, if it is known.
    pub fn of_header(header: &str) -> Option<Self> {
        static KNOWN: OnceLock<HashMap<String, Field>> = OnceLock::new();
        let known = KNOWN.get_or_init(|| {
            let mut known: HashMap<String, Field> = Self::ALL
                .into_iter()
                .map(|field| (bare(field.name()), field))
                .collect();
            for (_, line) in tables::lines(tables::HEADERS) {
                let Some((name, aliases)) = line.split_once(':') else {
                    continue;
                };
                let Some(field) = Self::named(name) else {
                    continue;
                };
                for alias in aliases.split('|') {
                    known.entry(bare(alias)).or_insert(field);
                }
            }
            known
        });
        known.get(&bare(header)).copied()
    }
}

/// A header without case, spaces and punctuation; № is "no".
pub(crate) fn bare(header: &str) -> String {
    clean(header)
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_known_in_three_languages() {
        for (header, field) in [
            ("ID", Field::RecordId),
            ("№ з/п", Field::RecordId),
            ("Прізвище", Field::FamilyName),
            ("Фамилия", Field::FamilyName),
            ("Ім’я", Field::GivenName),
            ("По батькові", Field::Patronymic),
            ("Отчество", Field::Patronymic),
            ("Дата народження", Field::DateOfBirth),
            ("Дата рождения", Field::DateOfBirth),
            ("РНОКПП", Field::TaxId),
            ("Особистий номер", Field::ServiceNumber),
            ("Date of Birth", Field::DateOfBirth),
            ("П.І.Б.", Field::FullName),
        ] {
            assert_eq!(Field::of_header(header), Some(field), "{header}");
        }
        assert_eq!(Field::of_header("remarks"), None);
    }

    #[test]
    fn every_known_header_names_a_field_once() {
        let mut seen = HashMap::new();
        let mut aliases = 0;
        for (_, line) in tables::lines(tables::HEADERS) {
            let (name, list) = line.split_once(':').unwrap();
            let field = Field::named(name).unwrap();
            for alias in list.split('|') {
                aliases += 1;
                let other = seen.insert(bare(alias), field);
                assert!(other.is_none_or(|other| other == field), "{alias}");
            }
        }
        assert!(aliases > 150);
    }
}
