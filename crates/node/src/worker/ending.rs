//! How a session ended, written down: its answers, or why there are none and whose doing that was.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use super::context::Context;
use super::no_session::{NoSession, Note};
use super::outcome::{Findings, SessionRun, Without};
use super::prepare::check_schema;
use crate::asking::{self, Asked};
use crate::disposition::{Next, Recourse};
use crate::handle::Handle;
use crate::{Cause, Ended};
use admin::{Blame, Outcome, Peer, SessionNumber};
use identity::HashedIdentity;
use protocol::ListKind;
use protocol::{self, Standing};
use store::sessions::End;

/// Between two attempts to keep answers that are there.
const KEEP_PAUSE: Duration = Duration::from_secs(3);
const KEEP_TRIES: u32 = 10;

/// Keeps the answers of a session.
pub(super) async fn answered(
    context: &Context,
    peer: &Peer,
    run: SessionRun,
    found: protocol::Outcome,
) -> Result<(), NoSession> {
    let number = run.number;
    let outcome = match found.receipt.settled {
        Some(_) => Outcome::Settled,
        None => Outcome::Answered,
    };
    let matches = Findings {
        outcome,
        receipt: Some(found.receipt),
        held: found.matches,
    };
    let found = Arc::new((run, matches));
    let mut tries = 0;
    loop {
        let (entry, found) = (peer.clone(), found.clone());
        let kept = context
            .blocking(move |handle, _| keep_answers(&handle, &entry, &found.0, &found.1))
            .await;
        tries += 1;
        match kept {
            // What is here may be all there is: a full disk is tried again before it is given up.
            Err(reason) if tries < KEEP_TRIES => {
                context.show_trouble(&reason);
                sleep(KEEP_PAUSE).await;
            }
            // What opens the answers is kept: the next round tries again.
            Err(reason) => return Err(reason),
            Ok(()) => {
                tracing::info!(
                    peer = context.peer.number(),
                    session = number.number(),
                    ?outcome,
                    "session ended"
                );
                return Ok(());
            }
        }
    }
}

/// Writes down how a session ended that gave no answers.
pub(super) async fn ended(
    context: &Context,
    peer: &Peer,
    run: SessionRun,
    ended: Ended,
) -> NoSession {
    let recourse = Recourse::now(peer.entry.policy.mediator.is_some());
    let without = Without {
        means: ended.cause.disposition(ended.standing, recourse),
        cause: ended.cause,
        asked_at: run.asked_at,
        receipt: ended.receipt,
    };
    let text = without.cause.to_string();
    match put_down(context, run.number, without).await {
        Ok(_) => NoSession::because(text),
        Err(reason) => reason,
    }
}

/// Ends a session that has no answers as its failure says; gives how, and `None` for one that stays signed.
pub(super) async fn put_down(
    context: &Context,
    number: SessionNumber,
    without: Without,
) -> Result<Option<Outcome>, NoSession> {
    let Without { cause, means, .. } = &without;
    let outcome = means.next.outcome();
    match outcome {
        Some(outcome) => {
            tracing::warn!(peer = context.peer.number(), session = number.number(), ?outcome, %cause, "session ended");
        }
        None => {
            tracing::warn!(peer = context.peer.number(), session = number.number(), %cause, "left signed");
        }
    }
    // Before the end: a crash in between must not let the next session run by itself.
    if means.officer {
        want_approval(context).await;
    }
    let kept = context.blocking(move |handle, _| {
        let (store, now) = (handle.store(), Timestamp::now());
        let end = |outcome| End {
            outcome,
            blame: Some(without.means.blame),
            receipt: without.receipt.as_deref(),
            asked_at: without.asked_at,
            answers: &[],
        };
        match without.means.next {
            Next::Over(outcome) => store.end_session(number, &end(outcome), now)?,
            Next::KeepAsEvidence(outcome) => {
                store.set_aside_session(number, &end(outcome), without.cause.proof(), now)?;
            }
            Next::AskMediator | Next::Later => {}
        }
        Ok(())
    });
    kept.await?;
    Ok(outcome)
}

/// What a session that ended before its commitment means: it cost nothing, and the audit log hears of it if
/// it says something of the peer. `None` where this side was told to stop.
pub(super) fn never_began(context: &Context, ended: &Ended) -> Option<NoSession> {
    let means = ended
        .cause
        .disposition(Standing::Unsigned, Recourse::Nobody);
    let outcome = means
        .next
        .outcome()
        .filter(|outcome| *outcome == Outcome::Refused || means.blame == Blame::Peer);
    tracing::info!(peer = context.peer.number(), cause = %ended.cause, "no session");
    if matches!(ended.cause, Cause::Cancelled) {
        return None;
    }
    Some(NoSession {
        note: outcome.map(|outcome| Note::Refused(outcome, means.blame)),
        ..NoSession::because(ended.cause.to_string())
    })
}

/// Has an officer decide before the next session.
async fn want_approval(context: &Context) {
    let changed = context
        .blocking(|handle, peer| Ok(handle.store().require_approval(peer, Timestamp::now())?));
    if let Err(reason) = changed.await {
        tracing::error!(
            peer = context.peer.number(),
            trouble = reason.text,
            "policy"
        );
    }
}

/// Grades what was found and ends the session with it. Blocks.
pub(super) fn keep_answers(
    handle: &Handle,
    peer: &Peer,
    run: &SessionRun,
    matches: &Findings,
) -> Result<(), NoSession> {
    check_schema(handle, ListKind::Requested)?;
    let store = handle.store();
    let policy = &peer.entry.policy;
    let schema = handle.schema();
    let identities: HashSet<HashedIdentity> = run.asked.iter().copied().collect();
    let asked = Asked {
        identities: &identities,
        list: run.asked_list,
        wide: run.wide,
    };
    let answers = asking::answers(store, peer.number, policy, schema, &asked, &matches.held)?;
    let end = End {
        outcome: matches.outcome,
        blame: None,
        receipt: matches.receipt.as_ref(),
        asked_at: run.asked_at,
        answers: &answers,
    };
    Ok(store.end_session(run.number, &end, Timestamp::now())?)
}
