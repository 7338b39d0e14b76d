//! The requester's end of one leg and key class: asks for a padded list, checks and unblinds the
//! answers, takes in the sealed table. It can compare nothing until the table opens.

use super::message::{BlindedChunk, EvaluatedChunk, TableChunk};
use super::table::{SealedTable, above_ceiling, padded};
use super::{ByClass, class_byte};
use super::{CHUNK_ELEMENTS_MAX, Ceiling, Error, ListKind, PeerMisbehaved, Role, SessionId};
use element::{HashedIdentity, KeyClass};
use oprf::{self, HolderKey, InFlight, Proof, PublicKey, Tag};
use rand::seq::SliceRandom;
use rand_core::{CryptoRng, SeedableRng};
use ring::digest::{Context, SHA256};
use std::collections::VecDeque;

/// Which leg and class a chunk belongs to: goes into every proof over evaluations.
#[derive(Clone, Copy)]
pub struct Leg {
    pub session: SessionId,
    /// The role of the side that holds, and proves.
    pub holder: Role,
    pub class: KeyClass,
}

impl Leg {
    /// session id ‖ role ‖ class ‖ chunk index.
    pub(super) fn context(&self, chunk: u32) -> Vec<u8> {
        let mut context = self.session.0.to_vec();
        context.push(self.holder.byte());
        context.push(class_byte(self.class));
        context.extend_from_slice(&chunk.to_be_bytes());
        context
    }
}

/// The requested identities of one class, padded to the ceiling, in random order.
pub struct Request {
    inputs: Vec<HashedIdentity>,
    ceiling: Ceiling,
}

impl Request {
    /// Folds identities that coincide, pads and shuffles.
    ///
    /// # Errors
    /// [`Error::AboveCeiling`].
    pub fn new(
        class: KeyClass,
        requested: Vec<HashedIdentity>,
        ceiling: Ceiling,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Error> {
        let mut inputs = padded(requested, ceiling, rng)
            .map_err(|elements| above_ceiling(ListKind::Requested, class, elements, ceiling))?;
        inputs.shuffle(&mut rand::rngs::StdRng::from_rng(rng));
        Ok(Self { inputs, ceiling })
    }
}

/// A requester that still has elements to ask for, answers to check or a table to receive.
pub struct Requester {
    leg: Leg,
    holder: HolderKey,
    ceiling: Ceiling,
    /// Requested and padding identities in random order.
    inputs: Vec<HashedIdentity>,
    asked_chunks: usize,
    in_flight: VecDeque<InFlight>,
    received_chunks: usize,
    tags: Vec<Tag>,
    transcript: Transcript,
    table: Vec<u8>,
    table_hash: Context,
    table_digest: [u8; 32],
    table_ceiling: Ceiling,
}

/// A requester's end after the last answer and the whole table: nothing left to do but open it.
pub struct Asked {
    /// The tags of `inputs`, in their order.
    pub(super) inputs: Vec<HashedIdentity>,
    pub(super) tags: Vec<Tag>,
    pub(super) sealed: SealedTable,
    pub(super) table_ceiling: Ceiling,
    pub(super) transcript: TranscriptDigests,
}

/// What the requester was promised by the holder's commitment and the terms.
pub struct Promised {
    pub key: PublicKey,
    pub table_digest: [u8; 32],
    pub table_ceiling: Ceiling,
}

impl Requester {
    pub fn new(leg: Leg, request: Request, promised: Promised) -> Self {
        let ceiling = request.ceiling;
        Self {
            leg,
            holder: HolderKey::new(promised.key, ceiling.elements()),
            ceiling,
            inputs: request.inputs,
            asked_chunks: 0,
            in_flight: VecDeque::new(),
            received_chunks: 0,
            tags: Vec::with_capacity(ceiling.elements()),
            transcript: Transcript::new(),
            table: Vec::with_capacity(SealedTable::bytes_at(promised.table_ceiling)),
            table_hash: Context::new(&SHA256),
            table_digest: promised.table_digest,
            table_ceiling: promised.table_ceiling,
        }
    }

    /// Whether every chunk was asked.
    pub fn asked_all(&self) -> bool {
        self.asked_chunks == self.ceiling.chunks()
    }

    /// Whether every answer has come, checked or not.
    pub fn received_all(&self) -> bool {
        self.received_chunks == self.ceiling.chunks()
    }

    /// Whether every answer has been checked.
    pub fn answered_all(&self) -> bool {
        self.tags.len() == self.ceiling.elements()
    }

    /// Whether the whole table has come.
    pub fn table_complete(&self) -> bool {
        self.table.len() == SealedTable::bytes_at(self.table_ceiling)
    }

    /// Whether there is nothing left to ask, to check or to receive.
    pub fn complete(&self) -> bool {
        self.answered_all() && self.table_complete()
    }

    /// Chunks asked and not yet answered.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Elements answered and checked so far.
    pub fn answered(&self) -> usize {
        self.tags.len()
    }

    /// Blinds the next chunk, if there is one.
    pub fn ask(&mut self, rng: &mut impl CryptoRng) -> Option<BlindedChunk> {
        if self.asked_all() {
            return None;
        }
        let index = self.asked_chunks;
        let (kept, elements) = oprf::blind(self.chunk_inputs(index), rng);
        self.transcript.blinded(index as u32, &elements);
        self.in_flight.push_back(kept);
        self.asked_chunks += 1;
        Some(BlindedChunk {
            class: self.leg.class,
            index: index as u32,
            elements,
        })
    }

    /// Notes that an answer has come, before it is checked, so that a table cannot overtake it.
    ///
    /// # Errors
    /// [`PeerMisbehaved::ChunkOutOfOrder`]: nothing was asked that this could answer.
    pub fn note_received(&mut self) -> Result<(), PeerMisbehaved> {
        if self.received_chunks == self.asked_chunks {
            let (expected, found) = (self.asked_chunks as u32, self.received_chunks as u32);
            return Err(PeerMisbehaved::ChunkOutOfOrder {
                what: EVALUATIONS,
                expected,
                found,
            });
        }
        self.received_chunks += 1;
        Ok(())
    }

    /// Checks an answer and turns it into tags.
    ///
    /// # Errors
    /// [`PeerMisbehaved`]: out of order, of another size, or not proven.
    pub fn unblind(&mut self, chunk: EvaluatedChunk) -> Result<(), PeerMisbehaved> {
        let index = self.tags.len() / CHUNK_ELEMENTS_MAX;
        if chunk.index as usize != index {
            return Err(PeerMisbehaved::ChunkOutOfOrder {
                what: EVALUATIONS,
                expected: index as u32,
                found: chunk.index,
            });
        }
        let kept = self
            .in_flight
            .pop_front()
            .ok_or(PeerMisbehaved::ChunkOutOfOrder {
                what: EVALUATIONS,
                expected: self.asked_chunks as u32,
                found: chunk.index,
            })?;
        let fault = |fault| PeerMisbehaved::Elements {
            what: EVALUATIONS,
            chunk: chunk.index,
            fault,
        };
        let proof_bytes =
            chunk
                .proof
                .as_slice()
                .try_into()
                .map_err(|_| PeerMisbehaved::Malformed {
                    message: EVALUATIONS,
                })?;
        let proof = Proof::decode(proof_bytes).map_err(fault)?;
        let context = self.leg.context(chunk.index);
        let inputs = self.chunk_inputs(index);
        let tags = kept
            .unblind(inputs, &self.holder, &context, &chunk.elements, &proof)
            .map_err(fault)?;
        self.tags.extend(tags);
        self.transcript
            .evaluated(chunk.index, &chunk.elements, &chunk.proof);
        Ok(())
    }

    /// Takes in the next chunk of the holder's table.
    ///
    /// # Errors
    /// [`PeerMisbehaved`]: out of order, of another size; at the last chunk: not the table committed to.
    pub fn take_table(&mut self, chunk: TableChunk) -> Result<(), PeerMisbehaved> {
        let chunk_bytes = |index| SealedTable::chunk_bytes_at(self.table_ceiling, index);
        let index = self.table.len() / chunk_bytes(0).max(1);
        if self.table_complete() || chunk.index as usize != index {
            return Err(PeerMisbehaved::ChunkOutOfOrder {
                what: TABLE,
                expected: index as u32,
                found: chunk.index,
            });
        }
        if chunk.sealed.len() != chunk_bytes(index) {
            return Err(PeerMisbehaved::TableLength {
                found: (self.table.len() + chunk.sealed.len()) as u64,
                expected: SealedTable::bytes_at(self.table_ceiling) as u64,
            });
        }
        self.table.extend_from_slice(&chunk.sealed);
        self.table_hash.update(&chunk.sealed);
        if self.table_complete() && finish(self.table_hash.clone()) != self.table_digest {
            return Err(PeerMisbehaved::TableDigestDiffers);
        }
        Ok(())
    }

    /// Gives up what is needed to open the table. `None` while [`complete`](Self::complete) is false.
    pub fn finish(self) -> Option<Asked> {
        self.complete().then(|| Asked {
            inputs: self.inputs,
            tags: self.tags,
            sealed: SealedTable(self.table),
            table_ceiling: self.table_ceiling,
            transcript: self.transcript.digests(),
        })
    }

    fn chunk_inputs(&self, index: usize) -> &[HashedIdentity] {
        let start = index * CHUNK_ELEMENTS_MAX;
        &self.inputs[start..start + self.ceiling.chunk_elements(index)]
    }
}

/// Running hashes over a leg: each chunk as index ‖ length ‖ raw bytes.
pub(super) struct Transcript {
    blinded: Context,
    evaluated: Context,
}

/// SHA-256 over all blinded chunks, and over all evaluations with their proofs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TranscriptDigests {
    pub blinded: [u8; 32],
    pub evaluated: [u8; 32],
}

/// The transcripts of both legs of a session, by the role of the requester.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transcripts {
    pub initiator_asks: ByClass<TranscriptDigests>,
    pub responder_asks: ByClass<TranscriptDigests>,
}

impl Transcript {
    pub(super) fn new() -> Self {
        Self {
            blinded: Context::new(&SHA256),
            evaluated: Context::new(&SHA256),
        }
    }

    pub(super) fn blinded(&mut self, index: u32, elements: &[u8]) {
        update(&mut self.blinded, index, &[elements]);
    }

    pub(super) fn evaluated(&mut self, index: u32, elements: &[u8], proof: &[u8]) {
        update(&mut self.evaluated, index, &[elements, proof]);
    }

    pub(super) fn digests(self) -> TranscriptDigests {
        TranscriptDigests {
            blinded: finish(self.blinded),
            evaluated: finish(self.evaluated),
        }
    }
}

pub(super) const EVALUATIONS: &str = "the evaluated elements";
pub(super) const BLINDED: &str = "the blinded elements";
const TABLE: &str = "the sealed table";

fn update(hash: &mut Context, index: u32, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    hash.update(&index.to_be_bytes());
    hash.update(&(length as u32).to_be_bytes());
    for part in parts {
        hash.update(part);
    }
}

fn finish(hash: Context) -> [u8; 32] {
    let mut out = [0u8; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}
