//! Given names and patronymics: closed vocabularies, so that Володимир, Владимир and Wolodymyr are
//! one class, and a typo at distance one is repaired before anything is hashed. `docs/matching.md` §4.
//!
//! Handed one cleaned word; the classes are in `data/given-names*.txt`, one line a class.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::phoneme::{phonemes, skeleton, stem};
use super::tables::{self, lines};
use super::text::clean;

/// Phonemes shorter than this are never repaired: too many names are one letter away.
const REPAIR_LENGTH_MIN: usize = 5;
/// From this length on, a given name is repaired towards female names too.
const REPAIR_FEMALE_LENGTH_MIN: usize = 6;
/// The shortest patronymic stem that is repaired.
const REPAIR_STEM_LENGTH_MIN: usize = 6;

/// A given name or patronymic as it goes into a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamePart {
    /// A name of the vocabulary: its class.
    Class(&'static str),
    /// A name we do not know: the B fold of its stem.
    Fold(String),
}

impl NamePart {
    /// The class or the fold, as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Class(class) => class,
            Self::Fold(fold) => fold,
        }
    }
}

/// How a name was found in the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    Known,
    /// One letter off, and only one class was that near.
    Repaired,
    Unknown,
}

/// The class of a given name, or the fold of an unknown one; nothing for a word without letters.
pub fn given_class(word: &str) -> Option<(NamePart, Found)> {
    given_class_of(&phonemes(word))
}

/// As [`given_class`], of a word's phonemes.
pub fn given_class_of(phonemes: &str) -> Option<(NamePart, Found)> {
    vocabulary().given(phonemes)
}

/// The class of the father's name in a patronymic (or in a father's name written for one).
pub fn patronymic_class(text: &str) -> Option<(NamePart, Found)> {
    vocabulary().patronymic(text)
}

/// Whether these phonemes are a form of a known given name.
pub fn known_given(phonemes: &str) -> Option<&'static str> {
    vocabulary().forms.get(phonemes).copied()
}

/// Whether a cleaned word ends as patronymics do.
pub fn looks_patronymic(word: &str) -> bool {
    let sounds = phonemes(word);
    sounds.len() >= 5
        && ["eviQ", "oviQ", "evna", "ovna", "ivna", "iQna", "iniQna"]
            .iter()
            .any(|end| sounds.ends_with(end))
}

/// The sex that a patronymic's ending says, if it says one.
pub fn patronymic_sex(text: &str) -> Option<super::reading::Sex> {
    use super::reading::Sex;
    let first = text.split([' ', '-']).find(|word| !word.is_empty())?;
    let sounds = phonemes(first);
    if text
        .split([' ', '-'])
        .skip(1)
        .any(|word| matches!(phonemes(word).as_str(), "kizi" | "gizi" | "kzi"))
    {
        return Some(Sex::Female);
    }
    if sounds.len() < 5 {
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

/// The class of a word's first sound, by its phonemes: every vowel is one, and so are m and n (Микола, Николай).
pub fn initial(phonemes: &str) -> Option<char> {
    let first = phonemes.chars().next()?;
    Some(match first {
        'a' | 'e' | 'i' | 'o' | 'u' => 'A',
        'm' | 'n' => 'N',
        other => other,
    })
}

struct Vocabulary {
    /// Phonemes of every form of every name, to its class.
    forms: HashMap<String, &'static str>,
    /// The forms, by first letter, to repair towards; and the same of men's names alone.
    near: Near,
    near_male: Near,
    /// Stems of men's names and irregular patronymic stems, to the father's class.
    stems: HashMap<String, &'static str>,
    near_stems: Near,
    suffixes: Vec<&'static str>,
    particles: HashSet<&'static str>,
}

fn vocabulary() -> &'static Vocabulary {
    static VOCABULARY: OnceLock<Vocabulary> = OnceLock::new();
    VOCABULARY.get_or_init(Vocabulary::load)
}

impl Vocabulary {
    fn load() -> Self {
        let mut forms = HashMap::new();
        let mut male = HashMap::new();
        let mut stems = HashMap::new();
        for file in [tables::GIVEN_NAMES, tables::GIVEN_NAMES_REGIONAL] {
            for (section, line) in lines(file) {
                let Some((class, spellings)) = line.split_once(':') else {
                    continue;
                };
                // A form that ends in _ is listed for the reader only: it is ambiguous.
                for spelling in spellings
                    .split_whitespace()
                    .filter(|form| !form.ends_with('_'))
                {
                    let sounds = phonemes(&clean(spelling));
                    if section == "male" {
                        stems.entry(stem(&sounds).to_owned()).or_insert(class);
                        male.entry(sounds.clone()).or_insert(class);
                    }
                    forms.entry(sounds).or_insert(class);
                }
            }
        }
        let (near, near_male) = (Near::new(&forms), Near::new(&male));
        // Spellings of other languages count as they stand; nothing is repaired towards them.
        for (_, line) in lines(tables::GIVEN_NAMES_WIKIDATA) {
            let Some((class, spellings)) = line.split_once(':') else {
                continue;
            };
            for spelling in spellings.split_whitespace() {
                forms.entry(phonemes(&clean(spelling))).or_insert(class);
            }
        }
        let mut suffixes = Vec::new();
        let mut particles = HashSet::new();
        for (section, line) in lines(tables::PATRONYMICS) {
            match section {
                "suffixes" => suffixes.extend(line.split_whitespace()),
                "particles" => particles.extend(line.split_whitespace()),
                _ => {
                    if let Some((from, class)) = line.split_once(' ') {
                        stems.entry(from.to_owned()).or_insert(class);
                    }
                }
            }
        }
        suffixes.sort_by_key(|suffix| std::cmp::Reverse(suffix.len()));
        Self {
            near,
            near_male,
            near_stems: Near::new(&stems),
            forms,
            stems,
            suffixes,
            particles,
        }
    }

    fn given(&self, sounds: &str) -> Option<(NamePart, Found)> {
        if sounds.is_empty() {
            return None;
        }
        if let Some(class) = self.forms.get(sounds) {
            return Some((NamePart::Class(class), Found::Known));
        }
        if sounds.len() >= REPAIR_LENGTH_MIN {
            let near = if sounds.len() >= REPAIR_FEMALE_LENGTH_MIN {
                &self.near
            } else {
                &self.near_male
            };
            let ends_in_a = sounds.ends_with('a');
            if let Some(class) = near.only_class(sounds, |form| form.ends_with('a') == ends_in_a) {
                return Some((NamePart::Class(class), Found::Repaired));
            }
        }
        Some((NamePart::Fold(skeleton(stem(sounds))), Found::Unknown))
    }

    fn patronymic(&self, text: &str) -> Option<(NamePart, Found)> {
        let sounds = text
            .split([' ', '-'])
            .map(phonemes)
            .find(|sounds| !sounds.is_empty() && !self.particles.contains(sounds.as_str()))?;
        let Some(rest) = self
            .suffixes
            .iter()
            .find_map(|suffix| sounds.strip_suffix(suffix))
        else {
            return self.given(&sounds);
        };
        let short = if rest.len() > 2 { stem(rest) } else { rest };
        if let Some(class) = self.stems.get(rest).or_else(|| self.stems.get(short)) {
            return Some((NamePart::Class(class), Found::Known));
        }
        if short.len() >= REPAIR_STEM_LENGTH_MIN
            && let Some(class) = self.near_stems.only_class(short, |_| true)
        {
            return Some((NamePart::Class(class), Found::Repaired));
        }
        (!short.is_empty()).then(|| (NamePart::Fold(skeleton(short)), Found::Unknown))
    }
}

/// Forms to repair towards, by first letter.
struct Near(HashMap<u8, Vec<(String, &'static str)>>);

impl Near {
    fn new(forms: &HashMap<String, &'static str>) -> Self {
        let mut by_first: HashMap<u8, Vec<(String, &'static str)>> = HashMap::new();
        for (form, class) in forms
            .iter()
            .filter(|(form, _)| form.len() >= REPAIR_LENGTH_MIN)
        {
            by_first
                .entry(form.as_bytes()[0])
                .or_default()
                .push((form.clone(), class));
        }
        Self(by_first)
    }

    /// The one class with a form at distance one of `word` and the same first letter, if it is one.
    fn only_class(&self, word: &str, fits: impl Fn(&str) -> bool) -> Option<&'static str> {
        let mut found = None;
        for (form, class) in self.0.get(&word.bytes().next()?)? {
            if !one_apart(form.as_bytes(), word.as_bytes()) || !fits(form) {
                continue;
            }
            match found {
                None => found = Some(*class),
                Some(other) if other == *class => {}
                Some(_) => return None,
            }
        }
        found
    }
}

/// Whether one letter added, left out, changed or swapped with its neighbour makes `a` of `b`.
fn one_apart(a: &[u8], b: &[u8]) -> bool {
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let same = a
        .iter()
        .zip(b)
        .take_while(|(left, right)| left == right)
        .count();
    let (rest_a, rest_b) = (&a[same..], &b[same..]);
    match a.len().cmp(&b.len()) {
        std::cmp::Ordering::Greater => rest_a[1..] == *rest_b,
        std::cmp::Ordering::Less => *rest_a == rest_b[1..],
        std::cmp::Ordering::Equal if rest_a.is_empty() => false,
        std::cmp::Ordering::Equal => {
            rest_a[1..] == rest_b[1..]
                || rest_a.len() >= 2
                    && rest_a[0] == rest_b[1]
                    && rest_a[1] == rest_b[0]
                    && rest_a[2..] == rest_b[2..]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(word: &str) -> String {
        given_class(&clean(word)).map_or(String::new(), |(part, _)| part.as_str().to_owned())
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
            given_class("олександрр").map(|found| found.1),
            Some(Found::Known),
            "doubled letters fold"
        );
        assert_eq!(
            given_class("володимор").map(|found| found.1),
            Some(Found::Repaired)
        );
        assert_eq!(
            given_class("ксзвр").map(|found| found.1),
            Some(Found::Unknown)
        );
    }

    #[test]
    fn a_patronymic_is_the_fathers_class() {
        for form in ["іванович", "ivanovich", "ивановна", "іванівна", "iwanowicz"]
        {
            let found = patronymic_class(&clean(form)).map(|(part, _)| part.as_str().to_owned());
            assert_eq!(found.as_deref(), Some("IVAN"), "{form}");
        }
    }

    #[test]
    fn distance_one_counts_a_swap_of_neighbours() {
        assert!(one_apart(b"ivan", b"vian"));
        assert!(one_apart(b"ivan", b"ivn"));
        assert!(one_apart(b"ivan", b"ivank"));
        assert!(!one_apart(b"ivan", b"ivan"));
        assert!(!one_apart(b"ivan", b"navi"));
    }
}
