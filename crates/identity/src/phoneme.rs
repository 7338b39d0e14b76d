//! One word to its sounds: the A fold (phonemes) and the B fold (skeleton). `docs/matching.md` §3.
//!
//! Handed one cleaned word in Cyrillic or any common transliteration; gives ASCII in which one
//! letter is one class of sounds, so that Щербаков, Shcherbakov and Szczerbakow are one string.
//! Words of other scripts fold to nothing.

use super::latin;
use super::tables;
use super::text::{is_cyrillic, repair_script};

/// The A fold: phonemes with the vowels folded. Empty when the word has no letter we know.
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

pub(super) fn is_vowel(letter: u8) -> bool {
    matches!(letter, b'a' | b'e' | b'i' | b'o' | b'u')
}

fn is_vowel_char(letter: char) -> bool {
    matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u')
}

/// Folds what differs between orthographies of one sound, until nothing changes any more. Every
/// rule that fires shortens the string or takes a `j` or an `o` out of it, so this ends.
fn settle(sounds: &mut Vec<u8>) {
    while settle_once(sounds) {}
}

/// Applies every rule once; says whether any changed something.
fn settle_once(sounds: &mut Vec<u8>) -> bool {
    let mut changed = false;
    for (from, to) in [
        (&b"ts"[..], b'C'),
        (b"tz", b'C'),
        (b"tC", b'C'),
        (b"tQ", b'Q'),
        (b"tjs", b'C'),
        (b"tjC", b'C'),
        (b"SQ", b'S'),
        (b"sQ", b'S'),
    ] {
        changed |= replace(sounds, from, &[to]);
    }
    // ё, йо, ьо, ио, io, yo are e; then я, ю, є, ia, ya lose their glide.
    changed |= fold_glides(sounds, |next| (next == b'o').then_some(b'e'));
    changed |= fold_glides(sounds, |next| {
        matches!(next, b'a' | b'e' | b'u').then_some(next)
    });
    // ой, ай: a glide after a vowel is a vowel.
    for place in 1..sounds.len() {
        if sounds[place] == b'j' && is_vowel(sounds[place - 1]) {
            sounds[place] = b'i';
            changed = true;
        }
    }
    changed |= fold_soft_signs(sounds);
    // Горбачов and Горбачёв.
    for place in 1..sounds.len() {
        if sounds[place] == b'o' && matches!(sounds[place - 1], b'Z' | b'Q' | b'S' | b'C') {
            sounds[place] = b'e';
            changed = true;
        }
    }
    changed |= replace(sounds, b"ou", b"u");
    let length = sounds.len();
    sounds.dedup();
    changed | (sounds.len() < length)
}

/// Puts what `fold` says of a vowel in the place of it and the run of `i` and `j` before it.
fn fold_glides(sounds: &mut Vec<u8>, fold: impl Fn(u8) -> Option<u8>) -> bool {
    let is_glide = |letter: u8| matches!(letter, b'i' | b'j');
    if !sounds
        .windows(2)
        .any(|pair| is_glide(pair[0]) && fold(pair[1]).is_some())
    {
        return false;
    }
    let mut out = Vec::with_capacity(sounds.len());
    let mut rest = &sounds[..];
    while let [first, after_first @ ..] = rest {
        let run = rest.iter().take_while(|letter| is_glide(**letter)).count();
        match rest.get(run).and_then(|next| fold(*next)) {
            Some(folded) if run > 0 => {
                out.push(folded);
                rest = &rest[run + 1..];
            }
            _ if run > 0 => {
                out.extend_from_slice(&rest[..run]);
                rest = &rest[run..];
            }
            _ => {
                out.push(*first);
                rest = after_first;
            }
        }
    }
    *sounds = out;
    true
}

/// What is left of `j`: a vowel at the beginning and before a vowel, silent elsewhere.
fn fold_soft_signs(sounds: &mut Vec<u8>) -> bool {
    if !sounds.contains(&b'j') {
        return false;
    }
    let after_consonant = sounds
        .windows(2)
        .any(|pair| !is_vowel(pair[0]) && pair[1] == b'j');
    let mut out = Vec::with_capacity(sounds.len());
    for (place, letter) in sounds.iter().copied().enumerate() {
        if letter != b'j' {
            out.push(letter);
        } else if place == 0 {
            out.push(b'i');
        } else if after_consonant {
            let silent = !is_vowel(sounds[place - 1])
                && sounds.get(place + 1).is_none_or(|next| !is_vowel(*next));
            if !silent {
                out.push(b'i');
            }
        }
    }
    *sounds = out;
    true
}

/// Replaces every `from`, left to right; says whether there was one.
pub(super) fn replace(sounds: &mut Vec<u8>, from: &[u8], to: &[u8]) -> bool {
    let Some(mut place) = find(sounds, from, 0) else {
        return false;
    };
    let mut out = Vec::with_capacity(sounds.len() + to.len());
    let mut start = 0;
    loop {
        out.extend_from_slice(&sounds[start..place]);
        out.extend_from_slice(to);
        start = place + from.len();
        match find(sounds, from, start) {
            Some(next) => place = next,
            None => break,
        }
    }
    out.extend_from_slice(&sounds[start..]);
    *sounds = out;
    true
}

/// Where `part` next stands, from `start` on. Words are short: a plain loop beats a search.
pub(super) fn find(word: &[u8], part: &[u8], start: usize) -> Option<usize> {
    let last = word.len().checked_sub(part.len())?;
    (start..=last).find(|place| {
        part.iter()
            .zip(&word[*place..])
            .all(|(wanted, letter)| wanted == letter)
    })
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
