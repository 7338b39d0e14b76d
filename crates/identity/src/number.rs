//! Document and service numbers. `docs/matching.md` §7.
//!
//! Handed one cell; gives the number in capitals with look-alikes unified, or says why it is none.
//! Tax numbers are in [`tax_number`](crate::tax_number).

use unicode_normalization::UnicodeNormalization;

use crate::issue::Reason;
use crate::tables;

/// The longest cell that is read as a number, in bytes.
const CELL_BYTES_MAX: usize = 200;

/// Which number a cell holds: they differ in how short one may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    /// At least 6 letters and digits, 5 digits in a row among them.
    Document,
    /// At least 5 letters and digits, 4 digits in a row among them.
    Service,
}

/// The normal form of a document or service number.
///
/// ```
/// use identity::number::{NumberKind, number};
///
/// // Cyrillic КВ and Latin KB are one.
/// assert_eq!(number(NumberKind::Document, "КВ 482915")?, "KB482915");
/// assert_eq!(number(NumberKind::Document, "kb-482915")?, "KB482915");
/// # Ok::<(), identity::Reason>(())
/// ```
///
/// # Errors
/// [`Reason::NumberTooShort`] or [`Reason::NumberPlaceholder`].
pub fn number(kind: NumberKind, cell: &str) -> Result<String, Reason> {
    let normal = alphanumeric(cell);
    let (length_min, run_min) = match kind {
        NumberKind::Document => (6, 5),
        NumberKind::Service => (5, 4),
    };
    if normal.len() < length_min || longest_digit_run(&normal) < run_min {
        return Err(Reason::NumberTooShort);
    }
    let digits: Vec<u8> = normal.bytes().filter(u8::is_ascii_digit).collect();
    if is_made_up(&digits) {
        return Err(Reason::NumberPlaceholder);
    }
    Ok(normal)
}

/// Capitals and digits alone, each look-alike and each letter that clerks write for another as one.
fn alphanumeric(cell: &str) -> String {
    if cell.len() > CELL_BYTES_MAX {
        return String::new();
    }
    let table = &tables::lookalikes().numbers;
    // NFKC would make the letters No of №.
    let upper: String = cell
        .chars()
        .filter(|letter| *letter != '№')
        .nfkc()
        .collect::<String>()
        .to_uppercase();
    upper
        .chars()
        .map(|letter| *table.get(&letter).unwrap_or(&letter))
        .filter(char::is_ascii_alphanumeric)
        .collect()
}

fn longest_digit_run(text: &str) -> usize {
    text.split(|letter: char| !letter.is_ascii_digit())
        .map(str::len)
        .max()
        .unwrap_or(0)
}

/// One digit throughout, or digits that count up or down from first to last.
fn is_made_up(digits: &[u8]) -> bool {
    let steps = |step: i16| {
        digits
            .windows(2)
            .all(|pair| i16::from(pair[1]) - i16::from(pair[0]) == step)
    };
    steps(0) || steps(1) || steps(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_and_separators_do_not_matter() {
        let one = number(NumberKind::Document, "КВ 482915").unwrap();
        for other in ["KB482915", "кв-482915", "KV № 482915", "КB 482 915"] {
            assert_eq!(number(NumberKind::Document, other).unwrap(), one, "{other}");
        }
    }

    #[test]
    fn short_and_made_up_numbers_are_refused() {
        assert_eq!(
            number(NumberKind::Document, "АВ12"),
            Err(Reason::NumberTooShort)
        );
        assert_eq!(
            number(NumberKind::Document, "000000"),
            Err(Reason::NumberPlaceholder)
        );
        assert_eq!(
            number(NumberKind::Service, "12345"),
            Err(Reason::NumberPlaceholder)
        );
    }
}
