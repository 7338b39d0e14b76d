//! The end of a signed session without the peer: by the mediator's word.
//!
//! From its signature on a node asks the mediator what became of the session; when it has both
//! signatures and the release does not come, it settles. Only a verdict that checks ends it.

mod mediator_client;
mod relay_mediator_client;

use std::time::Duration;

use tokio::time::sleep;

pub use mediator_client::{MediatorClient, MediatorFault, WithoutMediator};
pub use relay_mediator_client::RelayMediatorClient;

use crate::cause::Cause;
use crate::patience::Patience;
use pairing::NodeId;
use protocol::{
    AgreementFault, Decision, Outcome, Refusal, SignedAgreement, SignedState, SignedVerdict,
    VerifiedVerdict,
};

/// Ends a session that this side has signed with the mediator's verdict, however long that takes:
/// at the latest a verdict comes when the mediator is there and the deadline is past.
///
/// # Errors
/// [`Cause::NeverSettled`]: neither side has answers, for good. [`Cause::MediatorRefused`]: it may still
/// give a verdict later. [`Cause::MediatorMisbehaved`]: it will give none that holds. An [`protocol::Error`] when the
/// peer's tables do not open under a proven release.
pub async fn by_verdict(
    state: &SignedState,
    mut agreed: Option<SignedAgreement>,
    mediator: &impl MediatorClient,
    patience: &Patience,
) -> Result<Outcome, Cause> {
    loop {
        let answer = match &agreed {
            Some(signed) => mediator.settle(signed).await,
            None => {
                mediator
                    .claim(&state.session, state.agreement.deadline)
                    .await
            }
        };
        match answer {
            Ok(Decision::Verdict(verdict)) => return take(state, &verdict, mediator.id()),
            // Too late to settle; perhaps the peer has, and if not the mediator will say so.
            Err(MediatorFault::Refused(Refusal::Agreement(AgreementFault::DeadlinePast))) => {
                agreed = None;
            }
            Ok(Decision::Open(_))
            | Err(MediatorFault::Refused(Refusal::NotKept) | MediatorFault::Channel(_)) => {
                sleep(patience.claim).await;
            }
            Err(MediatorFault::Refused(refusal)) => return Err(Cause::MediatorRefused(refusal)),
        }
    }
}

/// Asks again and again whether the session was settled; returns when it was. A verdict that does not hold
/// counts for nothing here: while the peer is there, its release may still come.
pub(super) async fn settled(
    state: &SignedState,
    mediator: &impl MediatorClient,
    pause: Duration,
) -> Result<Outcome, Cause> {
    loop {
        sleep(pause).await;
        let answer = mediator.claim(&state.session, state.agreement.deadline);
        if let Ok(Decision::Verdict(verdict)) = answer.await {
            match take(state, &verdict, mediator.id()) {
                Err(Cause::MediatorMisbehaved { .. }) => {}
                ended => return ended,
            }
        }
    }
}

/// Checks a verdict and opens what it gives.
fn take(state: &SignedState, verdict: &SignedVerdict, mediator: NodeId) -> Result<Outcome, Cause> {
    let checked = state.verify_verdict(verdict, &mediator);
    let checked = checked.map_err(|fault| Cause::MediatorMisbehaved {
        fault,
        verdict: Box::new(verdict.clone()),
    });
    let VerifiedVerdict::Settled { release, receipt } = checked? else {
        return Err(Cause::NeverSettled);
    };
    Ok(Outcome {
        session: state.session,
        matches: state.open(&release).map_err(protocol::Error::from)?,
        receipt: *receipt,
    })
}
