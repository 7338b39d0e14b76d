//! Which words of a record are family name, given name and patronymic, whatever columns they came
//! in. `docs/matching.md` §5.
//!
//! Handed cleaned cells; splits a full name, takes a patronymic out of the given name's column, and
//! puts swapped columns right.

use crate::given::known_given;
use crate::patronymic::looks_patronymic;
use crate::phoneme::phonemes;

/// Family-name variants that go into keys: the whole, and halves or other names.
pub const FAMILY_VARIANTS_MAX: usize = 3;

/// The name cells of a record, cleaned; empty where the list has none.
#[derive(Default, Clone, Copy)]
pub struct NameCells<'a> {
    /// Of [`Field::FamilyName`](crate::Field::FamilyName).
    pub family: &'a str,
    /// Perhaps with the patronymic behind it.
    pub given: &'a str,
    /// Perhaps with particles (*огли*, *kizi*).
    pub patronymic: &'a str,
    /// All names in one, in either order.
    pub full: &'a str,
    /// Maiden and former names.
    pub other_family: &'a str,
}

/// The words of a name, sorted out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PersonName {
    /// The whole family name, then each half of a double one, then other family names: at most three.
    pub family: Vec<String>,
    /// One word; a letter where there is only an initial.
    pub given: String,
    /// The words that are left for it.
    pub patronymic: String,
    /// The columns of family and given name were taken for each other.
    pub swapped: bool,
}

/// Sorts the words of a name out.
///
/// ```
/// use identity::person_name::{NameCells, sort_out};
///
/// let full = |full| sort_out(NameCells { full, ..NameCells::default() });
/// let name = full("іваненко сергій петрович");
/// assert_eq!(name.given, "сергій");
/// assert_eq!(full("сергій петрович іваненко"), name);
/// ```
pub fn sort_out(cells: NameCells<'_>) -> PersonName {
    let mut name = columns(cells);
    let mut given = words(&name.given);
    if given.len() >= 2 && name.patronymic.is_empty() {
        name.patronymic = given[1..].join(" ");
    }
    given.truncate(1);
    name.given = given.concat();
    let family_words = words(&name.family);
    if let [only] = family_words[..] {
        let long = name.given.chars().nth(1).is_some();
        if long
            && known_given(&phonemes(only)).is_some()
            && known_given(&phonemes(&name.given)).is_none()
        {
            let family = std::mem::replace(&mut name.given, only.to_owned());
            name.family = family;
            name.swapped = true;
        }
    }
    PersonName {
        family: family_variants(&name.family, cells.other_family),
        given: name.given,
        patronymic: name.patronymic,
        swapped: name.swapped,
    }
}

struct NameColumns {
    family: String,
    given: String,
    patronymic: String,
    swapped: bool,
}

/// The three names by column, out of a full name where there is nothing else.
fn columns(cells: NameCells<'_>) -> NameColumns {
    let whole = match (cells.family, cells.given, cells.full) {
        ("", "", full) => full,
        // One column of names was all there was, and it was taken for the family name.
        (family, "", "") if cells.patronymic.is_empty() && words(family).len() >= 2 => family,
        (family, given, _) => {
            return NameColumns {
                family: family.to_owned(),
                given: given.to_owned(),
                patronymic: cells.patronymic.to_owned(),
                swapped: false,
            };
        }
    };
    split_full(&words(whole))
}

fn split_full(words: &[&str]) -> NameColumns {
    let columns = |family: String, given: &str, patronymic: String| NameColumns {
        family,
        given: given.to_owned(),
        patronymic,
        swapped: false,
    };
    match words {
        [family @ .., given, patronymic] if !family.is_empty() && looks_patronymic(patronymic) => {
            columns(family.join(" "), given, (*patronymic).to_owned())
        }
        [given, patronymic, family @ ..] if !family.is_empty() && looks_patronymic(patronymic) => {
            columns(family.join(" "), given, (*patronymic).to_owned())
        }
        [first, second] => {
            let given_first =
                known_given(&phonemes(first)).is_some() && known_given(&phonemes(second)).is_none();
            let (family, given) = if given_first {
                (second, first)
            } else {
                (first, second)
            };
            columns((*family).to_owned(), given, String::new())
        }
        [family, given, rest @ ..] => columns((*family).to_owned(), given, rest.join(" ")),
        [family] => columns((*family).to_owned(), "", String::new()),
        [] => columns(String::new(), "", String::new()),
    }
}

/// The whole family name, and for a double one its first and last half; other names after them.
fn family_variants(family: &str, other: &str) -> Vec<String> {
    let mut variants = Vec::with_capacity(FAMILY_VARIANTS_MAX);
    for name in [family, other] {
        let parts: Vec<&str> = family_parts(name);
        let Some((first, rest)) = parts.split_first() else {
            if !name.is_empty() {
                variants.push(name.to_owned());
            }
            continue;
        };
        variants.push(parts.concat());
        if let Some(last) = rest.last() {
            variants.push((*first).to_owned());
            variants.push((*last).to_owned());
        }
    }
    // The order is kept: what is cut off below are other names, never the whole one.
    let mut seen = Vec::with_capacity(FAMILY_VARIANTS_MAX);
    variants.retain(|variant| {
        !seen.contains(variant) && {
            seen.push(variant.clone());
            true
        }
    });
    variants.truncate(FAMILY_VARIANTS_MAX);
    variants
}

/// The parts of a family name that are longer than a letter.
fn family_parts(name: &str) -> Vec<&str> {
    name.split([' ', '-', '(', ')', ','])
        .filter(|part| part.chars().nth(1).is_some())
        .collect()
}

/// The words of a cell, also those that only a stop or a comma parts ("І.П.").
pub fn words(cell: &str) -> Vec<&str> {
    cell.split([' ', '.', ',', '/'])
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(full: &str) -> PersonName {
        sort_out(NameCells {
            full,
            ..NameCells::default()
        })
    }

    #[test]
    fn a_full_name_is_split_in_either_order() {
        let name = full("іваненко сергій петрович");
        assert_eq!(
            (
                name.family[0].as_str(),
                name.given.as_str(),
                name.patronymic.as_str()
            ),
            ("іваненко", "сергій", "петрович")
        );
        assert_eq!(full("сергій петрович іваненко"), name);
        assert_eq!(full("сергій іваненко").family, ["іваненко"]);
        assert_eq!(full("іваненко с.п.").given, "с");
    }

    #[test]
    fn swapped_columns_are_put_right() {
        let name = sort_out(NameCells {
            family: "сергій",
            given: "іваненко",
            ..NameCells::default()
        });
        assert!(name.swapped);
        assert_eq!(
            (name.family[0].as_str(), name.given.as_str()),
            ("іваненко", "сергій")
        );
    }

    #[test]
    fn a_double_name_gives_the_whole_and_both_halves() {
        let name = sort_out(NameCells {
            family: "нечуй-левицький",
            given: "іван",
            ..NameCells::default()
        });
        assert_eq!(name.family, ["нечуйлевицький", "нечуй", "левицький"]);
    }

    #[test]
    fn a_patronymic_in_the_given_names_column_is_taken_out() {
        let name = sort_out(NameCells {
            family: "бойко",
            given: "іван петрович",
            ..NameCells::default()
        });
        assert_eq!(
            (name.given.as_str(), name.patronymic.as_str()),
            ("іван", "петрович")
        );
    }
}
