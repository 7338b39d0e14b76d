//! The node's work with one peer: prepares sessions beside everything else, meets the peer when one is due or
//! when it comes, and runs one at a time.
//!
//! What serves a session, and from when on, is the [`stock`]'s to say, so that the peer learns nothing of a
//! list from when sessions run.
//!
//! When a session is due is the [`schedule`]'s to say, which knows no clock: the worker tells it the time and
//! what has happened, and does what it says. What a session must keep is in the store before the message
//! leaves that needs it ([`journal`]); what may still cut it off, and until when, is its [`course`]. A session
//! that was signed is ended before another begins ([`signed`]), also one of a process before this.

mod clearance;
mod context;
mod course;
mod ending;
mod journal;
mod no_session;
mod outcome;
mod prepare;
mod reach;
mod schedule;
mod session;
mod setup;
mod signed;
mod stock;
mod stop;
mod visitors;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::SysRng;
use rand_core::{Rng, UnwrapErr};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep};

use super::handle::Handle;
use super::settings::Settings;
use admin::policy::Approval;
use admin::{Activity, Outcome, Peer, PeerEntry, PeerNumber};
use clearance::{clearance, decided};
use context::Context;
use no_session::NoSession;
use protocol::Role;
use reach::{can_call, dial};
use schedule::{Event, Now, Pauses, Permit, Rules, Schedule, Step};
use setup::left_by_the_last;
use signed::end_next;
use stock::{Change, Prepared, Stock, Ticks};
use stop::{Stop, told_to_stop};
use transport::Channel;
use visitors::Visitors;

/// The node's work with one peer.
pub(super) struct Worker {
    context: Context,
    visitors: Visitors,
    schedule: Schedule,
    /// What the schedule counts from.
    began: Instant,
    /// The peer as it was at the last look.
    seen: Option<PeerEntry>,
    stock: Stock,
    /// Prepares what the stock has planned. Goes on beside everything else.
    making: Option<Making>,
    /// Whether the stock has yet to look at what was changed in the store.
    lists_changed: bool,
    /// Somebody asked for a session at once, and the stock has yet to look at what is asked.
    at_once: bool,
    /// When the stock was last seen to.
    looked: Duration,
    /// A session is wanted once what serves asks what was asked at this change.
    wanted: Option<Change>,
    /// Whether a session could begin at the last look; if not, the trouble shown is why.
    ready: bool,
}

/// Why the worker does something.
enum Next {
    Stop,
    Look,
    Meet(Box<Channel>),
    Call,
}

impl Worker {
    pub(super) fn new(
        handle: Handle,
        peer: PeerNumber,
        settings: Arc<Settings>,
        incoming: mpsc::Receiver<Channel>,
        changed: watch::Receiver<u64>,
        stop: Stop,
    ) -> Self {
        let pauses = Pauses {
            first: settings.retry_first,
            max: settings.retry_max,
        };
        let ticks = Ticks {
            every: settings.tick,
            first: settings.tick.mul_f64(f64::from(chance()) / 256.0),
        };
        let sessions = settings.tables as usize;
        Self {
            context: Context {
                handle,
                peer,
                settings,
                changed,
                stop,
            },
            visitors: Visitors::new(incoming),
            schedule: Schedule::new(pauses),
            began: Instant::now(),
            seen: None,
            stock: Stock::new(ticks, sessions),
            making: None,
            lists_changed: true,
            at_once: false,
            looked: Duration::ZERO,
            wanted: None,
            ready: true,
        }
    }

    /// Works until the node stops or the peer is removed.
    pub(super) async fn run(mut self) {
        let left = self
            .context
            .blocking(|handle, peer| left_by_the_last(&handle, peer));
        match left.await {
            Ok((last, wanted)) => self.hear(Event::Restored { last, wanted }),
            Err(reason) => self.failed(reason).await,
        }
        while let Some(peer) = self.look().await {
            if !self.end_signed(&peer).await {
                return;
            }
            self.see_to_stock(&peer).await;
            match self.next(&peer).await {
                Next::Stop => return,
                Next::Look => {}
                Next::Meet(channel) if self.schedule.admits(self.now()) => {
                    self.serve(&peer, *channel).await;
                }
                Next::Meet(channel) => self.visitors.turn_away(*channel),
                Next::Call => self.call(&peer).await,
            }
        }
    }

    /// Reads the peer and tells the schedule; `None` when the node stops or the peer was removed.
    async fn look(&mut self) -> Option<Peer> {
        loop {
            // Before the store is read: a change meanwhile is seen at the next look.
            self.lists_changed |= self.context.changed.has_changed().unwrap_or(false);
            self.context.changed.borrow_and_update();
            if self.context.stop.borrow().is_some() {
                return None;
            }
            let loaded = self
                .context
                .blocking(|handle, peer| match handle.store().peer(peer) {
                    Err(store::Error::NoSuch { .. }) => Ok(None),
                    peer => Ok(Some(peer?)),
                });
            match loaded.await {
                Ok(Some(peer)) => {
                    self.looked(&peer).await;
                    return Some(peer);
                }
                // Removed; added again, it gets another worker.
                Ok(None) => return None,
                Err(reason) => {
                    self.failed(reason).await;
                    self.pause().await?;
                }
            }
        }
    }

    async fn looked(&mut self, peer: &Peer) {
        if self.seen.as_ref() != Some(&peer.entry) {
            self.hear(Event::Changed);
            self.seen = Some(peer.entry.clone());
            self.lists_changed = true;
        }
        let policy = &peer.entry.policy;
        self.hear(Event::Looked(Rules {
            every: policy
                .schedule_s
                .map(|seconds| Duration::from_secs(seconds.into())),
            on_demand: policy.on_demand,
            by_hand: policy.approval == Approval::ByHand,
            can_call: can_call(peer),
            calls_second: self.context.handle.id() > peer.entry.id,
        }));
        if let Some(approval) = self.schedule.awaited()
            && let Some(event) = decided(&self.context, approval).await
        {
            self.hear(event);
        }
    }

    /// Ends every signed session of this peer; false when the node stops meanwhile.
    async fn end_signed(&mut self, peer: &Peer) -> bool {
        loop {
            match end_next(&self.context, &mut self.visitors, peer).await {
                None => return false,
                Some(Ok(None)) => return true,
                Some(Ok(Some(Outcome::Answered | Outcome::Settled))) => {
                    self.answered(Timestamp::now());
                }
                Some(Ok(Some(_))) => {}
                Some(Err(reason)) => {
                    self.failed(reason).await;
                    if self.pause().await.is_none() {
                        return false;
                    }
                }
            }
        }
    }

    /// Sees to what is prepared, and tells the schedule whether a session can begin.
    async fn see_to_stock(&mut self, peer: &Peer) {
        if let Some(made) = ended(&mut self.making).await {
            self.hear_made(made);
        }
        // Before the store is read: who asked at once has put into it what is to be asked.
        self.at_once |= self.context.handle.take_at_once(self.context.peer);
        if self.lists_changed || self.at_once {
            let entry = peer.clone();
            let basis = self
                .context
                .blocking(move |handle, _| prepare::basis(&handle, &entry));
            match basis.await {
                Ok(basis) => {
                    self.lists_changed = false;
                    self.stock.look(basis);
                    if std::mem::take(&mut self.at_once) {
                        self.wanted = self.stock.latest();
                    }
                }
                // Looked at again at the next look.
                Err(reason) => {
                    self.lists_changed = true;
                    self.stock.clear();
                    self.context.show_trouble(&reason);
                }
            }
        }
        // One moment for what is open now and for when it changes: an opening in between would be missed.
        self.looked = self.elapsed();
        self.stock.turn(self.looked);
        self.begin_making(peer);
        let ready = self.stock.is_open(self.looked);
        self.hear(Event::Stocked(ready));
        if let Some(change) = self.wanted
            && self.stock.serves(change)
        {
            self.wanted = None;
            self.hear(Event::Wanted);
        }
        if ready && !self.ready {
            self.context
                .handle
                .set(self.context.peer, |pair| pair.trouble = None);
        }
        self.ready = ready;
    }

    fn begin_making(&mut self, peer: &Peer) {
        if self.making.is_some() || !self.schedule.may_prepare(self.now()) {
            return;
        }
        let Some(plan) = self.stock.plan(self.elapsed()) else {
            return;
        };
        let (handle, peer) = (self.context.handle.clone(), peer.clone());
        self.making = Some(spawn_blocking(move || {
            prepare::prepare(&handle, &peer, &plan)
        }));
    }

    /// Hears what came of a preparation.
    fn hear_made(&mut self, made: Result<Option<Prepared>, NoSession>) {
        let now = self.elapsed();
        match made {
            Ok(Some(prepared)) => self.stock.made(now, Some(prepared)),
            // Another list was imported meanwhile: the next plan is of that.
            Ok(None) => {
                self.stock.drop_made();
                self.lists_changed = true;
            }
            Err(reason) => {
                self.stock.made(now, None);
                self.context.show_trouble(&reason);
                let chance = chance();
                self.hear(Event::TableFailed { chance });
            }
        }
    }

    /// Shows how things stand, and waits for what comes first.
    async fn next(&mut self, peer: &Peer) -> Next {
        let now = self.now();
        let step = self.schedule.next(now);
        let due = match step {
            Step::Call => Some(now.wall),
            Step::Wait { due, .. } => due,
        };
        let activity = match self.schedule.awaited() {
            Some(approval) => Activity::AwaitingApproval(approval),
            None if !self.ready && self.stock.is_making() => Activity::Preparing,
            None if self.ready && !can_call(peer) => Activity::AwaitingPeer,
            None => Activity::Nothing,
        };
        let changing = self.making.is_some() || !self.stock.is_settled();
        self.context.handle.set(self.context.peer, |pair| {
            (pair.activity, pair.next, pair.changing) = (activity, due, changing);
        });
        let (pause, then) = match step {
            Step::Call => (Duration::ZERO, Next::Call),
            Step::Wait { pause, .. } => {
                let turns = self.stock.next_change(self.looked);
                let turns = turns.map(|at| at.saturating_sub(now.elapsed));
                (turns.map_or(pause, |turns| turns.min(pause)), Next::Look)
            }
        };
        let mut unseen = self.context.changed.clone();
        tokio::select! {
            biased;
            () = told_to_stop(&self.context.stop) => Next::Stop,
            // Whoever is there already is met first.
            channel = self.visitors.next() => channel.map_or(Next::Stop, |channel| Next::Meet(Box::new(channel))),
            // Not taken in here, so that the next look sees that there was one.
            _ = unseen.changed() => Next::Look,
            made = ends(&mut self.making) => {
                self.hear_made(made);
                Next::Look
            }
            () = sleep(pause) => then,
        }
    }

    /// Calls the peer and runs a session as its initiator.
    async fn call(&mut self, peer: &Peer) {
        let Some(permit) = self.permit(peer).await else {
            return;
        };
        self.context.show(Activity::AwaitingPeer);
        let limits = self.context.settings.limits.clone();
        let dialling = dial(self.context.handle.clone(), limits, peer.clone());
        let dialled = tokio::select! {
            biased;
            () = told_to_stop(&self.context.stop) => return,
            Some(channel) = self.visitors.next() => return self.serve(peer, channel).await,
            dialled = dialling => dialled,
        };
        match dialled {
            Ok(channel) => {
                let yielded = self.session(peer, (Role::Initiator, channel), permit).await;
                if let Some(channel) = yielded {
                    self.serve(peer, channel).await;
                }
            }
            Err(error) => self.failed(error.into()).await,
        }
    }

    /// Runs a session as its responder, if policy lets it run now.
    async fn serve(&mut self, peer: &Peer, channel: Channel) {
        match self.permit(peer).await {
            Some(permit) => {
                self.session(peer, (Role::Responder, channel), permit).await;
            }
            None => self.visitors.turn_away(channel),
        }
    }

    /// Lets a session run now, if budget and officers do.
    async fn permit(&mut self, peer: &Peer) -> Option<Permit> {
        if self.schedule.refuses(self.now()) {
            return None;
        }
        match clearance(&self.context, peer).await {
            Ok(clearance) => self.schedule.clear(clearance),
            Err(reason) => {
                self.failed(reason).await;
                None
            }
        }
    }

    /// Runs one session, and tells the schedule what came of it. Gives the channel for which it made room.
    async fn session(
        &mut self,
        peer: &Peer,
        over: (Role, Channel),
        permit: Permit,
    ) -> Option<Channel> {
        let Some(taken) = self.stock.take(self.elapsed()) else {
            self.visitors.turn_away(over.1);
            return None;
        };
        let (context, visitors) = (&self.context, &mut self.visitors);
        let came = session::run(context, visitors, peer, over, permit, taken).await;
        if let Some(ended) = came.spent {
            self.stock.spent(ended - self.began);
            // What it answered is not asked again.
            self.lists_changed = true;
        } else if came.gone {
            self.stock.lost();
            self.lists_changed = true;
        } else {
            self.stock.put_back(taken);
        }
        if came.not_begun {
            self.hear(Event::NotBegun);
        }
        match came.result {
            Ok(Some(started)) => self.answered(started),
            Ok(None) => {}
            Err(reason) => self.failed(reason).await,
        }
        came.yielded
    }

    fn answered(&mut self, began: Timestamp) {
        self.hear(Event::Answered { began });
        self.context.handle.set(self.context.peer, |pair| {
            (pair.trouble, pair.answered) = (None, Some(Timestamp::now()));
        });
    }

    /// Puts the next attempt off, and tells people and the audit log why.
    async fn failed(&mut self, reason: NoSession) {
        self.hear(Event::Failed {
            chance: chance(),
            budget_until: reason.budget_until,
        });
        self.context.show_trouble(&reason);
        let Some(note) = reason.note else { return };
        if !self.schedule.may_note(self.now()) {
            return;
        }
        self.hear(Event::Noted);
        let noting = self
            .context
            .blocking(move |handle, peer| Ok(note.write(handle.store(), peer)?));
        if let Err(reason) = noting.await {
            self.context.show_trouble(&reason);
        }
    }

    /// Waits for the longest pause, turning visitors away; `None` when the node stops.
    async fn pause(&mut self) -> Option<()> {
        let pause = sleep(self.context.settings.retry_max);
        self.visitors
            .turn_away_during(&self.context.stop, pause)
            .await
    }

    fn hear(&mut self, event: Event) {
        let now = self.now();
        self.schedule.hear(now, event);
    }

    fn elapsed(&self) -> Duration {
        self.now().elapsed
    }

    /// The one place where a worker reads the clocks for its schedule.
    fn now(&self) -> Now {
        Now {
            elapsed: self.began.elapsed(),
            wall: Timestamp::now(),
        }
    }
}

type Making = JoinHandle<Result<Option<Prepared>, NoSession>>;

/// What came of a preparation; for ever while there is none.
async fn ends(making: &mut Option<Making>) -> Result<Option<Prepared>, NoSession> {
    let Some(going_on) = making else {
        return std::future::pending().await;
    };
    let made = going_on.await;
    *making = None;
    made.unwrap_or_else(|_| Err(NoSession::because("preparing a session failed")))
}

/// What came of a preparation, if it has ended.
async fn ended(making: &mut Option<Making>) -> Option<Result<Option<Prepared>, NoSession>> {
    let has_ended = making.as_ref().is_some_and(JoinHandle::is_finished);
    if has_ended {
        Some(ends(making).await)
    } else {
        None
    }
}

/// Keeps two nodes from missing each other for ever.
fn chance() -> u8 {
    let [chance, ..] = UnwrapErr(SysRng).next_u32().to_le_bytes();
    chance
}
