//! Sealing what stands in the database, each value bound to its place.
//!
//! ChaCha20-Poly1305 (RFC 8439) under a key of HKDF-SHA256 of the data key, with a random nonce of 12
//! bytes before the ciphertext and 16 bytes of tag after it. The associated data is the place (table,
//! column, primary key), so that a value moved to another row or column does not open. With up to 2³²
//! values under one data key, two share a nonce with a probability below 2⁻³².
//!
//! What rows must be found by without opening them (a record's id, a peer's) stands beside them as a
//! keyed tag: the first 16 bytes of HMAC-SHA256 under a second key.
//!
//! An older value of the very same place does open: whoever can write to the disk can put back an
//! earlier state of it, as can whoever restores a backup. The audit log's exported heads show that.

use rand::rngs::SysRng;
use rand_core::TryRng;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::hmac;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Error;

/// Bytes that sealing adds: nonce and tag.
pub(super) const SEALING_BYTES: usize = NONCE_LEN + 16;

/// The key that all keys of a store come from, 32 random bytes; wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct DataKey(Box<[u8; 32]>);

/// The first 16 bytes of a keyed hash: says whether two values are equal, and nothing else of them.
pub(super) type Tag = [u8; 16];

/// The place of a sealed value.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub table: &'static str,
    pub column: &'static str,
    /// The primary key of the row, in an encoding that no two rows of the table share.
    pub row: &'a [u8],
}

/// Seals and opens. ring keeps its expanded keys without wiping them.
pub(super) struct Vault {
    sealing: LessSafeKey,
    tagging: hmac::Key,
}

impl DataKey {
    /// Draws a key.
    ///
    /// # Errors
    ///
    /// [`Error::NoRandomness`].
    pub(super) fn draw() -> Result<Self, Error> {
        let mut key = Box::new([0; 32]);
        random(key.as_mut())?;
        Ok(Self(key))
    }

    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Box::new(*bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Vault {
    pub(super) fn new(key: &DataKey) -> Self {
        let root = Salt::new(HKDF_SHA256, &[]).extract(key.as_bytes());
        let sealing = UnboundKey::new(&CHACHA20_POLY1305, derived(&root, b"seal").as_ref())
            .expect("the key has 32 bytes");
        Self {
            sealing: LessSafeKey::new(sealing),
            tagging: hmac::Key::new(hmac::HMAC_SHA256, derived(&root, b"tag").as_ref()),
        }
    }

    /// Seals `text` for `place`.
    ///
    /// # Errors
    ///
    /// [`Error::NoRandomness`].
    pub(super) fn seal(&self, place: Place, text: &[u8]) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        // Room for everything from the start: plain text is only ever where ciphertext will be.
        let mut sealed = Vec::with_capacity(text.len() + SEALING_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(text);
        let tag = self
            .sealing
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.encoded()),
                &mut sealed[NONCE_LEN..],
            )
            .expect("a value of the database is below the cipher's limit of 256 GiB");
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`]: it was changed, or sealed for another place or under another key.
    pub(super) fn open(&self, place: Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let altered = Error::Altered { table: place.table };
        let Some((nonce, rest)) = sealed.split_first_chunk::<NONCE_LEN>() else {
            return Err(altered);
        };
        let mut text = Zeroizing::new(rest.to_vec());
        let opened = self.sealing.open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(place.encoded()),
            &mut text,
        );
        let Ok(length) = opened.map(|text| text.len()) else {
            return Err(altered);
        };
        text.truncate(length);
        Ok(text)
    }

    /// A tag of `parts`, apart from those of every other `use_`.
    pub(super) fn tag(&self, use_: &str, parts: &[&[u8]]) -> Tag {
        let mut mac = hmac::Context::with_key(&self.tagging);
        for part in std::iter::once(&use_.as_bytes()).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let mut tag = Tag::default();
        tag.copy_from_slice(&mac.sign().as_ref()[..16]);
        tag
    }
}

impl Place<'_> {
    /// Length before each part, so that no two places have one encoding.
    fn encoded(&self) -> Vec<u8> {
        let mut out = b"tacit/v1/store".to_vec();
        for part in [self.table.as_bytes(), self.column.as_bytes(), self.row] {
            out.extend_from_slice(&(part.len() as u32).to_be_bytes());
            out.extend_from_slice(part);
        }
        out
    }
}

/// Fills `bytes` from the operating system.
///
/// # Errors
///
/// [`Error::NoRandomness`].
pub(super) fn random(bytes: &mut [u8]) -> Result<(), Error> {
    SysRng
        .try_fill_bytes(bytes)
        .map_err(|_| Error::NoRandomness)
}

struct Length32;

impl KeyType for Length32 {
    fn len(&self) -> usize {
        32
    }
}

fn derived(root: &Prk, use_: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    root.expand(&[b"tacit/v1/store/", use_], Length32)
        .and_then(|okm| okm.fill(key.as_mut()))
        .expect("32 bytes are within what HKDF-SHA256 gives");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(byte: u8) -> Vault {
        Vault::new(&DataKey::from_bytes(&[byte; 32]))
    }

    fn place(row: &[u8]) -> Place<'_> {
        Place {
            table: "record",
            column: "sealed",
            row,
        }
    }

    #[test]
    fn a_value_opens_at_its_place_under_its_key_alone() {
        let sealed = vault(1).seal(place(b"7"), b"text").unwrap();
        assert_eq!(sealed.len(), 4 + SEALING_BYTES);
        assert_eq!(*vault(1).open(place(b"7"), &sealed).unwrap(), b"text");
        let column = Place {
            column: "other",
            ..place(b"7")
        };
        let table = Place {
            table: "peer",
            ..place(b"7")
        };
        for other in [place(b"8"), place(b""), column, table] {
            let refused = vault(1).open(other, &sealed);
            assert!(matches!(refused, Err(Error::Altered { .. })));
        }
        assert!(vault(2).open(place(b"7"), &sealed).is_err());
        for i in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[i] ^= 1;
            assert!(vault(1).open(place(b"7"), &altered).is_err());
            assert!(vault(1).open(place(b"7"), &sealed[..i]).is_err());
        }
    }

    #[test]
    fn two_seals_of_one_text_differ_and_two_tags_do_not() {
        let vault = vault(1);
        let sealed = || vault.seal(place(b"7"), b"text").unwrap();
        assert_ne!(sealed(), sealed());
        assert_eq!(vault.tag("peer", &[b"a"]), vault.tag("peer", &[b"a"]));
        assert_ne!(vault.tag("peer", &[b"a"]), vault.tag("client", &[b"a"]));
        assert_ne!(
            vault.tag("p", &[b"ab", b"c"]),
            vault.tag("p", &[b"a", b"bc"])
        );
    }
}
