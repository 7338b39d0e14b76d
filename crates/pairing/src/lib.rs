//! Who a node is: its Ed25519 key, the id another node pins, and the eight words to read aloud.
//!
//! `docs/protocol.md` §2. Pure: randomness is an argument, and where a key is kept is `store`'s
//! business. Pairing is each side entering the other's [`NodeId`] once; nothing here trusts a key
//! because it was seen before, and there is no authority that could vouch for one.
//!
//! Every Ed25519 signature in the product is made by [`NodeKey::sign`] and checked by
//! [`NodeId::verify`], or inside TLS with the same key. What is signed starts with a label of its
//! own, `tacit/v1/…`, so that no signature can stand for another kind of message; TLS signs 64
//! spaces and a label first (RFC 8446 §4.4.3), a certificate a DER sequence.
//!
//! # Example
//!
//! Two nodes are paired; one checks what the other signed:
//!
//! ```
//! use pairing::{BadSignature, NodeId, NodeKey};
//!
//! // Invented seeds; a node draws its own with `NodeKey::generate`.
//! let (ours, theirs) = (NodeKey::from_seed(&[1; 32]), NodeKey::from_seed(&[2; 32]));
//!
//! // What is read out or typed in on pairing; a typing error does not make another node's id.
//! let text = theirs.id().to_string();
//! let peer: NodeId = text.parse()?;
//! assert_eq!(peer, theirs.id());
//! assert_eq!(peer.words().len(), 8);
//!
//! let signature = theirs.sign(b"tacit/v1/example: ten of ours for ten of yours");
//! peer.verify(b"tacit/v1/example: ten of ours for ten of yours", &signature)?;
//! let altered = peer.verify(b"tacit/v1/example: ten of ours for one of yours", &signature);
//! assert_eq!(altered, Err(BadSignature));
//! assert!(ours.id().verify(b"tacit/v1/example", &signature).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs, unreachable_pub)]

mod text;
mod words;

use std::fmt;

use curve25519_dalek::edwards::CompressedEdwardsY;
use rand_core::CryptoRng;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub use text::{ParseNodeIdError, Typo};

/// A node's Ed25519 key, as the 32-byte seed of RFC 8032 §5.1.5: wiped on drop, never printed.
///
/// ring expands the seed on the stack for each signature and does not wipe that copy.
pub struct NodeKey {
    seed: Box<[u8; 32]>,
    id: NodeId,
}

/// A node's public key: what names it to peers, relay and mediator, and what TLS pins.
///
/// Always the canonical encoding of a point of prime order, so that cofactorless verification
/// leaves no two readings of a signature. Ordered as bytes: the lower id initiates when offers
/// cross.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 32]);

/// An Ed25519 signature, R ‖ S (RFC 8032 §5.1.6); says nothing until [`NodeId::verify`] has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature([u8; 64]);

/// Why 32 bytes are no node id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNodeId {
    /// No point of the curve has this y.
    #[error("the bytes encode no point of the curve")]
    NotOnCurve,
    /// y is at or above p, or x = 0 has a sign.
    #[error("the bytes encode a point in another way than the one allowed")]
    NotCanonical,
    /// One of the eight points whose multiples are all among themselves.
    #[error("the point is of small order: it would accept forged signatures")]
    SmallOrder,
    /// A point of prime order plus one of small order that is not zero.
    #[error("the point has a part of small order: it would make signatures ambiguous")]
    MixedOrder,
}

/// A signature was not made by this node over this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not this node's over this message")]
pub struct BadSignature;

impl NodeKey {
    /// Draws a new key; whoever can predict `rng` is this node.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self::from_seed(&seed)
    }

    /// Takes up a key that was generated before; any 32 bytes are a seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        // A clamped scalar is below 2²⁵⁵ and a multiple of 8, hence never one of the order, so the
        // point is of prime order and needs no check.
        let mut id = [0; 32];
        id.copy_from_slice(expand(seed).public_key().as_ref());
        let mut own = Box::new([0; 32]);
        own.copy_from_slice(seed);
        Self {
            seed: own,
            id: NodeId(id),
        }
    }

    /// The id that belongs to this key.
    #[inline]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Signs `message`, which starts with its own `tacit/v1/…` label.
    ///
    /// Deterministic: the same message gives the same signature. Source: RFC 8032 §5.1.6.
    pub fn sign(&self, message: &[u8]) -> Signature {
        let mut signature = [0; 64];
        signature.copy_from_slice(expand(&self.seed).sign(message).as_ref());
        Signature(signature)
    }

    /// The seed itself, for the key file and for TLS, which take a key in no other form.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }
}

impl Drop for NodeKey {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

impl ZeroizeOnDrop for NodeKey {}

impl NodeId {
    /// Admits a public key as a node's id.
    ///
    /// # Errors
    ///
    /// Refuses bytes that are not on the curve, not the canonical encoding (y ≥ p, or a sign on
    /// x = 0), of small order, or that have a component of small order. With any of these, one
    /// signature could verify here and not elsewhere, or stand for several messages.
    ///
    /// Source: Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs", SSR 2020, §3–4.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, InvalidNodeId> {
        let point = CompressedEdwardsY(bytes)
            .decompress()
            .ok_or(InvalidNodeId::NotOnCurve)?;
        if point.compress().0 != bytes {
            return Err(InvalidNodeId::NotCanonical);
        }
        if point.is_small_order() {
            return Err(InvalidNodeId::SmallOrder);
        }
        if !point.is_torsion_free() {
            return Err(InvalidNodeId::MixedOrder);
        }
        Ok(Self(bytes))
    }

    /// The 32 bytes of the public key, as hashes, certificates and messages carry them.
    #[inline]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks that this node signed `message`: the one strict Ed25519 verifier of the product.
    ///
    /// S must be below the group order and R the canonical encoding of S·B − H(R ‖ A ‖ M)·A,
    /// without cofactor. As A is canonical and of prime order, what passes here passes in every
    /// verifier that follows RFC 8032, and nobody without the key can alter one signature into
    /// another that passes.
    ///
    /// # Errors
    ///
    /// [`BadSignature`], without a reason: no caller may act on one.
    ///
    /// Source: RFC 8032 §5.1.7; "Taming the many EdDSAs" (2020), §5, on what to check besides.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, &signature.0)
            .map_err(|_| BadSignature)
    }

    /// Eight words of the EFF large word list that stand for this id when read aloud.
    ///
    /// 1. h = SHA-256(`tacit/v1/words` ‖ id), 14 bytes of ASCII and the 32 bytes of the id.
    /// 2. n = the first 16 bytes of h as a big-endian integer, modulo 7776⁸.
    /// 3. The words are the eight base-7776 digits of n, the most significant first, each a line of
    ///    `eff_large_wordlist.txt` counted from 0.
    ///
    /// 7776⁸ is about 2^103.4: somebody who wants a key of their own with the words of a given node
    /// tries about 2^103 keys. Only all eight words, in order, mean anything.
    pub fn words(&self) -> [&'static str; 8] {
        words::of(&self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Signature {
    /// Takes 64 bytes from a message; every value is accepted here and judged by verification.
    #[inline]
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes, as messages carry them.
    #[inline]
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

/// RFC 8032 §5.1.5, by ring.
fn expand(seed: &[u8; 32]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).expect("ring takes any 32 bytes as a seed")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use curve25519_dalek::{EdwardsPoint, Scalar};
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use serde_json::Value;
    use sha2::{Digest, Sha512};

    use super::*;

    /// 2²⁵² + 27742317777372353535851937790883648493, little-endian.
    const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        hex::decode(hex).unwrap().try_into().unwrap()
    }

    /// H(R ‖ A ‖ M) of RFC 8032 §5.1.7.
    fn challenge(r: &[u8; 32], a: &[u8; 32], message: &[u8]) -> Scalar {
        let hash = Sha512::new().chain_update(r).chain_update(a);
        Scalar::from_bytes_mod_order_wide(&hash.chain_update(message).finalize().into())
    }

    fn signature(r: [u8; 32], s: [u8; 32]) -> Signature {
        let mut both = [0; 64];
        both[..32].copy_from_slice(&r);
        both[32..].copy_from_slice(&s);
        Signature::from_bytes(both)
    }

    /// RFC 8032 §7.1: the public key, the signature, and that every changed byte is refused.
    #[test]
    fn keys_and_signatures_agree_with_rfc_8032() {
        let file: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/rfc8032-ed25519.json"))
                .unwrap();
        let vectors = file["vectors"].as_array().unwrap();
        assert_eq!(vectors.len(), 5, "the RFC gives five");
        for vector in vectors {
            let field = |name: &str| hex::decode(vector[name].as_str().unwrap()).unwrap();
            let key = NodeKey::from_seed(&field("seed").try_into().unwrap());
            let message = field("message");
            let signature = key.sign(&message);
            assert_eq!(key.id().as_bytes()[..], field("public_key"));
            assert_eq!(signature.as_bytes()[..], field("signature"));
            assert_eq!(NodeId::from_bytes(*key.id().as_bytes()), Ok(key.id()));
            assert_eq!(key.id().verify(&message, &signature), Ok(()));
            for i in 0..64 {
                let mut altered = *signature.as_bytes();
                altered[i] ^= 1 << (i % 8);
                let altered = Signature::from_bytes(altered);
                assert_eq!(key.id().verify(&message, &altered), Err(BadSignature));
            }
        }
    }

    /// All eight points of small order, and the six further encodings of some of them.
    #[test]
    fn keys_of_small_order_are_refused_in_every_encoding() {
        for point in EIGHT_TORSION {
            let refused = NodeId::from_bytes(point.compress().0);
            assert_eq!(refused, Err(InvalidNodeId::SmallOrder));
        }
        let p = |low: u8, high: u8| {
            let mut y = [0xff; 32];
            (y[0], y[31]) = (low, high);
            y
        };
        let mut minus_zero = [0; 32];
        (minus_zero[0], minus_zero[31]) = (1, 0x80);
        let others = [
            minus_zero,    // y = 1, x = −0
            p(0xec, 0xff), // y = p − 1, x = −0
            p(0xed, 0x7f), // y = p
            p(0xed, 0xff), // y = p, x negative
            p(0xee, 0x7f), // y = p + 1
            p(0xee, 0xff), // y = p + 1, x = −0
        ];
        for encoding in others {
            let refused = NodeId::from_bytes(encoding);
            assert_eq!(refused, Err(InvalidNodeId::NotCanonical), "{encoding:02x?}");
        }
    }

    /// y = p + k for the 19 k for which this fits 255 bits: on the curve or not, never accepted.
    #[test]
    fn keys_with_y_not_reduced_are_refused() {
        for k in 0..19 {
            for sign in [0x7f, 0xff] {
                let mut y = [0xff; 32];
                (y[0], y[31]) = (0xed + k, sign);
                assert!(NodeId::from_bytes(y).is_err());
            }
        }
    }

    #[test]
    fn bytes_off_the_curve_are_refused() {
        let mut y = [0; 32];
        y[0] = 2;
        assert_eq!(NodeId::from_bytes(y), Err(InvalidNodeId::NotOnCurve));
    }

    /// The key A + T signs messages so that ring alone accepts one in eight of them; as an id it is
    /// refused, for each of the seven T.
    #[test]
    fn keys_of_mixed_order_are_refused_though_ring_would_accept_them() {
        let a = Scalar::from(7_u8);
        let r = Scalar::from(11_u8);
        for torsion in &EIGHT_TORSION[1..] {
            let key = (ED25519_BASEPOINT_POINT * a + torsion).compress().0;
            let r_encoded = (ED25519_BASEPOINT_POINT * r).compress().0;
            let accepted_by_ring = (0_u8..64).any(|m| {
                let s = r + challenge(&r_encoded, &key, &[m]) * a;
                let forged = signature(r_encoded, s.to_bytes());
                UnparsedPublicKey::new(&ED25519, key)
                    .verify(&[m], forged.as_bytes())
                    .is_ok()
            });
            assert!(accepted_by_ring, "the case is real");
            assert_eq!(NodeId::from_bytes(key), Err(InvalidNodeId::MixedOrder));
        }
    }

    /// S + L, S + 2L, … as far as they fit 32 bytes.
    #[test]
    fn signatures_with_s_not_reduced_are_refused() {
        let key = NodeKey::from_seed(&[7; 32]);
        let honest = *key.sign(b"tacit/v1/test").as_bytes();
        let (mut s, order) = (honest, bytes::<32>(ORDER));
        let mut tried = 0;
        while s[63] < 0xe0 {
            let mut carry = 0;
            for i in 0..32 {
                carry += u16::from(s[32 + i]) + u16::from(order[i]);
                s[32 + i] = carry as u8;
                carry >>= 8;
            }
            let malleated = Signature::from_bytes(s);
            assert_eq!(
                key.id().verify(b"tacit/v1/test", &malleated),
                Err(BadSignature)
            );
            tried += 1;
        }
        assert!(tried >= 13);
    }

    /// R + T satisfies the equation multiplied by the cofactor, and must not pass; nor may a second
    /// encoding of R = identity, which the key's owner alone could make pass.
    #[test]
    fn signatures_with_another_r_are_refused() {
        let (a, r) = (Scalar::from(7_u8), Scalar::from(11_u8));
        let key = (ED25519_BASEPOINT_POINT * a).compress().0;
        let id = NodeId::from_bytes(key).unwrap();
        let signed = |r_point: EdwardsPoint, r: Scalar| {
            let r_encoded = r_point.compress().0;
            let s = r + challenge(&r_encoded, &key, b"m") * a;
            id.verify(b"m", &signature(r_encoded, s.to_bytes()))
        };
        assert_eq!(signed(ED25519_BASEPOINT_POINT * r, r), Ok(()));
        for torsion in &EIGHT_TORSION[1..] {
            let shifted = ED25519_BASEPOINT_POINT * r + torsion;
            assert_eq!(signed(shifted, r), Err(BadSignature));
            assert_eq!(signed(*torsion, Scalar::ZERO), Err(BadSignature));
        }
        let mut minus_zero = [0; 32];
        (minus_zero[0], minus_zero[31]) = (1, 0x80);
        let s = challenge(&minus_zero, &key, b"m") * a;
        let other_encoding = signature(minus_zero, s.to_bytes());
        assert_eq!(id.verify(b"m", &other_encoding), Err(BadSignature));
    }

    #[test]
    fn another_message_or_another_node_is_refused() {
        let (one, two) = (NodeKey::from_seed(&[1; 32]), NodeKey::from_seed(&[2; 32]));
        let signature = one.sign(b"tacit/v1/test");
        assert_eq!(one.id().verify(b"tacit/v1/test", &signature), Ok(()));
        assert_eq!(
            one.id().verify(b"tacit/v1/tesT", &signature),
            Err(BadSignature)
        );
        assert_eq!(
            two.id().verify(b"tacit/v1/test", &signature),
            Err(BadSignature)
        );
    }

    #[test]
    fn generated_keys_differ_and_their_ids_are_admissible() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let ids: HashSet<NodeId> = (0..256)
            .map(|_| NodeKey::generate(&mut rng).id())
            .inspect(|id| assert_eq!(NodeId::from_bytes(id.0), Ok(*id)))
            .collect();
        assert_eq!(ids.len(), 256);
    }
}
