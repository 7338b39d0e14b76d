//! What is wrong, or only doubtful, with a row. `docs/matching.md` §9.
//!
//! A reason names line, column and kind of trouble, never what the cell says.

use crate::field::Field;

/// Whether a row with this trouble is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The row is not used; or, for a number, that number is not.
    Error,
    /// The row is used; a person should look at it.
    Warning,
}

/// Why a row is refused or doubtful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Reason {
    /// Left out: nobody could ever meet it.
    #[error("gives no match key: it needs a number, or names and a date of birth")]
    NoUsableKey,
    /// Also when the cell has no letter that folds.
    #[error("the family name is missing")]
    FamilyNameMissing,
    /// A digit in a name is a slip or another column; read on, it would fold to somebody else.
    #[error("a name has digits in it")]
    DigitInName,
    /// The folds know Cyrillic and Latin alone.
    #[error("a name is in a script that is neither Cyrillic nor Latin")]
    UnknownScript,
    /// A cell that says something, and no date of 1800 to 2099.
    #[error("the date cannot be read; write 1991-08-24 or 24.08.1991")]
    DateUnreadable,
    /// By the day that the caller names as today.
    #[error("the date of birth is in the future")]
    DateInFuture,
    /// Held people this young are hardly meant; a wrong century is likelier.
    #[error("the person would be younger than 14")]
    AgeUnder14,
    /// Likely a wrong century.
    #[error("the person would be older than 100")]
    AgeOver100,
    /// One digit of a tax number is mistyped, so it would be a key of nobody or of somebody else.
    #[error("the check digit is wrong; the number is not used")]
    CheckDigitWrong,
    /// So few digits would be shared by many people.
    #[error("the number is too short, or of another length than such numbers have; it is not used")]
    NumberTooShort,
    /// One digit throughout, or digits that count up or down.
    #[error("the number looks made up; it is not used")]
    NumberPlaceholder,
    /// Without it nobody could tell whose answer it is.
    #[error("the record id is missing")]
    RecordIdMissing,
    /// Two answers under one id could not be told apart.
    #[error("the record id is already that of line {first_line}")]
    RecordIdTwice {
        /// Where the id stood first, from 1.
        first_line: u32,
    },
    /// Cells have slipped, so that each may be in the wrong column.
    #[error("the row has {found} columns, the header has {expected}")]
    ColumnCount {
        /// Columns of the header.
        expected: u32,
        /// Cells of the row.
        found: u32,
    },
    /// Part of a name is lost.
    #[error("the cell is not in the encoding of the file")]
    BadEncoding,
    /// JSON: an array or an object where a cell should be.
    #[error("the value is neither text nor number")]
    NotText,
    /// JSON: the line is something else, or broken.
    #[error("the line is not a JSON object")]
    NotAnObject,

    /// Said because the word was changed before it was folded.
    #[error("letters of the other script inside a word were put right")]
    ScriptRepaired,
    /// Day, or day and month, are not known: fewer keys.
    #[error("the date is not complete")]
    DatePartial,
    /// Counted as a date, and in N12 also as a missing day.
    #[error("1 January often stands for an unknown day")]
    DateFirstOfJanuary,
    /// 31 February: taken as written, since the other side may have copied the same.
    #[error("that month has no such day")]
    DayNotInMonth,
    /// Written with a slash, both at most 12; keys take the pair unordered.
    #[error("day and month could be taken for each other")]
    DayMonthAmbiguous,
    /// Of the two, nobody knows which is wrong.
    #[error("the tax number says another date of birth")]
    TaxDateDiffers,
    /// РНОКПП has the sex in its ninth digit.
    #[error("the tax number says the other sex")]
    TaxSexDiffers,
    /// Петрівна beside a man.
    #[error("the patronymic is of the other sex")]
    PatronymicSexDiffers,
    /// The family name is a known given name, and the given name is none.
    #[error("family name and given name look swapped, and are taken so")]
    ColumnsSwapped,
    /// Few keys: an initial has no class.
    #[error("only initials")]
    InitialsOnly,
    /// Matched by its fold, so only by those who write it alike.
    #[error("the given name is not in the vocabulary")]
    GivenNameUnknown,
    /// Said because somebody should look whether it is that name.
    #[error("the given name is one letter off a known one, and is taken for that")]
    GivenNameRepaired,
    /// The person can be found, yet never be told as *strong* by one key.
    #[error("gives only keys that several people may share")]
    OnlyPossibleKeys,
    /// By a strong key; each row keeps its own answer.
    #[error("looks like the same person as line {first_line}")]
    SamePersonTwice {
        /// The earliest row with one of its strong keys, from 1.
        first_line: u32,
    },
}

impl Reason {
    /// Whether this is an error or a warning.
    pub const fn severity(self) -> Severity {
        match self {
            Self::NoUsableKey
            | Self::FamilyNameMissing
            | Self::DigitInName
            | Self::UnknownScript
            | Self::DateUnreadable
            | Self::DateInFuture
            | Self::AgeUnder14
            | Self::AgeOver100
            | Self::CheckDigitWrong
            | Self::NumberTooShort
            | Self::NumberPlaceholder
            | Self::RecordIdMissing
            | Self::RecordIdTwice { .. }
            | Self::ColumnCount { .. }
            | Self::BadEncoding
            | Self::NotText
            | Self::NotAnObject => Severity::Error,
            Self::ScriptRepaired
            | Self::DatePartial
            | Self::DateFirstOfJanuary
            | Self::DayNotInMonth
            | Self::DayMonthAmbiguous
            | Self::TaxDateDiffers
            | Self::TaxSexDiffers
            | Self::PatronymicSexDiffers
            | Self::ColumnsSwapped
            | Self::InitialsOnly
            | Self::GivenNameUnknown
            | Self::GivenNameRepaired
            | Self::OnlyPossibleKeys
            | Self::SamePersonTwice { .. } => Severity::Warning,
        }
    }

    /// Whether the person is left out altogether. A wrong number is an error, but when bad rows are
    /// skipped the person is still matched by everything else.
    pub const fn voids_row(self) -> bool {
        matches!(self.severity(), Severity::Error)
            && !matches!(
                self,
                Self::CheckDigitWrong | Self::NumberTooShort | Self::NumberPlaceholder
            )
    }

    /// A short name for machines, as `--json` prints it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoUsableKey => "no_usable_key",
            Self::FamilyNameMissing => "family_name_missing",
            Self::DigitInName => "digit_in_name",
            Self::UnknownScript => "unknown_script",
            Self::DateUnreadable => "date_unreadable",
            Self::DateInFuture => "date_in_future",
            Self::AgeUnder14 => "age_under_14",
            Self::AgeOver100 => "age_over_100",
            Self::CheckDigitWrong => "check_digit_wrong",
            Self::NumberTooShort => "number_too_short",
            Self::NumberPlaceholder => "number_placeholder",
            Self::RecordIdMissing => "record_id_missing",
            Self::RecordIdTwice { .. } => "record_id_twice",
            Self::ColumnCount { .. } => "column_count",
            Self::BadEncoding => "bad_encoding",
            Self::NotText => "not_text",
            Self::NotAnObject => "not_an_object",
            Self::ScriptRepaired => "script_repaired",
            Self::DatePartial => "date_partial",
            Self::DateFirstOfJanuary => "date_first_of_january",
            Self::DayNotInMonth => "day_not_in_month",
            Self::DayMonthAmbiguous => "day_month_ambiguous",
            Self::TaxDateDiffers => "tax_date_differs",
            Self::TaxSexDiffers => "tax_sex_differs",
            Self::PatronymicSexDiffers => "patronymic_sex_differs",
            Self::ColumnsSwapped => "columns_swapped",
            Self::InitialsOnly => "initials_only",
            Self::GivenNameUnknown => "given_name_unknown",
            Self::GivenNameRepaired => "given_name_repaired",
            Self::OnlyPossibleKeys => "only_possible_keys",
            Self::SamePersonTwice { .. } => "same_person_twice",
        }
    }
}

/// One trouble of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowIssue {
    /// Line of the file on which the row begins, from 1; for a spreadsheet the row's number.
    pub line: u32,
    /// The field it is about; none when it is about the whole row.
    pub field: Option<Field>,
    /// What is the matter.
    pub reason: Reason,
}
