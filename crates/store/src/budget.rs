//! How much a peer may have evaluated: elements and sessions of each key class, in a rolling window.
//!
//! Counted before anything is answered, in the transaction that spends the table, and never taken back:
//! what was evaluated counts even if the answer did not arrive. An entry counts for one window from the
//! moment it was made by this machine's clock. Set back, the clock gives nothing back: entries of a time
//! that is now in the future count like all others, and for longer.
//!
//! What this node asks of the peer is counted beside it, to tell what the peer has left for it.

use jiff::{SignedDuration, Timestamp};
use rusqlite::params;

use super::audit::Event;
use super::database::{Store, Tx};
use super::error::{Error, OverBudget};
use super::time::{from_ms, to_ms};
use admin::policy::Budget;
use admin::{Left, PeerNumber, Policy};
use identity::KeyClass;
use protocol::{ByClass, Ceiling, class_byte};

/// Who asked whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The peer asked, and this node evaluated.
    Answered,
    /// This node asked.
    Asked,
}

struct Entry {
    at_ms: i64,
    elements: u64,
    sessions: u32,
}

impl Store {
    /// What is left of a peer's budget, class by class, by its policy now.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`] peer.
    pub fn budget_left(
        &self,
        peer: PeerNumber,
        direction: Direction,
        now: Timestamp,
    ) -> Result<ByClass<Left>, Error> {
        self.read(|tx| {
            let policy = tx.peer(peer)?.entry.policy;
            policy.classes().try_map(|class, set| {
                let entries = tx.entries(peer, direction, class, &policy, now)?;
                let (elements, sessions) = left(&set.budget, &entries);
                let more_at = entries
                    .first()
                    .map(|entry| end(entry.at_ms, &policy))
                    .transpose()?;
                Ok(Left {
                    elements,
                    sessions,
                    more_at,
                })
            })
        })
    }

    /// Whether a session of these sizes would be within the budget now; counts nothing.
    ///
    /// # Errors
    ///
    /// [`Error::OverBudget`].
    pub fn check_budget(
        &self,
        peer: PeerNumber,
        asked: ByClass<Ceiling>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.read(|tx| {
            let policy = tx.peer(peer)?.entry.policy;
            for (class, asked) in asked.iter() {
                tx.check_budget(peer, &policy, class, asked.elements() as u32, now)?;
            }
            Ok(())
        })
    }

    /// Writes to the audit log that a peer asked for more than it has left.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn note_over_budget(
        &self,
        peer: PeerNumber,
        over: &OverBudget,
        now: Timestamp,
    ) -> Result<(), Error> {
        let event = Event::BudgetRefused {
            peer,
            class: over.class.name().to_owned(),
            elements: over.asked,
        };
        self.record(&event, now).map(drop)
    }
}

impl Tx<'_> {
    /// Counts one session of `asked` elements that the peer may have evaluated, if the budget has it.
    pub(super) fn spend_budget(
        &self,
        peer: PeerNumber,
        policy: &Policy,
        asked: ByClass<Ceiling>,
        now: Timestamp,
    ) -> Result<(), Error> {
        for (class, asked) in asked.iter() {
            let elements = asked.elements() as u32;
            self.check_budget(peer, policy, class, elements, now)?;
            self.count(peer, Direction::Answered, class, elements, now)?;
        }
        Ok(())
    }

    /// Counts one session; asks nothing.
    pub(super) fn count(
        &self,
        peer: PeerNumber,
        direction: Direction,
        class: KeyClass,
        elements: u32,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.prepare_cached(
            "INSERT INTO budget_use (peer, direction, class, at_ms, elements, sessions)
             VALUES (?, ?, ?, ?, ?, 1)",
        )?
        .execute(params![
            peer,
            number(direction),
            class_byte(class),
            to_ms(now),
            elements
        ])?;
        Ok(())
    }

    fn check_budget(
        &self,
        peer: PeerNumber,
        policy: &Policy,
        class: KeyClass,
        asked: u32,
        now: Timestamp,
    ) -> Result<(), Error> {
        let none = Budget {
            elements: 0,
            sessions: 0,
        };
        let budget = policy.class(class).map_or(none, |set| set.budget);
        let entries = self.entries(peer, Direction::Answered, class, policy, now)?;
        let fits = |entries: &[Entry]| {
            let (elements, sessions) = left(&budget, entries);
            elements >= u64::from(asked) && sessions >= 1
        };
        if fits(&entries) {
            return Ok(());
        }
        let (elements_left, sessions_left) = left(&budget, &entries);
        let enough = (0..entries.len()).find(|gone| fits(&entries[gone + 1..]));
        let resets_at = enough
            .map(|gone| end(entries[gone].at_ms, policy))
            .transpose()?;
        Err(OverBudget {
            class,
            asked,
            elements_left,
            sessions_left,
            resets_at,
        }
        .into())
    }

    /// The entries that count now, the oldest first; also those from what is now the future.
    fn entries(
        &self,
        peer: PeerNumber,
        direction: Direction,
        class: KeyClass,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Vec<Entry>, Error> {
        let since_ms = to_ms(now) - i64::from(policy.budget_window_s) * 1000;
        let mut query = self.prepare_cached(
            "SELECT at_ms, elements, sessions FROM budget_use
             WHERE peer = ? AND direction = ? AND class = ? AND at_ms > ? ORDER BY at_ms",
        )?;
        let key = params![peer, number(direction), class_byte(class), since_ms];
        let rows = query.query_map(key, |row| {
            Ok(Entry {
                at_ms: row.get(0)?,
                elements: row.get::<_, u32>(1)?.into(),
                sessions: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn left(budget: &Budget, entries: &[Entry]) -> (u64, u32) {
    let elements = entries.iter().map(|entry| entry.elements).sum();
    let sessions = entries
        .iter()
        .fold(0_u32, |sum, entry| sum.saturating_add(entry.sessions));
    (
        budget.elements.saturating_sub(elements),
        budget.sessions.saturating_sub(sessions),
    )
}

/// When an entry stops counting.
fn end(at_ms: i64, policy: &Policy) -> Result<Timestamp, Error> {
    let window = SignedDuration::from_secs(policy.budget_window_s.into());
    from_ms(at_ms)?
        .checked_add(window)
        .map_err(|_| Error::DamagedStore)
}

fn number(direction: Direction) -> i64 {
    match direction {
        Direction::Answered => 1,
        Direction::Asked => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{TestHome, now, peer_entry};

    const HOUR: SignedDuration = SignedDuration::from_hours(1);
    const DAY: SignedDuration = SignedDuration::from_hours(24);

    /// A peer with a budget of 100 elements and 3 sessions a day.
    fn with_peer() -> (TestHome, Store, PeerNumber) {
        let home = TestHome::new();
        let store = home.create();
        let mut entry = peer_entry(1);
        entry.policy.narrow.budget = Budget {
            elements: 100,
            sessions: 3,
        };
        let peer = store.add_peer(&entry, now()).unwrap();
        (home, store, peer)
    }

    fn spend(
        store: &Store,
        peer: PeerNumber,
        elements: u32,
        at: Timestamp,
    ) -> Result<(), OverBudget> {
        let asked = ByClass {
            narrow: Ceiling::new(elements).unwrap(),
            wide: None,
        };
        let spent = store.write(|tx| {
            let policy = tx.peer(peer)?.entry.policy;
            tx.spend_budget(peer, &policy, asked, at)
        });
        match spent {
            Ok(()) => Ok(()),
            Err(Error::OverBudget(over)) => Err(over),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn elements_and_sessions_are_counted_in_a_rolling_window() {
        let (_home, store, peer) = with_peer();
        let start = now();
        spend(&store, peer, 60, start).unwrap();
        spend(&store, peer, 30, start + HOUR).unwrap();
        let over = spend(&store, peer, 11, start + HOUR * 2).unwrap_err();
        assert_eq!((over.elements_left, over.sessions_left), (10, 1));
        assert_eq!(over.resets_at, Some(start + DAY));
        let text = over.to_string();
        assert!(
            text.contains("10 more elements and 1 more sessions of the narrow class"),
            "{text}"
        );
        let over = spend(&store, peer, 71, start + HOUR * 2).unwrap_err();
        assert_eq!(
            over.resets_at,
            Some(start + HOUR + DAY),
            "both entries must go"
        );
        assert_eq!(spend(&store, peer, 101, start).unwrap_err().resets_at, None);
        spend(&store, peer, 10, start + HOUR * 2).unwrap();
        let over = spend(&store, peer, 1, start + HOUR * 3).unwrap_err();
        assert_eq!(over.sessions_left, 0);
        spend(&store, peer, 60, start + DAY).unwrap();
    }

    #[test]
    fn budget_survives_a_restart_and_the_removal_of_the_peer() {
        let (home, store, peer) = with_peer();
        spend(&store, peer, 100, now()).unwrap();
        let entry = store.peer(peer).unwrap().entry;
        store.remove_peer(peer, now()).unwrap();
        drop(store);
        let store = home.open();
        let peer = store.add_peer(&entry, now()).unwrap();
        assert!(spend(&store, peer, 1, now()).is_err());
        let left = store.budget_left(peer, Direction::Answered, now()).unwrap();
        assert_eq!((left.narrow.elements, left.narrow.sessions), (0, 2));
        assert_eq!(left.narrow.more_at, Some(now() + DAY));
        let asked = store.budget_left(peer, Direction::Asked, now()).unwrap();
        assert_eq!((asked.narrow.elements, asked.narrow.more_at), (100, None));
    }

    #[test]
    fn a_clock_set_back_gives_no_budget_back() {
        let (_home, store, peer) = with_peer();
        spend(&store, peer, 100, now()).unwrap();
        for back in [HOUR, DAY, DAY * 300] {
            let over = spend(&store, peer, 1, now() - back).unwrap_err();
            assert_eq!(over.resets_at, Some(now() + DAY));
        }
    }

    #[test]
    fn a_class_that_is_off_has_no_budget_and_refusals_are_logged() {
        let (_home, store, peer) = with_peer();
        let one = Ceiling::new(1).unwrap();
        let asked = ByClass {
            narrow: one,
            wide: Some(one),
        };
        let refused = store.check_budget(peer, asked, now());
        let Err(Error::OverBudget(over)) = refused else {
            panic!("refused");
        };
        assert_eq!(over.class, KeyClass::Wide);
        store.note_over_budget(peer, &over, now()).unwrap();
        let last = store.last_entries(1).unwrap();
        assert!(last[0].contains("\"event\":\"budget_refused\",\"peer\":1,\"class\":\"wide\""));
    }
}
