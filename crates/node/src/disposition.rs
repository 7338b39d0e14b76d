//! What a failure of a session means, in one place: whose doing it was, what becomes of the session, how
//! the audit log calls it, whether an officer has to decide, and the kind of exit code it is.
//!
//! It is handed a [`Cause`], how far this side was bound, and who can still end the session. The daemon,
//! `tacit match` and `tacit match --finish` sort failures here and nowhere else, so that one failure has
//! one meaning; what people are told about it is the command line's. `docs/operating.md`.

use jiff::SignedDuration;

use crate::cause::Cause;
use admin::{Blame, Outcome};
use protocol::limits::FORGOTTEN_AFTER_SECONDS;
use protocol::{
    self, AbortReason, Mediator, PeerMisbehaved, Role, SignedAgreement, SignedState, SignedVerdict,
    Standing,
};

/// How long after a session's start a mediator still knows what it settled, at most: it keeps that for 30
/// days after a deadline, which is at most a day after the start; and days for clocks that differ.
const FORGOTTEN_AFTER: SignedDuration =
    SignedDuration::from_secs(FORGOTTEN_AFTER_SECONDS.cast_signed());

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disposition {
    /// Whose doing it was.
    pub blame: Blame,
    /// What becomes of the session.
    pub next: Next,
    /// Whether an officer decides before the next session with this peer: the peer may have answers, and
    /// this side has none, or evidence was kept.
    pub officer: bool,
    pub exit: ExitClass,
}

/// What becomes of a session that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is over, and nothing of it is of use any more; how the audit log calls it.
    Over(Outcome),
    /// It is over, and what was signed is kept, sealed, and never asked about again.
    KeepAsEvidence(Outcome),
    /// It stays signed, and the mediator is asked now.
    AskMediator,
    /// It stays signed, and is taken up again later.
    Later,
}

/// Who can still end a session that this side has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recourse {
    /// The peer alone, and its channel is gone.
    Nobody,
    Mediator,
    /// A mediator who by now has erased what it settled then.
    MediatorForgot,
}

/// Kinds of exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitClass {
    /// Something on this machine failed.
    Failed,
    BadInput,
    /// The two sides are set up differently, a key is another one, or the mediator refuses.
    Refused,
    /// The peer broke the protocol.
    Misbehaved,
    /// Somebody cannot be reached, went away or was too late.
    Unreachable,
    /// Stopped by the user.
    Stopped,
}

impl Cause {
    /// What this means for a session in which this side was bound as far as `standing`.
    pub fn disposition(&self, standing: Standing, recourse: Recourse) -> Disposition {
        let (blame, exit, course) = self.sorted();
        let next = match (course, standing, recourse) {
            (Course::Ends(outcome), _, _) => Next::Over(outcome),
            (Course::Proves(outcome), _, _) => Next::KeepAsEvidence(outcome),
            (_, Standing::Unsigned, _) => Next::Over(Outcome::CutOff),
            (_, _, Recourse::Nobody) | (Course::Refuses, _, Recourse::MediatorForgot) => {
                Next::Over(Outcome::Unanswered)
            }
            (Course::Asks, _, _) => Next::AskMediator,
            (Course::Waits | Course::Refuses, _, _) => Next::Later,
        };
        let officer = match next {
            Next::KeepAsEvidence(_) => true,
            // A mediator that refuses this side may have settled for the other.
            Next::Over(Outcome::Unanswered) if recourse == Recourse::MediatorForgot => true,
            // The mediator opened neither table, and opens none any more.
            Next::Over(Outcome::NeverSettled) => false,
            Next::Over(_) => standing == Standing::Released,
            Next::AskMediator | Next::Later => false,
        };
        Disposition {
            blame,
            next,
            officer,
            exit,
        }
    }

    /// The kind of exit code, which no standing changes.
    pub fn exit_class(&self) -> ExitClass {
        self.sorted().1
    }

    /// The mediator's own signed word, where it is what proves the failure.
    pub fn proof(&self) -> Option<&SignedVerdict> {
        if let Self::MediatorMisbehaved { verdict, .. } = self {
            Some(verdict)
        } else {
            None
        }
    }

    fn sorted(&self) -> (Blame, ExitClass, Course) {
        use ExitClass::{Failed, Refused, Stopped, Unreachable};
        match self {
            Self::Exchange(error) => sorted_exchange(error),
            Self::Channel(error) => {
                let (blame, exit) = sorted_channel(error);
                (blame, exit, Course::Asks)
            }
            Self::Stalled { .. } | Self::TooSlow { .. } | Self::ReleaseLate { .. } => {
                (Blame::Channel, Unreachable, Course::Asks)
            }
            Self::Cancelled => (Blame::Own, Stopped, Course::Waits),
            Self::NotKept(_) | Self::NoMediator => (Blame::Own, Failed, Course::Waits),
            Self::ReleaseLost => (Blame::Own, Unreachable, Course::Ends(Outcome::Unanswered)),
            Self::NoTime(_) => (Blame::Mediator, Unreachable, Course::Asks),
            Self::EpochOver => (Blame::Mediator, Refused, Course::Asks),
            // Each of the two, and the mediator, may have been away, and a verdict does not say who was.
            Self::NeverSettled => (
                Blame::Nobody,
                Unreachable,
                Course::Ends(Outcome::NeverSettled),
            ),
            // Nobody signed the refusal, and a mediator that gets its keys back may take it back.
            Self::MediatorRefused(_) => (Blame::Mediator, Refused, Course::Refuses),
            // The mediator gives the same verdict again, as it has to.
            Self::MediatorMisbehaved { .. } => (
                Blame::Mediator,
                Refused,
                Course::Proves(Outcome::Unanswered),
            ),
        }
    }
}

impl Next {
    /// How the audit log calls the end; `None` for a session that stays signed.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Over(outcome) | Self::KeepAsEvidence(outcome) => Some(outcome),
            Self::AskMediator | Self::Later => None,
        }
    }
}

impl Recourse {
    /// Of a session that runs.
    pub fn now(mediated: bool) -> Self {
        if mediated {
            Self::Mediator
        } else {
            Self::Nobody
        }
    }

    /// Of a session that began this long ago.
    pub fn after(age: SignedDuration, mediated: bool) -> Self {
        match Self::now(mediated) {
            Self::Mediator if age > FORGOTTEN_AFTER => Self::MediatorForgot,
            recourse => recourse,
        }
    }
}

impl From<&protocol::Error> for ExitClass {
    fn from(error: &protocol::Error) -> Self {
        sorted_exchange(error).1
    }
}

impl From<&transport::Error> for ExitClass {
    fn from(error: &transport::Error) -> Self {
        sorted_channel(error).1
    }
}

/// How far a side was bound at most, by what it kept: a release leaves once both signatures are kept.
pub fn standing_of(state: &SignedState, agreed: Option<&SignedAgreement>) -> Standing {
    let waits = state.mediator == Mediator::None && state.role == Role::Responder;
    match agreed {
        // Without a mediator the responder opens its table only after the initiator has.
        Some(_) if !waits => Standing::Released,
        Some(_) | None => Standing::Signed,
    }
}

/// What a failure does to a session that was signed and has a mediator.
#[derive(Clone, Copy)]
enum Course {
    /// The mediator can end it: ask.
    Asks,
    /// The mediator can end it, but not in this moment.
    Waits,
    /// The mediator was asked, and refused.
    Refuses,
    /// It has ended, whoever is asked.
    Ends(Outcome),
    /// The same, and what was signed proves why.
    Proves(Outcome),
}

fn sorted_exchange(error: &protocol::Error) -> (Blame, ExitClass, Course) {
    use ExitClass::{BadInput, Failed, Misbehaved, Refused, Unreachable};
    use protocol::Error;
    match error {
        Error::TermsDiffer(_) => (Blame::Nobody, Refused, Course::Ends(Outcome::Refused)),
        Error::PeerMisbehaved(how) => (Blame::Peer, Misbehaved, course_of(how)),
        Error::PeerAborted(AbortReason::Misbehaved) => (Blame::Channel, Misbehaved, Course::Asks),
        Error::PeerAborted(
            AbortReason::Stalled
            | AbortReason::Cancelled
            | AbortReason::Failed
            | AbortReason::NotNow,
        )
        | Error::TooLate { .. } => (Blame::Channel, Unreachable, Course::Asks),
        Error::AboveCeiling { .. } => (Blame::Own, BadInput, Course::Asks),
        Error::TableDoesNotFit
        | Error::QuestionsDoNotFit
        | Error::TermsUnusable { .. }
        | Error::OwnPeer
        | Error::Over => (Blame::Own, Failed, Course::Asks),
    }
}

fn course_of(misbehaved: &PeerMisbehaved) -> Course {
    match misbehaved {
        // The mediator can only give the same key to the same bad table.
        PeerMisbehaved::TableDoesNotOpen | PeerMisbehaved::TableNotSorted => {
            Course::Proves(Outcome::TableShut)
        }
        PeerMisbehaved::OutOfOrder { .. }
        | PeerMisbehaved::Malformed { .. }
        | PeerMisbehaved::TooManyInFlight { .. }
        | PeerMisbehaved::ChunkOutOfOrder { .. }
        | PeerMisbehaved::ClassNotAgreed
        | PeerMisbehaved::KeyRepeated
        | PeerMisbehaved::CommitmentNotProven
        | PeerMisbehaved::TableLength { .. }
        | PeerMisbehaved::Elements { .. }
        | PeerMisbehaved::TableDigestDiffers
        | PeerMisbehaved::Deadline { .. }
        | PeerMisbehaved::Agreement(_)
        | PeerMisbehaved::WrongRelease => Course::Asks,
    }
}

fn sorted_channel(error: &transport::Error) -> (Blame, ExitClass) {
    use transport::Error;
    match error {
        Error::AddressMalformed | Error::NameUnknown | Error::CannotListen(_) => {
            (Blame::Own, ExitClass::BadInput)
        }
        Error::KeyUnusable | Error::MessageTooLong { .. } => (Blame::Own, ExitClass::Failed),
        Error::Unreachable(_)
        | Error::NobodyCame { .. }
        | Error::HandshakeTimedOut
        | Error::Displaced
        | Error::Gone
        | Error::Unfinished
        | Error::NotTls
        | Error::Incompatible => (Blame::Channel, ExitClass::Unreachable),
        Error::OnlyWrongKeysCame { .. }
        | Error::WrongKey { .. }
        | Error::KeyRefused
        | Error::Refused { .. } => (Blame::Channel, ExitClass::Refused),
        Error::Misbehaved(_) => (Blame::Peer, ExitClass::Misbehaved),
    }
}

#[cfg(test)]
mod tests;
