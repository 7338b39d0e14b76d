//! The holder's side of the function: its key, tags of its own inputs, evaluations of a peer's.

use super::proof::{self, Proof};
use super::public_key::PublicKey;
use super::{
    ELEMENT_BYTES, Error, HASH_TO_GROUP, SCALAR_BYTES, SLICE_ELEMENTS, Tag, decode_all, elements,
    encode_doubled,
};
use super::{hash, hash_to_group, random_scalar};
use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use rand_core::CryptoRng;
use rayon::prelude::*;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The holder's key k for one table and key class: drawn when the table is built, wiped when it is spent.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SecretKey(Scalar);

impl SecretKey {
    /// Draws a key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(random_scalar(rng))
    }

    /// k·G.
    pub fn public(&self) -> PublicKey {
        PublicKey::from_point(RistrettoPoint::mul_base(&self.0))
    }

    /// The tags F(y) of the holder's own inputs, in their order, in time independent of key and inputs.
    pub fn tags<I: AsRef<[u8]> + Sync>(&self, inputs: &[I]) -> Vec<Tag> {
        let double = Double::of(self);
        let mut tags = vec![Tag::default(); inputs.len()];
        tags.par_chunks_mut(SLICE_ELEMENTS)
            .zip(inputs.par_chunks(SLICE_ELEMENTS))
            .for_each(|(tags, inputs)| {
                let mut halves: Vec<_> = inputs
                    .iter()
                    .map(|input| double.0 * hash_to_group(input.as_ref(), &HASH_TO_GROUP))
                    .collect();
                let mut encoded = vec![0u8; halves.len() * ELEMENT_BYTES];
                encode_doubled(&halves, &mut encoded);
                halves.zeroize();
                for ((tag, input), element) in tags
                    .iter_mut()
                    .zip(inputs)
                    .zip(encoded.chunks_exact(ELEMENT_BYTES))
                {
                    *tag = hash::tag(input.as_ref(), element);
                }
            });
        tags
    }

    /// Evaluates `count` blinded elements, E = k·B, and proves under k·G that one key did it.
    ///
    /// `context` says which batch this is, so that the proof is good for no other. The time taken
    /// depends on `count` alone, unless an element is refused.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotCanonical`], [`Error::Identity`]: nothing was evaluated.
    pub fn evaluate(
        &self,
        context: &[u8],
        blinded: &[u8],
        count: usize,
        rng: &mut impl CryptoRng,
    ) -> Result<(Vec<u8>, Proof), Error> {
        let encoded = elements(blinded, count)?;
        let points = decode_all(encoded)?;

        let half = Half::of(self);
        let mut evaluated = vec![0u8; blinded.len()];
        evaluated
            .par_chunks_mut(SLICE_ELEMENTS * ELEMENT_BYTES)
            .zip(points.par_chunks(SLICE_ELEMENTS))
            .for_each(|(out, points)| {
                let halves: Vec<_> = points.iter().map(|point| half.0 * point).collect();
                encode_doubled(&halves, out);
            });

        let seed = proof::batch_seed(context, &self.public(), blinded, &evaluated);
        let composite = proof::combine(&seed, &points);
        let proof = proof::prove_equality(proof::BATCH, context, &self.0, &composite, rng);
        Ok((evaluated, proof))
    }

    /// The key itself, to be kept sealed until its session.
    pub fn to_bytes(&self) -> Zeroizing<[u8; SCALAR_BYTES]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// Takes up a key that was kept; `None` when the bytes are not a reduced scalar, or zero.
    pub fn from_bytes(bytes: &[u8; SCALAR_BYTES]) -> Option<Self> {
        let scalar = Option::from(Scalar::from_canonical_bytes(*bytes))?;
        (scalar != Scalar::ZERO).then_some(Self(scalar))
    }

    /// Proves that k is known.
    pub fn prove_knowledge(&self, context: &[u8], rng: &mut impl CryptoRng) -> Proof {
        proof::prove_knowledge(context, &self.0, rng)
    }

    #[cfg(test)]
    pub(super) fn from_scalar(scalar: Scalar) -> Self {
        Self(scalar)
    }
}

/// 2k, wiped after use.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Double(Scalar);

impl Double {
    fn of(key: &SecretKey) -> Self {
        Self(key.0 + key.0)
    }
}

/// k/2, wiped after use: doubling while encoding makes it k.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Half(Scalar);

impl Half {
    fn of(key: &SecretKey) -> Self {
        Self(key.0.div_by_2())
    }
}
