//! What a session asks, and what its outcome means for those who asked.
//!
//! Reads the standing requested list and the open queries from the store, and grades what matched.
//! A record counts as asked only if all its keys of the matched classes were: so records that came
//! while the session ran wait for the next one, whatever they are called.

use std::collections::HashSet;

use admin::{PeerNumber, Policy, QueryNumber};
use identity::grade::answer;
use identity::{Answer, HashedIdentity, KeyClass, ListSizes, Person, Schema};
use protocol::{ByClass, ListKind, Matches};
use store::answers::{Answers, MatchedRecord};
use store::lists::Elements;
use store::{Error, Store};

/// What one session asks of a peer.
pub(super) struct Asking {
    pub identities: ByClass<Vec<HashedIdentity>>,
    /// The version of the standing list.
    pub list: i64,
    /// Queries that did not fit beside what was before them.
    pub left_out: usize,
}

/// What one session asked.
pub(super) struct Asked<'a> {
    pub identities: &'a HashSet<HashedIdentity>,
    /// The version of the standing list, where it is known.
    pub list: Option<i64>,
    /// Whether it asked of the wide class too.
    pub wide: bool,
}

/// Gathers the standing list and, the oldest first, the queries that the peer has not answered, as far
/// as the ceilings have room.
///
/// # Errors
/// Those of the store.
pub(super) fn gather(store: &Store, peer: PeerNumber, policy: &Policy) -> Result<Asking, Error> {
    let wide = policy.wide.is_some();
    let Elements {
        mut identities,
        version,
    } = store.elements(ListKind::Requested, wide)?;
    let mut left_out = 0;
    for query in store.queries_to_ask(peer)? {
        let query = query?;
        let keys = keys_of(&query.people, wide);
        let fits = policy.classes().iter().all(|(class, set)| {
            let own = |lists: &ByClass<Vec<HashedIdentity>>| lists.get(class).map_or(0, Vec::len);
            own(&identities) + own(&keys) <= set.own.requested as usize
        });
        if !fits {
            left_out += 1;
            continue;
        }
        for (class, keys) in keys.iter() {
            if let Some(list) = identities.get_mut(class) {
                list.extend_from_slice(keys);
            }
        }
    }
    for list in identities.values_mut() {
        list.sort_unstable();
        list.dedup();
    }
    Ok(Asking {
        identities,
        list: version,
        left_out,
    })
}

/// What the peer's answer means for each query, and for the standing list under `None`.
///
/// `held` is what the peer holds of what the session asked.
///
/// # Errors
/// Those of the store.
pub(super) fn answers(
    store: &Store,
    peer: PeerNumber,
    policy: &Policy,
    schema: Schema,
    asked: &Asked<'_>,
    held: &Matches,
) -> Result<Vec<(Option<QueryNumber>, Answers)>, Error> {
    let matched: HashSet<HashedIdentity> = held
        .iter()
        .flat_map(|(_, held)| held.iter().copied())
        .collect();
    let mut classes = vec![KeyClass::Narrow];
    classes.extend(asked.wide.then_some(KeyClass::Wide));
    let info = store.list(ListKind::Requested)?;
    let grading = Grading {
        schema,
        asked: asked.identities,
        matched,
        sizes: ListSizes {
            requested: info.as_ref().map_or(0, |info| info.people),
            held: protocol::ceiling::people_within(policy.narrow.peer.held),
        },
        classes,
    };
    let mut all = Vec::new();
    if info.is_some() {
        let none = || none_of(asked);
        let (standing, _) = store.fold_people(ListKind::Requested, none, |standing, person| {
            grading.put(&person, standing);
        })?;
        all.push((None, standing));
    }
    for query in store.queries_to_ask(peer)? {
        let query = query?;
        if !query.people.iter().all(|person| grading.was_asked(person)) {
            continue;
        }
        let mut answers = none_of(asked);
        for person in &query.people {
            grading.put(person, &mut answers);
        }
        all.push((Some(query.info.number), answers));
    }
    Ok(all)
}

struct Grading<'a> {
    schema: Schema,
    asked: &'a HashSet<HashedIdentity>,
    matched: HashSet<HashedIdentity>,
    sizes: ListSizes,
    classes: Vec<KeyClass>,
}

impl Grading<'_> {
    fn was_asked(&self, person: &Person) -> bool {
        let mut keys = person
            .keys
            .iter()
            .filter(|(kind, _)| self.classes.contains(&kind.class()))
            .peekable();
        // Whoever has no key in these classes was not asked about.
        keys.peek().is_some() && keys.all(|(_, identity)| self.asked.contains(identity))
    }

    fn put(&self, person: &Person, answers: &mut Answers) {
        if !self.was_asked(person) {
            return;
        }
        answers.asked += 1;
        let graded = answer(
            self.schema,
            person,
            &self.matched,
            &self.classes,
            self.sizes,
        );
        if graded.answer != Answer::None {
            answers.found.push(MatchedRecord {
                record_id: person.record_id.to_string(),
                answer: graded.answer,
                kinds: graded.kinds,
            });
        }
    }
}

fn none_of(asked: &Asked<'_>) -> Answers {
    Answers {
        asked: 0,
        list: asked.list,
        wide: asked.wide,
        found: Vec::new(),
    }
}

fn keys_of(people: &[Person], wide: bool) -> ByClass<Vec<HashedIdentity>> {
    let mut keys = ByClass {
        narrow: Vec::new(),
        wide: wide.then(Vec::new),
    };
    for (kind, identity) in people.iter().flat_map(|person| &person.keys) {
        if let Some(list) = keys.get_mut(kind.class()) {
            list.push(*identity);
        }
    }
    keys
}
