//! Latin spellings to sounds, whatever transliteration or language wrote them. `docs/matching.md` §3.2.
//!
//! Handed one cleaned word; gives phonemes that [`phoneme`](crate::phoneme) settles. The groups of
//! letters are in `data/latin.txt`; here are the rules that depend on what stands around them.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::ascii_word::{find, is_vowel, replace};
use crate::tables;

/// The phonemes of a Latin word, unsettled. Letters that no table knows are dropped.
pub(crate) fn sounds(word: &str) -> Vec<u8> {
    let mut word = without_marks(word);
    let has = |word: &[u8], part: &[u8]| find(word, part, 0).is_some();
    // Polish and German write ch for Х; ch after s stays (sch).
    let central = has(&word, b"cz") || has(&word, b"sz") || has(&word, b"tsch");
    if central && !has(&word, b"sh") && !has(&word, b"zh") && !has(&word, b"kh") {
        soften_ch(&mut word);
    }
    // Before letters are grouped: each of these looks at what stands around a letter.
    fold_x(&mut word);
    fold_final_ff(&mut word);
    fold_tskyi(&mut word);
    // Viktor, Benedict: c before t after a vowel is k.
    for place in 1..word.len().saturating_sub(1) {
        if word[place] == b'c' && word[place + 1] == b't' && is_vowel(word[place - 1]) {
            word[place] = b'k';
        }
    }
    group(&word)
}

/// Marked letters that stand for a sound become it; every other mark is dropped.
fn without_marks(word: &str) -> Vec<u8> {
    if word.is_ascii() {
        return word.as_bytes().to_vec();
    }
    // Scientific transliteration, Czech and DIN 1460 write ch for Х.
    let scientific = word
        .chars()
        .any(|letter| matches!(letter, 'č' | 'š' | 'ž' | 'ě' | 'ř'));
    let mut text = if scientific {
        word.replace("ch", "h")
    } else {
        word.to_owned()
    };
    for (from, to) in &tables::latin().letters {
        if text.contains(from) {
            text = text.replace(from, to);
        }
    }
    text.nfd()
        .filter(|letter| !is_combining_mark(*letter) && letter.is_ascii())
        .map(|letter| letter as u8)
        .collect()
}

fn soften_ch(word: &mut Vec<u8>) {
    let mut out = Vec::with_capacity(word.len());
    let mut place = 0;
    while place < word.len() {
        if word[place..].starts_with(b"ch") && (place == 0 || word[place - 1] != b's') {
            out.push(b'h');
            place += 2;
        } else {
            out.push(word[place]);
            place += 1;
        }
    }
    *word = out;
}

/// x is ks in the few given names that have it, and otherwise Х.
fn fold_x(word: &mut Vec<u8>) {
    if !word.contains(&b'x') {
        return;
    }
    if word.starts_with(b"max") {
        let mut out = Vec::with_capacity(word.len() + 2);
        for (place, letter) in word.iter().copied().enumerate() {
            let in_max = letter == b'x'
                && place >= 2
                && word[place - 1] == b'a'
                && matches!(word[place - 2], b'm' | b'l')
                && matches!(word.get(place + 1), None | Some(b'i' | b'y'));
            out.extend_from_slice(if in_max {
                b"ks"
            } else {
                std::slice::from_ref(&word[place])
            });
        }
        *word = out;
    }
    replace(word, b"lex", b"leks");
    replace(word, b"felix", b"feliks");
    if word.starts_with(b"xen") {
        word.splice(0..1, *b"ks");
    }
    replace(word, b"x", b"kh");
}

/// -off, -eff, -of, -ef are -ov and -ev.
fn fold_final_ff(word: &mut Vec<u8>) {
    let stem = word
        .strip_suffix(b"ff")
        .or_else(|| word.strip_suffix(b"f"))
        .unwrap_or(word);
    if word.len() > 4 && stem.len() < word.len() && matches!(stem.last(), Some(b'o' | b'e')) {
        let length = stem.len();
        word.truncate(length);
        word.push(b'v');
    }
}

/// -цкий and -цький with cz for Ц, as GOST 7.79 writes them: no surname ends in -чкий.
fn fold_tskyi(word: &mut [u8]) {
    let endings: [&[u8]; 10] = [
        b"ij", b"yj", b"ii", b"iy", b"yi", b"yy", b"aja", b"aya", b"aia", b"oj",
    ];
    let stem = endings
        .iter()
        .find_map(|ending| word.strip_suffix(*ending))
        .map_or(0, <[u8]>::len);
    if word[..stem].ends_with(b"czk") {
        word[stem - 3..stem - 1].copy_from_slice(b"ts");
    }
}

/// Reads the groups of letters from left to right; phonemes already there pass.
fn group(word: &[u8]) -> Vec<u8> {
    let table = tables::latin();
    let mut out = Vec::with_capacity(word.len());
    let mut place = 0;
    while let Some(&letter) = word.get(place) {
        place += match letter {
            b'A'..=b'Z' => {
                out.push(letter);
                1
            }
            b'a'..=b'z' => {
                let fitting = table.groups[usize::from(letter - b'a')]
                    .iter()
                    .find(|(from, _)| word[place..].starts_with(from.as_bytes()));
                fitting.map_or(1, |(from, to)| {
                    out.extend_from_slice(to.as_bytes());
                    from.len()
                })
            }
            _ => 1,
        };
    }
    out
}
