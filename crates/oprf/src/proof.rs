//! Proofs of the protocol: knowledge of a logarithm, equality of two, and equality over a batch.
//!
//! All are Schnorr proofs made non-interactive with SHA-512 over a label, the caller's context and
//! every value of the statement; a proof is (c, s), 64 bytes. `docs/protocol.md` §4.4 gives every
//! byte.
//!
//! **The batch proof differs from RFC 9497 §2.2.1 on purpose.** There, the coefficient of pair i is
//! a hash of the public key and of pair i alone. A cheating holder can therefore choose its errors
//! pair by pair and look for a set whose weighted sum vanishes: a k-list problem (Wagner, "A
//! generalized birthday problem", CRYPTO 2002), which for the 4,096 pairs of a chunk is minutes of
//! work. Here each coefficient depends on all pairs of the chunk, so that changing one changes all.

use super::public_key::PublicKey;
use super::{ELEMENT_BYTES, Error, SCALAR_BYTES, SLICE_ELEMENTS, random_scalar};
use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity, VartimeMultiscalarMul};
use rand_core::CryptoRng;
use rayon::prelude::*;
use ring::digest::{Context, SHA512};
use zeroize::Zeroize;

/// The label of proofs over a batch of evaluations.
pub const BATCH: &[u8] = b"tacit/v1/batch";

/// The label of proofs that a release opens what was committed to.
pub const RELEASE: &[u8] = b"tacit/v1/release";

/// The label of a mediator's proofs that a settled release opens what was committed to.
pub const SETTLED: &[u8] = b"tacit/v1/settled";

/// A proof: the challenge c and the response s, both canonical scalars in little-endian.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    challenge: Scalar,
    response: Scalar,
}

impl Proof {
    /// Bytes of a proof: c ‖ s.
    pub const BYTES: usize = 2 * SCALAR_BYTES;

    /// Takes c ‖ s from a message; verification judges them.
    ///
    /// # Errors
    /// [`Error::ScalarNotCanonical`].
    pub fn decode(encoded: &[u8; Self::BYTES]) -> Result<Self, Error> {
        let mut scalars = encoded.as_chunks::<SCALAR_BYTES>().0.iter().map(|bytes| {
            Option::<Scalar>::from(Scalar::from_canonical_bytes(*bytes))
                .ok_or(Error::ScalarNotCanonical)
        });
        match (scalars.next(), scalars.next()) {
            (Some(challenge), Some(response)) => Ok(Self {
                challenge: challenge?,
                response: response?,
            }),
            _ => Err(Error::ScalarNotCanonical),
        }
    }

    /// c ‖ s, as messages carry it.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut out = [0u8; Self::BYTES];
        out[..SCALAR_BYTES].copy_from_slice(self.challenge.as_bytes());
        out[SCALAR_BYTES..].copy_from_slice(self.response.as_bytes());
        out
    }
}

impl PublicKey {
    /// Checks the proof that somebody knows the key of this point.
    ///
    /// # Errors
    /// [`Error::WrongProof`].
    pub fn verify_knowledge(&self, context: &[u8], proof: &Proof) -> Result<(), Error> {
        verify_knowledge(context, self, proof)
    }
}

/// Proves knowledge of x with X = x·G.
pub fn prove_knowledge(context: &[u8], secret: &Scalar, rng: &mut impl CryptoRng) -> Proof {
    let public = PublicKey::from_point(RistrettoPoint::mul_base(secret));
    let mut nonce = nonce(KNOWLEDGE, context, secret, &RistrettoPoint::identity(), rng);
    let commitment = RistrettoPoint::mul_base(&nonce);
    let challenge = challenge(KNOWLEDGE, context, &public, &[&commitment]);
    let response = nonce - challenge * secret;
    nonce.zeroize();
    Proof {
        challenge,
        response,
    }
}

/// Checks a proof of [`prove_knowledge`].
///
/// # Errors
/// [`Error::WrongProof`].
pub fn verify_knowledge(context: &[u8], public: &PublicKey, proof: &Proof) -> Result<(), Error> {
    // R = s·G + c·X
    let commitment = RistrettoPoint::vartime_double_scalar_mul_basepoint(
        &proof.challenge,
        public.point(),
        &proof.response,
    );
    check(proof, challenge(KNOWLEDGE, context, public, &[&commitment]))
}

/// Proves that Z = x·M for the x with X = x·G.
///
/// Source: RFC 9497 §2.2.1, GenerateProof after the composites; labels and context are ours.
pub fn prove_equality(
    label: &[u8],
    context: &[u8],
    secret: &Scalar,
    base: &RistrettoPoint,
    rng: &mut impl CryptoRng,
) -> Proof {
    let public = PublicKey::from_point(RistrettoPoint::mul_base(secret));
    let image = secret * base;
    let mut nonce = nonce(label, context, secret, base, rng);
    // > t2 = r * A, t3 = r * M
    let t2 = RistrettoPoint::mul_base(&nonce);
    let t3 = nonce * base;
    let challenge = challenge(label, context, &public, &[base, &image, &t2, &t3]);
    // > s = r - c * k
    let response = nonce - challenge * secret;
    nonce.zeroize();
    Proof {
        challenge,
        response,
    }
}

/// Checks a proof of [`prove_equality`]: `image` is to `base` what `public` is to G.
///
/// # Errors
/// [`Error::WrongProof`].
///
/// Source: RFC 9497 §2.2.2, VerifyProof after the composites.
pub fn verify_equality(
    label: &[u8],
    context: &[u8],
    public: &PublicKey,
    base: &RistrettoPoint,
    image: &RistrettoPoint,
    proof: &Proof,
) -> Result<(), Error> {
    // > t2 = (s * A) + (c * B), t3 = (s * M) + (c * Z)
    let t2 = RistrettoPoint::vartime_double_scalar_mul_basepoint(
        &proof.challenge,
        public.point(),
        &proof.response,
    );
    let t3 =
        RistrettoPoint::vartime_multiscalar_mul([&proof.response, &proof.challenge], [base, image]);
    check(
        proof,
        challenge(label, context, public, &[base, image, &t2, &t3]),
    )
}

/// The seed of a batch's coefficients: a hash of the context, the key and every pair of the batch.
pub(super) fn batch_seed(
    context: &[u8],
    public: &PublicKey,
    blinded: &[u8],
    evaluated: &[u8],
) -> [u8; 64] {
    let mut hash = Context::new(&SHA512);
    hash.update(SEED);
    hash.update(&length(context));
    hash.update(context);
    hash.update(public.encoded());
    hash.update(&((blinded.len() / ELEMENT_BYTES) as u64).to_be_bytes());
    hash.update(blinded);
    hash.update(evaluated);
    finish(hash)
}

/// The sum of d_i·P_i over a batch, on all cores.
///
/// d_i is the first 16 bytes, little-endian, of SHA-512(seed ‖ i), i as 4 bytes big-endian: 128 bits bound the
/// chance that wrong evaluations pass by 2⁻¹²⁸, and halve the cost of the sum. Points and
/// coefficients are known to both sides, so the time may depend on them.
pub(super) fn combine(seed: &[u8; 64], points: &[RistrettoPoint]) -> RistrettoPoint {
    let slice =
        (points.len() / rayon::current_num_threads()).clamp(SLICE_ELEMENTS, SUM_ELEMENTS_MAX);
    points
        .par_chunks(slice)
        .enumerate()
        .map(|(index, points)| {
            let first = index * slice;
            let coefficients = (first..first + points.len()).map(|i| coefficient(seed, i));
            RistrettoPoint::vartime_multiscalar_mul(coefficients, points)
        })
        .reduce(RistrettoPoint::identity, |a, b| a + b)
}

/// Pippenger's sums become cheaper with their length: 0.9 µs a point at 2,048, 2.0 at 128, little beyond.
const SUM_ELEMENTS_MAX: usize = 2048;

fn coefficient(seed: &[u8; 64], i: usize) -> Scalar {
    let mut hash = Context::new(&SHA512);
    hash.update(seed);
    hash.update(&(i as u32).to_be_bytes());
    let digest = finish(hash);
    let mut low = [0u8; 16];
    low.copy_from_slice(&digest[..16]);
    Scalar::from(u128::from_le_bytes(low))
}

const KNOWLEDGE: &[u8] = b"tacit/v1/knowledge";
const SEED: &[u8] = b"tacit/v1/batch-seed";
const CHALLENGE: &[u8] = b"tacit/v1/challenge";
const NONCE: &[u8] = b"tacit/v1/nonce";

/// c = SHA-512(label ‖ label' ‖ context ‖ X ‖ points) mod ℓ; label' and context with their lengths before them.
fn challenge(
    label: &[u8],
    context: &[u8],
    public: &PublicKey,
    points: &[&RistrettoPoint],
) -> Scalar {
    let mut hash = Context::new(&SHA512);
    hash.update(CHALLENGE);
    for part in [label, context] {
        hash.update(&length(part));
        hash.update(part);
    }
    hash.update(public.encoded());
    for point in points {
        hash.update(point.compress().as_bytes());
    }
    Scalar::from_bytes_mod_order_wide(&finish(hash))
}

/// A nonce that stays secret even when the random generator repeats itself: a hash of the secret, the
/// statement and fresh randomness.
fn nonce(
    label: &[u8],
    context: &[u8],
    secret: &Scalar,
    base: &RistrettoPoint,
    rng: &mut impl CryptoRng,
) -> Scalar {
    let mut fresh = random_scalar(rng);
    let mut hash = Context::new(&SHA512);
    hash.update(NONCE);
    hash.update(secret.as_bytes());
    hash.update(fresh.as_bytes());
    hash.update(base.compress().as_bytes());
    for part in [label, context] {
        hash.update(&length(part));
        hash.update(part);
    }
    fresh.zeroize();
    let mut wide = finish(hash);
    let nonce = Scalar::from_bytes_mod_order_wide(&wide);
    wide.zeroize();
    nonce
}

fn check(proof: &Proof, challenge: Scalar) -> Result<(), Error> {
    if proof.challenge == challenge {
        Ok(())
    } else {
        Err(Error::WrongProof)
    }
}

/// A length as it stands before a part: 4 bytes, big-endian. Contexts and labels are constants or fixed layouts.
fn length(part: &[u8]) -> [u8; 4] {
    (part.len() as u32).to_be_bytes()
}

fn finish(hash: Context) -> [u8; 64] {
    let mut out = [0u8; 64];
    out.copy_from_slice(hash.finish().as_ref());
    out
}
