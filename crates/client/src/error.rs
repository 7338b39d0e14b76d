//! Why a call came to nothing: the connection, the node's refusal, or a reply that makes no sense.

use tonic::{Code, Status};
use transport::ControlConnection;
use wire::control::Malformed;

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The node cannot be reached, or went away.
    #[error(transparent)]
    Connection(#[from] transport::Error),
    /// The node answered that it does not do this, in words for people.
    #[error("the node says: {message}")]
    Refused { why: Refusal, message: String },
    /// What the node sent is none of its messages: another version of tacit, or a bug.
    #[error("the node's answer makes no sense")]
    Nonsense,
}

/// Why a node does not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// What was asked is wrong in itself, or names what there is not.
    BadInput,
    /// The caller's role does not allow it, or the caller is no client.
    NotAllowed,
    /// It cannot be done as things stand.
    NotNow,
    /// The request did not come in time.
    TooSlow,
    /// The node does not know the call.
    NoSuchCall,
    /// Something failed in the node.
    Failed,
}

impl Error {
    /// What a status means on this connection.
    pub(crate) fn of(status: &Status, link: &ControlConnection) -> Self {
        if has_source::<Malformed>(status).is_some() {
            return Self::Nonsense;
        }
        let broken =
            has_source::<transport::Error>(status)
                .copied()
                .or_else(|| match status.code() {
                    // What tonic makes of a connection that ended in the middle of a call.
                    Code::Unknown | Code::Internal | Code::Cancelled => link.fault(),
                    _ => None,
                });
        if let Some(error) = broken {
            return Self::Connection(error);
        }
        let why = match status.code() {
            Code::InvalidArgument | Code::NotFound | Code::AlreadyExists | Code::OutOfRange => {
                Refusal::BadInput
            }
            Code::PermissionDenied => Refusal::NotAllowed,
            Code::FailedPrecondition | Code::Aborted | Code::ResourceExhausted => Refusal::NotNow,
            Code::DeadlineExceeded => Refusal::TooSlow,
            Code::Unimplemented => Refusal::NoSuchCall,
            _ => Refusal::Failed,
        };
        Self::Refused {
            why,
            message: status.message().to_owned(),
        }
    }
}

fn has_source<E: std::error::Error + 'static>(status: &Status) -> Option<&E> {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<E>() {
            return Some(error);
        }
        source = error.source();
    }
    None
}
