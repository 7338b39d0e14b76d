//! From matched keys to an answer about a person. `docs/matching.md` §8.3.

use std::collections::HashSet;

use super::key::{Grade, KeyKind};
use super::list::{List, Person};
use super::{HashedIdentity, KeyClass};

/// Between lists of which either is larger than this, a match on N2 alone is to be confirmed.
pub const SMALL_LIST_PEOPLE_MAX: u64 = 50_000;

/// What the requester may take a requested record for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// Held, by a key that names one person or by two keys that differ.
    Strong,
    /// Very likely held; between lists this large two people may share the key.
    Confirm,
    /// Perhaps held: one key that several people may share.
    Possible,
    /// No key matched.
    None,
}

impl Answer {
    /// Every answer, in the order in which people work through them.
    pub const ALL: [Self; 4] = [Self::Strong, Self::Confirm, Self::Possible, Self::None];

    /// The answer's name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strong => "strong",
            Self::Confirm => "confirm",
            Self::Possible => "possible",
            Self::None => "none",
        }
    }
}

/// How large the two lists are, in people, as far as one knows: one's own size, the peer's by its ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListSizes {
    pub requested: u64,
    pub held: u64,
}

impl ListSizes {
    /// Whether a strong-in-small-lists key is enough by itself: both lists have at most 50,000
    /// people, or their product is no larger than of two such.
    pub const fn are_small(self) -> bool {
        self.requested.saturating_mul(self.held) <= SMALL_LIST_PEOPLE_MAX * SMALL_LIST_PEOPLE_MAX
    }
}

/// Grades the kinds of keys that matched for one requested record; repeated kinds count once.
pub fn grade(matched: &[KeyKind], sizes: ListSizes) -> Answer {
    let mut kinds = matched.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    let has = |grade: Grade| kinds.iter().any(|kind| kind.grade() == grade);
    if has(Grade::Strong) {
        Answer::Strong
    } else if has(Grade::StrongInSmallLists) {
        if sizes.are_small() {
            Answer::Strong
        } else {
            Answer::Confirm
        }
    } else {
        match kinds.len() {
            0 => Answer::None,
            1 => Answer::Possible,
            _ => Answer::Strong,
        }
    }
}

/// The answer about one person of a requested list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonAnswer {
    pub answer: Answer,
    /// The kinds of keys that matched, each once, in the order of [`KeyKind`].
    pub kinds: Vec<KeyKind>,
}

/// Looks every key of a person up in what matched.
pub fn answer(
    person: &Person,
    matched: &HashSet<HashedIdentity>,
    classes: &[KeyClass],
    sizes: ListSizes,
) -> PersonAnswer {
    let mut kinds: Vec<KeyKind> = person
        .keys
        .iter()
        .filter(|(kind, identity)| classes.contains(&kind.class()) && matched.contains(identity))
        .map(|(kind, _)| *kind)
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    PersonAnswer {
        answer: grade(&kinds, sizes),
        kinds,
    }
}

/// The answer for every person of a requested list, in the list's order.
pub fn answers(
    list: &List,
    matched: &HashSet<HashedIdentity>,
    classes: &[KeyClass],
    sizes: ListSizes,
) -> Vec<PersonAnswer> {
    list.people
        .iter()
        .map(|person| answer(person, matched, classes, sizes))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: ListSizes = ListSizes {
        requested: 1_000,
        held: 20_000,
    };
    const LARGE: ListSizes = ListSizes {
        requested: 100_000,
        held: 100_000,
    };

    #[test]
    fn one_strong_key_or_two_possible_ones_are_strong() {
        assert_eq!(grade(&[], SMALL), Answer::None);
        assert_eq!(grade(&[KeyKind::N4], SMALL), Answer::Possible);
        assert_eq!(grade(&[KeyKind::N4, KeyKind::N4], SMALL), Answer::Possible);
        assert_eq!(grade(&[KeyKind::N4, KeyKind::N7], SMALL), Answer::Strong);
        assert_eq!(grade(&[KeyKind::Doc], LARGE), Answer::Strong);
    }

    #[test]
    fn n2_between_large_lists_is_to_be_confirmed() {
        assert_eq!(grade(&[KeyKind::N2], SMALL), Answer::Strong);
        assert_eq!(grade(&[KeyKind::N2], LARGE), Answer::Confirm);
        assert_eq!(grade(&[KeyKind::N1, KeyKind::N2], LARGE), Answer::Strong);
    }
}
