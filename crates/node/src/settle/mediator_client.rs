//! What a node asks the mediator, and why there may be no answer.

use pairing::NodeId;
use protocol::{Decision, MediatorTime, Refusal, SessionId, SignedAgreement};

/// Asks the mediator on behalf of this node.
pub trait MediatorClient: Sync {
    /// The key that its verdicts are under.
    fn id(&self) -> NodeId;

    /// The last deadline that it settles.
    fn last_deadline(&self) -> MediatorTime;

    fn time(&self) -> impl Future<Output = Result<MediatorTime, MediatorFault>> + Send;

    fn settle(
        &self,
        signed: &SignedAgreement,
    ) -> impl Future<Output = Result<Decision, MediatorFault>> + Send;

    fn claim(
        &self,
        session: &SessionId,
        deadline: MediatorTime,
    ) -> impl Future<Output = Result<Decision, MediatorFault>> + Send;
}

/// Why the mediator gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediatorFault {
    #[error("the mediator cannot be asked: {0}")]
    Channel(#[from] transport::Error),
    #[error("the mediator refused: {0}")]
    Refused(#[from] Refusal),
}

/// What a node without a mediator asks: nobody.
#[derive(Debug, Clone, Copy)]
pub enum WithoutMediator {}

impl MediatorClient for WithoutMediator {
    fn id(&self) -> NodeId {
        match *self {}
    }

    fn last_deadline(&self) -> MediatorTime {
        match *self {}
    }

    async fn time(&self) -> Result<MediatorTime, MediatorFault> {
        match *self {}
    }

    async fn settle(&self, _: &SignedAgreement) -> Result<Decision, MediatorFault> {
        match *self {}
    }

    async fn claim(&self, _: &SessionId, _: MediatorTime) -> Result<Decision, MediatorFault> {
        match *self {}
    }
}
