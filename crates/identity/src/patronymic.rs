//! Patronymics: the class of the father's name, and the sex that the ending says.
//! `docs/matching.md` §4.
//!
//! Handed cleaned words; a patronymic without a suffix is read as a [`given`](crate::given) name.

use crate::given::{NameClass, Recognition, given_class};
use crate::phoneme::{phonemes, skeleton, stem};
use crate::sex::Sex;
use crate::vocabulary::vocabulary;

/// The shortest stem that is repaired, in letters of its fold.
const REPAIR_STEM_LENGTH_MIN: usize = 6;
/// A fold shorter than this has no ending to go by.
const ENDING_LENGTH_MIN: usize = 5;

/// The class of the father's name in a patronymic, or in a father's name written for one.
///
/// `text` is a cleaned cell of one or more words; the first that is no particle counts. Nothing for a text
/// without letters.
///
/// ```
/// use identity::patronymic::patronymic_class;
///
/// for patronymic in ["іванович", "ivanovich", "ивановна", "iwanowicz"] {
///     let father = patronymic_class(patronymic).map(|(class, _)| class.as_str().to_owned());
///     assert_eq!(father.as_deref(), Some("IVAN"));
/// }
/// ```
pub fn patronymic_class(text: &str) -> Option<(NameClass, Recognition)> {
    let vocabulary = vocabulary();
    let sounds = text
        .split([' ', '-'])
        .map(phonemes)
        .find(|sounds| !sounds.is_empty() && !vocabulary.particles.contains(sounds.as_str()))?;
    let Some(rest) = vocabulary
        .suffixes
        .iter()
        .find_map(|suffix| sounds.strip_suffix(suffix))
    else {
        return given_class(&sounds);
    };
    let short = if rest.len() > 2 { stem(rest) } else { rest };
    let stems = &vocabulary.stems;
    if let Some(class) = stems.get(rest).or_else(|| stems.get(short)) {
        return Some((NameClass::Official(class), Recognition::Known));
    }
    if short.len() >= REPAIR_STEM_LENGTH_MIN
        && let Some(class) = vocabulary.stem_repairs.only_class(short, |_| true)
    {
        return Some((NameClass::Official(class), Recognition::Repaired));
    }
    (!short.is_empty()).then(|| (NameClass::Fold(skeleton(short)), Recognition::Unknown))
}

/// Whether a cleaned word ends as patronymics do.
pub fn looks_patronymic(word: &str) -> bool {
    let sounds = phonemes(word);
    sounds.len() >= ENDING_LENGTH_MIN
        && ["eviQ", "oviQ", "evna", "ovna", "ivna", "iQna", "iniQna"]
            .iter()
            .any(|end| sounds.ends_with(end))
}

/// The sex that a patronymic's ending says, if it says one.
pub fn patronymic_sex(text: &str) -> Option<Sex> {
    let first = text.split([' ', '-']).find(|word| !word.is_empty())?;
    let sounds = phonemes(first);
    if text
        .split([' ', '-'])
        .skip(1)
        .any(|word| matches!(phonemes(word).as_str(), "kizi" | "gizi" | "kzi"))
    {
        return Some(Sex::Female);
    }
    if sounds.len() < ENDING_LENGTH_MIN {
        None
    } else if sounds.ends_with("iQ") {
        Some(Sex::Male)
    } else if ["evna", "ovna", "ivna", "iQna"]
        .iter()
        .any(|end| sounds.ends_with(end))
    {
        Some(Sex::Female)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::clean;

    #[test]
    fn a_patronymic_is_the_fathers_class() {
        for form in ["іванович", "ivanovich", "ивановна", "іванівна", "iwanowicz"]
        {
            let found = patronymic_class(&clean(form)).map(|(part, _)| part.as_str().to_owned());
            assert_eq!(found.as_deref(), Some("IVAN"), "{form}");
        }
    }
}
