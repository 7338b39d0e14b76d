//! Whether a date of birth can be: age, day of the month, and what a tax number says of it.
//! `docs/matching.md` §9.
//!
//! Handed a date as it was read and today's date; changes nothing of it.

use jiff::civil::Date;

use crate::date::BirthDate;
use crate::issue::Reason;

/// Ages, in years, that a person on a list may have.
const AGE_YEARS: std::ops::RangeInclusive<i16> = 14..=100;

/// What is wrong with an age; a partial date is given the benefit of the doubt.
pub(crate) fn judge_age(birth: &BirthDate, today: Date) -> Option<Reason> {
    let year = i16::try_from(birth.year).ok()?;
    let passed = today.year() - year;
    let (month, day) = (birth.month.map(i16::from), birth.day.map(i16::from));
    let (this_month, this_day) = (i16::from(today.month()), i16::from(today.day()));
    let certainly_ahead = month.is_some_and(|month| {
        month > this_month || month == this_month && day.is_some_and(|day| day > this_day)
    });
    let perhaps_ahead = month.is_none_or(|month| {
        month > this_month || month == this_month && day.is_none_or(|day| day > this_day)
    });
    let (age_max, age_min) = (
        passed - i16::from(certainly_ahead),
        passed - i16::from(perhaps_ahead),
    );
    if age_max < 0 {
        Some(Reason::DateInFuture)
    } else if age_max < *AGE_YEARS.start() {
        Some(Reason::AgeUnder14)
    } else if age_min > *AGE_YEARS.end() {
        Some(Reason::AgeOver100)
    } else {
        None
    }
}

/// Whether the calendar has that day.
pub(crate) fn exists(year: i32, month: u8, day: u8) -> bool {
    let (Ok(year), Ok(month), Ok(day)) =
        (i16::try_from(year), i8::try_from(month), i8::try_from(day))
    else {
        return false;
    };
    Date::new(year, month, day).is_ok()
}

/// Whether a date as written can be the one that a tax number counts, day and month swapped or not.
pub(crate) fn agrees(birth: &BirthDate, said: Date) -> bool {
    let same = |written: Option<u8>, said: i8| {
        written.is_none_or(|written| i16::from(written) == i16::from(said))
    };
    birth.year == i32::from(said.year())
        && (same(birth.month, said.month()) && same(birth.day, said.day())
            || same(birth.month, said.day()) && same(birth.day, said.month()))
}
