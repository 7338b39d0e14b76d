//! Why a session ends without answers, and whose fault that was.
//!
//! [`Error`] is the floor's one error; [`PeerMisbehaved`] holds all that is the peer's doing,
//! [`VerdictFault`] all that is the mediator's, and [`AgreementFault`] what the check that nodes and
//! mediator share finds in a text. Nothing here names a person, a key or an element of a list.

use element::{KeyClass, ListKind};

use crate::difference::Difference;
use crate::message::AbortReason;
use crate::role::Role;

/// Why a session ended without answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each field stands in the message above it")]
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
    /// The question set was made for other ceilings or other key classes than the terms name.
    #[error("the question set does not fit the terms")]
    QuestionsDoNotFit,
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
    /// What came is not what the state waits for.
    pub(crate) fn out_of_order(expected: &'static str, found: &'static str) -> Self {
        PeerMisbehaved::OutOfOrder { expected, found }.into()
    }

    /// What the peer is told, if anything.
    pub fn abort_reason(&self) -> Option<AbortReason> {
        match self {
            Self::PeerMisbehaved(_) => Some(AbortReason::Misbehaved),
            Self::AboveCeiling { .. }
            | Self::TooLate { .. }
            | Self::TableDoesNotFit
            | Self::QuestionsDoNotFit
            | Self::TermsUnusable { .. }
            | Self::OwnPeer => Some(AbortReason::Failed),
            // Where terms differ, the peer has both offers and finds the same.
            Self::TermsDiffer(_) | Self::PeerAborted(_) | Self::Over => None,
        }
    }
}

/// What the peer did that the protocol forbids; never what a mediator did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each field stands in the message above it")]
pub enum PeerMisbehaved {
    /// A message came that its state does not have.
    #[error("{found} came where {expected} was due")]
    OutOfOrder {
        expected: &'static str,
        found: &'static str,
    },
    /// A message is not of its layout.
    #[error("{message} is malformed")]
    Malformed { message: &'static str },
    /// A requester ran further ahead than [`CHUNKS_IN_FLIGHT_MAX`](crate::limits::CHUNKS_IN_FLIGHT_MAX).
    #[error("it sent more than {max} chunks ahead of the answers")]
    TooManyInFlight { max: usize },
    /// Chunks of one leg come in ascending order, none twice.
    #[error("chunk {found} of {what} came where chunk {expected} was due")]
    ChunkOutOfOrder {
        what: &'static str,
        expected: u32,
        found: u32,
    },
    /// Only the classes that have ceilings are asked.
    #[error("a key class came that was not agreed")]
    ClassNotAgreed,
    /// It committed to a point of this side, whose logarithm it cannot know.
    #[error("its commitment repeats a key of ours")]
    KeyRepeated,
    /// A proof in its commitment does not verify for this session, these ids and roles.
    #[error("its commitment is not proven")]
    CommitmentNotProven,
    /// The table is not of the agreed ceiling.
    #[error("its table is {found} bytes long, {expected} were agreed")]
    TableLength { found: u64, expected: u64 },
    /// Elements do not decode, are too many or too few, or are not proven.
    #[error("chunk {chunk} of {what}: {fault}")]
    Elements {
        what: &'static str,
        chunk: u32,
        fault: oprf::Error,
    },
    /// The table that came is not the one in its commitment.
    #[error("its sealed table is not the one it committed to")]
    TableDigestDiffers,
    /// Seconds by the mediator's clock; both ends of the range are allowed.
    #[error("its agreement carries the deadline {found}, outside {earliest} to {latest}")]
    Deadline {
        found: u64,
        earliest: u64,
        latest: u64,
    },
    /// Its signature or the text under it fails the check.
    #[error("its agreement does not hold: {0}")]
    Agreement(#[from] AgreementFault),
    /// The release does not prove that it opens the committed tables.
    #[error("its release does not open what it committed to")]
    WrongRelease,
    /// The proven release does not decrypt the table: it was sealed under another key.
    #[error("its table does not open under the released key")]
    TableDoesNotOpen,
    /// The opened table is not strictly ascending.
    #[error("its table is not sorted, or repeats a tag")]
    TableNotSorted,
}

/// Why an agreement does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AgreementFault {
    /// Not the layout, or with something left over.
    #[error("the text is not an agreement")]
    Malformed,
    /// Both parties are one node.
    #[error("it names one id as both sides")]
    OneIdTwice,
    /// M is not the one asked about, or the mediator settles under it no more.
    #[error("it names another mediator")]
    OtherMediator,
    /// A key of one side is also one of the other.
    #[error("both sides have the same release point or a key in common")]
    KeyShared,
    /// The commitment of the side in this role was made for another session, or by nobody who knows its keys.
    #[error("the proofs of the {0:?}'s commitment are for another session, or wrong")]
    NotProven(Role),
    /// The side in this role did not sign this text.
    #[error("the {0:?}'s signature is not under this text")]
    Signature(Role),
    /// Only the two parties may have a session settled.
    #[error("the one who asks is neither side")]
    NotAParty,
    /// By the mediator's clock.
    #[error("its deadline is past")]
    DeadlinePast,
    /// No two honest nodes agree on such a deadline.
    #[error("its deadline is further away than any settling window")]
    DeadlineTooFar,
}

/// Why a verdict does not hold: each is the mediator's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerdictFault {
    /// Not the layout, or with something left over.
    #[error("the bytes are not a verdict")]
    Malformed,
    /// The signature is not the descriptor's mediator's.
    #[error("it is not signed by the mediator")]
    Signature,
    /// A verdict for another session than this one.
    #[error("it is about another session")]
    OtherSession,
    /// Another text of this session; an honest peer signs no second one.
    #[error("it is about another agreement than the one signed here")]
    OtherAgreement,
    /// The mediator settled what its own check must refuse.
    #[error("it settles an agreement that does not hold: {0}")]
    Agreement(#[from] AgreementFault),
    /// The release for the side in this role is not proven to open the committed tables.
    #[error("its {0:?}'s release is not proven")]
    Release(Role),
    /// A verdict of *never settled* that came too soon.
    #[error("it calls a deadline past that is not this session's, or is not past")]
    Deadline,
}

impl From<AgreementFault> for Error {
    fn from(fault: AgreementFault) -> Self {
        PeerMisbehaved::Agreement(fault).into()
    }
}
