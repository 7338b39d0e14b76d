//! Prefixes of addresses, and which of several has the most members.

use std::collections::HashMap;
use std::net::IpAddr;

use rand::{Rng, RngExt};

/// The addresses that begin with the same bits; IPv4 as IPv6 has it, below ::ffff:0:0/96.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Prefix {
    bits: u128,
    length: u8,
}

/// /16 and /24: what a provider has, and what one customer or one machine's neighbours have.
const IPV4_LENGTHS: [u8; 2] = [96 + 16, 96 + 24];
/// /32, /48 and /56: a provider, a site, a household.
const IPV6_LENGTHS: [u8; 3] = [32, 48, 56];

impl Prefix {
    /// What every address begins with.
    pub(super) const ALL: Self = Self { bits: 0, length: 0 };

    /// The prefixes of `address`, from the coarsest to the finest, below [`ALL`](Self::ALL).
    pub(super) fn of(address: IpAddr) -> impl Iterator<Item = Self> {
        let (bits, lengths) = match address.to_canonical() {
            IpAddr::V4(address) => (address.to_ipv6_mapped().to_bits(), &IPV4_LENGTHS[..]),
            IpAddr::V6(address) => (address.to_bits(), &IPV6_LENGTHS[..]),
        };
        lengths.iter().map(move |&length| Self {
            bits: bits >> (128 - length) << (128 - length),
            length,
        })
    }
}

/// Prefixes with their numbers of members. Every change and every question takes the same short time,
/// however many there are.
#[derive(Default)]
pub(super) struct Ranking {
    standings: HashMap<Prefix, Standing>,
    /// Those with one member, those with two, and so on; the last is not empty.
    by_count: Vec<Vec<Prefix>>,
}

#[derive(Clone, Copy)]
struct Standing {
    /// At least one.
    count: usize,
    /// In `by_count`'s list for that count.
    index: usize,
}

impl Ranking {
    pub(super) fn is_empty(&self) -> bool {
        self.standings.is_empty()
    }

    /// Counts one more member of `prefix`.
    pub(super) fn add(&mut self, prefix: Prefix) {
        let count = self.take_out(prefix);
        self.put(prefix, count + 1);
    }

    /// Counts one member of `prefix` less.
    pub(super) fn subtract(&mut self, prefix: Prefix) {
        let count = self.take_out(prefix);
        if count > 1 {
            self.put(prefix, count - 1);
        }
        while self.by_count.last().is_some_and(Vec::is_empty) {
            self.by_count.pop();
        }
    }

    /// One with the most members; of several, each as likely.
    pub(super) fn fullest(&self, rng: &mut impl Rng) -> Option<Prefix> {
        let fullest = self.by_count.last()?;
        Some(fullest[rng.random_range(0..fullest.len())])
    }

    /// Takes `prefix` out of the lists; gives how many members it had.
    fn take_out(&mut self, prefix: Prefix) -> usize {
        let Some(Standing { count, index }) = self.standings.remove(&prefix) else {
            return 0;
        };
        let list = &mut self.by_count[count - 1];
        list.swap_remove(index);
        if let Some(moved) = list.get(index)
            && let Some(standing) = self.standings.get_mut(moved)
        {
            standing.index = index;
        }
        count
    }

    fn put(&mut self, prefix: Prefix, count: usize) {
        if self.by_count.len() < count {
            self.by_count.resize_with(count, Vec::new);
        }
        let list = &mut self.by_count[count - 1];
        let index = list.len();
        list.push(prefix);
        self.standings.insert(prefix, Standing { count, index });
    }
}
