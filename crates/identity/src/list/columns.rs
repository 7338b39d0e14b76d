//! The columns of a list: which one holds which field. `docs/matching.md` §1.
//!
//! Handed the cells of the first row, and the headers that the user said mean a field.

use super::error::ListError;
use crate::field::Field;
use crate::header::bare;

/// Which column holds which field, under the headers as the list has them.
#[derive(Debug, Clone)]
pub struct Columns {
    header: Vec<String>,
    /// By field: its column, counted from 0.
    indices: Indices,
}

/// By field, in the order of [`Field::ALL`]: its column, counted from 0.
type Indices = [Option<u16>; Field::ALL.len()];

impl Columns {
    /// Reads a header row; `mapped` says by hand which header a field has.
    ///
    /// # Errors
    /// A needed field that no column has, a field that two columns have, or a mapped header that is not there.
    pub fn of(header: Vec<String>, mapped: &[(Field, String)]) -> Result<Self, ListError> {
        let mut indices = [None; Field::ALL.len()];
        let by_hand = take_mapped(&header, mapped, &mut indices)?;
        let any_known = take_known(&header, mapped, &by_hand, &mut indices)?;
        // A column mapped by hand shows that the row is a header, whatever its words.
        if mapped.is_empty() && !any_known {
            return Err(ListError::NoKnownColumn { seen: header });
        }
        let columns = Self { header, indices };
        columns.check_needed()?;
        Ok(columns)
    }

    /// Puts together again what [`header`](Self::header) and [`index_of`](Self::index_of) gave before,
    /// as a store kept it; `None` for a column that the header does not have.
    pub fn restored(header: Vec<String>, columns: &[(Field, usize)]) -> Option<Self> {
        let mut indices = [None; Field::ALL.len()];
        for (field, column) in columns {
            header.get(*column)?;
            indices[*field as usize] = u16::try_from(*column).ok();
        }
        Some(Self { header, indices })
    }

    /// Refuses a list that has no ids, no names, or nothing that could make a narrow key.
    fn check_needed(&self) -> Result<(), ListError> {
        let has = |field: Field| self.index_of(field).is_some();
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
    pub fn index_of(&self, field: Field) -> Option<usize> {
        self.indices[field as usize].map(usize::from)
    }

    /// The headers as the list has them.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The header of a field's column, or the field's own name where it has none.
    pub fn header_of(&self, field: Field) -> &str {
        self.index_of(field)
            .and_then(|column| self.header.get(column))
            .map_or(field.name(), String::as_str)
    }
}

/// Gives each mapped field the column with its header: letter for letter, or else by its letters alone.
/// Tells of each column whether it was mapped by hand.
fn take_mapped(
    header: &[String],
    mapped: &[(Field, String)],
    indices: &mut Indices,
) -> Result<Vec<bool>, ListError> {
    let mut by_hand = vec![false; header.len()];
    for (field, wanted) in mapped {
        let exact = header.iter().position(|seen| seen.trim() == wanted.trim());
        let column = exact
            .or_else(|| header.iter().position(|seen| bare(seen) == bare(wanted)))
            .ok_or_else(|| ListError::MappedColumnMissing {
                field: *field,
                wanted: wanted.clone(),
                seen: header.to_vec(),
            })?;
        by_hand[column] = true;
        indices[*field as usize] = u16::try_from(column).ok();
    }
    Ok(by_hand)
}

/// Gives every other field the column whose header means it; tells whether any header was known.
fn take_known(
    header: &[String],
    mapped: &[(Field, String)],
    by_hand: &[bool],
    indices: &mut Indices,
) -> Result<bool, ListError> {
    let mut any = false;
    for (column, name) in header.iter().enumerate() {
        // A column mapped by hand means what the user said, whatever its header means elsewhere.
        if by_hand[column] {
            continue;
        }
        let Some(field) = Field::of_header(name) else {
            continue;
        };
        any = true;
        if mapped.iter().any(|(taken, _)| *taken == field) {
            continue;
        }
        let slot = &mut indices[field as usize];
        if let Some(first) = *slot {
            return Err(ListError::FieldTwice {
                field,
                first: header[usize::from(first)].clone(),
                second: name.clone(),
            });
        }
        *slot = u16::try_from(column).ok();
    }
    Ok(any)
}

#[cfg(test)]
mod tests {
    use super::*;

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
