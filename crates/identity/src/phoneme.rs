//! One word to its sounds: the A fold (phonemes) and the B fold (skeleton). `docs/matching.md` §3.
//!
//! Handed one cleaned word in Cyrillic or any common transliteration; gives ASCII in which one
//! letter is one class of sounds, so that Щербаков, Shcherbakov and Szczerbakow are one string.
//! Words of other scripts fold to nothing.
//!
//! ```
//! use identity::phoneme::{phonemes, skeleton};
//! use identity::text::clean;
//!
//! for spelling in ["Щербаков", "Shcherbakov", "Szczerbakow"] {
//!     let fold = phonemes(&clean(spelling));
//!     assert_eq!(fold, "Serbakov");
//!     assert_eq!(skeleton(&fold), "Srbkv");
//! }
//! ```

use crate::ascii_word::is_vowel;
use crate::latin;
use crate::settling::settle;
use crate::tables;
use crate::text::{is_cyrillic, repair_script};

/// The A fold of a cleaned word: phonemes with the vowels folded, in ASCII.
///
/// Empty when the word has no letter that a table knows. Letters of the other script inside the word are
/// put right first.
pub fn phonemes(word: &str) -> String {
    let word = repair_script(word);
    let mut sounds = if word.chars().any(is_cyrillic) {
        let table = tables::cyrillic();
        word.chars()
            .map(|letter| table.phonemes(letter))
            .collect::<String>()
            .into_bytes()
    } else {
        latin::sounds(&word)
    };
    settle(&mut sounds);
    ascii(sounds)
}

/// The B fold of an A fold: consonants, with `-` for a vowel at the beginning. When fewer than two
/// consonants are left, a colon and the A fold follow.
pub fn skeleton(phonemes: &str) -> String {
    let Some(first) = phonemes.bytes().next() else {
        return String::new();
    };
    let mut out = String::with_capacity(phonemes.len() + 1);
    if is_vowel(first) {
        out.push('-');
    }
    out.extend(phonemes.chars().filter(|letter| !is_vowel_char(*letter)));
    if out.bytes().filter(|letter| *letter != b'-').count() < 2 {
        out.push(':');
        out.push_str(phonemes);
    }
    out
}

/// The consonants of a B fold, without what was added to a short one.
pub fn consonants(skeleton: &str) -> &str {
    skeleton.split(':').next().unwrap_or("")
}

/// A fold without the vowels it ends in, unless nothing else is left.
pub fn stem(phonemes: &str) -> &str {
    let stem = phonemes.trim_end_matches(is_vowel_char);
    if stem.is_empty() { phonemes } else { stem }
}

fn is_vowel_char(letter: char) -> bool {
    u8::try_from(letter).is_ok_and(is_vowel)
}

/// Phonemes are ASCII by the tables; a byte that is not is dropped rather than trusted.
fn ascii(sounds: Vec<u8>) -> String {
    sounds
        .into_iter()
        .filter(u8::is_ascii)
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_in_many_spellings_has_one_skeleton() {
        for spelling in [
            "щербаков",
            "shcherbakov",
            "scherbakoff",
            "szczerbakow",
            "ŝerbakov",
            "ščerbakov",
        ] {
            assert_eq!(skeleton(&phonemes(spelling)), "Srbkv", "{spelling}");
        }
    }

    #[test]
    fn a_short_word_keeps_its_vowels() {
        assert_eq!(skeleton(&phonemes("ли")), "l:li");
        assert_eq!(skeleton(&phonemes("іва")), "-v:iva");
        assert_eq!(skeleton(""), "");
    }

    #[test]
    fn settling_twice_changes_nothing() {
        for word in ["ильич", "ттсс", "йййо", "сьсьо", "тьсцц", "кольцо"]
        {
            let once = phonemes(word);
            let mut twice = once.clone().into_bytes();
            settle(&mut twice);
            assert_eq!(once.as_bytes(), twice, "{word}");
        }
    }
}
