//! Why a session did not run or gave no answers, in words that name nobody, and what the schedule and the
//! audit log are to hear of it.

use jiff::Timestamp;

use admin::{Blame, Outcome, PeerNumber};
use store::OverBudget;
use store::Store;

/// Why there is no session, or none with answers.
#[derive(Debug)]
pub(super) struct NoSession {
    pub text: String,
    /// The peer's budget is used up until then.
    pub budget_until: Option<Timestamp>,
    pub note: Option<Note>,
}

/// What the audit log hears of a session that never began.
#[derive(Debug)]
pub(super) enum Note {
    OverBudget(OverBudget),
    Refused(Outcome, Blame),
}

impl NoSession {
    pub(super) fn because(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            budget_until: None,
            note: None,
        }
    }
}

impl Note {
    /// Writes it into the audit log.
    pub(super) fn write(&self, store: &Store, peer: PeerNumber) -> Result<(), store::Error> {
        let now = Timestamp::now();
        match self {
            Self::OverBudget(over) => store.note_over_budget(peer, over, now),
            Self::Refused(outcome, blame) => {
                store.refuse_session(peer, *outcome, Some(*blame), now)
            }
        }
    }
}

impl From<store::Error> for NoSession {
    fn from(error: store::Error) -> Self {
        Self::because(error.to_string())
    }
}

impl From<protocol::Error> for NoSession {
    fn from(error: protocol::Error) -> Self {
        match error {
            // How long a list is, not everybody may know who hears of this.
            protocol::Error::AboveCeiling { list, ceiling, .. } => Self::because(format!(
                "the {list} list needs more elements than the ceiling, {ceiling}"
            )),
            error => Self::because(error.to_string()),
        }
    }
}

impl From<transport::Error> for NoSession {
    fn from(error: transport::Error) -> Self {
        Self::because(error.to_string())
    }
}
