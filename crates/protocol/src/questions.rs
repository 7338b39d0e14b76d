//! A session's asks, made before it: the question set. `docs/protocol.md` §6.
//!
//! Exactly as many entries as the ceilings say, in random order, each a requested identity or a random one
//! that nobody holds, blinded already. A session only reads it: what takes time that depends on a list, to
//! gather, to pad, to blind, happens before the peer's first byte. Like a table it serves one session only.

use std::collections::HashSet;

use element::{ByClass, HashedIdentity, KeyClass, ListKind};
use oprf::BlindedBatch;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_core::{CryptoRng, SeedableRng};

use crate::ceiling::Ceiling;
use crate::error::Error;
use crate::table::{above_ceiling, padded};

/// What one session asks, of each key class, ready to be sent.
pub struct QuestionSet {
    pub(crate) classes: ByClass<Questions>,
}

/// The entries of one class. Which of them are padding, no session reads.
pub(crate) struct Questions {
    pub(crate) ceiling: Ceiling,
    /// Requested identities and random ones in random order, as many as the ceiling.
    pub(crate) inputs: Vec<HashedIdentity>,
    pub(crate) blinded: BlindedBatch,
    /// For each entry, whether it was requested.
    pub(crate) requested: Vec<bool>,
}

impl QuestionSet {
    /// Pads the requested identities to the ceilings, shuffles and blinds them. Identities that coincide are
    /// folded into one. Takes all cores for a while.
    ///
    /// # Errors
    /// [`Error::AboveCeiling`] when a class has more identities than its ceiling.
    pub fn prepare(
        requested: ByClass<Vec<HashedIdentity>>,
        ceilings: ByClass<Ceiling>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Error> {
        let classes = requested.zip(ceilings).try_map(|class, (list, ceiling)| {
            Questions::prepare(list, ceiling, rng)
                .map_err(|elements| above_ceiling(ListKind::Requested, class, elements, ceiling))
        })?;
        Ok(Self { classes })
    }

    /// Brings the set to another list of requested identities: what is gone gives its entry to a random
    /// identity, what has come takes the entry of a random padding one, each blinded anew; all other
    /// entries stay. Costs what has changed, not the ceiling. The set must not have been sent.
    ///
    /// # Errors
    /// [`Error::AboveCeiling`]: the set is as it was.
    pub fn update(
        &mut self,
        requested: ByClass<Vec<HashedIdentity>>,
        rng: &mut impl CryptoRng,
    ) -> Result<(), Error> {
        let of_class = |class| match class {
            KeyClass::Narrow => Some(&requested.narrow),
            KeyClass::Wide => requested.wide.as_ref(),
        };
        let mut wanted = Vec::new();
        for (class, questions) in self.classes.iter() {
            let ceiling = questions.ceiling;
            let list: HashSet<_> = of_class(class).into_iter().flatten().copied().collect();
            if list.len() > ceiling.elements() {
                let requested = ListKind::Requested;
                return Err(above_ceiling(requested, class, list.len(), ceiling));
            }
            wanted.push(list);
        }
        for (questions, wanted) in self.classes.values_mut().zip(wanted) {
            questions.update(wanted, rng);
        }
        Ok(())
    }

    /// The number of entries of each class.
    pub fn ceilings(&self) -> ByClass<Ceiling> {
        self.classes.as_ref().map(|_, questions| questions.ceiling)
    }

    /// Every entry, padding among them: what the session will have asked.
    pub fn entries(&self) -> impl Iterator<Item = &HashedIdentity> {
        self.classes
            .iter()
            .flat_map(|(_, questions)| &questions.inputs)
    }
}

impl Questions {
    /// Gives back the number of identities when they are more than the ceiling.
    fn prepare(
        list: Vec<HashedIdentity>,
        ceiling: Ceiling,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, usize> {
        let wanted: HashSet<_> = list.iter().copied().collect();
        let mut inputs = padded(list, ceiling, rng)?;
        inputs.shuffle(&mut rand::rngs::StdRng::from_rng(rng));
        Ok(Self {
            ceiling,
            requested: inputs.iter().map(|input| wanted.contains(input)).collect(),
            blinded: BlindedBatch::blind(&inputs, rng),
            inputs,
        })
    }

    /// `wanted` has at most as many identities as there are entries.
    fn update(&mut self, mut wanted: HashSet<HashedIdentity>, rng: &mut impl CryptoRng) {
        let mut padding = Vec::new();
        for position in 0..self.inputs.len() {
            if self.requested[position] && !wanted.remove(&self.inputs[position]) {
                let mut random = [0; 32];
                rng.fill_bytes(&mut random);
                self.put(position, HashedIdentity::from_bytes(random), rng);
                self.requested[position] = false;
            }
            if !self.requested[position] {
                padding.push(position);
            }
        }
        for identity in wanted {
            // Whose entry it takes must not tell in which order people were asked about.
            let position = padding.swap_remove(rng.random_range(..padding.len()));
            self.put(position, identity, rng);
            self.requested[position] = true;
        }
    }

    fn put(&mut self, position: usize, identity: HashedIdentity, rng: &mut impl CryptoRng) {
        self.inputs[position] = identity;
        self.blinded.replace(position, &identity, rng);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{identities, rng};

    fn narrow(list: Vec<HashedIdentity>) -> ByClass<Vec<HashedIdentity>> {
        ByClass {
            narrow: list,
            wide: None,
        }
    }

    fn set_of(list: Vec<HashedIdentity>) -> QuestionSet {
        let narrow_ceiling = Ceiling::new(64).unwrap();
        let ceilings = ByClass {
            narrow: narrow_ceiling,
            wide: None,
        };
        QuestionSet::prepare(narrow(list), ceilings, &mut rng(1)).unwrap()
    }

    fn bytes(set: &QuestionSet) -> Vec<u8> {
        let mut all = Vec::new();
        set.encode(|part| {
            all.extend_from_slice(part);
            Ok::<(), ()>(())
        })
        .unwrap();
        all
    }

    fn requested(set: &QuestionSet) -> HashSet<HashedIdentity> {
        let questions = &set.classes.narrow;
        let entries = questions.inputs.iter().zip(&questions.requested);
        let mut found = HashSet::new();
        for (input, _) in entries.filter(|(_, requested)| **requested) {
            assert!(found.insert(*input), "one entry an identity");
        }
        found
    }

    #[test]
    fn a_set_has_as_many_bytes_and_entries_for_nobody_as_for_a_full_list() {
        let sizes: Vec<_> = [0, 1, 63, 64]
            .map(|people| {
                let set = set_of(identities(0..people));
                assert_eq!(set.entries().collect::<HashSet<_>>().len(), 64);
                assert_eq!(requested(&set).len() as u32, people);
                bytes(&set).len()
            })
            .into();
        assert!(sizes.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn an_update_asks_for_the_new_list_and_blinds_anew_what_has_changed_and_nothing_else() {
        let mut set = set_of(identities(0..40));
        let before: Vec<_> = set.classes.narrow.inputs.clone();
        let sent = set.classes.narrow.blinded.sent(0..64).to_vec();
        set.update(narrow(identities(10..50)), &mut rng(2)).unwrap();
        assert!(requested(&set) == identities(10..50).into_iter().collect());
        let questions = &set.classes.narrow;
        let changed = (0..64).filter(|&i| questions.inputs[i] != before[i]);
        let changed: Vec<usize> = changed.collect();
        assert!((10..=20).contains(&changed.len()), "{}", changed.len());
        for i in 0..64 {
            let same = questions.blinded.sent(i..i + 1) == &sent[32 * i..32 * (i + 1)];
            assert_eq!(same, !changed.contains(&i), "entry {i}");
        }
        // Full, then empty, then above.
        set.update(narrow(identities(0..64)), &mut rng(3)).unwrap();
        assert_eq!(requested(&set).len(), 64);
        set.update(narrow(Vec::new()), &mut rng(4)).unwrap();
        assert!(requested(&set).is_empty());
        let kept = bytes(&set);
        let above = set.update(narrow(identities(0..65)), &mut rng(5));
        assert!(matches!(
            above,
            Err(Error::AboveCeiling { elements: 65, .. })
        ));
        assert!(
            bytes(&set) == kept,
            "a set that cannot be brought to a list stays"
        );
    }

    #[test]
    fn a_set_that_was_kept_comes_back_as_it_was_and_other_bytes_are_refused() {
        let kept = bytes(&set_of(identities(0..40)));
        assert!(bytes(&QuestionSet::decode(&kept).unwrap()) == kept);
        for wrong in [&kept[1..], &kept[..kept.len() - 1], &[]] {
            assert!(QuestionSet::decode(wrong).is_none());
        }
        let mut longer = kept;
        longer.push(0);
        assert!(QuestionSet::decode(&longer).is_none());
    }
}
