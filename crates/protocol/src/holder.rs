//! The holder's end of one leg and key class: evaluates exactly as many elements as agreed, then
//! sends its sealed table.

use oprf::{self, SecretKey};
use rand_core::CryptoRng;

use crate::ceiling::Ceiling;
use crate::error::PeerMisbehaved;
use crate::leg::{BLINDED, Leg};
use crate::message::{BlindedChunk, EvaluatedChunk, TableChunk};
use crate::table::{PreparedClass, SealedTable};
use crate::transcript::{Transcript, TranscriptDigests};

/// A holder that still has elements to evaluate or table chunks to send.
pub struct Holder {
    leg: Leg,
    key: SecretKey,
    sealed: SealedTable,
    /// Elements that the peer asks for: neither more nor fewer.
    requests: Ceiling,
    evaluated_chunks: usize,
    sent_table_chunks: usize,
    table_chunks: usize,
    transcript: Transcript,
}

impl Holder {
    pub(crate) fn new(leg: Leg, prepared: PreparedClass, requests: Ceiling) -> Self {
        Self {
            leg,
            key: prepared.key,
            sealed: prepared.sealed,
            requests,
            evaluated_chunks: 0,
            sent_table_chunks: 0,
            table_chunks: prepared.ceiling.chunks(),
            transcript: Transcript::new(),
        }
    }

    /// Evaluates the peer's next chunk.
    ///
    /// # Errors
    /// [`PeerMisbehaved`]: out of order, more or fewer elements than agreed, a bad encoding.
    pub fn evaluate(
        &mut self,
        chunk: BlindedChunk,
        rng: &mut impl CryptoRng,
    ) -> Result<EvaluatedChunk, PeerMisbehaved> {
        let index = self.evaluated_chunks;
        if self.evaluated_all() || chunk.index as usize != index {
            return Err(PeerMisbehaved::ChunkOutOfOrder {
                what: BLINDED,
                expected: index as u32,
                found: chunk.index,
            });
        }
        let fault = |fault: oprf::Error| PeerMisbehaved::Elements {
            what: BLINDED,
            chunk: chunk.index,
            fault,
        };
        let context = self.leg.context(chunk.index);
        let count = self.requests.chunk_elements(index);
        let (elements, proof) = self
            .key
            .evaluate(&context, &chunk.elements, count, rng)
            .map_err(fault)?;
        let proof = proof.encode().to_vec();
        self.transcript.blinded(chunk.index, &chunk.elements);
        self.transcript.evaluated(chunk.index, &elements, &proof);
        self.evaluated_chunks += 1;
        Ok(EvaluatedChunk {
            class: chunk.class,
            index: chunk.index,
            elements,
            proof,
        })
    }

    /// Whether the peer has asked all that it may ask.
    pub fn evaluated_all(&self) -> bool {
        self.evaluated_chunks == self.requests.chunks()
    }

    /// Elements evaluated so far.
    pub fn evaluated(&self) -> usize {
        (0..self.evaluated_chunks)
            .map(|index| self.requests.chunk_elements(index))
            .sum()
    }

    /// The next chunk of the sealed table. Call it only when the peer's last blinded chunk of every class has arrived.
    pub(crate) fn next_table_chunk(&mut self) -> Option<TableChunk> {
        let sealed = self.sealed.chunk(self.sent_table_chunks)?.to_vec();
        let index = self.sent_table_chunks as u32;
        self.sent_table_chunks += 1;
        Some(TableChunk {
            class: self.leg.class,
            index,
            sealed,
        })
    }

    /// Whether everything was evaluated and the whole table was handed out.
    pub fn complete(&self) -> bool {
        self.evaluated_all() && self.sent_table_chunks == self.table_chunks
    }

    /// Wipes the key and gives the transcript: nothing is evaluated after this.
    pub fn finish(self) -> TranscriptDigests {
        self.transcript.digests()
    }
}
