//! The requester's side of the function: blind a batch, check the holder's proof, unblind to tags.

use super::proof::{self, Proof};
use super::{
    ELEMENT_BYTES, Error, HASH_TO_GROUP, PublicKey, SLICE_ELEMENTS, Tag, decode_slices, elements,
    encode_doubled,
};
use super::{hash, hash_to_group};
use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::ristretto::RistrettoBasepointTable;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use rand_core::CryptoRng;
use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

/// A holder's proven public key with what makes unblinding cheap.
pub struct HolderKey {
    public: PublicKey,
    /// 2k·G, as a table when enough elements will be multiplied by it.
    doubled: Doubled,
}

enum Doubled {
    Point(RistrettoPoint),
    Table(Box<RistrettoBasepointTable>),
}

/// What the requester keeps of a batch until its evaluation arrives: the blinds, wiped after
/// unblinding, and the halves B/2.
pub struct InFlight {
    blinds: Zeroizing<Vec<Scalar>>,
    halves: Vec<RistrettoPoint>,
    encoded: Vec<u8>,
}

/// Blinds a batch: B = 2·(HashToGroup(x) + r·G), one fresh r for each input. Returns what to keep
/// and the encodings to send, in the order of the inputs.
pub fn blind<I: AsRef<[u8]> + Sync>(inputs: &[I], rng: &mut impl CryptoRng) -> (InFlight, Vec<u8>) {
    let mut wide = Zeroizing::new(vec![0u8; inputs.len() * 64]);
    rng.fill_bytes(&mut wide);
    let mut blinds = Zeroizing::new(vec![Scalar::ZERO; inputs.len()]);
    let mut halves = vec![RistrettoPoint::identity(); inputs.len()];
    let mut encoded = vec![0u8; inputs.len() * ELEMENT_BYTES];
    (
        inputs.par_chunks(SLICE_ELEMENTS),
        wide.par_chunks(SLICE_ELEMENTS * 64),
        blinds.par_chunks_mut(SLICE_ELEMENTS),
        halves.par_chunks_mut(SLICE_ELEMENTS),
        encoded.par_chunks_mut(SLICE_ELEMENTS * ELEMENT_BYTES),
    )
        .into_par_iter()
        .for_each(|(inputs, wide, blinds, halves, encoded)| {
            let wide = wide.as_chunks::<64>().0;
            for (((input, wide), blind), half) in
                inputs.iter().zip(wide).zip(blinds).zip(halves.iter_mut())
            {
                *blind = Scalar::from_bytes_mod_order_wide(wide);
                *half =
                    hash_to_group(input.as_ref(), &HASH_TO_GROUP) + RistrettoPoint::mul_base(blind);
            }
            encode_doubled(halves, encoded);
        });
    let kept = InFlight {
        blinds,
        halves,
        encoded: encoded.clone(),
    };
    (kept, encoded)
}

impl HolderKey {
    /// Prepares a holder's key for unblinding `elements` elements.
    pub fn new(public: PublicKey, elements: usize) -> Self {
        let point = public.point() + public.point();
        let doubled = if elements < TABLE_PAYS_FROM_ELEMENTS {
            Doubled::Point(point)
        } else {
            Doubled::Table(Box::new(RistrettoBasepointTable::create(&point)))
        };
        Self { public, doubled }
    }

    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl InFlight {
    /// Checks that one key, the proven one, made all of `evaluated`, and turns it into the tags of `inputs`.
    ///
    /// `inputs` and `context` are those of the request; the time taken depends on their number alone
    /// when the holder is honest.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotCanonical`], [`Error::Identity`], [`Error::WrongProof`]: the holder cheats.
    pub fn unblind<I: AsRef<[u8]> + Sync>(
        self,
        inputs: &[I],
        holder: &HolderKey,
        context: &[u8],
        evaluated: &[u8],
        proof: &Proof,
    ) -> Result<Vec<Tag>, Error> {
        let elements = elements(evaluated, self.halves.len())?;
        if inputs.len() != self.halves.len() {
            return Err(Error::Length {
                found: inputs.len(),
                expected: self.halves.len(),
            });
        }
        let points = decode_slices(elements)?;

        let seed = proof::batch_seed(context, &holder.public, &self.encoded, evaluated);
        let (half_base, image) = self
            .halves
            .par_chunks(SLICE_ELEMENTS)
            .zip(&points)
            .enumerate()
            .map(|(slice, (halves, points))| {
                let first = slice * SLICE_ELEMENTS;
                (
                    proof::combine(&seed, first, halves),
                    proof::combine(&seed, first, points),
                )
            })
            .reduce(
                || (RistrettoPoint::identity(), RistrettoPoint::identity()),
                |a, b| (a.0 + b.0, a.1 + b.1),
            );
        let base = half_base + half_base;
        proof::verify_equality(proof::BATCH, context, &holder.public, &base, &image, proof)?;

        let mut tags = vec![Tag::default(); inputs.len()];
        (
            tags.par_chunks_mut(SLICE_ELEMENTS),
            inputs.par_chunks(SLICE_ELEMENTS),
            &points,
            self.blinds.par_chunks(SLICE_ELEMENTS),
        )
            .into_par_iter()
            .for_each(|(tags, inputs, points, blinds)| {
                let mut halves: Vec<_> = points
                    .iter()
                    .zip(blinds)
                    .map(|(point, blind)| point - holder.mask(blind))
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
        Ok(tags)
    }
}

/// Making a table costs about 0.75 ms; a multiplication with it saves about 5 µs.
const TABLE_PAYS_FROM_ELEMENTS: usize = 160;

impl HolderKey {
    /// r·(2k·G), in time independent of r.
    fn mask(&self, blind: &Scalar) -> RistrettoPoint {
        match &self.doubled {
            Doubled::Point(point) => blind * point,
            Doubled::Table(table) => blind * &**table,
        }
    }
}
