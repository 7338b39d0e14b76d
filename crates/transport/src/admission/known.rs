//! The addresses from which an admitted key was proven of late.
//!
//! In memory only, bounded, and each key for itself: whoever holds one admitted key cannot have the
//! addresses of another forgotten by proving its own from many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::public_key::PublicKey;

/// How long an address is known after a key was proven from it. 30 days.
pub(super) const KNOWN_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// Addresses of one key.
pub(super) const ADDRESSES_PER_KEY_MAX: usize = 8;

/// Addresses, with the keys that were proven from them.
pub(super) struct Known {
    max: usize,
    /// When each was last proven from; of each key in the order of that time, oldest first.
    by_key: HashMap<PublicKey, Vec<(IpAddr, Duration)>>,
    addresses: HashMap<IpAddr, Proofs>,
}

struct Proofs {
    /// At least one.
    keys: usize,
    latest: Duration,
}

impl Known {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            by_key: HashMap::new(),
            addresses: HashMap::new(),
        }
    }

    pub(super) fn is_known(&self, address: IpAddr, now: Duration) -> bool {
        let proofs = self.addresses.get(&address);
        proofs.is_some_and(|proofs| now.saturating_sub(proofs.latest) < KNOWN_FOR)
    }

    /// Remembers that `key` was proven from `address`. Beyond its own bound the key forgets its oldest
    /// address; beyond the bound of all, the key with the most addresses does.
    pub(super) fn remember(&mut self, key: PublicKey, address: IpAddr, now: Duration) {
        let own = self.by_key.entry(key).or_default();
        let proofs = self.addresses.entry(address).or_insert(Proofs {
            keys: 0,
            latest: now,
        });
        proofs.latest = now;
        match own.iter().position(|(known, _)| *known == address) {
            Some(index) => drop(own.remove(index)),
            None => proofs.keys += 1,
        }
        own.push((address, now));
        if own.len() > ADDRESSES_PER_KEY_MAX {
            self.forget_oldest_of(key);
        }
        while self.addresses.len() > self.max {
            let most = self.by_key.iter().max_by_key(|(_, addresses)| {
                // Of keys with as many, the one whose oldest is older.
                let oldest = addresses.first().map(|(_, at)| *at);
                (addresses.len(), std::cmp::Reverse(oldest))
            });
            let Some(key) = most.map(|(key, _)| *key) else {
                break;
            };
            self.forget_oldest_of(key);
        }
    }

    fn forget_oldest_of(&mut self, key: PublicKey) {
        let Some(own) = self.by_key.get_mut(&key) else {
            return;
        };
        let (address, _) = own.remove(0);
        if own.is_empty() {
            self.by_key.remove(&key);
        }
        if let Some(proofs) = self.addresses.get_mut(&address) {
            proofs.keys -= 1;
            if proofs.keys == 0 {
                self.addresses.remove(&address);
            }
        }
    }
}
