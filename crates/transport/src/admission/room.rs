//! One room: a bounded number of connections, of which a random one of the fullest prefix goes when
//! there is one too many.
//!
//! Handed randomness. Entering, leaving and choosing take a few look-ups, however full the room is.

use std::collections::HashMap;
use std::net::IpAddr;

use rand::{Rng, RngExt};

use super::prefix::{Prefix, Ranking};

/// One connection's name in the table, never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(super) u64);

/// Connections in one state, by prefix.
pub(super) struct Room<V> {
    places: usize,
    members: HashMap<Ticket, Member<V>>,
    /// By the prefix that is above those which are ranked.
    rankings: HashMap<Prefix, Ranking>,
    /// By the finest prefix.
    tickets: HashMap<Prefix, Vec<Ticket>>,
}

struct Member<V> {
    address: IpAddr,
    /// In the list of its finest prefix.
    index: usize,
    value: V,
}

impl<V> Room<V> {
    pub(super) fn new(places: usize) -> Self {
        Self {
            places,
            members: HashMap::new(),
            rankings: HashMap::new(),
            tickets: HashMap::new(),
        }
    }

    /// Takes a connection in; gives the one that has to go for it, which may be itself.
    pub(super) fn enter(
        &mut self,
        ticket: Ticket,
        address: IpAddr,
        value: V,
        rng: &mut impl Rng,
    ) -> Option<(Ticket, V)> {
        let mut above = Prefix::ALL;
        for prefix in Prefix::of(address) {
            self.rankings.entry(above).or_default().add(prefix);
            above = prefix;
        }
        let list = self.tickets.entry(above).or_default();
        let index = list.len();
        list.push(ticket);
        let member = Member {
            address,
            index,
            value,
        };
        self.members.insert(ticket, member);
        if self.members.len() <= self.places {
            return None;
        }
        let displaced = self.of_the_fullest(rng)?;
        self.leave(displaced).map(|(_, value)| (displaced, value))
    }

    /// Lets a connection go; gives where it came from and its value.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<(IpAddr, V)> {
        let member = self.members.remove(&ticket)?;
        let mut above = Prefix::ALL;
        for prefix in Prefix::of(member.address) {
            if let Some(ranking) = self.rankings.get_mut(&above) {
                ranking.subtract(prefix);
                if ranking.is_empty() {
                    self.rankings.remove(&above);
                }
            }
            above = prefix;
        }
        if let Some(list) = self.tickets.get_mut(&above) {
            list.swap_remove(member.index);
            if let Some(moved) = list.get(member.index).copied() {
                if let Some(moved) = self.members.get_mut(&moved) {
                    moved.index = member.index;
                }
            } else if list.is_empty() {
                self.tickets.remove(&above);
            }
        }
        Some((member.address, member.value))
    }

    /// A random member of the fullest prefix: the fullest of the coarsest, in it the fullest of the next.
    fn of_the_fullest(&self, rng: &mut impl Rng) -> Option<Ticket> {
        let mut prefix = Prefix::ALL;
        while let Some(ranking) = self.rankings.get(&prefix) {
            prefix = ranking.fullest(rng)?;
        }
        let list = self.tickets.get(&prefix)?;
        Some(list[rng.random_range(0..list.len())])
    }
}
