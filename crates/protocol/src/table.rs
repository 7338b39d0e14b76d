//! The holder's table: one tag for each held identity and for padding, sorted, sealed until release.
//!
//! A table is prepared before any session, always at the cost of its whole ceiling, and serves one
//! session only: preparing gives a [`PreparedTable`], which a session consumes. `docs/protocol.md` §6.

use crate::ceiling::Ceiling;
use crate::digest::sha256;
use crate::error::{Error, PeerMisbehaved};
use crate::limits::CHUNK_ELEMENTS_MAX;
use crate::mediator::Mediator;
use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use element::{ByClass, HashedIdentity, KeyClass, ListKind, class_byte};
use oprf::{PublicKey, SecretKey, Tag, random_scalar};
use rand_core::CryptoRng;
use rayon::prelude::*;
use sealing::{Nonce, SealingKey, TAG_BYTES, derive};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The release secret s: whoever has s·M opens the table.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ReleaseSecret(Scalar);

impl ReleaseSecret {
    pub(crate) fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(random_scalar(rng))
    }

    /// s·G.
    pub fn public(&self) -> PublicKey {
        PublicKey::of_scalar(&self.0)
    }

    pub(crate) fn scalar(&self) -> &Scalar {
        &self.0
    }

    /// Takes up a secret that was kept; `None` when the bytes are not a reduced scalar, or zero.
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let scalar = Option::from(Scalar::from_canonical_bytes(*bytes))?;
        (scalar != Scalar::ZERO).then_some(Self(scalar))
    }

    /// s·M, which opens the table: a secret until release.
    pub(crate) fn escrowed(&self, mediator: &Mediator) -> Zeroizing<RistrettoPoint> {
        Zeroizing::new(self.0 * mediator.point())
    }
}

/// A side's tables for one session, with the secrets that belong to them.
pub struct PreparedTable {
    pub(crate) release: ReleaseSecret,
    pub(crate) classes: ByClass<PreparedClass>,
    pub(crate) mediator: Mediator,
}

/// One class of a prepared table.
pub(crate) struct PreparedClass {
    pub(crate) key: SecretKey,
    pub(crate) sealed: SealedTable,
    pub(crate) ceiling: Ceiling,
}

/// A sealed table: chunks of ciphertext and seal, one after the other.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedTable(pub(crate) Vec<u8>);

/// Tags of a whole table in ascending order.
pub struct OpenTable(Vec<Tag>);

impl PreparedTable {
    /// Computes and seals the tags of `held`, padded to the ceilings, under the point of `mediator`.
    ///
    /// Identities that coincide are folded into one. `on_progress` is called with the number of
    /// elements done since the last call; their sum is the sum of the ceilings.
    ///
    /// # Errors
    /// [`Error::AboveCeiling`] when a class has more identities than its ceiling.
    pub fn prepare(
        held: ByClass<Vec<HashedIdentity>>,
        ceilings: ByClass<Ceiling>,
        mediator: Mediator,
        rng: &mut impl CryptoRng,
        mut on_progress: impl FnMut(usize),
    ) -> Result<Self, Error> {
        let release = ReleaseSecret::generate(rng);
        let lists = held.zip(ceilings).try_map(|class, (held, ceiling)| {
            let list = padded(held, ceiling, rng);
            list.map_err(|elements| above_ceiling(ListKind::Held, class, elements, ceiling))
                .map(|list| (list, ceiling))
        })?;
        let escrowed = release.escrowed(&mediator);
        let classes = lists.map(|class, (list, ceiling)| {
            let key = SecretKey::generate(rng);
            let mut tags = Zeroizing::new(Vec::with_capacity(list.len()));
            for chunk in list.chunks(CHUNK_ELEMENTS_MAX) {
                tags.extend_from_slice(&Zeroizing::new(key.tags(chunk)));
                on_progress(chunk.len());
            }
            tags.par_sort_unstable();
            let table_key = TableKey::derive(&escrowed, &release.public(), &mediator, class);
            PreparedClass {
                key,
                sealed: table_key.seal(&tags),
                ceiling,
            }
        });
        Ok(Self {
            release,
            classes,
            mediator,
        })
    }
}

impl SealedTable {
    /// Bytes of a sealed table of the given ceiling.
    pub fn bytes_at(ceiling: Ceiling) -> usize {
        ceiling.elements() * Tag::BYTES + ceiling.chunks() * TAG_BYTES
    }

    /// SHA-256 of all chunks: what its holder commits to.
    pub fn digest(&self) -> [u8; 32] {
        sha256(&self.0)
    }

    /// The sealed chunk of an index below the ceiling's number of chunks.
    pub fn chunk(&self, index: usize) -> Option<&[u8]> {
        self.0.chunks(SEALED_CHUNK_BYTES).nth(index)
    }

    /// Bytes of the sealed chunk of an index.
    pub fn chunk_bytes_at(ceiling: Ceiling, index: usize) -> usize {
        Self::bytes_at(ceiling)
            .saturating_sub(index * SEALED_CHUNK_BYTES)
            .min(SEALED_CHUNK_BYTES)
    }
}

impl OpenTable {
    /// Whether each of `tags` is in the table, in their order.
    pub fn look_up(&self, tags: &[Tag]) -> Vec<bool> {
        tags.par_iter()
            .map(|tag| self.0.binary_search(tag).is_ok())
            .collect()
    }
}

/// The key of one sealed table.
pub(crate) struct TableKey(SealingKey);

impl TableKey {
    /// K = HKDF-SHA256(no salt, s·M, info = label ‖ s·G ‖ M ‖ class).
    ///
    /// Source: RFC 5869.
    pub(crate) fn derive(
        escrowed: &RistrettoPoint,
        release: &PublicKey,
        mediator: &Mediator,
        class: KeyClass,
    ) -> Self {
        let secret = Zeroizing::new(escrowed.compress().to_bytes());
        let info: [&[u8]; 4] = [
            b"tacit/v1/table",
            release.encoded(),
            mediator.encoded(),
            &[class_byte(class)],
        ];
        Self(SealingKey::new(derive(secret.as_ref(), &[], &info)))
    }

    /// Seals sorted tags in chunks, the chunk's index as nonce: the key seals one table only.
    ///
    /// Source: RFC 8439.
    pub(crate) fn seal(&self, tags: &[Tag]) -> SealedTable {
        let chunks = tags.len().div_ceil(CHUNK_ELEMENTS_MAX);
        let mut sealed = Vec::with_capacity(tags.len() * Tag::BYTES + chunks * TAG_BYTES);
        for (index, tags) in tags.chunks(CHUNK_ELEMENTS_MAX).enumerate() {
            let start = sealed.len();
            sealed.extend(tags.iter().flat_map(|tag| tag.0));
            let tag = self
                .0
                .seal_in_place(nonce(index), &place(chunks), &mut sealed[start..]);
            sealed.extend_from_slice(&tag);
        }
        SealedTable(sealed)
    }

    /// Opens a table of the agreed length.
    ///
    /// # Errors
    /// [`PeerMisbehaved::TableDoesNotOpen`], [`PeerMisbehaved::TableNotSorted`]: the holder cheats.
    pub(crate) fn open(
        &self,
        sealed: &SealedTable,
        ceiling: Ceiling,
    ) -> Result<OpenTable, PeerMisbehaved> {
        let mut tags = Vec::with_capacity(ceiling.elements());
        for (index, chunk) in sealed.0.chunks(SEALED_CHUNK_BYTES).enumerate() {
            let mut chunk = chunk.to_vec();
            let opened = self
                .0
                .open_in_place(nonce(index), &place(ceiling.chunks()), &mut chunk)
                .ok_or(PeerMisbehaved::TableDoesNotOpen)?;
            tags.extend(
                opened
                    .as_chunks::<{ Tag::BYTES }>()
                    .0
                    .iter()
                    .map(|bytes| Tag(*bytes)),
            );
        }
        if tags.len() != ceiling.elements() {
            return Err(PeerMisbehaved::TableDoesNotOpen);
        }
        if !tags.is_sorted_by(|a, b| a < b) {
            return Err(PeerMisbehaved::TableNotSorted);
        }
        Ok(OpenTable(tags))
    }
}

const SEALED_CHUNK_BYTES: usize = CHUNK_ELEMENTS_MAX * Tag::BYTES + TAG_BYTES;

/// Folds identities that coincide and fills up to the ceiling with random ones, which nobody holds or asks
/// for. Gives back the number of identities when they are too many.
pub(crate) fn padded(
    mut list: Vec<HashedIdentity>,
    ceiling: Ceiling,
    rng: &mut impl CryptoRng,
) -> Result<Vec<HashedIdentity>, usize> {
    list.sort_unstable();
    list.dedup();
    if list.len() > ceiling.elements() {
        return Err(list.len());
    }
    list.reserve_exact(ceiling.elements() - list.len());
    let mut random = [0u8; 32 * 256];
    while list.len() < ceiling.elements() {
        let missing = (ceiling.elements() - list.len()).min(256);
        rng.fill_bytes(&mut random[..32 * missing]);
        list.extend(
            random.as_chunks::<32>().0[..missing]
                .iter()
                .map(|bytes| HashedIdentity::from_bytes(*bytes)),
        );
    }
    Ok(list)
}

pub(crate) fn above_ceiling(
    list: ListKind,
    class: KeyClass,
    elements: usize,
    ceiling: Ceiling,
) -> Error {
    Error::AboveCeiling {
        list,
        class,
        elements,
        ceiling: ceiling.elements(),
    }
}

/// Chunks of a table are far fewer than 2³².
fn nonce(index: usize) -> Nonce {
    Nonce::of_piece(index as u32)
}

/// The number of chunks, so that a table cut at a chunk's end does not open.
fn place(chunks: usize) -> [u8; 4] {
    (chunks as u32).to_be_bytes()
}
