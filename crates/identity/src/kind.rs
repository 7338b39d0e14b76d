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

/// A kind of match key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    Doc,
    Srv,
    Tax,
    N1,
    N2,
    N3,
    N4,
    N5,
    N6,
    N7,
    N8,
    N9,
    N10,
    N11,
    N12,
    N13,
    N14,
    N15,
}

/// One part of a match key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPart {
    Document,
    Service,
    Tax,
    /// Family name and given name, in either order.
    Names,
    Family,
    /// The first three letters of a skeleton with at least four.
    FamilyStart3,
    /// The first two consonants.
    FamilyStart2,
    Given,
    Initial,
    Patronymic,
    /// Year and the unordered pair of day and month.
    Date,
    YearMonth,
    /// The unordered pair of day and month.
    DayMonth,
    /// Year and day, for where the month differs.
    YearDay,
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
    /// Every kind.
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
