//! From matched keys to an answer about a person. `docs/matching.md` §8.3.

use std::collections::HashSet;

use crate::kind::{Grade, KeyKind};
use crate::list::{List, Person};
use crate::schema::{Corroborating, Schema};
use element::{HashedIdentity, KeyClass};

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
    /// People of the requested list.
    pub requested: u64,
    /// People of the held list that it is matched against.
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
///
/// ```
/// use identity::{Answer, KeyKind, ListSizes, Schema, grade};
///
/// let small = ListSizes { requested: 1_000, held: 20_000 };
/// let large = ListSizes { requested: 100_000, held: 100_000 };
/// assert_eq!(grade(Schema::PersonsV2, &[KeyKind::N2], small), Answer::Strong);
/// assert_eq!(grade(Schema::PersonsV2, &[KeyKind::N2], large), Answer::Confirm);
/// assert_eq!(grade(Schema::PersonsV2, &[KeyKind::N4, KeyKind::N7], small), Answer::Possible);
/// ```
pub fn grade(schema: Schema, matched: &[KeyKind], sizes: ListSizes) -> Answer {
    let has = |grade: Grade| matched.iter().any(|kind| kind.grade() == grade);
    let in_small_lists = if sizes.are_small() {
        Answer::Strong
    } else {
        Answer::Confirm
    };
    if has(Grade::Strong) {
        Answer::Strong
    } else if has(Grade::StrongInSmallLists) {
        in_small_lists
    } else if matched.is_empty() {
        Answer::None
    } else {
        match schema.corroborating() {
            Corroborating::AnyTwo if matched.iter().any(|kind| *kind != matched[0]) => {
                Answer::Strong
            }
            Corroborating::Pairs(pairs)
                if pairs
                    .iter()
                    .any(|(first, second)| matched.contains(first) && matched.contains(second)) =>
            {
                in_small_lists
            }
            _ => Answer::Possible,
        }
    }
}

/// The answer about one person of a requested list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonAnswer {
    /// What to take the person for.
    pub answer: Answer,
    /// The kinds of keys that matched, each once, in the order of [`KeyKind`].
    pub kinds: Vec<KeyKind>,
}

/// Looks every key of a person up in what matched.
pub fn answer(
    schema: Schema,
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
    // Variants of a family name give several keys of one kind; only which kinds matched counts.
    kinds.sort_unstable();
    kinds.dedup();
    PersonAnswer {
        answer: grade(schema, &kinds, sizes),
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
        .map(|person| answer(list.schema, person, matched, classes, sizes))
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

    fn v1(kinds: &[KeyKind], sizes: ListSizes) -> Answer {
        grade(Schema::PersonsV1, kinds, sizes)
    }

    fn v2(kinds: &[KeyKind], sizes: ListSizes) -> Answer {
        grade(Schema::PersonsV2, kinds, sizes)
    }

    #[test]
    fn in_persons_v1_one_strong_key_or_any_two_possible_ones_are_strong() {
        assert_eq!(v1(&[], SMALL), Answer::None);
        assert_eq!(v1(&[KeyKind::N4], SMALL), Answer::Possible);
        assert_eq!(v1(&[KeyKind::N4, KeyKind::N4], SMALL), Answer::Possible);
        assert_eq!(v1(&[KeyKind::N4, KeyKind::N7], SMALL), Answer::Strong);
        assert_eq!(v1(&[KeyKind::Doc], LARGE), Answer::Strong);
    }

    #[test]
    fn in_persons_v2_only_keys_that_corroborate_each_other_are_strong_together() {
        assert_eq!(v2(&[KeyKind::N3, KeyKind::N5], SMALL), Answer::Strong);
        assert_eq!(v2(&[KeyKind::N3, KeyKind::N5], LARGE), Answer::Confirm);
        assert_eq!(
            v2(&[KeyKind::N4, KeyKind::N7], SMALL),
            Answer::Possible,
            "one person would give N2 too"
        );
        assert_eq!(v2(&[KeyKind::N9], SMALL), Answer::Strong);
        assert_eq!(v2(&[KeyKind::N13], SMALL), Answer::Possible);
    }

    #[test]
    fn n2_between_large_lists_is_to_be_confirmed() {
        assert_eq!(v1(&[KeyKind::N2], SMALL), Answer::Strong);
        assert_eq!(v1(&[KeyKind::N2], LARGE), Answer::Confirm);
        assert_eq!(v1(&[KeyKind::N1, KeyKind::N2], LARGE), Answer::Strong);
    }
}
