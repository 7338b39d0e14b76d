//! The point that a holder commits to before it is asked anything, decoded once and kept with its encoding.

use super::{ELEMENT_BYTES, Error, decode_element};
use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;

/// k·G: what a commitment publishes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    point: RistrettoPoint,
    encoded: [u8; ELEMENT_BYTES],
}

impl PublicKey {
    /// Decodes a peer's public key.
    ///
    /// # Errors
    /// [`Error::NotCanonical`], [`Error::Identity`] at position 0.
    pub fn decode(encoded: &[u8; ELEMENT_BYTES]) -> Result<Self, Error> {
        Ok(Self {
            point: decode_element(encoded, 0)?,
            encoded: *encoded,
        })
    }

    /// x·G for a secret x that is no OPRF key.
    pub fn of_scalar(secret: &Scalar) -> Self {
        Self::from_point(RistrettoPoint::mul_base(secret))
    }

    /// The 32 bytes it was decoded from, or travels as.
    #[inline]
    pub fn encoded(&self) -> &[u8; ELEMENT_BYTES] {
        &self.encoded
    }

    pub(super) fn from_point(point: RistrettoPoint) -> Self {
        debug_assert!(!point.is_identity());
        Self {
            point,
            encoded: point.compress().to_bytes(),
        }
    }

    /// The point itself, never the identity.
    #[inline]
    pub fn point(&self) -> &RistrettoPoint {
        &self.point
    }
}
