//! The transcript of one leg: hashes over all that was asked and answered, which both sides sign.
//!
//! Each side computes both legs' hashes from what it sent and received; a byte altered between them
//! makes the two agreements differ, and the signatures fail. `docs/protocol.md` §8.

use element::ByClass;
use ring::digest::{Context, SHA256};

/// Running hashes over a leg.
pub(crate) struct Transcript {
    blinded: Context,
    evaluated: Context,
}

/// SHA-256 over all blinded chunks of a class, and over all evaluations with their proofs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TranscriptDigests {
    /// Over what the requester sent.
    pub blinded: [u8; 32],
    /// Over what the holder answered.
    pub evaluated: [u8; 32],
}

/// The transcripts of both legs of a session, by the role of the requester.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transcripts {
    /// The leg in which the initiator asks.
    pub initiator_asks: ByClass<TranscriptDigests>,
    /// The leg in which the responder asks.
    pub responder_asks: ByClass<TranscriptDigests>,
}

impl Transcript {
    pub(crate) fn new() -> Self {
        Self {
            blinded: Context::new(&SHA256),
            evaluated: Context::new(&SHA256),
        }
    }

    /// Takes in the next blinded chunk.
    pub(crate) fn blinded(&mut self, index: u32, elements: &[u8]) {
        update(&mut self.blinded, index, &[elements]);
    }

    /// Takes in the answer to a blinded chunk.
    pub(crate) fn evaluated(&mut self, index: u32, elements: &[u8], proof: &[u8]) {
        update(&mut self.evaluated, index, &[elements, proof]);
    }

    pub(crate) fn digests(self) -> TranscriptDigests {
        TranscriptDigests {
            blinded: finish(self.blinded),
            evaluated: finish(self.evaluated),
        }
    }
}

fn update(hash: &mut Context, index: u32, parts: &[&[u8]]) {
    // > each chunk as u32(index) ‖ u32(number of the bytes that follow) ‖ bytes
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
