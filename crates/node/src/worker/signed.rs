//! Sessions that were signed and have not ended: by the release that is kept, or by the mediator's word.

use jiff::Timestamp;
use tokio::task::block_in_place;

use super::context::Context;
use super::ending::{keep_answers, put_down};
use super::no_session::NoSession;
use super::outcome::{Findings, SessionRun, Without};
use super::reach::mediator_of;
use super::visitors::Visitors;
use crate::Cause;
use crate::disposition::{Recourse, standing_of};
use crate::handle::Handle;
use crate::settle::by_verdict;
use admin::{Activity, Outcome, Peer, PeerNumber};
use protocol::SignedAgreement;
use protocol::{self, Role, SignedState};
use protocol::{Receipt, Release};
use store::sessions::SessionInfo;

/// A signed session as the store has it.
struct SignedSession {
    info: SessionInfo,
    state: SignedState,
    agreed: Option<SignedAgreement>,
    released: Option<Release>,
}

enum SignedEnd {
    Found(SessionRun, Box<Findings>),
    Without(Without),
}

/// Ends the oldest signed session of this peer, turning visitors away meanwhile. Gives how it ended;
/// `Ok(None)` when there is none left; `None` when the node stops before that is known.
pub(super) async fn end_next(
    context: &Context,
    visitors: &mut Visitors,
    peer: &Peer,
) -> Option<Result<Option<Outcome>, NoSession>> {
    let signed = context.blocking(|handle, peer| Ok(first_signed(&handle, peer)?));
    let signed = match signed.await {
        Ok(Some(signed)) => signed,
        Ok(None) => return Some(Ok(None)),
        Err(reason) => return Some(Err(reason)),
    };
    context.show(Activity::Settling);
    let number = signed.info.number;
    let ended = match end_of(context, visitors, signed).await? {
        SignedEnd::Found(run, matches) => {
            let (entry, outcome) = (peer.clone(), matches.outcome);
            let keeping =
                context.blocking(move |handle, _| keep_answers(&handle, &entry, &run, &matches));
            // That takes as long as the lists are long: whoever comes meanwhile hears so at once.
            visitors.turn_away_while(keeping).await.map(|()| outcome)
        }
        SignedEnd::Without(without) => {
            let reason = NoSession::because(without.cause.to_string());
            let ended = put_down(context, number, without).await;
            context.show_trouble(&reason);
            ended.and_then(|outcome| outcome.ok_or(reason))
        }
    };
    if let Ok(outcome) = ended {
        tracing::info!(
            peer = context.peer.number(),
            session = number.number(),
            ?outcome,
            "signed session ended"
        );
    }
    Some(ended.map(Some))
}

/// How a signed session ends; `None` when the node stops before that is known.
async fn end_of(
    context: &Context,
    visitors: &mut Visitors,
    signed: SignedSession,
) -> Option<SignedEnd> {
    let SignedSession {
        info,
        state,
        agreed,
        released,
    } = signed;
    let run = SessionRun {
        number: info.number,
        asked_at: info.asked_at,
        asked_list: info.asked_list,
        wide: state.agreement.transcripts.initiator_asks.wide.is_some(),
        asked: state.asked().copied().collect(),
    };
    let standing = standing_of(&state, agreed.as_ref());
    let recourse = Recourse::after(
        Timestamp::now().duration_since(info.started),
        info.mediator.is_some(),
    );
    let receipt = agreed.as_ref().map(|agreed| {
        let (initiator_release, responder_release) = match state.role {
            Role::Initiator => (None, released.clone()),
            Role::Responder => (released.clone(), None),
        };
        Receipt {
            agreement: agreed.clone(),
            initiator_release,
            responder_release,
            settled: None,
        }
    });
    let without = |cause: Cause, receipt: Option<Receipt>| {
        SignedEnd::Without(Without {
            means: cause.disposition(standing, recourse),
            cause,
            asked_at: info.asked_at,
            receipt: receipt.map(Box::new),
        })
    };
    let found = |outcome, receipt, held| {
        SignedEnd::Found(
            run,
            Box::new(Findings {
                outcome,
                receipt,
                held,
            }),
        )
    };
    if let Some(release) = released {
        // A whole table is opened and looked through.
        let opened = block_in_place(|| {
            let release = state.verify_release(&release)?;
            state.open(&release)
        });
        return Some(match opened {
            Ok(held) => found(Outcome::Answered, receipt, held),
            Err(misbehaved) => without(protocol::Error::from(misbehaved).into(), receipt),
        });
    }
    let mediator = match mediator_of(
        &context.handle,
        info.mediator.as_deref(),
        &context.settings.limits,
    ) {
        Ok(Some(mediator)) => mediator,
        Ok(None) => return Some(without(Cause::ReleaseLost, receipt)),
        Err(reason) => {
            tracing::error!(
                peer = context.peer.number(),
                trouble = reason.text,
                "mediator"
            );
            return Some(without(Cause::NoMediator, receipt));
        }
    };
    let verdict = by_verdict(&state, agreed, &mediator, &context.settings.patience);
    let verdict = visitors.turn_away_during(&context.stop, verdict).await?;
    Some(match verdict {
        Ok(outcome) => found(Outcome::Settled, Some(outcome.receipt), outcome.matches),
        Err(cause) => without(cause, receipt),
    })
}

fn first_signed(handle: &Handle, peer: PeerNumber) -> Result<Option<SignedSession>, store::Error> {
    let store = handle.store();
    let Some(info) = store
        .signed_sessions()?
        .into_iter()
        .find(|info| info.peer == peer)
    else {
        return Ok(None);
    };
    let Some(state) = store.signed_state(info.number)? else {
        return Ok(None);
    };
    let (agreed, released) = store.after_signing(info.number, &state)?;
    Ok(Some(SignedSession {
        info,
        state,
        agreed,
        released,
    }))
}
