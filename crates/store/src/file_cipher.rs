//! The file cipher: seals what a node keeps beside its key, under its key, so that whoever opens the one
//! opens the other.
//!
//! A sealed text is a random salt (32 bytes), then ciphertext and tag of [`sealing`]. The key is
//! HKDF-SHA256 (RFC 5869) of the node's seed with that salt and the info `tacit/v1/home-seal` ‖ purpose:
//! it seals one text. The purpose names the file or row, so that none can stand in another's place.

use rand_core::CryptoRng;
use sealing::{Nonce, SealingKey, TAG_BYTES, derive};
use zeroize::Zeroizing;

use pairing::NodeKey;

const SALT_BYTES: usize = 32;
const LABEL: &[u8] = b"tacit/v1/home-seal";

/// What this node's files are sealed under; the seed itself, wiped on drop.
pub struct FileCipher(Zeroizing<[u8; 32]>);

impl FileCipher {
    /// The cipher of the node with this key.
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
        self.key(&salt, purpose)
            .seal_onto(&mut sealed, Nonce::ONCE, NO_PLACE, plain);
        sealed
    }

    /// Opens what was sealed for `purpose`; `None` if it was altered, or sealed for another purpose or
    /// by another node.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (salt, text) = sealed.split_first_chunk()?;
        self.key(salt, purpose).open(Nonce::ONCE, NO_PLACE, text)
    }

    fn key(&self, salt: &[u8; SALT_BYTES], purpose: &str) -> SealingKey {
        let info = [LABEL, purpose.as_bytes()];
        SealingKey::new(derive(self.0.as_ref(), salt, &info))
    }
}

/// The key itself is the purpose's own.
const NO_PLACE: &[u8] = b"";

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn what_was_sealed_opens_for_the_same_purpose_and_node_alone() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let cipher = FileCipher::of(&NodeKey::from_seed(&[1; 32]));
        let sealed = cipher.seal("one", b"text", &mut rng);
        assert_eq!(sealed.len(), 32 + 4 + 16);
        assert_eq!(cipher.open("one", &sealed).unwrap().as_slice(), b"text");
        assert!(cipher.open("two", &sealed).is_none());
        let other = FileCipher::of(&NodeKey::from_seed(&[2; 32]));
        assert!(other.open("one", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(cipher.open("one", &altered).is_none());
            assert!(cipher.open("one", &sealed[..at]).is_none());
        }
        assert!(sealed != cipher.seal("one", b"text", &mut rng));
    }
}
