//! The messages of one session, as they pass between the state machine and the wire.
//!
//! A message is one enum variant; the fixed-size ones (Offer, Answer, Commitment, Agreement,
//! Release) stay in their canonical bytes, because those bytes are what gets hashed and signed.
//! `wire` turns this enum into protobuf and back and checks nothing but shape; what the bytes mean
//! is for the step that receives them. `docs/protocol.md` §3 lists every layout.

use element::KeyClass;

/// One message between two nodes.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// The initiator's terms, 512 bytes; the first message.
    Offer(Vec<u8>),
    /// The responder's terms, in the same layout.
    Answer(Vec<u8>),
    /// The keys and tables that a side is bound to, 232 bytes, with the wide class 368.
    Commitment(Vec<u8>),
    /// What a requester asks.
    Blinded(BlindedChunk),
    /// What a holder answers.
    Evaluated(EvaluatedChunk),
    /// A piece of a holder's sealed table.
    Table(TableChunk),
    /// Deadline and signature under the agreement's text, 72 bytes.
    Agreement(Vec<u8>),
    /// What opens the sender's tables, 96 bytes.
    Release(Vec<u8>),
    /// The sender has ended the session; nothing follows.
    Abort(AbortReason),
}

impl Message {
    /// What errors call the message.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Offer(_) => "an offer",
            Self::Answer(_) => "an answer",
            Self::Commitment(_) => "a commitment",
            Self::Blinded(_) => "a blinded chunk",
            Self::Evaluated(_) => "an evaluated chunk",
            Self::Table(_) => "a table chunk",
            Self::Agreement(_) => "an agreement",
            Self::Release(_) => "a release",
            Self::Abort(_) => "an abort",
        }
    }
}

/// Requester to holder: blinded elements, 32 bytes each, at most [`CHUNK_ELEMENTS_MAX`](crate::limits::CHUNK_ELEMENTS_MAX).
#[derive(Clone, PartialEq, Eq)]
pub struct BlindedChunk {
    /// The class of the leg.
    pub class: KeyClass,
    /// Counts the chunks of the leg from 0.
    pub index: u32,
    /// Encoded points, one after the other.
    pub elements: Vec<u8>,
}

/// Holder to requester: the evaluations of one blinded chunk, 32 bytes each, and their 64-byte proof.
#[derive(Clone, PartialEq, Eq)]
pub struct EvaluatedChunk {
    /// The class of the leg.
    pub class: KeyClass,
    /// Counts the chunks of the leg from 0.
    pub index: u32,
    /// Encoded points, one after the other, in the order of the blinded chunk.
    pub elements: Vec<u8>,
    /// One proof for the whole chunk.
    pub proof: Vec<u8>,
}

/// Holder to requester: one sealed chunk of the holder's table.
#[derive(Clone, PartialEq, Eq)]
pub struct TableChunk {
    /// The class of the leg.
    pub class: KeyClass,
    /// Counts the chunks of the leg from 0.
    pub index: u32,
    /// Ciphertext and the 16 bytes of its seal.
    pub sealed: Vec<u8>,
}

/// Why a side ended the session early; all that it tells the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortReason {
    /// The receiver of this broke the protocol, says its sender.
    Misbehaved,
    /// The receiver of this made no progress in time.
    Stalled,
    /// A person or a signal stopped the sender.
    Cancelled,
    /// The sender failed by itself: disk, memory.
    Failed,
    /// The sender takes part in no session now: it is busy, not ready, or its policy has none.
    NotNow,
}

impl std::fmt::Display for AbortReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Misbehaved => "it says that this side broke the protocol",
            Self::Stalled => "it says that this side made no progress",
            Self::Cancelled => "it was stopped there",
            Self::Failed => "it failed by itself",
            Self::NotNow => "it takes part in no session now",
        })
    }
}
