//! Document, service and tax numbers. `docs/matching.md` §7.
//!
//! Handed one cell; gives the number in capitals with look-alikes unified, or says why it is none.
//! A tax number counts only with a right check digit.

use jiff::civil::Date;
use unicode_normalization::UnicodeNormalization;

use super::issue::Reason;
use super::reading::Sex;
use super::tables;

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

/// A tax number and what it says of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaxNumber {
    pub digits: String,
    /// РНОКПП only: the date of birth counted in it.
    pub birth: Option<Date>,
    /// РНОКПП only.
    pub sex: Option<Sex>,
}

/// Reads РНОКПП (10 digits), ИНН (12) or СНИЛС (11).
///
/// # Errors
/// [`Reason::NumberTooShort`] for another count of digits, [`Reason::CheckDigitWrong`],
/// [`Reason::NumberPlaceholder`] for one digit throughout.
pub fn tax(cell: &str) -> Result<TaxNumber, Reason> {
    if cell.len() > CELL_BYTES_MAX {
        return Err(Reason::NumberTooShort);
    }
    let digits: String = cell.nfkc().filter(char::is_ascii_digit).collect();
    let values: Vec<u32> = digits
        .bytes()
        .map(|digit| u32::from(digit - b'0'))
        .collect();
    if values.len() >= 10 && values.iter().all(|value| *value == values[0]) {
        return Err(Reason::NumberPlaceholder);
    }
    let right = match values.len() {
        10 => rnokpp(&values),
        11 => snils(&values),
        12 => inn(&values),
        _ => return Err(Reason::NumberTooShort),
    };
    if !right {
        return Err(Reason::CheckDigitWrong);
    }
    let is_rnokpp = values.len() == 10;
    let days = digits
        .get(..5)
        .and_then(|days| days.parse::<i64>().ok())
        .filter(|_| is_rnokpp);
    let birth = days.and_then(|days| {
        jiff::civil::date(1899, 12, 31)
            .checked_add(jiff::Span::new().days(days))
            .ok()
    });
    let sex = is_rnokpp.then(|| {
        if values[8] % 2 == 1 {
            Sex::Male
        } else {
            Sex::Female
        }
    });
    Ok(TaxNumber { digits, birth, sex })
}

/// Ukraine: weights −1, 5, 7, 9, 4, 6, 10, 5, 7; modulo 11, then 10.
fn rnokpp(digits: &[u32]) -> bool {
    // 10 stands for −1 modulo 11.
    weighted(digits, &[10, 5, 7, 9, 4, 6, 10, 5, 7]) % 11 % 10 == digits[9]
}

/// Russia, taxpayer: two check digits, modulo 11, then 10.
fn inn(digits: &[u32]) -> bool {
    weighted(digits, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == digits[10]
        && weighted(digits, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == digits[11]
}

/// Russia, pension insurance: weights 9 to 1, modulo 101; 100 is written 00.
fn snils(digits: &[u32]) -> bool {
    weighted(digits, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100 == digits[9] * 10 + digits[10]
}

fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum()
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

    #[test]
    fn a_tax_number_needs_its_check_digit() {
        let good = tax("3457142190").unwrap();
        assert_eq!(good.birth, Some(jiff::civil::date(1994, 8, 26)));
        assert_eq!(good.sex, Some(Sex::Male));
        assert_eq!(tax("3457142191"), Err(Reason::CheckDigitWrong));
        assert_eq!(
            tax("112-233-445 95").map(|tax| tax.digits),
            Ok("11223344595".to_owned())
        );
        assert_eq!(tax("500100732259").map(|tax| tax.birth), Ok(None));
        assert_eq!(tax("0000000000"), Err(Reason::NumberPlaceholder));
        assert_eq!(tax("123"), Err(Reason::NumberTooShort));
    }
}
