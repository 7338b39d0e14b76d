//! ChaCha20-Poly1305, each text bound to its place.
//!
//! Is handed the key and the nonce; that no nonce comes twice under one key is the caller's to see to,
//! and [`Nonce`] has one constructor for each way of seeing to it.
//!
//! Source: RFC 8439 (the cipher), RFC 5869 (HKDF).

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes of a nonce.
pub const NONCE_BYTES: usize = NONCE_LEN;
/// Bytes of the tag that follows each ciphertext.
pub const TAG_BYTES: usize = 16;

/// A key of ChaCha20-Poly1305: a secret, wiped on drop, that can be neither printed, copied nor compared.
///
/// ```compile_fail
/// let key = sealing::SealingKey::new(sealing::derive(b"secret", b"", &[]));
/// println!("{key:?}");
/// ```
///
/// ```compile_fail
/// let key = sealing::SealingKey::new(sealing::derive(b"secret", b"", &[]));
/// let copy = key.clone();
/// ```
pub struct SealingKey(Box<Zeroizing<[u8; KEY_BYTES]>>);

/// What makes two texts under one key differ: no two of them may have the same.
#[derive(Clone, Copy)]
pub struct Nonce([u8; NONCE_BYTES]);

/// 32 bytes of HKDF-SHA256 from `secret`, with this salt and the parts of `info` one after the other.
///
/// One secret gives as many keys as there are salts and infos, and none tells anything of another.
///
/// Source: RFC 5869.
pub fn derive(secret: &[u8], salt: &[u8], info: &[&[u8]]) -> Box<Zeroizing<[u8; KEY_BYTES]>> {
    let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(info, Derived)
        .and_then(|okm| okm.fill(key.as_mut_slice()))
        .expect("32 bytes are within what HKDF-SHA256 gives");
    key
}

impl SealingKey {
    /// The key of these bytes, which must be secret and evenly distributed.
    pub fn new(bytes: Box<Zeroizing<[u8; KEY_BYTES]>>) -> Self {
        Self(bytes)
    }

    /// Encrypts `text` where it stands, for `place`; gives the tag that belongs after it.
    ///
    /// # Panics
    /// For a text of 256 GiB or more, the cipher's limit.
    pub fn seal_in_place(&self, nonce: Nonce, place: &[u8], text: &mut [u8]) -> [u8; TAG_BYTES] {
        let sealed = self
            .expanded()
            .seal_separate_tag(nonce, place, text)
            .expect("the text is below the cipher's limit of 256 GiB");
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(sealed.as_ref());
        tag
    }

    /// Appends ciphertext and tag of `text`, sealed for `place`.
    ///
    /// `out` should have room for both, [`TAG_BYTES`] more than the text: the text is then only ever
    /// where its ciphertext will be.
    ///
    /// # Panics
    /// For a text of 256 GiB or more, the cipher's limit.
    pub fn seal_onto(&self, out: &mut Vec<u8>, nonce: Nonce, place: &[u8], text: &[u8]) {
        // Before the text: growing after it would leave a copy of it behind.
        out.reserve(text.len() + TAG_BYTES);
        let start = out.len();
        out.extend_from_slice(text);
        let tag = self.seal_in_place(nonce, place, &mut out[start..]);
        out.extend_from_slice(&tag);
    }

    /// Decrypts ciphertext and tag where they stand, and gives the text, [`TAG_BYTES`] shorter; `None`
    /// if they were altered, or sealed under another key or nonce or for another place.
    pub fn open_in_place<'a>(
        &self,
        nonce: Nonce,
        place: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        self.expanded().open_within(nonce, place, sealed)
    }

    /// Opens ciphertext and tag into a text that is wiped when it is dropped; `None` as of
    /// [`open_in_place`](Self::open_in_place).
    pub fn open(&self, nonce: Nonce, place: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(sealed.to_vec());
        let length = self.open_in_place(nonce, place, &mut text)?.len();
        text.truncate(length);
        Some(text)
    }

    /// For one text alone: ring does not wipe a key that it has expanded, so that none is kept.
    fn expanded(&self) -> Expanded {
        let key = UnboundKey::new(&CHACHA20_POLY1305, self.0.as_slice())
            .expect("a key of this cipher has 32 bytes");
        Expanded(LessSafeKey::new(key))
    }
}

impl Nonce {
    /// Twelve zero bytes: for a key that seals one text in its life.
    pub const ONCE: Self = Self([0; NONCE_BYTES]);

    /// Twelve bytes that were drawn at random: two of 2³² texts under one key share theirs with a
    /// probability below 2⁻³².
    pub fn drawn(bytes: [u8; NONCE_BYTES]) -> Self {
        Self(bytes)
    }

    /// The index of a piece, in the last four bytes: for a key that seals one text in pieces.
    pub fn of_piece(index: u32) -> Self {
        let mut bytes = [0; NONCE_BYTES];
        bytes[NONCE_BYTES - 4..].copy_from_slice(&index.to_be_bytes());
        Self(bytes)
    }
}

/// A key as ring works with it.
struct Expanded(LessSafeKey);

impl Expanded {
    fn seal_separate_tag(
        &self,
        nonce: Nonce,
        place: &[u8],
        text: &mut [u8],
    ) -> Result<ring::aead::Tag, ring::error::Unspecified> {
        let nonce = ring::aead::Nonce::assume_unique_for_key(nonce.0);
        self.0
            .seal_in_place_separate_tag(nonce, Aad::from(place), text)
    }

    fn open_within<'a>(
        &self,
        nonce: Nonce,
        place: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        let nonce = ring::aead::Nonce::assume_unique_for_key(nonce.0);
        self.0.open_in_place(nonce, Aad::from(place), sealed).ok()
    }
}

/// The length of a derived key.
struct Derived;

impl KeyType for Derived {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SealingKey {
        SealingKey::new(Box::new(Zeroizing::new([byte; KEY_BYTES])))
    }

    fn bytes(digits: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        (0..digits.len()).step_by(2).map(digit).collect()
    }

    /// RFC 8439 §2.8.2.
    #[test]
    fn the_example_of_rfc_8439_comes_out() {
        let bytes_of_key: Vec<u8> = (0x80..=0x9f).collect();
        let key = SealingKey::new(Box::new(Zeroizing::new(bytes_of_key.try_into().unwrap())));
        let nonce = bytes("070000004041424344454647").try_into().unwrap();
        let place = bytes("50515253c0c1c2c3c4c5c6c7");
        let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip \
                     for the future, sunscreen would be it.";
        let mut sealed = Vec::new();
        key.seal_onto(&mut sealed, Nonce::drawn(nonce), &place, text);
        assert_eq!(sealed[..8], bytes("d31a8d34648e60db"));
        let tag = bytes("1ae10b594f09e26a7e902ecbd0600691");
        assert_eq!(sealed[text.len()..], tag);
        let opened = key.open(Nonce::drawn(nonce), &place, &sealed).unwrap();
        assert_eq!(opened.as_slice(), text);
    }

    /// RFC 5869 appendix A.1 and A.3, the first 32 bytes of the output.
    #[test]
    fn keys_are_those_of_rfc_5869() {
        let secret = [0x0b; 22];
        let salt = bytes("000102030405060708090a0b0c");
        let info = bytes("f0f1f2f3f4f5f6f7f8f9");
        let (first, second) = info.split_at(3);
        let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf";
        let derived = derive(&secret, &salt, &[first, second]);
        assert_eq!(derived.as_slice(), bytes(expected));
        let expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d";
        assert_eq!(derive(&secret, &[], &[]).as_slice(), bytes(expected));
    }

    #[test]
    fn a_text_opens_at_its_place_under_its_key_and_nonce_alone() {
        let mut sealed = Vec::new();
        key(1).seal_onto(&mut sealed, Nonce::ONCE, b"place", b"text");
        let opened = key(1).open(Nonce::ONCE, b"place", &sealed);
        assert_eq!(opened.unwrap().as_slice(), b"text");
        assert!(key(2).open(Nonce::ONCE, b"place", &sealed).is_none());
        assert!(key(1).open(Nonce::ONCE, b"place ", &sealed).is_none());
        let other = Nonce::of_piece(1);
        assert!(key(1).open(other, b"place", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(key(1).open(Nonce::ONCE, b"place", &altered).is_none());
            assert!(key(1).open(Nonce::ONCE, b"place", &sealed[..at]).is_none());
        }
    }

    #[test]
    fn the_first_piece_has_the_nonce_of_a_key_that_seals_once() {
        assert_eq!(Nonce::of_piece(0).0, Nonce::ONCE.0);
        assert_eq!(Nonce::of_piece(0x01020304).0[7..], [0, 1, 2, 3, 4]);
    }
}
