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
    Offer(Vec<u8>),
    Answer(Vec<u8>),
    Commitment(Vec<u8>),
    Blinded(BlindedChunk),
    Evaluated(EvaluatedChunk),
    Table(TableChunk),
    Agreement(Vec<u8>),
    Release(Vec<u8>),
    Abort(AbortReason),
}

/// Requester to holder: blinded elements, 32 bytes each, at most [`CHUNK_ELEMENTS_MAX`](super::CHUNK_ELEMENTS_MAX).
#[derive(Clone, PartialEq, Eq)]
pub struct BlindedChunk {
    pub class: KeyClass,
    pub index: u32,
    pub elements: Vec<u8>,
}

/// Holder to requester: the evaluations of one blinded chunk, 32 bytes each, and their 64-byte proof.
#[derive(Clone, PartialEq, Eq)]
pub struct EvaluatedChunk {
    pub class: KeyClass,
    pub index: u32,
    pub elements: Vec<u8>,
    pub proof: Vec<u8>,
}

/// Holder to requester: one sealed chunk of the holder's table.
#[derive(Clone, PartialEq, Eq)]
pub struct TableChunk {
    pub class: KeyClass,
    pub index: u32,
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
