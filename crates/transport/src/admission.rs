//! Who gets a connection: which of those that have come to a listener may stay until they have proven
//! their key.
//!
//! A pure table, handed events, the time since it was made, and randomness; it has no socket and no clock.
//! A connection passes through three rooms: *before a whole ClientHello*, *unproven*, *proven*. When one
//! of the first two is full, a random connection of its fullest prefix goes, never the oldest: strangers
//! who come in numbers then displace each other, and whoever needs a moment for its handshake keeps its
//! place with a probability that they can lower only by their number. Addresses from which a key was
//! proven of late have two places each apart from the rooms. Nothing here scans a room.

mod known;
mod prefix;
mod room;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use rand::Rng;

use self::known::Known;
use self::room::Room;
use super::places::{PLACES_APART, Places};
use super::public_key::PublicKey;

pub(super) use self::room::Ticket;

/// The connections of one listener that are not yet served, each with a value of its owner's.
pub(super) struct AdmissionTable<V> {
    places: Places,
    before_hello: Room<V>,
    unproven: Room<V>,
    /// From addresses that proved a key of late, until they prove one again.
    apart: HashMap<Ticket, (IpAddr, V)>,
    apart_by_address: HashMap<IpAddr, usize>,
    proven: HashMap<Ticket, PublicKey>,
    proven_by_key: HashMap<PublicKey, usize>,
    known: Known,
    tickets: u64,
}

/// The connection is no longer there: another took its place, or there is none for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoPlace;

/// Who has to go, and the value that came with it.
pub(super) type Displaced<V> = Option<(Ticket, V)>;

impl<V> AdmissionTable<V> {
    pub(super) fn new(places: Places) -> Self {
        Self {
            places,
            before_hello: Room::new(places.before_hello),
            unproven: Room::new(places.unproven),
            apart: HashMap::new(),
            apart_by_address: HashMap::new(),
            proven: HashMap::new(),
            proven_by_key: HashMap::new(),
            known: Known::new(places.known_addresses),
            tickets: 0,
        }
    }

    /// Takes in a connection from `from`; gives its ticket, and who has to go for it: perhaps itself.
    pub(super) fn arrive(
        &mut self,
        from: IpAddr,
        now: Duration,
        rng: &mut impl Rng,
        value: V,
    ) -> (Ticket, Displaced<V>) {
        let from = from.to_canonical();
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        if self.known.is_known(from, now) {
            let own = self.apart_by_address.entry(from).or_default();
            if *own < PLACES_APART {
                *own += 1;
                self.apart.insert(ticket, (from, value));
                return (ticket, None);
            }
        }
        let displaced = self.before_hello.enter(ticket, from, value, rng);
        (ticket, displaced)
    }

    /// A whole ClientHello has come: the connection enters the second room. Gives who has to go for it.
    ///
    /// # Errors
    /// [`NoPlace`]: it was displaced before.
    pub(super) fn hello_came(
        &mut self,
        ticket: Ticket,
        rng: &mut impl Rng,
    ) -> Result<Displaced<V>, NoPlace> {
        if self.apart.contains_key(&ticket) {
            return Ok(None);
        }
        let (from, value) = self.before_hello.leave(ticket).ok_or(NoPlace)?;
        Ok(self.unproven.enter(ticket, from, value, rng))
    }

    /// The connection has proven `key`, which is admitted: its address is known from now on, and nobody
    /// displaces it any more.
    ///
    /// # Errors
    /// [`NoPlace`]: it was displaced before, or too many with its key, or of all, are proven and not yet
    /// taken over. Then it is no longer in the table.
    pub(super) fn prove(
        &mut self,
        ticket: Ticket,
        key: PublicKey,
        now: Duration,
    ) -> Result<(), NoPlace> {
        let from = match self.take_apart(ticket) {
            Some((from, _)) => from,
            None => self.unproven.leave(ticket).ok_or(NoPlace)?.0,
        };
        self.known.remember(key, from, now);
        let own = self.proven_by_key.get(&key).copied().unwrap_or(0);
        if own >= self.places.proven_per_key || self.proven.len() >= self.places.proven {
            return Err(NoPlace);
        }
        self.proven_by_key.insert(key, own + 1);
        self.proven.insert(ticket, key);
        Ok(())
    }

    /// The connection has ended, or is served from here on, wherever it was.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        if let Some(key) = self.proven.remove(&ticket) {
            if let Some(own) = self.proven_by_key.get_mut(&key) {
                *own -= 1;
                if *own == 0 {
                    self.proven_by_key.remove(&key);
                }
            }
        } else if self.take_apart(ticket).is_none() && self.before_hello.leave(ticket).is_none() {
            self.unproven.leave(ticket);
        }
    }

    fn take_apart(&mut self, ticket: Ticket) -> Option<(IpAddr, V)> {
        let (from, value) = self.apart.remove(&ticket)?;
        if let Some(own) = self.apart_by_address.get_mut(&from) {
            *own -= 1;
            if *own == 0 {
                self.apart_by_address.remove(&from);
            }
        }
        Some((from, value))
    }
}
