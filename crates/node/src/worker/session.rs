//! One session over a channel that is open: set up, run as long as nothing cuts it off, and written down.
//!
//! It is handed the permit, and decides nothing about when sessions run.

use jiff::Timestamp;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use tokio::time::Instant;

use super::context::Context;
use super::course::{Course, Reached, YIELDED};
use super::ending::{answered, ended, never_began};
use super::journal::StoreJournal;
use super::no_session::NoSession;
use super::outcome::SessionRun;
use super::reach::mediator_at_hand;
use super::schedule::Permit;
use super::setup::{Begun, begin};
use super::stock::Taken;
use super::stop::stopped;
use super::visitors::Visitors;
use crate::settle::RelayMediatorClient;
use crate::{Ended, run_mediated_session};
use admin::Peer;
use protocol::Role;
use protocol::{Outcome, Session};
use store::prepared::Ready;
use transport::Channel;

/// What a session came to, for the schedule.
pub(super) struct Came {
    /// When the session began that has answers; `None` where nothing is to be said.
    pub result: Result<Option<Timestamp>, NoSession>,
    /// When it ended, if it was committed: what it took is used.
    pub spent: Option<Instant>,
    /// What it was to take is not there any more.
    pub gone: bool,
    /// The peer opened it and did not begin it.
    pub not_begun: bool,
    /// The peer's own call, for which this one made room.
    pub yielded: Option<Channel>,
}

/// Runs one session over `channel` to its end, and writes down how it ended.
pub(super) async fn run(
    context: &Context,
    visitors: &mut Visitors,
    peer: &Peer,
    (role, channel): (Role, Channel),
    permit: Permit,
    taken: Taken,
) -> Came {
    let (mediator, begun) = match set_up(context, peer, role, permit, taken).await {
        Ok(set_up) => set_up,
        Err(reason) => {
            visitors.turn_away(channel);
            return Came {
                gone: matches!(reason, NotSetUp::Gone),
                result: Err(reason.into()),
                spent: None,
                not_begun: false,
                yielded: None,
            };
        }
    };
    let Begun {
        session,
        mut journal,
        asked,
        asked_at,
        asked_list,
        started,
    } = begun;
    let over = (role, channel, session, mediator);
    let (result, yielded) = drive(context, visitors, peer, over, &mut journal).await;
    // Before its answers are worked in.
    let spent = journal.session.map(|_| Instant::now());
    let not_begun = spent.is_none() && role == Role::Responder;
    let cut_off = journal.course.cut_off();
    let result = match journal.session {
        Some(number) => {
            let run = SessionRun {
                number,
                asked_at,
                asked_list: Some(asked_list),
                asked,
                wide: peer.entry.policy.wide.is_some(),
            };
            let writing = write_down(context, peer, run, result);
            // That takes as long as the lists are long: whoever comes meanwhile hears so at once.
            let written = visitors.turn_away_while(writing).await;
            written.map(|answered| answered.then_some(started))
        }
        None => {
            // It was not committed: what it took serves another session.
            put_back(context, journal.start.ready).await;
            let reason = result.err().and_then(|ended| never_began(context, &ended));
            reason.map_or(Ok(None), Err)
        }
    };
    let result = match (result, cut_off) {
        (Ok(Some(started)), _) => Ok(Some(started)),
        // To make room for the peer's own call is no failure.
        (_, Some(_)) if yielded.is_some() => Ok(None),
        (_, Some(why)) => Err(NoSession::because(why)),
        (result, None) => result,
    };
    Came {
        result,
        spent,
        gone: false,
        not_begun,
        yielded,
    }
}

/// Why a session could not be set up.
enum NotSetUp {
    /// What it was to take was discarded, with a list that was withdrawn, say.
    Gone,
    For(NoSession),
}

impl From<NoSession> for NotSetUp {
    fn from(reason: NoSession) -> Self {
        Self::For(reason)
    }
}

impl From<NotSetUp> for NoSession {
    fn from(not: NotSetUp) -> Self {
        match not {
            NotSetUp::Gone => Self::because("nothing is ready yet"),
            NotSetUp::For(reason) => reason,
        }
    }
}

/// Makes ready what a session needs, the cheapest to lose first: what is prepared is taken last.
async fn set_up(
    context: &Context,
    peer: &Peer,
    role: Role,
    permit: Permit,
    taken: Taken,
) -> Result<(Option<RelayMediatorClient>, Begun), NotSetUp> {
    let mediator = mediator_at_hand(context, peer).await?;
    let entry = peer.clone();
    let begun = context.blocking(move |handle, _| begin(handle, &entry, role, permit, taken));
    let begun = begun.await?.ok_or(NotSetUp::Gone)?;
    Ok((mediator, begun))
}

/// Moves the session's messages, and meets who comes meanwhile. Gives also the channel for which it made
/// room, if the peer called too and its call goes before.
async fn drive(
    context: &Context,
    visitors: &mut Visitors,
    peer: &Peer,
    (role, channel, session, mediator): (Role, Channel, Session, Option<RelayMediatorClient>),
    journal: &mut StoreJournal,
) -> (Result<Outcome, Ended>, Option<Channel>) {
    let course = journal.course.clone();
    // When both call at once, the call of the lower id goes on.
    let makes_room = role == Role::Initiator && context.handle.id() > peer.entry.id;
    let mut yielded = None;
    let mut rng = UnwrapErr(SysRng);
    let run = run_mediated_session(
        session,
        channel,
        &mut rng,
        &context.settings.patience,
        journal,
        mediator.as_ref(),
        cut_off(context, peer, course.clone()),
    );
    tokio::pin!(run);
    loop {
        tokio::select! {
            result = &mut run => return (result, yielded),
            Some(other) = visitors.next() => {
                if makes_room && course.cut_off_before(Reached::Committed, YIELDED) {
                    yielded = Some(other);
                } else {
                    visitors.turn_away(other);
                }
            }
        }
    }
}

/// Resolves when the session must not go on.
async fn cut_off(context: &Context, peer: &Peer, course: Course) {
    let begun_by = Instant::now() + context.settings.patience.stall;
    let (handle, number) = (context.handle.clone(), context.peer);
    let before = peer.entry.policy.clone();
    let same = move || {
        let now = handle.store().peer(number);
        now.is_ok_and(|now| now.entry.policy == before)
    };
    tokio::select! {
        () = stopped(&context.stop) => {}
        () = course.is_cut_off(begun_by, context.changed.clone(), same) => {}
    }
}

/// Writes down what came of a session that was committed; whether there are answers.
async fn write_down(
    context: &Context,
    peer: &Peer,
    run: SessionRun,
    result: Result<Outcome, Ended>,
) -> Result<bool, NoSession> {
    match result {
        Ok(outcome) => answered(context, peer, run, outcome).await.map(|()| true),
        Err(failed) => Err(ended(context, peer, run, failed).await),
    }
}

async fn put_back(context: &Context, ready: Ready) {
    let put = context.blocking(move |handle, _| Ok(handle.store().put_back(ready)?));
    if let Err(reason) = put.await {
        tracing::error!(peer = context.peer.number(), trouble = reason.text, "table");
    }
}
