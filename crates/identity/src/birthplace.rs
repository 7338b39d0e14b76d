//! A place of birth, folded like a name. `docs/matching.md` §5.4.
//!
//! Handed one cell; words for "city", "village" or "region" are dropped, and the first word that is
//! left is the place's own name.

use crate::phoneme::{consonants, phonemes, skeleton};
use crate::tables;
use crate::text::{clean, repair_script};

/// The longest cell that is read, in bytes.
const CELL_BYTES_MAX: usize = 400;
/// A place with fewer consonants says too little.
const CONSONANTS_MIN: usize = 2;

/// The B fold of the place's own name, when there is one.
///
/// ```
/// use identity::birthplace::fold;
///
/// assert_eq!(fold("м. Запоріжжя"), fold("Zaporozhye, Ukraine"));
/// assert_eq!(fold("невідомо"), None);
/// ```
pub fn fold(cell: &str) -> Option<String> {
    if cell.len() > CELL_BYTES_MAX {
        return None;
    }
    let text = clean(cell);
    if text.is_empty() || tables::is_placeholder(&text) {
        return None;
    }
    text.split([' ', ',', '.', ';', '/', '(', ')'])
        .filter(|word| word.chars().nth(1).is_some() && !tables::is_place_word(word))
        .map(|word| skeleton(&phonemes(&repair_script(word))))
        .find(|fold| consonants(fold).len() >= CONSONANTS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_its_own_name_in_either_script() {
        for cell in [
            "м. Запоріжжя",
            "г. Запорожье",
            "Zaporizhzhia",
            "місто Запоріжжя, Україна",
            "Запоріжжя",
        ] {
            assert_eq!(fold(cell).as_deref(), Some("zprZ"), "{cell}");
        }
        for cell in ["", "—", "м.", "невідомо", "с. Яя"] {
            assert_eq!(fold(cell), None, "{cell}");
        }
    }
}
