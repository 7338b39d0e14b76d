//! Short ASCII words: their vowels, and search and replacement in them.

/// Whether a letter of a fold is a vowel; `j` is a glide and none.
pub(crate) fn is_vowel(letter: u8) -> bool {
    matches!(letter, b'a' | b'e' | b'i' | b'o' | b'u')
}

/// Replaces every `from`, left to right; says whether there was one.
pub(crate) fn replace(sounds: &mut Vec<u8>, from: &[u8], to: &[u8]) -> bool {
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
pub(crate) fn find(word: &[u8], part: &[u8], start: usize) -> Option<usize> {
    let last = word.len().checked_sub(part.len())?;
    (start..=last).find(|place| {
        part.iter()
            .zip(&word[*place..])
            .all(|(wanted, letter)| wanted == letter)
    })
}
