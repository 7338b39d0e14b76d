//! Why a relay turns a call down, and what the caller is told of it.

use tonic::Status;

/// Why a relay turns a call down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the first frame names no peer")]
    NoPeerNamed,
    #[error("the peer is this node itself")]
    Oneself,
    #[error("the peer does not wait for this node")]
    NotThere,
    #[error("a quota is used up")]
    OverQuota,
    #[error("a newer call took this one's place")]
    Replaced,
    #[error("the node is no longer enrolled")]
    NotEnrolled,
    #[error("the relay is about to stop")]
    Draining,
    #[error("the other end is gone")]
    OtherEndGone,
    #[error("a frame that is none")]
    Malformed,
}

/// All that a refusal tells a caller. After *not found*, *unavailable* and *aborted* nodes try again
/// ([`transport::Error::may_pass`]); what the others say stays wrong.
impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::NoPeerNamed | Refusal::Oneself | Refusal::Malformed => {
                Self::invalid_argument(text)
            }
            Refusal::NotThere => Self::not_found(text),
            Refusal::OverQuota => Self::resource_exhausted(text),
            Refusal::NotEnrolled => Self::permission_denied(text),
            Refusal::Draining => Self::unavailable(text),
            Refusal::Replaced => Self::already_exists(text),
            Refusal::OtherEndGone => Self::aborted(text),
        }
    }
}
