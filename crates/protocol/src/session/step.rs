//! What a session asks of its caller, and what it says of itself.

use std::fmt;
use std::sync::Arc;

use crate::agreement::VerifiedAgreement;
use crate::error::Error;
use crate::message::Message;
use crate::receipt::Receipt;
use crate::release::Release;
use crate::session_id::SessionId;
use crate::signed::{Matches, SignedState};

/// What the caller does next.
#[must_use]
pub enum Step {
    /// Hand this to the peer, in this order; it may be lost.
    Send(Message),
    /// Keep this durably before anything that comes after it.
    Persist(Persist),
    /// Ask the mediator for its time and hand it to `Session::time`.
    AskTime,
    /// Nothing can be done before the peer's next message.
    Wait,
    /// Both sides have their answers; the session is over.
    Done(Box<Outcome>),
}

/// What must be on disk before the next message leaves.
pub enum Persist {
    /// The prepared table is spent: it must never serve again.
    TableUsed,
    /// This side is about to sign.
    Signed(Arc<SignedState>),
    /// Both signatures are here: what the mediator settles on.
    Agreed(SessionId, Box<VerifiedAgreement>),
    /// The peer's release has come, was verified, and opens its tables.
    PeerReleased(SessionId, Box<Release>),
}

/// What was made of what had already come when nothing could be sent or received any more.
#[must_use]
pub struct WoundUp {
    /// Keep this durably, in this order: what the peer is bound to by its last messages.
    pub persist: Vec<Persist>,
    /// The answers, if there are any; as an error why the peer ended the session, or that its last message was a cheat.
    pub ended: Result<Option<Outcome>, Error>,
}

/// What a session gives.
pub struct Outcome {
    /// Which session.
    pub session: SessionId,
    /// The requested identities that the peer holds.
    pub matches: Matches,
    /// The evidence of what was exchanged.
    pub receipt: Receipt,
}

impl fmt::Debug for Outcome {
    /// Names the session, and nothing of what was found.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// How far this side has bound itself: what an interrupted session means for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing is signed: the session can simply be run again, with a fresh table.
    Unsigned,
    /// This side has signed: the peer, with the mediator's help, may still learn its answers.
    Signed,
    /// This side has released: the peer has its answers, or can have them.
    Released,
}

/// Elements done and to be done while the lists are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Own elements answered and checked.
    pub answered: usize,
    /// Own elements in all, padding among them.
    pub to_answer: usize,
    /// The peer's elements evaluated.
    pub evaluated: usize,
    /// The peer's elements in all, padding among them.
    pub to_evaluate: usize,
}
