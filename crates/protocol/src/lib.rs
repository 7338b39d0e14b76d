//! The protocol of one session, sans-IO: from the offer to both sides' answers.
//!
//! It is handed hashed identities, the node's key, randomness, the mediator's time and the peer's
//! messages; it gives back messages to send, state to keep and, at the end, which of the requested
//! identities the peer holds. It touches no socket, file, clock or runtime, so a whole session runs
//! inside one unit test. `docs/protocol.md` §5–§9 is its specification.
//!
//! - [`offer`]: what the two must agree on, and the session id;
//! - [`table`]: the holder's answers for its whole held list, sealed until release;
//! - [`commitment`]: what each side is bound to before anything is asked;
//! - [`requester`], [`holder`]: the two ends of one leg, for one key class;
//! - [`agreement`]: what both sign, and the check that nodes and the mediator share;
//! - [`signed`]: what a side keeps when it signs;
//! - [`release`]: opening the tables;
//! - [`settling`], [`verdict`], [`descriptor`]: the mediator's part when a release does not come;
//! - [`session`]: the state machine that ties them together;
//! - [`keeping`]: the layouts of what outlives the process that made it.

pub mod agreement;
pub mod commitment;
pub mod descriptor;
pub mod holder;
pub mod keeping;
pub mod message;
pub mod offer;
pub mod release;
pub mod requester;
pub mod session;
pub mod settling;
pub mod signed;
pub mod table;
pub mod verdict;

pub use agreement::AgreementFault;
pub use message::{AbortReason, Message};
pub use offer::{Difference, Terms};
pub use session::{Outcome, Session, Step};
pub use signed::SignedState;
pub use table::PreparedTable;

pub use element::{ByClass, HashedIdentity, KeyClass, ListKind, class_byte};

/// Elements in one chunk of blinded or evaluated elements, and tags in one sealed table chunk.
pub const CHUNK_ELEMENTS_MAX: usize = 4096;

/// Blinded chunks of one leg that may be unanswered at once.
pub const CHUNKS_IN_FLIGHT_MAX: usize = 4;

/// Elements that a ceiling can be at most.
pub const CEILING_MAX: u32 = 1 << 22;

/// SHA-256 over label, ids, mediator and both offers: names the session in every hash, proof and signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionId(pub [u8; 32]);

/// Which side of the session a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Initiator,
    Responder,
}

impl Role {
    pub fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }

    /// The byte that stands for the role in every hash.
    pub fn byte(self) -> u8 {
        match self {
            Self::Initiator => 1,
            Self::Responder => 2,
        }
    }
}

/// The padded, agreed size of a list in elements, 1 to [`CEILING_MAX`]: all that the other side sees of a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ceiling(u32);

impl Ceiling {
    /// 65,536 elements: some 21,000 people in the narrow class.
    pub const DEFAULT: Self = Self(1 << 16);

    pub fn new(elements: u32) -> Option<Self> {
        (1..=CEILING_MAX)
            .contains(&elements)
            .then_some(Self(elements))
    }

    pub fn elements(self) -> usize {
        self.0 as usize
    }

    /// Chunks that this many elements come in.
    pub fn chunks(self) -> usize {
        self.elements().div_ceil(CHUNK_ELEMENTS_MAX)
    }

    /// Elements in the chunk of the given index.
    fn chunk_elements(self, index: usize) -> usize {
        self.elements()
            .saturating_sub(index * CHUNK_ELEMENTS_MAX)
            .min(CHUNK_ELEMENTS_MAX)
    }
}

/// Why a session ended without answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The two sides are set up differently; nothing was asked.
    #[error("the two sides differ: {0}")]
    TermsDiffer(#[from] Difference),
    /// The peer broke the protocol: the session is over, and nothing was learnt from it.
    #[error("the peer misbehaved: {0}")]
    PeerMisbehaved(#[from] PeerMisbehaved),
    /// The peer ended the session and said why.
    #[error("the peer ended the session: {0}")]
    PeerAborted(AbortReason),
    /// This side's list does not fit the ceiling; nothing was sent.
    #[error("the {list} list needs {elements} elements, the ceiling is {ceiling}")]
    AboveCeiling {
        list: ListKind,
        class: KeyClass,
        elements: usize,
        ceiling: usize,
    },
    /// Too little of the settling window is left to sign or release safely.
    #[error("only {left_s} s of the settling window are left, {needed_s} s are needed")]
    TooLate { left_s: u64, needed_s: u64 },
    /// The table was prepared for another mediator, other ceilings or other key classes than the terms name.
    #[error("the prepared table does not fit the terms")]
    TableDoesNotFit,
    /// The terms cannot be put into an offer.
    #[error("the terms cannot be used: {what}")]
    TermsUnusable { what: &'static str },
    /// A node has no session with itself.
    #[error("the peer is this node itself")]
    OwnPeer,
    /// The session ended before, or a step was called that its state does not have.
    #[error("the session is over")]
    Over,
}

impl Error {
    /// What the peer is told, if anything.
    pub fn abort_reason(&self) -> Option<AbortReason> {
        match self {
            Self::PeerMisbehaved(_) => Some(AbortReason::Misbehaved),
            Self::AboveCeiling { .. }
            | Self::TooLate { .. }
            | Self::TableDoesNotFit
            | Self::TermsUnusable { .. }
            | Self::OwnPeer => Some(AbortReason::Failed),
            // Where terms differ, the peer has both offers and finds the same.
            Self::TermsDiffer(_) | Self::PeerAborted(_) | Self::Over => None,
        }
    }
}

/// What the peer did that the protocol forbids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerMisbehaved {
    #[error("{found} came where {expected} was due")]
    OutOfOrder {
        expected: &'static str,
        found: &'static str,
    },
    #[error("{message} is malformed")]
    Malformed { message: &'static str },
    #[error("it sent more than {max} chunks ahead of the answers")]
    TooManyInFlight { max: usize },
    #[error("chunk {found} of {what} came where chunk {expected} was due")]
    ChunkOutOfOrder {
        what: &'static str,
        expected: u32,
        found: u32,
    },
    #[error("a key class came that was not agreed")]
    ClassNotAgreed,
    #[error("its commitment repeats a key of ours")]
    KeyRepeated,
    #[error("its commitment is not proven")]
    CommitmentNotProven,
    #[error("its table is {found} bytes long, {expected} were agreed")]
    TableLength { found: u64, expected: u64 },
    #[error("chunk {chunk} of {what}: {fault}")]
    Elements {
        what: &'static str,
        chunk: u32,
        fault: oprf::Error,
    },
    #[error("its sealed table is not the one it committed to")]
    TableDigestDiffers,
    #[error("its agreement carries the deadline {found}, outside {earliest} to {latest}")]
    Deadline {
        found: u64,
        earliest: u64,
        latest: u64,
    },
    #[error("its agreement does not hold: {0}")]
    Agreement(#[from] AgreementFault),
    #[error("its release does not open what it committed to")]
    WrongRelease,
    #[error("its table does not open under the released key")]
    TableDoesNotOpen,
    #[error("its table is not sorted, or repeats a tag")]
    TableNotSorted,
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

#[cfg(test)]
mod tests;
