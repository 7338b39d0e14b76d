//! The kinds of match keys: which parts make one, what a match of it says, which class it is in.
//! `docs/matching.md` §8.1.
//!
//! The table of that section in code; makes no key itself.

use element::KeyClass;

/// What one match says of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grade {
    /// One match is enough.
    Strong,
    /// Enough between lists of moderate size; to be confirmed between large ones.
    StrongInSmallLists,
    /// A lead; two that one person could give together are strong.
    Possible,
}

impl Grade {
    /// The grade's name, under the schema digest and for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strong => "strong",
            Self::StrongInSmallLists => "strong in small lists",
            Self::Possible => "possible",
        }
    }
}

/// A kind of match key: which parts of two records must agree for them to meet by it.
///
/// The order is that in which results name kinds; it is no ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// Document number and given name.
    Doc,
    /// Service number and given name.
    Srv,
    /// Tax number and given name.
    Tax,
    /// Whole name with patronymic, and whole date: names one person.
    N1,
    /// Names and whole date; in lists of millions two people may share it.
    N2,
    /// Names, patronymic and year: for a wrong day and month.
    N3,
    /// Family name, initial and date: for lists that give initials.
    N4,
    /// Names, year and month: for a wrong day.
    N5,
    /// Beginning of the family name, given name and date: persons-v1's way with typing errors.
    N6,
    /// Given name, patronymic and date: for a family name that changed or is wrong.
    N7,
    /// Family name, patronymic and date: for a given name that is wrong.
    N8,
    /// Two consonants of the family name, all else whole: for typing errors further on.
    N9,
    /// As N9 without the patronymic.
    N10,
    /// Names, day and month: for a wrong year.
    N11,
    /// Names and year, where the held record knows no day: one-sided.
    N12,
    /// Names and patronymic, where the held record knows no date: one-sided.
    N13,
    /// Names and place of birth: for people without a date.
    N14,
    /// Names, year and day: for a wrong month.
    N15,
}

/// One part of a match key: something that a record says, in normal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPart {
    /// Document number in its normal form.
    Document,
    /// Service number in its normal form.
    Service,
    /// Digits of a tax number whose check digit is right.
    Tax,
    /// Family name and given name, in either order.
    Names,
    /// B fold of a family-name variant: one value for each variant.
    Family,
    /// The first three letters of a B fold with at least four.
    FamilyStart3,
    /// The first two consonants.
    FamilyStart2,
    /// Class of the given name, or the fold of one that the vocabulary lacks.
    Given,
    /// Class of the given name's first sound.
    Initial,
    /// Class of the father's name, or its fold.
    Patronymic,
    /// Year and the unordered pair of day and month.
    Date,
    /// Of a date whose month is known.
    YearMonth,
    /// The unordered pair of day and month.
    DayMonth,
    /// Year and day, for where the month differs.
    YearDay,
    /// Of any date.
    Year,
    /// Place of birth.
    Place,
}

/// What a held record must lack to give a key of a one-sided kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// Day or month is not known, or 1 January stands for it.
    DayOrMonth,
    /// No date at all.
    Date,
}

impl KeyPart {
    /// The part's name, for people.
    pub const fn label(self) -> &'static str {
        self.names().0
    }

    /// The part's name in a match key: short, so that most keys fit one block of the hash.
    pub const fn tag(self) -> &'static str {
        self.names().1
    }

    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Document => ("document", "doc"),
            Self::Service => ("service", "srv"),
            Self::Tax => ("tax", "tax"),
            Self::Names => ("names", "FG"),
            Self::Family => ("family", "F"),
            Self::FamilyStart3 => ("family start 3", "F3"),
            Self::FamilyStart2 => ("family start 2", "F2"),
            Self::Given => ("given", "G"),
            Self::Initial => ("initial", "I"),
            Self::Patronymic => ("patronymic", "P"),
            Self::Date => ("date", "D"),
            Self::YearMonth => ("year and month", "YM"),
            Self::DayMonth => ("day and month", "DM"),
            Self::YearDay => ("year and day", "YD"),
            Self::Year => ("year", "Y"),
            Self::Place => ("place", "B"),
        }
    }
}

impl Gap {
    /// What lacks, in words.
    pub const fn label(self) -> &'static str {
        match self {
            Self::DayOrMonth => "day or month",
            Self::Date => "date",
        }
    }
}

impl KeyKind {
    /// Every kind, of whatever schema.
    pub const ALL: [Self; 18] = [
        Self::Doc,
        Self::Srv,
        Self::Tax,
        Self::N1,
        Self::N2,
        Self::N3,
        Self::N4,
        Self::N5,
        Self::N6,
        Self::N7,
        Self::N8,
        Self::N9,
        Self::N10,
        Self::N11,
        Self::N12,
        Self::N13,
        Self::N14,
        Self::N15,
    ];

    /// The kind's name in a match key, in results and in the specification.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Doc => "DOC",
            Self::Srv => "SRV",
            Self::Tax => "TAX",
            Self::N1 => "N1",
            Self::N2 => "N2",
            Self::N3 => "N3",
            Self::N4 => "N4",
            Self::N5 => "N5",
            Self::N6 => "N6",
            Self::N7 => "N7",
            Self::N8 => "N8",
            Self::N9 => "N9",
            Self::N10 => "N10",
            Self::N11 => "N11",
            Self::N12 => "N12",
            Self::N13 => "N13",
            Self::N14 => "N14",
            Self::N15 => "N15",
        }
    }

    /// The parts that make a key of this kind, all of them needed.
    pub const fn parts(self) -> &'static [KeyPart] {
        use KeyPart::*;
        match self {
            Self::Doc => &[Document, Given],
            Self::Srv => &[Service, Given],
            Self::Tax => &[Tax, Given],
            Self::N1 => &[Names, Patronymic, Date],
            Self::N2 => &[Names, Date],
            Self::N3 => &[Family, Given, Patronymic, Year],
            Self::N4 => &[Family, Initial, Date],
            Self::N5 => &[Family, Given, YearMonth],
            Self::N6 => &[FamilyStart3, Given, Date],
            Self::N7 => &[Given, Patronymic, Date],
            Self::N8 => &[Family, Patronymic, Date],
            Self::N9 => &[FamilyStart2, Given, Patronymic, Date],
            Self::N10 => &[FamilyStart2, Given, Date],
            Self::N11 => &[Family, Given, DayMonth],
            Self::N12 => &[Family, Given, Year],
            Self::N13 => &[Family, Given, Patronymic],
            Self::N14 => &[Family, Given, Place],
            Self::N15 => &[Family, Given, YearDay],
        }
    }

    /// For a one-sided kind, what a held record must lack to give it; a requested record always does.
    /// So two complete records never meet by it, and nobody whose date is known can be found by a
    /// guess that needs no date.
    pub const fn gap(self) -> Option<Gap> {
        match self {
            Self::N12 => Some(Gap::DayOrMonth),
            Self::N13 => Some(Gap::Date),
            _ => None,
        }
    }

    /// What a match of this kind says.
    pub const fn grade(self) -> Grade {
        match self {
            Self::Doc | Self::Srv | Self::Tax | Self::N1 => Grade::Strong,
            Self::N2 | Self::N9 => Grade::StrongInSmallLists,
            _ => Grade::Possible,
        }
    }

    /// The class whose OPRF key, table and ceiling this kind uses.
    pub const fn class(self) -> KeyClass {
        match self.grade() {
            Grade::Strong | Grade::StrongInSmallLists => KeyClass::Narrow,
            Grade::Possible => KeyClass::Wide,
        }
    }
}
