//! Sealing what a node keeps beside its key, under its key: whoever opens the one opens the other.
//!
//! A sealed text is a random salt (32 bytes), the text under ChaCha20-Poly1305 (RFC 8439) and the
//! seal (16). The key is HKDF-SHA256 (RFC 5869) of the node's seed with that salt and the info
//! `tacit/v1/home-seal` ‖ purpose: it seals one text, so that the nonce is twelve zero bytes. The
//! purpose names the file or row, so that none can stand in another's place.

use rand_core::CryptoRng;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use pairing::NodeKey;

const SALT_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const LABEL: &[u8] = b"tacit/v1/home-seal";

/// What this node's files are sealed under; the seed itself, wiped on drop.
pub struct HomeSeal(Zeroizing<[u8; 32]>);

impl HomeSeal {
    /// The seal of the node with this key.
    pub fn of(key: &NodeKey) -> Self {
        Self(Zeroizing::new(*key.seed()))
    }

    /// Seals `plain` for `purpose`.
    pub fn seal(&self, purpose: &str, plain: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
        let mut salt = [0; SALT_BYTES];
        rng.fill_bytes(&mut salt);
        // Room for all, so that no copy of the text stays behind where the vector grew.
        let mut sealed = Vec::with_capacity(SALT_BYTES + plain.len() + TAG_BYTES);
        sealed.extend_from_slice(&salt);
        sealed.extend_from_slice(plain);
        let tag = self
            .key(&salt, purpose)
            .seal_in_place_separate_tag(nonce(), Aad::empty(), &mut sealed[SALT_BYTES..])
            .expect("what fits into memory is within the cipher's limit");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what was sealed for `purpose`; `None` if it was altered, or sealed for another purpose or
    /// by another node.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (salt, text) = sealed.split_first_chunk::<SALT_BYTES>()?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self
            .key(salt, purpose)
            .open_in_place(nonce(), Aad::empty(), &mut text)
            .ok()?
            .len();
        text.truncate(length);
        Some(text)
    }

    fn key(&self, salt: &[u8; SALT_BYTES], purpose: &str) -> LessSafeKey {
        let info: [&[u8]; 2] = [LABEL, purpose.as_bytes()];
        let pseudorandom = Salt::new(HKDF_SHA256, salt).extract(self.0.as_ref());
        let key = pseudorandom
            .expand(&info, &CHACHA20_POLY1305)
            .map(UnboundKey::from)
            .expect("a key of 32 bytes is within what HKDF-SHA256 gives");
        LessSafeKey::new(key)
    }
}

/// Each key seals once, so that one nonce serves all.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn what_was_sealed_opens_for_the_same_purpose_and_node_alone() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let seal = HomeSeal::of(&NodeKey::from_seed(&[1; 32]));
        let sealed = seal.seal("one", b"text", &mut rng);
        assert_eq!(sealed.len(), 32 + 4 + 16);
        assert_eq!(seal.open("one", &sealed).unwrap().as_slice(), b"text");
        assert!(seal.open("two", &sealed).is_none());
        let other = HomeSeal::of(&NodeKey::from_seed(&[2; 32]));
        assert!(other.open("one", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(seal.open("one", &altered).is_none());
            assert!(seal.open("one", &sealed[..at]).is_none());
        }
        assert!(sealed != seal.seal("one", b"text", &mut rng));
    }
}
