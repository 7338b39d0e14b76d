//! Tax numbers: РНОКПП, ИНН and СНИЛС, with the check digits of each. `docs/matching.md` §7.
//!
//! Handed one cell; gives the digits, and what РНОКПП says of its owner.

use jiff::civil::Date;
use unicode_normalization::UnicodeNormalization;

use crate::issue::Reason;
use crate::sex::Sex;

/// The longest cell that is read as a number, in bytes.
const CELL_BYTES_MAX: usize = 200;

/// A tax number and what it says of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaxNumber {
    /// 10, 11 or 12 of them.
    pub digits: String,
    /// РНОКПП only: the date of birth counted in it.
    pub birth: Option<Date>,
    /// РНОКПП only.
    pub sex: Option<Sex>,
}

/// Reads РНОКПП (10 digits), ИНН (12) or СНИЛС (11), whatever stands between the digits.
///
/// ```
/// use identity::tax_number::parse;
/// use identity::{Reason, Sex};
///
/// let tax = parse("3457142190")?;
/// assert_eq!(tax.birth, Some(jiff::civil::date(1994, 8, 26)));
/// assert_eq!(tax.sex, Some(Sex::Male));
/// assert_eq!(parse("3457142191").err(), Some(Reason::CheckDigitWrong));
/// # Ok::<(), Reason>(())
/// ```
///
/// # Errors
/// [`Reason::NumberTooShort`] for another count of digits, [`Reason::CheckDigitWrong`],
/// [`Reason::NumberPlaceholder`] for one digit throughout.
pub fn parse(cell: &str) -> Result<TaxNumber, Reason> {
    if cell.len() > CELL_BYTES_MAX {
        return Err(Reason::NumberTooShort);
    }
    let digits: String = cell.nfkc().filter(char::is_ascii_digit).collect();
    let values: Vec<u32> = digits
        .bytes()
        .map(|digit| u32::from(digit - b'0'))
        .collect();
    // First: the check digits of nothing but zeros are right in all three.
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
    // The first five digits count the days from 31 December 1899.
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
        // The ninth digit is odd for men.
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
    fn a_tax_number_needs_its_check_digit() {
        let good = parse("3457142190").unwrap();
        assert_eq!(good.birth, Some(jiff::civil::date(1994, 8, 26)));
        assert_eq!(good.sex, Some(Sex::Male));
        assert_eq!(parse("3457142191"), Err(Reason::CheckDigitWrong));
        assert_eq!(
            parse("112-233-445 95").map(|tax| tax.digits),
            Ok("11223344595".to_owned())
        );
        assert_eq!(parse("500100732259").map(|tax| tax.birth), Ok(None));
        assert_eq!(parse("0000000000"), Err(Reason::NumberPlaceholder));
        assert_eq!(parse("123"), Err(Reason::NumberTooShort));
    }
}
