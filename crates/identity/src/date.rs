//! A date of birth as people write it. `docs/matching.md` §6.
//!
//! Handed one cell; reads every common order and separator, month names in three languages, Roman
//! months, spreadsheet serials and partial dates. Knows no today: age is judged in
//! `birth_check`.

use unicode_normalization::UnicodeNormalization;

use crate::tables;

/// Years that are read; whether a person can be born then is judged later.
const YEARS: std::ops::RangeInclusive<i32> = 1800..=2099;
/// Years that eight digits in a row are read with: fewer, so that not every number of eight digits is a date.
const COMPACT_YEARS: std::ops::RangeInclusive<i32> = 1900..=2035;
/// A two-digit year below this one is after 2000.
const CENTURY_TURN: i32 = 12;
/// The longest cell that is tried, in bytes.
const CELL_BYTES_MAX: usize = 100;

/// A date of birth, or as much of one as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BirthDate {
    /// 1800 to 2099.
    pub year: i32,
    /// 1 to 12.
    pub month: Option<u8>,
    /// 1 to 31; only with a month.
    pub day: Option<u8>,
    /// Day and month could be taken for each other: both are at most 12, differ, and a slash parts them.
    pub ambiguous: bool,
}

/// Reads a date, complete or not; nothing when the cell is no date.
///
/// Year first means year-month-day, otherwise day-month-year; if only the other order of day and month is a
/// date, it is that. Cells of more than 100 bytes are not tried.
///
/// ```
/// use identity::date::parse;
///
/// for cell in ["24.08.1991", "1991-08-24", "24 серпня 1991 р.", "August 24, 1991", "08/24/1991"] {
///     assert_eq!(parse(cell).map(|date| date.to_string()).as_deref(), Some("1991-08-24"));
/// }
/// let month_only = parse("08.1991").ok_or("no date")?;
/// assert_eq!((month_only.year, month_only.month, month_only.day), (1991, Some(8), None));
/// assert!(parse("yesterday").is_none());
/// # Ok::<(), &str>(())
/// ```
pub fn parse(cell: &str) -> Option<BirthDate> {
    if cell.len() > CELL_BYTES_MAX {
        return None;
    }
    // NFKC makes plain digits of full-width ones and letters of Roman numerals such as Ⅷ.
    let text: String = cell.nfkc().collect::<String>().trim().to_lowercase();
    let text = without_year_word(&text);
    if let Some(date) = spreadsheet_serial(text).or_else(|| compact(text)) {
        return date.checked();
    }
    let tokens = tokens(without_time(text));
    let named_month = tokens.iter().find_map(|token| month(token));
    let numbers = Numbers::of(&tokens);
    match named_month {
        Some(month) => numbers.around_month(month),
        None => numbers.in_order(text.contains('/')),
    }?
    .checked()
}

/// The numbers of a date as they are written.
struct Numbers {
    /// Those of four digits.
    years: Vec<i32>,
    /// Those of one or two digits, in order: day, month, or a year without its century.
    short: Vec<i32>,
    /// Whether the first number of all has four digits.
    year_first: bool,
    count: usize,
}

impl Numbers {
    fn of(tokens: &[&str]) -> Self {
        let numbers = || tokens.iter().filter(|token| is_number(token));
        let of_length = |fits: fn(usize) -> bool| {
            numbers()
                .filter(|number| fits(number.len()))
                .filter_map(|number| number.parse().ok())
                .collect()
        };
        Self {
            years: of_length(|digits| digits == 4),
            short: of_length(|digits| digits <= 2),
            year_first: numbers().next().is_some_and(|first| first.len() == 4),
            count: numbers().count(),
        }
    }

    /// Year and day beside a month that is written as a word or in Roman digits.
    fn around_month(&self, month: u8) -> Option<UncheckedDate> {
        let (year, day) = match (&self.years[..], &self.short[..]) {
            ([year, ..], short) => (*year, short.first().copied()),
            ([], [day, year]) => (century(*year), Some(*day)),
            _ => return None,
        };
        Some(UncheckedDate {
            year,
            month: Some(i32::from(month)),
            day,
            ambiguous: false,
        })
    }

    /// Numbers alone, by their order; `slash` where one parts them, as British and American dates have it.
    fn in_order(&self, slash: bool) -> Option<UncheckedDate> {
        let partial = |year, month| UncheckedDate {
            year,
            month,
            day: None,
            ambiguous: false,
        };
        let day_first = |year, day, month| UncheckedDate {
            ambiguous: slash,
            ..UncheckedDate::ordered(year, day, month)
        };
        match (&self.years[..], &self.short[..]) {
            ([year], [month, day]) if self.year_first => {
                Some(UncheckedDate::ordered(*year, *day, *month))
            }
            ([year], [day, month]) => Some(day_first(*year, *day, *month)),
            ([year], [month]) => Some(partial(*year, Some(*month))),
            ([year], []) => Some(partial(*year, None)),
            // A number of three or of five digits beside them is no part of a date.
            ([], [day, month, year]) if self.count == 3 => {
                Some(day_first(century(*year), *day, *month))
            }
            _ => None,
        }
    }
}

impl BirthDate {
    /// Year, and the unordered pair of day and month: a swap of the two gives the same. Full dates only.
    pub fn full(&self) -> Option<String> {
        let (month, day) = (self.month?, self.day?);
        Some(digits(&[
            (self.year, 4),
            (month.min(day).into(), 2),
            (month.max(day).into(), 2),
        ]))
    }

    /// Year and month.
    pub fn year_month(&self) -> Option<String> {
        self.month
            .map(|month| digits(&[(self.year, 4), (month.into(), 2)]))
    }

    /// The unordered pair of day and month.
    pub fn day_month(&self) -> Option<String> {
        let (month, day) = (self.month?, self.day?);
        Some(digits(&[
            (month.min(day).into(), 2),
            (month.max(day).into(), 2),
        ]))
    }

    /// Year and day.
    pub fn year_day(&self) -> Option<String> {
        self.day
            .map(|day| digits(&[(self.year, 4), (day.into(), 2)]))
    }

    /// Year alone.
    pub fn year(&self) -> String {
        digits(&[(self.year, 4)])
    }
}

/// Numbers one after the other, each with so many decimal digits.
fn digits(numbers: &[(i32, u32)]) -> String {
    let mut out = String::with_capacity(8);
    for (number, count) in numbers {
        for place in (0..*count).rev() {
            let digit = number / 10_i32.pow(place) % 10;
            out.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
        }
    }
    out
}

/// As much of year-month-day as is known.
impl std::fmt::Display for BirthDate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}", self.year)?;
        if let Some(month) = self.month {
            write!(f, "-{month:02}")?;
        }
        if let Some(day) = self.day {
            write!(f, "-{day:02}")?;
        }
        Ok(())
    }
}

/// A date before its parts are checked.
struct UncheckedDate {
    year: i32,
    month: Option<i32>,
    day: Option<i32>,
    ambiguous: bool,
}

impl UncheckedDate {
    /// Day and month in the order in which they were written, put right when only the other order is a date.
    fn ordered(year: i32, day: i32, month: i32) -> Self {
        let (day, month) = if month > 12 && day <= 12 {
            (month, day)
        } else {
            (day, month)
        };
        Self {
            year,
            month: Some(month),
            day: Some(day),
            ambiguous: false,
        }
    }

    /// Drops a month or day that cannot be; nothing is left of a date whose year cannot be.
    fn checked(self) -> Option<BirthDate> {
        if !YEARS.contains(&self.year) {
            return None;
        }
        let month = self
            .month
            .and_then(|month| u8::try_from(month).ok())
            .filter(|month| (1..=12).contains(month));
        let day = self
            .day
            .and_then(|day| u8::try_from(day).ok())
            .filter(|day| (1..=31).contains(day));
        let day = day.filter(|_| month.is_some());
        let ambiguous = self.ambiguous && day.is_some_and(|day| day <= 12 && Some(day) != month);
        Some(BirthDate {
            year: self.year,
            month,
            day,
            ambiguous,
        })
    }
}

fn century(two_digits: i32) -> i32 {
    two_digits
        + if two_digits < CENTURY_TURN {
            2000
        } else {
            1900
        }
}

/// Takes "р.н.", "г.р.", "року", "года" and the like off the end.
fn without_year_word(text: &str) -> &str {
    let mut text = text.trim_end();
    let bare = text.trim_end_matches('.');
    for words in [&["р", "н"][..], &["г", "р"]] {
        if let Some(rest) = strip_abbreviation(bare, words) {
            return rest.trim_matches([' ', '.']);
        }
    }
    for word in [
        "року народження",
        "року",
        "года рождения",
        "года",
        "год",
        "рік",
    ] {
        if let Some(rest) = text.strip_suffix(word) {
            text = rest;
            return text.trim_matches([' ', '.']);
        }
    }
    text.strip_suffix("р.")
        .or_else(|| text.strip_suffix("г."))
        .or_else(|| text.strip_suffix(" р"))
        .or_else(|| text.strip_suffix(" г"))
        .unwrap_or(text)
        .trim_matches([' ', '.'])
}

/// "р. н", "р.н", "рн": two letters at the end, with or without stop and space between.
fn strip_abbreviation<'a>(text: &'a str, letters: &[&str]) -> Option<&'a str> {
    let [first, second] = letters else {
        return None;
    };
    let rest = text.strip_suffix(second)?;
    rest.trim_end().trim_end_matches('.').strip_suffix(first)
}

/// Five digits: days since 30 December 1899, as spreadsheets count.
fn spreadsheet_serial(text: &str) -> Option<UncheckedDate> {
    let digits = text.strip_suffix(".0").unwrap_or(text);
    if digits.len() != 5 || !is_number(digits) {
        return None;
    }
    // Spreadsheets take 1900 for a leap year: from March 1900 on, this day before makes up for it.
    let start = jiff::civil::date(1899, 12, 30);
    let date = start
        .checked_add(jiff::Span::new().days(digits.parse::<i64>().ok()?))
        .ok()?;
    Some(UncheckedDate {
        year: i32::from(date.year()),
        month: Some(i32::from(date.month())),
        day: Some(i32::from(date.day())),
        ambiguous: false,
    })
}

/// Eight digits: year, month, day; or day, month, year when only that is a date.
fn compact(text: &str) -> Option<UncheckedDate> {
    if text.len() != 8 || !is_number(text) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<i32>().ok();
    let compact = |year: i32, month: i32, day: i32| {
        let fits =
            COMPACT_YEARS.contains(&year) && (0..=12).contains(&month) && (0..=31).contains(&day);
        fits.then_some(UncheckedDate {
            year,
            month: Some(month),
            day: Some(day),
            ambiguous: false,
        })
    };
    compact(part(0..4)?, part(4..6)?, part(6..8)?)
        .or_else(|| compact(part(4..8)?, part(2..4)?, part(0..2)?))
}

/// Cuts off a time of day: "t00:00…" or " 0:00…".
fn without_time(text: &str) -> &str {
    let Some(colon) = text.find(':') else {
        return text;
    };
    let before = text[..colon].trim_end_matches(|letter: char| letter.is_ascii_digit());
    before
        .strip_suffix('t')
        .or_else(|| before.strip_suffix(' '))
        .unwrap_or(text)
}

/// Runs of digits and runs of letters.
fn tokens(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let belongs = |letter: char| {
            if digits {
                letter.is_ascii_digit()
            } else {
                letter.is_alphabetic()
            }
        };
        let end = rest.find(|letter| !belongs(letter)).unwrap_or(rest.len());
        if end == 0 {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (token, after) = rest.split_at(end);
        out.push(token);
        rest = after;
    }
    out
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|letter| letter.is_ascii_digit())
}

/// A month by name or by Roman number, also in Cyrillic look-alikes.
fn month(word: &str) -> Option<u8> {
    if let Some(month) = tables::months().get(word) {
        return Some(*month);
    }
    let roman: String = word
        .chars()
        .map(|letter| match letter {
            'і' => 'i',
            'х' => 'x',
            other => other,
        })
        .collect();
    let months = [
        "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii",
    ];
    months
        .iter()
        .position(|month| *month == roman)
        .and_then(|place| u8::try_from(place + 1).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(cell: &str, year: i32, month: impl Into<Option<u8>>, day: impl Into<Option<u8>>) {
        let date = parse(cell).map(|date| (date.year, date.month, date.day));
        assert_eq!(date, Some((year, month.into(), day.into())), "{cell}");
    }

    #[test]
    fn every_common_order_and_separator_is_one_date() {
        for cell in [
            "24.08.1991",
            "24/08/1991",
            "24-08-1991",
            "1991-08-24",
            "1991.08.24",
            "19910824",
            "24081991",
            "08/24/1991",
            "24 серпня 1991 р.",
            "24 августа 1991 г.",
            "24 aug 1991",
            "August 24, 1991",
            "24.8.91",
            "24.VIII.1991",
            "24.08.1991 р. н.",
            "24.08.1991 г.р.",
            "1991-08-24T00:00:00",
            "24.08.1991 0:00",
            "33474",
            "33474.0",
            "24 серпня 1991 року",
            "24 сер 91",
        ] {
            reads(cell, 1991, 8, 24);
        }
    }

    #[test]
    fn partial_dates_keep_what_they_say() {
        reads("1991", 1991, None, None);
        reads("08.1991", 1991, 8, None);
        reads("1991-08", 1991, 8, None);
        reads("серпень 1991", 1991, 8, None);
        reads("00.08.1991", 1991, 8, None);
        reads("1991 р.н.", 1991, None, None);
        reads("19021990", 1990, 2, 19);
        reads("19910800", 1991, 8, None);
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for cell in [
            "",
            "вчора",
            "24.08",
            "24.08.1791",
            "99.99.9999",
            "99999",
            "1991-1992",
            "12345678",
            "авг",
        ] {
            assert_eq!(parse(cell), None, "{cell}");
        }
    }

    #[test]
    fn a_swap_of_day_and_month_gives_the_same_key_part() {
        assert_eq!(
            parse("03.04.1990").and_then(|date| date.full()),
            parse("04.03.1990").and_then(|date| date.full())
        );
        assert!(parse("03/04/1990").is_some_and(|date| date.ambiguous));
        assert!(parse("03.04.1990").is_some_and(|date| !date.ambiguous));
    }
}
