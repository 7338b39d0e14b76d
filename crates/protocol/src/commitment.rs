//! Commitment: the keys and tables that a side is bound to before it sees one blinded element.
//!
//! Layout: s·G (32 bytes), proof of s (64), then for each key class k·G (32), proof of k (64),
//! SHA-256 of the sealed table (32) and its length (8). `docs/protocol.md` §5.3.

use element::{ByClass, KeyClass, class_byte};
use oprf::{Proof, PublicKey, proof};
use pairing::NodeId;
use rand_core::CryptoRng;
use sealing::Reader;

use crate::ceiling::Ceiling;
use crate::error::PeerMisbehaved;
use crate::role::Role;
use crate::session_id::SessionId;
use crate::table::{PreparedTable, SealedTable};

/// What one side commits to.
#[derive(Clone, PartialEq, Eq)]
pub struct Commitment {
    /// s·G: what the release secret must open.
    pub release: PublicKey,
    /// That s is known.
    pub release_proof: Proof,
    /// What it will answer with.
    pub classes: ByClass<ClassCommitment>,
}

/// What one side commits to for one key class.
#[derive(Clone, PartialEq, Eq)]
pub struct ClassCommitment {
    /// k·G: what every evaluation is proven under.
    pub key: PublicKey,
    /// That k is known.
    pub key_proof: Proof,
    /// SHA-256 of the sealed table.
    pub table_digest: [u8; 32],
    /// Its length, which the ceiling fixes.
    pub table_bytes: u64,
}

/// Who commits to what in which session: all that the proofs are bound to.
#[derive(Clone, Copy)]
pub struct Committer<'a> {
    /// A commitment is good for no other.
    pub session: &'a SessionId,
    /// The committing side's.
    pub role: Role,
    /// Who commits.
    pub own: &'a NodeId,
    /// To whom.
    pub peer: &'a NodeId,
    /// M, or zeros without a mediator.
    pub mediator: &'a [u8; 32],
}

impl Commitment {
    /// Commits to a prepared table.
    pub fn to(table: &PreparedTable, committer: Committer, rng: &mut impl CryptoRng) -> Self {
        let release = table.release.public();
        let keys = table.classes.as_ref().map(|_, class| class.key.public());
        let contexts = Contexts::new(committer, &release, &keys);
        Self {
            release_proof: proof::prove_knowledge(
                &contexts.of_release(),
                table.release.scalar(),
                rng,
            ),
            classes: table
                .classes
                .as_ref()
                .zip(keys)
                .map(|class, (prepared, key)| ClassCommitment {
                    key,
                    key_proof: prepared.key.prove_knowledge(&contexts.of_key(class), rng),
                    table_digest: prepared.sealed.digest(),
                    table_bytes: prepared.sealed.0.len() as u64,
                }),
            release,
        }
    }

    /// The layout above, [`bytes`](Self::bytes) long.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::bytes(self.classes.wide.is_some()));
        out.extend_from_slice(self.release.encoded());
        out.extend_from_slice(&self.release_proof.encode());
        for (_, class) in self.classes.iter() {
            out.extend_from_slice(class.key.encoded());
            out.extend_from_slice(&class.key_proof.encode());
            out.extend_from_slice(&class.table_digest);
            out.extend_from_slice(&class.table_bytes.to_be_bytes());
        }
        out
    }

    /// Bytes of a commitment with or without the wide class.
    pub fn bytes(wide: bool) -> usize {
        let class = 32 + Proof::BYTES + 32 + 8;
        32 + Proof::BYTES + class * (1 + usize::from(wide))
    }

    /// Reads the layout; every key is a canonical group element and not the identity. `None` otherwise.
    pub fn decode(bytes: &[u8], wide: bool) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let release = PublicKey::decode(&reader.array()?).ok()?;
        let release_proof = Proof::decode(&reader.array()?).ok()?;
        let mut class = || {
            Some(ClassCommitment {
                key: PublicKey::decode(&reader.array()?).ok()?,
                key_proof: Proof::decode(&reader.array()?).ok()?,
                table_digest: reader.array()?,
                table_bytes: reader.u64()?,
            })
        };
        let narrow = class()?;
        let wide = if wide { Some(class()?) } else { None };
        reader.at_end()?;
        Some(Self {
            release,
            release_proof,
            classes: ByClass { narrow, wide },
        })
    }

    /// Checks every proof of this commitment, made by `committer`.
    ///
    /// # Errors
    /// [`PeerMisbehaved::CommitmentNotProven`].
    pub fn verify(&self, committer: Committer) -> Result<(), PeerMisbehaved> {
        let keys = self.classes.as_ref().map(|_, class| class.key);
        let contexts = Contexts::new(committer, &self.release, &keys);
        let not_proven = |_| PeerMisbehaved::CommitmentNotProven;
        self.release
            .verify_knowledge(&contexts.of_release(), &self.release_proof)
            .map_err(not_proven)?;
        for (class, committed) in self.classes.iter() {
            committed
                .key
                .verify_knowledge(&contexts.of_key(class), &committed.key_proof)
                .map_err(not_proven)?;
        }
        Ok(())
    }

    /// Checks that the tables have the lengths of the agreed ceilings and that no key is one of `own`.
    ///
    /// # Errors
    /// [`PeerMisbehaved::TableLength`], [`PeerMisbehaved::KeyRepeated`].
    pub fn fits(&self, ceilings: ByClass<Ceiling>, own: &Self) -> Result<(), PeerMisbehaved> {
        for (_, (class, ceiling)) in self.classes.as_ref().zip(ceilings).iter() {
            let expected = SealedTable::bytes_at(*ceiling) as u64;
            if class.table_bytes != expected {
                return Err(PeerMisbehaved::TableLength {
                    found: class.table_bytes,
                    expected,
                });
            }
        }
        let own: Vec<_> = own.keys().collect();
        if self.keys().any(|key| own.contains(&key)) {
            Err(PeerMisbehaved::KeyRepeated)
        } else {
            Ok(())
        }
    }

    /// s·G and every k·G.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8; 32]> {
        std::iter::once(self.release.encoded())
            .chain(self.classes.iter().map(|(_, class)| class.key.encoded()))
    }
}

/// The contexts of a commitment's proofs: label ‖ session id ‖ role ‖ own id ‖ peer's id ‖ M ‖ s·G ‖ k·G… ‖ which.
struct Contexts(Vec<u8>);

impl Contexts {
    fn new(committer: Committer, release: &PublicKey, keys: &ByClass<PublicKey>) -> Self {
        let mut common = b"tacit/v1/commitment".to_vec();
        common.extend_from_slice(&committer.session.0);
        common.push(committer.role.byte());
        common.extend_from_slice(committer.own.as_bytes());
        common.extend_from_slice(committer.peer.as_bytes());
        common.extend_from_slice(committer.mediator);
        common.extend_from_slice(release.encoded());
        for (_, key) in keys.iter() {
            common.extend_from_slice(key.encoded());
        }
        Self(common)
    }

    fn of_release(&self) -> Vec<u8> {
        self.with(0)
    }

    fn of_key(&self, class: KeyClass) -> Vec<u8> {
        self.with(class_byte(class))
    }

    fn with(&self, which: u8) -> Vec<u8> {
        let mut context = self.0.clone();
        context.push(which);
        context
    }
}
