//! The states of a session, each named for what it waits for, with what it needs for what comes next.
//!
//! A state is consumed by the step that leaves it, so that none can be skipped or taken twice.

use std::sync::Arc;

use pairing::Signature;

use super::legs::{Legs, Unsigned};
use super::local::{Bound, Prepared};
use crate::agreement::VerifiedAgreement;
use crate::error::Error;
use crate::mediator::MediatorTime;
use crate::receipt::Receipt;
use crate::release::VerifiedRelease;
use crate::signed::SignedState;
use crate::table::ReleaseSecret;

/// Named for what it waits for.
pub(super) enum State {
    /// An initiator that has sent its Offer.
    AwaitAnswer {
        prepared: Prepared,
        offer: Vec<u8>,
    },
    /// A responder at the beginning.
    AwaitOffer {
        prepared: Prepared,
    },
    /// Both offers agree; nothing is asked before the peer's commitment has verified.
    AwaitCommitment(Box<Committed>),
    /// Lists are asked and answered, tables pass.
    Asking(Box<Legs>),
    /// A responder whose legs are complete.
    AwaitInitiatorSignature(Box<Unsigned>),
    /// An initiator whose legs are complete: the deadline counts from the mediator's time.
    AwaitTimeToPropose(Box<Unsigned>),
    /// A responder that signs only with half of the window left.
    AwaitTimeToSign {
        unsigned: Box<Unsigned>,
        deadline: MediatorTime,
        signature: Signature,
    },
    /// An initiator that has signed.
    AwaitResponderSignature(Box<Signed>),
    /// A responder that releases only with a quarter of the window left.
    AwaitTimeToRelease(Box<Agreed>),
    AwaitRelease {
        agreed: Box<Agreed>,
        /// Whether this side's own release has left.
        released: bool,
    },
    /// Both releases are there; the tables are opened once everything queued before has left.
    Opening {
        agreed: Box<Agreed>,
        release: VerifiedRelease,
    },
    /// The terms differ; said once what was queued before has left.
    Differing(Error),
    Over,
}

/// Both offers are known and agree; this side has committed.
pub(super) struct Committed {
    pub(super) prepared: Prepared,
    pub(super) bound: Bound,
}

/// This side has signed.
pub(super) struct Signed {
    pub(super) state: Arc<SignedState>,
    pub(super) secret: ReleaseSecret,
}

/// Both sides have signed, and the whole check has passed.
pub(super) struct Agreed {
    pub(super) signed: Signed,
    pub(super) agreement: VerifiedAgreement,
    pub(super) receipt: Receipt,
}

impl State {
    /// What errors say was due.
    pub(super) fn awaits(&self) -> &'static str {
        match self {
            Self::AwaitAnswer { .. } => "the answer",
            Self::AwaitOffer { .. } => "the offer",
            Self::AwaitCommitment(_) => "the commitment",
            Self::Asking(_) => "a chunk of the lists",
            Self::AwaitInitiatorSignature(_)
            | Self::AwaitResponderSignature(_)
            | Self::AwaitTimeToSign { .. }
            | Self::AwaitTimeToPropose(_) => "the agreement",
            Self::AwaitTimeToRelease(_) | Self::AwaitRelease { .. } => "the release",
            Self::Opening { .. } | Self::Differing(_) | Self::Over => "nothing",
        }
    }
}
