//! The oblivious pseudorandom function of the protocol: ristretto255-SHA512 of RFC 9497.
//!
//! A holder with a key k and a requester with an input x compute F(x) together: the holder learns
//! nothing about x, the requester learns F(x) and a proof that one k made all of its answers. This
//! module is handed inputs, encodings, keys and randomness; it never sees a name, a list or a
//! socket. `docs/protocol.md` §4 is its specification.
//!
//! What is the RFC's: HashToGroup, the domain separation tags of VOPRF mode, Finalize, the DLEQ
//! relation. What differs, and why:
//!
//! - **Blinding is additive**, with a factor two: B = 2·(HashToGroup(x) + r·G). Two fixed-base
//!   multiplications take the place of two variable-base ones and an inversion. It is safe only
//!   because k·G is proven before anything is blinded (Jarecki, Krawczyk, Xu, "On the (in)security
//!   of the Diffie-Hellman oblivious PRF with multiplicative blinding", PKC 2021, treats both). The
//!   factor lets every encoding go through `double_and_compress_batch`, six times cheaper than one
//!   by one. F is therefore the RFC's function under the key 4k.
//! - **The batch proof is ours** ([`proof`]): the RFC's coefficients each depend on one pair alone,
//!   so that a k-list attack can forge it. The RFC's batch proof vectors are left out of the tests for that reason.
//!
//! Work on a batch is spread over all cores of the current rayon pool.
//!
//! # Example
//!
//! The holder tags its own list, the requester asks about two identities, and one of them is on it:
//!
//! ```
//! use oprf::{BlindedBatch, Evaluated, HolderKey, PublicKey, SecretKey};
//! use rand_chacha::ChaCha20Rng;
//! use rand_core::SeedableRng;
//!
//! // With a seed, as an example may; a session draws from the operating system.
//! let rng = &mut ChaCha20Rng::from_seed([1; 32]);
//! let key = SecretKey::generate(rng);
//! let held = key.tags(&["Olena", "Ivan"]);
//!
//! // Proven before anything is blinded: the holder cannot answer under another key any more.
//! let knowledge = key.prove_knowledge(b"this session", rng);
//! let public = PublicKey::decode(key.public().encoded())?;
//! public.verify_knowledge(b"this session", &knowledge)?;
//!
//! let asked = ["Ivan", "Maria"];
//! let batch = BlindedBatch::blind(&asked, rng);
//! let context = b"this session, chunk 0";
//! let (elements, proof) = key.evaluate(context, batch.sent(0..2), 2, rng)?;
//!
//! let evaluated = Evaluated { context, elements: &elements, proof: &proof };
//! let tags = batch.unblind(0..2, &asked, &HolderKey::new(public, 2), &evaluated)?;
//! assert!(held.contains(&tags[0]), "Ivan is held");
//! assert!(!held.contains(&tags[1]), "Maria is not");
//! # Ok::<(), oprf::Error>(())
//! ```
#![warn(missing_docs, unreachable_pub)]

mod evaluate;
mod hash;
pub mod proof;
mod public_key;
mod request;

pub use evaluate::SecretKey;
pub use hash::{Dst, HASH_TO_GROUP, expand_message_xmd, finalize, hash_to_group};
pub use proof::Proof;
pub use public_key::PublicKey;
pub use request::{BlindedBatch, Evaluated, HolderKey};

use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use rayon::prelude::*;
use zeroize::Zeroize;

/// Bytes of an encoded group element (RFC 9496 §4.3.2).
pub const ELEMENT_BYTES: usize = 32;

/// Bytes of an encoded scalar.
pub const SCALAR_BYTES: usize = 32;

/// Elements that one task works on: enough to share the inversion of a batch encoding, few enough
/// to keep 32 cores busy within one chunk.
const SLICE_ELEMENTS: usize = 128;

/// The first 16 bytes of F(x): what a table holds and what a requester looks up in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Zeroize)]
pub struct Tag(pub [u8; Self::BYTES]);

impl Tag {
    /// Bytes of a tag: two lists of 2²⁰ meet by chance with 2⁻⁸⁸.
    pub const BYTES: usize = 16;
}

/// What is wrong with a peer's encodings. Positions count elements from 0 within the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are no encoding of an element, or one of several.
    #[error("element {position} is not the canonical encoding of a group element")]
    NotCanonical {
        /// Which element.
        position: usize,
    },
    /// Multiplied by any key it stays what it is, and would show nothing about a key.
    #[error("element {position} is the identity element")]
    Identity {
        /// Which element.
        position: usize,
    },
    /// Another number of elements than asked for, or half of one.
    #[error("{found} bytes of elements where {expected} were due")]
    Length {
        /// Bytes that came.
        found: usize,
        /// Bytes that were due.
        expected: usize,
    },
    /// It is not below the group order, so that it would have two encodings.
    #[error("a scalar is not in canonical form")]
    ScalarNotCanonical,
    /// The statement is false, or about something else than was proven.
    #[error("the proof does not verify")]
    WrongProof,
}

/// Decodes one element, refusing non-canonical encodings and the identity.
///
/// # Errors
/// [`Error::NotCanonical`], [`Error::Identity`] with the given position.
pub fn decode_element(
    encoded: &[u8; ELEMENT_BYTES],
    position: usize,
) -> Result<RistrettoPoint, Error> {
    let point = CompressedRistretto(*encoded)
        .decompress()
        .ok_or(Error::NotCanonical { position })?;
    if point.is_identity() {
        Err(Error::Identity { position })
    } else {
        Ok(point)
    }
}

/// Decodes a batch on all cores; positions in errors count within the batch.
fn decode_all(encoded: &[[u8; ELEMENT_BYTES]]) -> Result<Vec<RistrettoPoint>, Error> {
    encoded
        .par_iter()
        .with_min_len(SLICE_ELEMENTS)
        .enumerate()
        .map(|(position, element)| decode_element(element, position))
        .collect()
}

/// Draws a uniform scalar from 64 random bytes.
pub fn random_scalar(rng: &mut impl rand_core::CryptoRng) -> Scalar {
    let mut wide = [0u8; 64];
    rng.fill_bytes(&mut wide);
    let scalar = Scalar::from_bytes_mod_order_wide(&wide);
    wide.zeroize();
    scalar
}

/// Encodes 2·P for every P of a slice.
fn encode_doubled(halves: &[RistrettoPoint], out: &mut [u8]) {
    for (encoded, out) in RistrettoPoint::double_and_compress_batch(halves)
        .iter()
        .zip(out.chunks_exact_mut(ELEMENT_BYTES))
    {
        out.copy_from_slice(encoded.as_bytes());
    }
}

/// Splits a run of encodings into elements, refusing any other length than `count` of them.
fn elements(bytes: &[u8], count: usize) -> Result<&[[u8; ELEMENT_BYTES]], Error> {
    let (elements, rest) = bytes.as_chunks::<ELEMENT_BYTES>();
    if elements.len() != count || !rest.is_empty() {
        return Err(Error::Length {
            found: bytes.len(),
            expected: count * ELEMENT_BYTES,
        });
    }
    Ok(elements)
}

#[cfg(test)]
mod tests;
