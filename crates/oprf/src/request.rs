//! The requester's side of the function: blind a batch ahead, check the holder's proof, unblind to tags.

use std::ops::Range;

use super::proof::{self, Proof};
use super::{
    ELEMENT_BYTES, Error, HASH_TO_GROUP, PublicKey, SCALAR_BYTES, SLICE_ELEMENTS, Tag, decode_all,
    elements, encode_doubled,
};
use super::{hash, hash_to_group};
use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::ristretto::RistrettoBasepointTable;
use curve25519_dalek::scalar::Scalar;
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

/// Blinded inputs of one key class, made before any session: what is sent of each, and the blind that is kept.
///
/// Serves one session. A blind that is used twice tells the holder that the same input was asked again.
pub struct BlindedBatch {
    /// One for each input, wiped with the batch.
    blinds: Zeroizing<Vec<Scalar>>,
    /// [`ELEMENT_BYTES`] for each input.
    encoded: Vec<u8>,
}

impl BlindedBatch {
    /// Bytes of one input's blind and encoding, as they are kept.
    pub const KEPT_BYTES: usize = SCALAR_BYTES + ELEMENT_BYTES;

    /// Blinds a batch: B = 2·(HashToGroup(x) + r·G), one fresh r for each input, in the order of the inputs.
    pub fn blind<I: AsRef<[u8]> + Sync>(inputs: &[I], rng: &mut impl CryptoRng) -> Self {
        let mut wide = Zeroizing::new(vec![0u8; inputs.len() * 64]);
        rng.fill_bytes(&mut wide);
        let mut blinds = Zeroizing::new(vec![Scalar::ZERO; inputs.len()]);
        let mut encoded = vec![0u8; inputs.len() * ELEMENT_BYTES];
        (
            inputs.par_chunks(SLICE_ELEMENTS),
            wide.par_chunks(SLICE_ELEMENTS * 64),
            blinds.par_chunks_mut(SLICE_ELEMENTS),
            encoded.par_chunks_mut(SLICE_ELEMENTS * ELEMENT_BYTES),
        )
            .into_par_iter()
            .for_each(|(inputs, wide, blinds, encoded)| {
                let wide = wide.as_chunks::<64>().0;
                let mut halves = Vec::with_capacity(inputs.len());
                for ((input, wide), blind) in inputs.iter().zip(wide).zip(blinds) {
                    *blind = Scalar::from_bytes_mod_order_wide(wide);
                    halves.push(
                        hash_to_group(input.as_ref(), &HASH_TO_GROUP)
                            + RistrettoPoint::mul_base(blind),
                    );
                }
                encode_doubled(&halves, encoded);
                // Blinded and blind give the input's point back.
                halves.zeroize();
            });
        Self { blinds, encoded }
    }

    /// Blinds `input` in the place of the input at `position`, with a fresh blind.
    ///
    /// # Panics
    /// Where `position` is beyond the batch.
    pub fn replace(
        &mut self,
        position: usize,
        input: &(impl AsRef<[u8]> + Sync),
        rng: &mut impl CryptoRng,
    ) {
        let one = Self::blind(std::slice::from_ref(input), rng);
        self.blinds[position] = one.blinds[0];
        self.encoded[position * ELEMENT_BYTES..][..ELEMENT_BYTES].copy_from_slice(&one.encoded);
    }

    /// Number of inputs.
    #[inline]
    pub fn elements(&self) -> usize {
        self.blinds.len()
    }

    /// What is sent of the inputs in `range`, [`ELEMENT_BYTES`] each.
    ///
    /// # Panics
    /// Where `range` goes beyond the batch.
    #[inline]
    pub fn sent(&self, range: Range<usize>) -> &[u8] {
        &self.encoded[range.start * ELEMENT_BYTES..range.end * ELEMENT_BYTES]
    }

    /// Hands what must be kept to `part`, piece by piece: all blinds, then all encodings. Secret.
    ///
    /// # Errors
    /// Those of `part`.
    pub fn encode<E>(&self, mut part: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        for blinds in self.blinds.chunks(SLICE_ELEMENTS) {
            let bytes: Vec<u8> = blinds.iter().flat_map(Scalar::to_bytes).collect();
            part(&Zeroizing::new(bytes))?;
        }
        part(&self.encoded)
    }

    /// Takes up a batch of [`KEPT_BYTES`](Self::KEPT_BYTES) for each input that this program kept, sealed;
    /// `None` when the bytes are not that.
    pub fn decode(kept: &[u8]) -> Option<Self> {
        let elements = kept.len() / Self::KEPT_BYTES;
        let (blinds, encoded) = kept.split_at_checked(elements * SCALAR_BYTES)?;
        if encoded.len() != elements * ELEMENT_BYTES {
            return None;
        }
        let blinds = blinds.as_chunks::<SCALAR_BYTES>().0.iter();
        let blinds = blinds.map(|bytes| Option::from(Scalar::from_canonical_bytes(*bytes)));
        Some(Self {
            blinds: Zeroizing::new(blinds.collect::<Option<_>>()?),
            encoded: encoded.to_vec(),
        })
    }
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

    /// The key as the holder committed to it.
    #[inline]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}

/// An evaluated chunk as it came: nothing of it is trusted.
pub struct Evaluated<'a> {
    /// What the proof is bound to.
    pub context: &'a [u8],
    /// [`ELEMENT_BYTES`] for each element.
    pub elements: &'a [u8],
    /// That one key made all of them.
    pub proof: &'a Proof,
}

impl BlindedBatch {
    /// Checks that one key, the proven one, evaluated all of `range`, and turns it into the tags of `inputs`.
    ///
    /// `inputs` are those of the range, in their order; the time taken depends on their number alone
    /// when the holder is honest.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotCanonical`], [`Error::Identity`], [`Error::WrongProof`]: the holder cheats.
    ///
    /// # Panics
    /// Where `range` goes beyond the batch.
    pub fn unblind<I: AsRef<[u8]> + Sync>(
        &self,
        range: Range<usize>,
        inputs: &[I],
        holder: &HolderKey,
        evaluated: &Evaluated<'_>,
    ) -> Result<Vec<Tag>, Error> {
        let count = range.len();
        if inputs.len() != count {
            return Err(Error::Length {
                found: inputs.len(),
                expected: count,
            });
        }
        let points = decode_all(elements(evaluated.elements, count)?)?;
        let sent = self.sent(range.clone());
        // Encoded here, and where they were kept, sealed under a key that only this process has: no bytes of
        // a peer or of a disk that somebody wrote to come this far.
        let asked = decode_all(elements(sent, count)?).expect("this side encoded them itself");

        let seed = proof::batch_seed(evaluated.context, &holder.public, sent, evaluated.elements);
        let (base, image) = rayon::join(
            || proof::combine(&seed, &asked),
            || proof::combine(&seed, &points),
        );
        proof::verify_equality(
            proof::BATCH,
            evaluated.context,
            &holder.public,
            &base,
            &image,
            evaluated.proof,
        )?;

        let mut tags = vec![Tag::default(); count];
        (
            tags.par_chunks_mut(SLICE_ELEMENTS),
            inputs.par_chunks(SLICE_ELEMENTS),
            points.par_chunks(SLICE_ELEMENTS),
            self.blinds[range].par_chunks(SLICE_ELEMENTS),
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
