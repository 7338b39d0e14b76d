//! Under which mediator's point a session's release secrets are escrowed, and that mediator's time.
//!
//! Handed an encoding from a descriptor or an offer; gives the point M that tables are sealed under.
//! It knows no mediator's key, and asks nobody anything. `docs/protocol.md` §5.1, §11.

use std::sync::LazyLock;

use curve25519_dalek::RistrettoPoint;
use oprf::{Dst, hash_to_group};

/// Seconds since 1970 by the mediator's clock; 0 in an agreement without a mediator.
///
/// No node's own clock is ever compared with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MediatorTime(pub u64);

/// Under whose point the release secrets are escrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mediator {
    /// A point whose logarithm nobody knows: nobody can settle.
    None,
    /// The settling point of the agreed mediator.
    Settling(SettlingPoint),
}

/// M = m·G of a mediator, decoded and never the identity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SettlingPoint {
    point: RistrettoPoint,
    encoded: [u8; 32],
}

impl SettlingPoint {
    /// Decodes a point from a descriptor or an offer.
    ///
    /// # Errors
    /// The encoding is not canonical, or the identity's.
    pub fn decode(encoded: &[u8; 32]) -> Result<Self, oprf::Error> {
        Ok(Self {
            point: oprf::decode_element(encoded, 0)?,
            encoded: *encoded,
        })
    }

    pub(crate) fn from_point(point: RistrettoPoint) -> Self {
        Self {
            point,
            encoded: point.compress().to_bytes(),
        }
    }

    /// The 32 bytes of M, as hashes and layouts carry them.
    pub fn encoded(&self) -> &[u8; 32] {
        &self.encoded
    }
}

impl Mediator {
    /// M.
    pub fn point(&self) -> &RistrettoPoint {
        match self {
            Self::None => &NOBODY.point,
            Self::Settling(settling) => &settling.point,
        }
    }

    /// The 32 bytes of M, as hashes and layouts carry them.
    pub fn encoded(&self) -> &[u8; 32] {
        match self {
            Self::None => &NOBODY.encoded,
            Self::Settling(settling) => &settling.encoded,
        }
    }

    /// Whether anybody can open the tables when a release does not come.
    pub fn can_settle(&self) -> bool {
        matches!(self, Self::Settling(_))
    }

    /// Reads what layouts carry: whether there is a mediator (0 or 1), and M.
    ///
    /// `None` unless M is that of nobody exactly where there is no mediator: a mediator that names
    /// nobody's point could never settle.
    pub(crate) fn from_parts(settles: u8, point: &[u8; 32]) -> Option<Self> {
        match (settles, *point == NOBODY.encoded) {
            (0, true) => Some(Self::None),
            (1, false) => SettlingPoint::decode(point).ok().map(Self::Settling),
            _ => None,
        }
    }
}

/// N of `docs/protocol.md` §5.1.
static NOBODY: LazyLock<SettlingPoint> = LazyLock::new(|| {
    // > N = HashToGroup of "tacit/v1/no-mediator" with DST "tacit/v1/no-mediator-ristretto255-SHA512"
    let point = hash_to_group(
        b"tacit/v1/no-mediator",
        &Dst::new(b"tacit/v1/no-mediator-ristretto255-SHA512"),
    );
    SettlingPoint::from_point(point)
});
