//! Given names: one class for Володимир, Владимир and Wolodymyr, and a typing error repaired before
//! anything is hashed. `docs/matching.md` §4.
//!
//! Handed one word's A fold; looks it up in the `vocabulary`.

use crate::phoneme::{skeleton, stem};
use crate::repair::LENGTH_MIN;
use crate::vocabulary::vocabulary;

/// From this length on, a given name is repaired towards women's names too.
const REPAIR_FEMALE_LENGTH_MIN: usize = 6;

/// A given name or patronymic as it goes into a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameClass {
    /// A name of the vocabulary: its class.
    Official(&'static str),
    /// A name we do not know: the B fold of its stem.
    Fold(String),
}

impl NameClass {
    /// The class or the fold, as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Official(class) => class,
            Self::Fold(fold) => fold,
        }
    }
}

/// How a name was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognition {
    /// A form of the vocabulary, letter for letter of its A fold.
    Known,
    /// One letter off, and only one class was that near.
    Repaired,
    /// Not in the vocabulary, nor near to one class of it.
    Unknown,
}

/// The class of a given name by its A fold, or the fold of an unknown one; nothing for an empty fold.
///
/// A fold of at least five letters that the vocabulary lacks is repaired when all forms one typing error
/// away are of one class.
///
/// ```
/// use identity::given::{Recognition, given_class};
/// use identity::phoneme::phonemes;
/// use identity::text::clean;
///
/// for (name, how) in [
///     ("Володимир", Recognition::Known),
///     ("Vladimir", Recognition::Known),
///     ("Володимор", Recognition::Repaired),
/// ] {
///     let (class, recognised) = given_class(&phonemes(&clean(name))).ok_or("no letters")?;
///     assert_eq!((class.as_str(), recognised), ("VOLODYMYR", how));
/// }
/// # Ok::<(), &str>(())
/// ```
pub fn given_class(phonemes: &str) -> Option<(NameClass, Recognition)> {
    if phonemes.is_empty() {
        return None;
    }
    let vocabulary = vocabulary();
    if let Some(class) = vocabulary.forms.get(phonemes) {
        return Some((NameClass::Official(class), Recognition::Known));
    }
    if phonemes.len() >= LENGTH_MIN {
        let repairs = if phonemes.len() >= REPAIR_FEMALE_LENGTH_MIN {
            &vocabulary.repairs
        } else {
            &vocabulary.male_repairs
        };
        // Олександр and Олександра are one letter apart: the ending tells a man's form from a woman's.
        let ends_in_a = phonemes.ends_with('a');
        if let Some(class) = repairs.only_class(phonemes, |form| form.ends_with('a') == ends_in_a) {
            return Some((NameClass::Official(class), Recognition::Repaired));
        }
    }
    Some((
        NameClass::Fold(skeleton(stem(phonemes))),
        Recognition::Unknown,
    ))
}

/// The class that an A fold has as a form of a known given name, without repair.
pub fn known_given(phonemes: &str) -> Option<&'static str> {
    vocabulary().forms.get(phonemes).copied()
}

/// The class of a word's first sound, by its phonemes: every vowel is one, and so are m and n (Микола, Николай).
pub fn initial(phonemes: &str) -> Option<char> {
    let first = phonemes.chars().next()?;
    Some(match first {
        'a' | 'e' | 'i' | 'o' | 'u' => 'A',
        'm' | 'n' => 'N',
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phoneme::phonemes;
    use crate::text::clean;

    fn given(word: &str) -> Option<(NameClass, Recognition)> {
        given_class(&phonemes(&clean(word)))
    }

    fn class(word: &str) -> String {
        given(word).map_or(String::new(), |(part, _)| part.as_str().to_owned())
    }

    #[test]
    fn one_official_name_in_many_languages_is_one_class() {
        for form in [
            "Володимир",
            "Владимир",
            "Vladimir",
            "Wolodymyr",
            "Уладзімір",
            "Volodymyr",
        ] {
            assert_eq!(class(form), "VOLODYMYR", "{form}");
        }
    }

    #[test]
    fn a_typo_is_repaired_only_when_one_class_is_near() {
        assert_eq!(
            given("олександрр").map(|found| found.1),
            Some(Recognition::Known),
            "doubled letters fold"
        );
        assert_eq!(
            given("володимор").map(|found| found.1),
            Some(Recognition::Repaired)
        );
        assert_eq!(
            given("ксзвр").map(|found| found.1),
            Some(Recognition::Unknown)
        );
    }
}
