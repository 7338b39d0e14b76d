//! The requester's end of one leg and key class: sends a set of questions, checks and unblinds the
//! answers, takes in the sealed table. It can compare nothing until the table opens.

use std::ops::Range;

use element::HashedIdentity;
use oprf::{Evaluated, HolderKey, Proof, PublicKey, Tag};
use ring::digest::{Context, SHA256};

use crate::ceiling::Ceiling;
use crate::error::PeerMisbehaved;
use crate::leg::{EVALUATIONS, Leg};
use crate::limits::CHUNK_ELEMENTS_MAX;
use crate::message::{BlindedChunk, EvaluatedChunk, TableChunk};
use crate::questions::Questions;
use crate::table::SealedTable;
use crate::transcript::{Transcript, TranscriptDigests};

/// A requester that still has elements to ask for, answers to check or a table to receive.
pub struct Requester {
    leg: Leg,
    holder: HolderKey,
    questions: Questions,
    asked_chunks: usize,
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
    pub(crate) inputs: Vec<HashedIdentity>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) sealed: SealedTable,
    pub(crate) table_ceiling: Ceiling,
    pub(crate) transcript: TranscriptDigests,
}

/// What the requester was promised by the holder's commitment and the terms.
pub struct Promised {
    /// k·G, proven.
    pub key: PublicKey,
    /// SHA-256 of the sealed table that must come.
    pub table_digest: [u8; 32],
    /// That of the holder's list.
    pub table_ceiling: Ceiling,
}

impl Requester {
    pub(crate) fn new(leg: Leg, questions: Questions, promised: Promised) -> Self {
        let ceiling = questions.ceiling;
        Self {
            leg,
            holder: HolderKey::new(promised.key, ceiling.elements()),
            questions,
            asked_chunks: 0,
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
        self.asked_chunks == self.questions.ceiling.chunks()
    }

    /// Whether every answer has come, checked or not.
    pub fn received_all(&self) -> bool {
        self.received_chunks == self.questions.ceiling.chunks()
    }

    /// Whether every answer has been checked.
    pub fn answered_all(&self) -> bool {
        self.tags.len() == self.questions.ceiling.elements()
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
        self.asked_chunks - self.answered_chunks()
    }

    /// Elements answered and checked so far.
    pub fn answered(&self) -> usize {
        self.tags.len()
    }

    /// The next chunk to send, if there is one.
    pub fn ask(&mut self) -> Option<BlindedChunk> {
        if self.asked_all() {
            return None;
        }
        let index = self.asked_chunks;
        let elements = self.questions.blinded.sent(self.chunk(index)).to_vec();
        self.transcript.blinded(index as u32, &elements);
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
        let index = self.answered_chunks();
        if chunk.index as usize != index || index == self.asked_chunks {
            return Err(PeerMisbehaved::ChunkOutOfOrder {
                what: EVALUATIONS,
                expected: index as u32,
                found: chunk.index,
            });
        }
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
        let range = self.chunk(index);
        let evaluated = Evaluated {
            context: &context,
            elements: &chunk.elements,
            proof: &proof,
        };
        let inputs = &self.questions.inputs[range.clone()];
        let tags = self
            .questions
            .blinded
            .unblind(range, inputs, &self.holder, &evaluated)
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
        if self.table_complete()
            && self.table_hash.clone().finish().as_ref() != self.table_digest.as_slice()
        {
            return Err(PeerMisbehaved::TableDigestDiffers);
        }
        Ok(())
    }

    /// Gives up what is needed to open the table. `None` while [`complete`](Self::complete) is false.
    pub fn finish(self) -> Option<Asked> {
        self.complete().then(|| Asked {
            inputs: self.questions.inputs,
            tags: self.tags,
            sealed: SealedTable(self.table),
            table_ceiling: self.table_ceiling,
            transcript: self.transcript.digests(),
        })
    }

    /// Chunks answered and checked: every chunk but the last is full.
    fn answered_chunks(&self) -> usize {
        self.tags.len().div_ceil(CHUNK_ELEMENTS_MAX)
    }

    /// The entries of a chunk.
    fn chunk(&self, index: usize) -> Range<usize> {
        let start = index * CHUNK_ELEMENTS_MAX;
        start..start + self.questions.ceiling.chunk_elements(index)
    }
}

const TABLE: &str = "the sealed table";
