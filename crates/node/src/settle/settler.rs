//! Who is asked for the mediator's word, and why there may be none.

use pairing::NodeId;
use protocol::{Decision, MediatorTime, Refusal, SessionId, SignedAgreement};

/// Asks the mediator on behalf of this node.
pub trait Settler: Sync {
    /// The key that its verdicts are under.
    fn mediator(&self) -> NodeId;

    /// The last deadline that it settles.
    fn last_deadline(&self) -> MediatorTime;

    fn time(&self) -> impl Future<Output = Result<MediatorTime, SettlerFault>> + Send;

    fn settle(
        &self,
        signed: &SignedAgreement,
    ) -> impl Future<Output = Result<Decision, SettlerFault>> + Send;

    fn claim(
        &self,
        session: &SessionId,
        deadline: MediatorTime,
    ) -> impl Future<Output = Result<Decision, SettlerFault>> + Send;
}

/// Why the mediator gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettlerFault {
    #[error("the mediator cannot be asked: {0}")]
    Channel(#[from] transport::Error),
    #[error("the mediator refused: {0}")]
    Refused(#[from] Refusal),
}

/// What a node without a mediator asks: nobody.
#[derive(Debug, Clone, Copy)]
pub enum NoSettler {}

impl Settler for NoSettler {
    fn mediator(&self) -> NodeId {
        match *self {}
    }

    fn last_deadline(&self) -> MediatorTime {
        match *self {}
    }

    async fn time(&self) -> Result<MediatorTime, SettlerFault> {
        match *self {}
    }

    async fn settle(&self, _: &SignedAgreement) -> Result<Decision, SettlerFault> {
        match *self {}
    }

    async fn claim(&self, _: &SessionId, _: MediatorTime) -> Result<Decision, SettlerFault> {
        match *self {}
    }
}
