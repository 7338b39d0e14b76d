//! A person's sex, which only serves to find contradictions. `docs/matching.md` §9.

use crate::text::clean;

/// A person's sex, where it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    /// Said by the cell, by РНОКПП or by a patronymic's ending.
    Male,
    /// Said by the same.
    Female,
}

/// The sex that a cell says in one of the words known, in three languages; nothing for any other.
pub(crate) fn sex(cell: &str) -> Option<Sex> {
    match clean(cell).as_str() {
        "m" | "male" | "man" | "м" | "муж" | "мужской" | "мужчина" | "ч" | "чол" | "чоловік"
        | "чоловіча" => Some(Sex::Male),
        "f" | "female" | "woman" | "w" | "ж" | "жен" | "женский" | "женщина" | "жін" | "жінка"
        | "жіноча" => Some(Sex::Female),
        _ => None,
    }
}
