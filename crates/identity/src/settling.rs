//! Settling: what differs between orthographies of one sound becomes one. `docs/matching.md` §3.4.
//!
//! Handed phonemes as [`phoneme`](crate::phoneme) reads them off a word; changes them in place, rule by rule
//! in the order of the specification, until nothing changes any more.

use crate::ascii_word::{is_vowel, replace};

/// Folds what differs between orthographies of one sound, until nothing changes any more. Every
/// rule that fires shortens the string or takes a `j` or an `o` out of it, so this ends.
pub(crate) fn settle(sounds: &mut Vec<u8>) {
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
