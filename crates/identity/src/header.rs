//! The columns of a list: which field each header means. `docs/matching.md` §1.
//!
//! Handed the cells of the first row; known headers, in three languages, are in `data/headers.txt`.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::list::ListError;
use super::tables;
use super::text::clean;

/// A field of a record, as the capture card has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Field {
    RecordId,
    FamilyName,
    GivenName,
    Patronymic,
    FullName,
    OtherFamilyNames,
    DateOfBirth,
    Sex,
    PlaceOfBirth,
    Nationality,
    DocumentType,
    DocumentNumber,
    ServiceNumber,
    TaxId,
    Rank,
    Unit,
    CaptureDate,
    CapturePlace,
}

impl Field {
    /// Every field, in the order of the capture card.
    pub const ALL: [Self; 18] = [
        Self::RecordId,
        Self::FamilyName,
        Self::GivenName,
        Self::Patronymic,
        Self::FullName,
        Self::OtherFamilyNames,
        Self::DateOfBirth,
        Self::Sex,
        Self::PlaceOfBirth,
        Self::Nationality,
        Self::DocumentType,
        Self::DocumentNumber,
        Self::ServiceNumber,
        Self::TaxId,
        Self::Rank,
        Self::Unit,
        Self::CaptureDate,
        Self::CapturePlace,
    ];

    /// The field's own name, as `--column` and list files write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RecordId => "record_id",
            Self::FamilyName => "family_name",
            Self::GivenName => "given_name",
            Self::Patronymic => "patronymic",
            Self::FullName => "full_name",
            Self::OtherFamilyNames => "other_family_names",
            Self::DateOfBirth => "date_of_birth",
            Self::Sex => "sex",
            Self::PlaceOfBirth => "place_of_birth",
            Self::Nationality => "nationality",
            Self::DocumentType => "document_type",
            Self::DocumentNumber => "document_number",
            Self::ServiceNumber => "service_number",
            Self::TaxId => "tax_id",
            Self::Rank => "rank",
            Self::Unit => "unit",
            Self::CaptureDate => "capture_date",
            Self::CapturePlace => "capture_place",
        }
    }

    /// The field of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

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
fn bare(header: &str) -> String {
    clean(header)
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .collect()
}

/// Which column holds which field.
#[derive(Debug, Clone)]
pub struct Columns {
    header: Vec<String>,
    place: [Option<u16>; Field::ALL.len()],
}

impl Columns {
    /// Reads a header row; `mapped` says by hand which header a field has.
    ///
    /// # Errors
    /// A needed field that no column has, a field that two columns have, or a mapped header that is not there.
    pub fn of(header: Vec<String>, mapped: &[(Field, String)]) -> Result<Self, ListError> {
        let mut place = [None; Field::ALL.len()];
        let mut by_hand = vec![false; header.len()];
        for (field, wanted) in mapped {
            let found = header.iter().position(|seen| seen.trim() == wanted.trim());
            let found = found.or_else(|| header.iter().position(|seen| bare(seen) == bare(wanted)));
            let Some(found) = found else {
                return Err(ListError::MappedColumnMissing {
                    field: *field,
                    wanted: wanted.clone(),
                    seen: header,
                });
            };
            by_hand[found] = true;
            place[*field as usize] = u16::try_from(found).ok();
        }
        let mut any = !mapped.is_empty();
        for (column, name) in header
            .iter()
            .enumerate()
            .filter(|(column, _)| !by_hand[*column])
        {
            let Some(field) = Field::of_header(name) else {
                continue;
            };
            any = true;
            if mapped.iter().any(|(taken, _)| *taken == field) {
                continue;
            }
            let slot = &mut place[field as usize];
            if let Some(first) = *slot {
                let first = header[usize::from(first)].clone();
                return Err(ListError::FieldTwice {
                    field,
                    first,
                    second: name.clone(),
                });
            }
            *slot = u16::try_from(column).ok();
        }
        if !any {
            return Err(ListError::NoKnownColumn { seen: header });
        }
        let columns = Self { header, place };
        columns.check_needed()?;
        Ok(columns)
    }

    /// Puts together again what [`header`](Self::header) and [`place`](Self::place) gave before. `None`
    /// for a place that the header does not have.
    pub fn kept(header: Vec<String>, places: &[(Field, usize)]) -> Option<Self> {
        let mut place = [None; Field::ALL.len()];
        for (field, column) in places {
            header.get(*column)?;
            place[*field as usize] = u16::try_from(*column).ok();
        }
        Some(Self { header, place })
    }

    fn check_needed(&self) -> Result<(), ListError> {
        let has = |field: Field| self.place(field).is_some();
        let needed = if !has(Field::RecordId) {
            Field::RecordId
        } else if !has(Field::FamilyName) && !has(Field::FullName) {
            Field::FamilyName
        } else if !has(Field::GivenName) && !has(Field::FullName) {
            Field::GivenName
        } else if ![
            Field::DateOfBirth,
            Field::DocumentNumber,
            Field::ServiceNumber,
            Field::TaxId,
        ]
        .into_iter()
        .any(has)
        {
            Field::DateOfBirth
        } else {
            return Ok(());
        };
        Err(ListError::ColumnMissing {
            needed,
            seen: self.header.clone(),
        })
    }

    /// The column of a field, counted from 0.
    pub fn place(&self, field: Field) -> Option<usize> {
        self.place[field as usize].map(usize::from)
    }

    /// The headers as the list has them.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The header of a field's column, or the field's own name where it has none.
    pub fn header_of(&self, field: Field) -> &str {
        self.place(field)
            .and_then(|place| self.header.get(place))
            .map_or(field.name(), String::as_str)
    }
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

    #[test]
    fn a_list_without_a_needed_column_is_refused() {
        let header = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        assert!(Columns::of(header(&["id", "surname", "name", "dob"]), &[]).is_ok());
        assert!(matches!(
            Columns::of(header(&["id", "surname", "dob"]), &[]),
            Err(ListError::ColumnMissing {
                needed: Field::GivenName,
                ..
            })
        ));
        assert!(matches!(
            Columns::of(header(&["a", "b"]), &[]),
            Err(ListError::NoKnownColumn { .. })
        ));
        let mapped = [(Field::GivenName, "call sign".to_owned())];
        assert!(Columns::of(header(&["id", "surname", "Call Sign", "dob"]), &mapped).is_ok());
    }
}
