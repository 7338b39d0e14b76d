//! The eight words of a node id; [`NodeId::words`](super::NodeId::words) is their specification.
//!
//! `eff_large_wordlist.txt` holds the words of the EFF's large word list for dice, one a line and
//! sorted: by the Electronic Frontier Foundation (Joseph Bonneau, 2016), licensed under Creative
//! Commons Attribution 3.0 United States, <https://www.eff.org/dice>; the dice numbers left out.

use std::sync::LazyLock;

use ring::digest::{Context, SHA256};

const LABEL: &[u8] = b"tacit/v1/words";
const LIST_WORDS: usize = 7776;

static LIST: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("eff_large_wordlist.txt").lines().collect());

/// The words for the 32 bytes of an id.
pub(super) fn of(id: &[u8; 32]) -> [&'static str; 8] {
    let mut hash = Context::new(&SHA256);
    hash.update(LABEL);
    hash.update(id);
    let hash = hash.finish();

    // The modulo does not show: 2^128 is 2^24 times 7776^8. It happens by itself in the divisions.
    let mut first = [0; 16];
    first.copy_from_slice(&hash.as_ref()[..16]);
    let mut n = u128::from_be_bytes(first);
    let mut words = [""; 8];
    for word in words.iter_mut().rev() {
        *word = LIST[(n % LIST_WORDS as u128) as usize];
        n /= LIST_WORDS as u128;
    }
    words
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::NodeKey;
    use super::*;

    #[test]
    fn the_list_is_the_effs_7776_words_in_order() {
        assert_eq!(LIST.len(), LIST_WORDS);
        assert!(LIST.is_sorted_by(|a, b| a < b), "sorted, none twice");
        let shape = |w: &str| w.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        assert!(LIST.iter().all(|w| (3..=9).contains(&w.len()) && shape(w)));
        assert_eq!((LIST[0], LIST[7775]), ("abacus", "zoom"));
        let text = include_bytes!("eff_large_wordlist.txt");
        assert_eq!(text.last(), Some(&b'\n'));
        assert!(!text.contains(&b'\r'));
    }

    /// Computed by an implementation in another language, from the doc comment alone.
    #[test]
    fn words_agree_with_a_second_implementation() {
        let vectors = [
            (
                0,
                "deflate aversion outer coroner remember tanned rippling slander",
            ),
            (1, "chuck presume crouch krypton king heap wager reflex"),
            (
                255,
                "womanly barista marsupial surprise wimp amigo unglazed amuser",
            ),
        ];
        for (seed, words) in vectors {
            let id = NodeKey::from_seed(&[seed; 32]).id();
            assert_eq!(id.words().join(" "), words);
        }
    }

    #[test]
    fn every_word_and_every_place_is_reached() {
        let mut seen = vec![HashSet::new(); 8];
        let mut id = [0; 32];
        for i in 0_u32..40_000 {
            id[..4].copy_from_slice(&i.to_be_bytes());
            for (place, word) in of(&id).into_iter().enumerate() {
                seen[place].insert(word);
            }
        }
        for words in seen {
            // 40,000 draws miss a word with probability e^−5.14, so some 45 of 7,776.
            assert!(words.len() > 7650);
        }
    }
}
