//! The cell cipher: seals what stands in the database, each value for its own cell.
//!
//! A sealed value is a random nonce of 12 bytes, then ciphertext and tag of [`sealing`] under a key of
//! HKDF-SHA256 of the data key. Its place is the cell (table, column, primary key), so that a value
//! moved to another row or column does not open. With up to 2³² values under one data key, two share a
//! nonce with a probability below 2⁻³².
//!
//! What rows must be found by without opening them (a record's id, a peer's) stands beside them as a
//! keyed tag: the first 16 bytes of HMAC-SHA256 under a second key.
//!
//! An older value of the very same cell does open: whoever can write to the disk can put back an
//! earlier state of it, as can whoever restores a backup. The audit log's exported heads show that.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rand::rngs::SysRng;
use rand_core::TryRng;
use ring::hmac;
use sealing::{KEY_BYTES, NONCE_BYTES, Nonce, SealingKey, TAG_BYTES, derive};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::error::Error;

/// Bytes that sealing adds: nonce and tag.
pub(super) const SEALING_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// The key that all keys of a store come from, 32 random bytes; wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct DataKey(Box<[u8; 32]>);

/// The first 16 bytes of a keyed hash: says whether two values are equal, and nothing else of them.
pub(super) type Tag = [u8; 16];

/// Where a sealed value stands.
#[derive(Clone, Copy)]
pub(super) struct Cell<'a> {
    pub table: &'static str,
    pub column: &'static str,
    /// The primary key of the row, in an encoding that no two rows of the table share.
    pub row: &'a [u8],
}

/// Seals and opens cells, and tags what rows are found by.
pub(super) struct CellCipher {
    sealing: SealingKey,
    /// As bytes: ring does not wipe a key that it has expanded.
    tagging: Box<Zeroizing<[u8; KEY_BYTES]>>,
    tally: [AtomicU64; 4],
}

/// What a store has read and written of sealed cells since it was opened, in cells and in bytes of plain text:
/// two moments compared, what was done between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub cells_read: u64,
    pub bytes_read: u64,
    pub cells_written: u64,
    pub bytes_written: u64,
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cells_read: self.cells_read + other.cells_read,
            bytes_read: self.bytes_read + other.bytes_read,
            cells_written: self.cells_written + other.cells_written,
            bytes_written: self.bytes_written + other.bytes_written,
        }
    }
}

impl std::ops::Sub for Tally {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            cells_read: self.cells_read - before.cells_read,
            bytes_read: self.bytes_read - before.bytes_read,
            cells_written: self.cells_written - before.cells_written,
            bytes_written: self.bytes_written - before.bytes_written,
        }
    }
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

impl CellCipher {
    pub(super) fn new(key: &DataKey) -> Self {
        let derived = |purpose| derive(key.as_bytes(), &[], &[b"tacit/v1/store/", purpose]);
        Self {
            sealing: SealingKey::new(derived(b"seal")),
            tagging: derived(b"tag"),
            tally: Default::default(),
        }
    }

    pub(super) fn tally(&self) -> Tally {
        let [cells_read, bytes_read, cells_written, bytes_written] =
            [0, 1, 2, 3].map(|i: usize| self.tally[i].load(Relaxed));
        Tally {
            cells_read,
            bytes_read,
            cells_written,
            bytes_written,
        }
    }

    fn count(&self, first: usize, bytes: usize) {
        self.tally[first].fetch_add(1, Relaxed);
        self.tally[first + 1].fetch_add(bytes as u64, Relaxed);
    }

    /// Seals `text` for `cell`.
    ///
    /// # Errors
    ///
    /// [`Error::NoRandomness`].
    pub(super) fn seal(&self, cell: Cell, text: &[u8]) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE_BYTES];
        random(&mut nonce)?;
        // Room for everything from the start: plain text is only ever where ciphertext will be.
        let mut sealed = Vec::with_capacity(text.len() + SEALING_BYTES);
        sealed.extend_from_slice(&nonce);
        self.sealing
            .seal_onto(&mut sealed, Nonce::drawn(nonce), &cell.place(), text);
        self.count(2, text.len());
        Ok(sealed)
    }

    /// Opens what was sealed for `cell`.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`]: it was changed, or sealed for another cell or under another key.
    pub(super) fn open(&self, cell: Cell, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let opened = sealed
            .split_first_chunk()
            .and_then(|(nonce, rest)| self.sealing.open(Nonce::drawn(*nonce), &cell.place(), rest));
        let opened = opened.ok_or(Error::Altered { table: cell.table })?;
        self.count(0, opened.len());
        Ok(opened)
    }

    /// A tag of `parts`, apart from those of every other `purpose`.
    pub(super) fn tag(&self, purpose: &str, parts: &[&[u8]]) -> Tag {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.tagging.as_slice());
        let mut mac = hmac::Context::with_key(&key);
        for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
            // Length before each part, so that "ab", "c" and "a", "bc" differ.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let mut tag = Tag::default();
        tag.copy_from_slice(&mac.sign().as_ref()[..16]);
        tag
    }
}

impl Cell<'_> {
    /// Length before each part, so that no two cells have one place.
    fn place(&self) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn cipher(byte: u8) -> CellCipher {
        CellCipher::new(&DataKey::from_bytes(&[byte; 32]))
    }

    fn cell(row: &[u8]) -> Cell<'_> {
        Cell {
            table: "record",
            column: "sealed",
            row,
        }
    }

    #[test]
    fn a_value_opens_at_its_place_under_its_key_alone() {
        let sealed = cipher(1).seal(cell(b"7"), b"text").unwrap();
        assert_eq!(sealed.len(), 4 + SEALING_BYTES);
        assert_eq!(*cipher(1).open(cell(b"7"), &sealed).unwrap(), b"text");
        let column = Cell {
            column: "other",
            ..cell(b"7")
        };
        let table = Cell {
            table: "peer",
            ..cell(b"7")
        };
        for other in [cell(b"8"), cell(b""), column, table] {
            let refused = cipher(1).open(other, &sealed);
            assert!(matches!(refused, Err(Error::Altered { .. })));
        }
        assert!(cipher(2).open(cell(b"7"), &sealed).is_err());
        for i in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[i] ^= 1;
            assert!(cipher(1).open(cell(b"7"), &altered).is_err());
            assert!(cipher(1).open(cell(b"7"), &sealed[..i]).is_err());
        }
    }

    #[test]
    fn two_seals_of_one_text_differ_and_two_tags_do_not() {
        let cipher = cipher(1);
        let sealed = || cipher.seal(cell(b"7"), b"text").unwrap();
        assert_ne!(sealed(), sealed());
        assert_eq!(cipher.tag("peer", &[b"a"]), cipher.tag("peer", &[b"a"]));
        assert_ne!(cipher.tag("peer", &[b"a"]), cipher.tag("client", &[b"a"]));
        assert_ne!(
            cipher.tag("p", &[b"ab", b"c"]),
            cipher.tag("p", &[b"a", b"bc"])
        );
    }
}
