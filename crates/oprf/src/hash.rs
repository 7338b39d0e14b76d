//! Hashing into the group and out of it: expand_message_xmd, HashToGroup, Finalize.

use super::ELEMENT_BYTES;
use curve25519_dalek::RistrettoPoint;
use ring::digest::{Context, SHA512, SHA512_OUTPUT_LEN};
use std::sync::LazyLock;

/// A domain separation tag of 1 to 255 bytes with its length appended: DST_prime of RFC 9380 §5.3.1.
pub struct Dst(Vec<u8>);

impl Dst {
    /// Makes DST_prime.
    ///
    /// # Panics
    /// When `tag` is empty or longer than 255 bytes: tags are constants of this program.
    pub fn new(tag: &[u8]) -> Self {
        let length = u8::try_from(tag.len()).expect("a tag of this program is at most 255 bytes");
        assert!(length > 0, "a tag of this program is not empty");
        let mut prime = tag.to_vec();
        prime.push(length);
        Self(prime)
    }
}

/// The tag of HashToGroup in VOPRF mode.
///
/// Source: RFC 9497 §3.1, §4.1: "HashToGroup-" ‖ "OPRFV1-" ‖ I2OSP(0x01, 1) ‖ "-ristretto255-SHA512".
pub static HASH_TO_GROUP: LazyLock<Dst> =
    LazyLock::new(|| Dst::new(b"HashToGroup-OPRFV1-\x01-ristretto255-SHA512"));

/// Maps an input to a group element whose discrete logarithm nobody knows.
///
/// `dst` keeps this hash apart from every other in the product. The time taken depends on lengths alone.
///
/// Source: RFC 9497 §4.1 (ristretto255-SHA512), RFC 9380 §5.3.1, RFC 9496 §4.3.4.
pub fn hash_to_group(input: &[u8], dst: &Dst) -> RistrettoPoint {
    let mut uniform = [0u8; 64];
    expand_message_xmd(input, dst, &mut uniform);
    RistrettoPoint::from_uniform_bytes(&uniform)
}

/// Fills `out`, 1 to 255 × 64 bytes, with uniform bytes made from `input`.
///
/// # Panics
/// When `out` is empty or too long: its length is a constant of this program.
///
/// Source: RFC 9380 §5.3.1 with SHA-512.
pub fn expand_message_xmd(input: &[u8], dst: &Dst, out: &mut [u8]) {
    // > Z_pad = I2OSP(0, s_in_bytes)
    static Z_PAD: LazyLock<Context> = LazyLock::new(|| {
        let mut context = Context::new(&SHA512);
        context.update(&[0u8; 128]);
        context
    });
    let length = u16::try_from(out.len()).expect("a length of this program fits 16 bits");
    assert!(
        length > 0 && out.len() <= 255 * SHA512_OUTPUT_LEN,
        "a length of this program is within the RFC's"
    );

    // > b_0 = H(msg_prime), msg_prime = Z_pad || msg || l_i_b_str || I2OSP(0, 1) || DST_prime
    let mut hash = Z_PAD.clone();
    hash.update(input);
    hash.update(&length.to_be_bytes());
    hash.update(&[0]);
    hash.update(&dst.0);
    let b_0 = hash.finish();

    let mut previous = [0u8; SHA512_OUTPUT_LEN];
    for (i, block) in (1u8..=255).zip(out.chunks_mut(SHA512_OUTPUT_LEN)) {
        // > b_i = H(strxor(b_0, b_(i - 1)) || I2OSP(i, 1) || DST_prime)
        for (p, b) in previous.iter_mut().zip(b_0.as_ref()) {
            *p ^= b;
        }
        let mut hash = Context::new(&SHA512);
        hash.update(&previous);
        hash.update(&[i]);
        hash.update(&dst.0);
        previous.copy_from_slice(hash.finish().as_ref());
        block.copy_from_slice(&previous[..block.len()]);
    }
}

/// Hashes an input of at most 65,535 bytes with the encoding of its evaluated element: F(x), 64 bytes.
///
/// # Panics
/// When `input` is longer: inputs of this program are 32 bytes.
///
/// Source: RFC 9497 §3.3.1, Finalize.
pub fn finalize(input: &[u8], unblinded: &[u8; ELEMENT_BYTES]) -> [u8; 64] {
    let length = u16::try_from(input.len()).expect("inputs of this program are short");
    // > hashInput = I2OSP(len(input), 2) || input || I2OSP(len(unblindedElement), 2) || unblindedElement || "Finalize"
    let mut hash = Context::new(&SHA512);
    hash.update(&length.to_be_bytes());
    hash.update(input);
    hash.update(&(ELEMENT_BYTES as u16).to_be_bytes());
    hash.update(unblinded);
    hash.update(b"Finalize");
    let mut output = [0u8; 64];
    output.copy_from_slice(hash.finish().as_ref());
    output
}

/// The first 16 bytes of [`finalize`].
pub(super) fn tag(input: &[u8], unblinded: &[u8]) -> super::Tag {
    let mut element = [0u8; ELEMENT_BYTES];
    element.copy_from_slice(unblinded);
    let output = finalize(input, &element);
    let mut tag = super::Tag::default();
    tag.0.copy_from_slice(&output[..super::Tag::BYTES]);
    tag
}
