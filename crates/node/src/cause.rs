//! Why a session gave no answers. What that means is [`disposition`](crate::disposition)'s to say.

use protocol::{Receipt, Refusal, SignedVerdict, Standing, VerdictFault};

use crate::settle::MediatorFault;

/// Why a session gave no answers.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    #[error(transparent)]
    Exchange(#[from] protocol::Error),
    #[error(transparent)]
    Channel(#[from] transport::Error),
    #[error("the peer made no progress for {seconds} s")]
    Stalled { seconds: u64 },
    /// Something moved all the time, and so little that the session may have been kept open on purpose.
    #[error(
        "the session took longer than {seconds} s, in which a slow line carries one of its size"
    )]
    TooSlow { seconds: u64 },
    #[error("stopped here")]
    Cancelled,
    /// The session needs a mediator's clock, and this node has none to ask.
    #[error("no mediator to ask for the time")]
    NoMediator,
    #[error("the mediator does not tell the time: {0}")]
    NoTime(MediatorFault),
    /// The settling key that both agreed on settles no more sessions that begin now.
    #[error("the mediator's settling point is out of date")]
    EpochOver,
    #[error("the peer's signature or release did not come for {seconds} s")]
    ReleaseLate { seconds: u64 },
    /// Neither side has answers, and neither can get them any more.
    #[error("the session was never settled, and its deadline is past: neither side has answers")]
    NeverSettled,
    #[error("the mediator refused to settle: {0}")]
    MediatorRefused(Refusal),
    #[error("the mediator's verdict does not hold: {fault}")]
    MediatorMisbehaved {
        #[source]
        fault: VerdictFault,
        verdict: Box<SignedVerdict>,
    },
    /// This side was stopped after it had signed, and nobody can be asked.
    #[error(
        "it had no mediator, and the peer's release did not come: there are no answers, though the peer may have its own"
    )]
    ReleaseLost,
    /// What must be kept before the next message could not be kept.
    #[error("the state of the session cannot be kept: {0}")]
    NotKept(std::io::Error),
}

/// How a session ended that gave no answers.
#[derive(Debug)]
pub struct Ended {
    pub cause: Cause,
    /// What this side had bound itself to by then.
    pub standing: Standing,
    /// The agreement and releases so far: evidence of what the peer is bound to.
    pub receipt: Option<Box<Receipt>>,
}
