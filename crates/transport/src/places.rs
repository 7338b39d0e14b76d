//! How many connections one listener bears at once, before and after they have proven a key.

use std::time::Duration;

/// Addresses that are remembered for having proven a key, and the places that each has apart.
pub(super) const KNOWN_ADDRESSES_MAX: usize = 512;
pub(super) const PLACES_APART: usize = 2;

/// Of the descriptors that a process may have, the part that one listener takes at most: a node has two
/// listeners, and a fifth is left for its store, its peers and its relays.
const DESCRIPTORS_OF_A_LISTENER: (u64, u64) = (2, 5);

/// How many connections one listener bears at once, and how long one that says nothing.
///
/// The rooms before a proof are as large as they are because of who must get through: a connection that
/// stays t seconds while r strangers a second come, each of which displaces one at random of U, is still
/// there with probability e^(−r·t/U). 1,200 a second over a round trip of 160 ms take at least 1,823 for
/// nine of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Before a whole ClientHello has come. 8,192.
    pub before_hello: usize,
    /// For how long they are there at most: a ClientHello fits into two packets. 5 s.
    pub hello: Duration,
    /// From there until a key is proven. 4,096.
    pub unproven: usize,
    /// Addresses that proved a key, each with two places of its own before it proves one again. 512.
    pub known_addresses: usize,
    /// Proven, and not yet taken over by who serves them. 512.
    pub proven: usize,
    /// The same, of one key. 8.
    pub proven_per_key: usize,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            before_hello: 8_192,
            hello: Duration::from_secs(5),
            unproven: 4_096,
            known_addresses: KNOWN_ADDRESSES_MAX,
            proven: 512,
            proven_per_key: 8,
        }
    }
}

impl Places {
    /// As many of these places as a process with so many descriptors can give one listener: all, or the
    /// rooms before a proof shrunk in proportion. Never none.
    pub(super) fn within(self, descriptors: u64) -> Self {
        let (part, of) = DESCRIPTORS_OF_A_LISTENER;
        let allowed = usize::try_from(descriptors / of * part).unwrap_or(usize::MAX);
        let wanted = self.before_hello + self.unproven + PLACES_APART * self.known_addresses;
        let left = allowed.saturating_sub(self.proven);
        if wanted <= left {
            return self;
        }
        let shrunk = |places: usize| (places * left / wanted).max(1);
        Self {
            before_hello: shrunk(self.before_hello),
            unproven: shrunk(self.unproven),
            known_addresses: shrunk(self.known_addresses),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_places_fit_where_descriptors_are_many_and_shrink_in_proportion_where_they_are_few() {
        let all = Places::default();
        assert_eq!(all.within(1 << 19), all);
        assert_eq!(all.within(u64::MAX), all);
        for few in [1_024, 4_096, 20_000] {
            let some = all.within(few);
            let taken = some.before_hello + some.unproven + 2 * some.known_addresses + some.proven;
            assert!(taken as u64 <= (few / 5 * 2).max(516), "{few}: {some:?}");
            assert!(some.before_hello >= some.unproven && some.unproven > 0);
        }
        let some = all.within(20_000);
        assert_eq!((some.before_hello, some.unproven), (4_608, 2_304));
    }
}
