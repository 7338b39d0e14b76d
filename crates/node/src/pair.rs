//! Everything between this node and one peer: prepares tables while nothing else is to do, meets the
//! peer when a session is due or when it comes, and runs one session at a time.
//!
//! When both call at once, the call of the lower id goes on. What a session must keep is in the store
//! before the message leaves that needs it ([`setup::Books`]); a session that was signed is ended before
//! another begins ([`signed`]), by the peer's release or the mediator's word, also one of a process before this.
//! What may still cut a session off, and until when, is its [`course`].

mod course;
mod ending;
mod setup;
mod signed;
mod when;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::SysRng;
use rand_core::{Rng, UnwrapErr};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::handle::{Doing, Handle};
use super::run_mediated_session;
use super::settings::Settings;
use admin::{ApprovalNumber, Outcome as Kept, Peer, PeerEntry, PeerNumber, TableNumber};
use course::{Reached, YIELDED};
use ending::Ran;
use protocol::{AbortReason, Message, Role};
use setup::{Begun, Trouble, begin, can_call, dial, left_by_the_last, prepare, stock};
use transport::Channel;

/// Between two looks at the clock, which may be set while one waits.
const LOOK: Duration = Duration::from_secs(60);
/// For a peer to take the word that this is not the moment.
const REFUSAL: Duration = Duration::from_secs(5);
/// Refusals that may be on their way at once; beyond that a visitor is dropped without a word.
const REFUSALS_MAX: usize = 4;
/// Between two entries in the audit log about one peer's sessions that never began.
const REFUSED_NOTED: Duration = Duration::from_secs(60);

/// When the node is told to stop: the moment by which sessions must have ended.
pub(super) type Stop = watch::Receiver<Option<Instant>>;

/// The node's work with one peer.
pub(super) struct Worker {
    pub handle: Handle,
    pub peer: PeerNumber,
    pub settings: Arc<Settings>,
    /// Channels on which the peer has opened a session.
    pub incoming: mpsc::Receiver<Channel>,
    /// Goes up when something in the store has changed.
    pub changed: watch::Receiver<u64>,
    pub stop: Stop,
    pub refusals: Arc<Semaphore>,
}

/// What it remembers from one session to the next.
struct Memory {
    /// When the last session began that ended with answers, or was skipped.
    last: Option<Timestamp>,
    /// When the work began: what is due without a last session is due then.
    began: Timestamp,
    failures: u32,
    /// Not before this moment, because an attempt failed.
    retry_at: Option<Instant>,
    /// No table is computed before this moment, because the last attempt failed.
    prepare_at: Option<Instant>,
    /// Not before the budget resets.
    not_before: Option<Timestamp>,
    /// What the officers refused is not asked for again before this.
    refused_until: Option<Timestamp>,
    /// The peer has opened a session and not begun it: until then it is refused without any work.
    shut_until: Option<Instant>,
    /// The peer as it was at the last look.
    seen: Option<PeerEntry>,
    /// Somebody asked for a session at once.
    wanted: bool,
    /// Waits for an officer.
    approval: Option<ApprovalNumber>,
    refused_noted: Option<Instant>,
    /// There was no table when it last looked, and the trouble told is why.
    unready: bool,
}

enum Next {
    Stop,
    Changed,
    Incoming(Box<Channel>),
    Due,
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
        Self {
            handle,
            peer,
            settings,
            incoming,
            changed,
            stop,
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
        }
    }

    /// Works until the node stops or the peer is removed.
    pub(super) async fn run(mut self) {
        let mut memory = Memory {
            last: None,
            began: Timestamp::now(),
            failures: 0,
            retry_at: None,
            prepare_at: None,
            not_before: None,
            refused_until: None,
            shut_until: None,
            seen: None,
            wanted: false,
            approval: None,
            refused_noted: None,
            unready: false,
        };
        match self
            .blocking(|handle, peer| left_by_the_last(&handle, peer))
            .await
        {
            Ok((last, wanted)) => (memory.last, memory.wanted) = (last, wanted),
            Err(trouble) => self.failed(&mut memory, &trouble),
        }
        loop {
            self.changed.borrow_and_update();
            if self.stop.borrow().is_some() {
                return;
            }
            let loaded = self.blocking(|handle, peer| match handle.store().peer(peer) {
                Err(store::Error::NoSuch { .. }) => Ok(None),
                peer => Ok(Some(peer?)),
            });
            let peer = match loaded.await {
                Ok(Some(peer)) => peer,
                // Removed; added again, it gets another worker.
                Ok(None) => return,
                Err(trouble) => {
                    self.failed(&mut memory, &trouble);
                    if !self.pause(self.settings.retry_max).await {
                        return;
                    }
                    continue;
                }
            };
            if memory.seen.as_ref() != Some(&peer.entry) {
                // What stood in the way may be mended.
                (memory.not_before, memory.retry_at, memory.failures) = (None, None, 0);
                (memory.prepare_at, memory.refused_until) = (None, None);
                memory.seen = Some(peer.entry.clone());
            }
            if self.handle.take_at_once(self.peer) {
                (memory.wanted, memory.refused_until) = (true, None);
            }
            memory.wanted &= peer.entry.policy.on_demand;
            if !self.finish_signed(&peer, &mut memory).await {
                return;
            }
            let ready = self.prepare(&peer, &mut memory).await;
            match self.next(&peer, &mut memory, ready).await {
                Next::Stop => return,
                Next::Changed => {}
                Next::Incoming(channel) if ready && !is_ahead(memory.shut_until) => {
                    self.serve(&peer, &mut memory, *channel).await;
                }
                Next::Incoming(channel) => self.refuse(*channel),
                Next::Due => self.call(&peer, &mut memory).await,
            }
        }
    }

    /// Waits for what comes first.
    async fn next(&mut self, peer: &Peer, memory: &mut Memory, ready: bool) -> Next {
        let due = if ready {
            self.due(peer, memory).await
        } else {
            None
        };
        let doing = match memory.approval {
            Some(approval) => Doing::AwaitingApproval(approval),
            None if ready && !can_call(peer) => Doing::AwaitingPeer,
            None => Doing::Nothing,
        };
        self.handle.set(self.peer, |pair| {
            (pair.doing, pair.next) = (doing, due);
            if ready && memory.unready {
                pair.trouble = None;
            }
        });
        memory.unready = !ready;
        let wait = due.map_or(LOOK, |due| until(due).min(LOOK));
        let looked = due.is_none_or(|due| until(due) > LOOK);
        tokio::select! {
            biased;
            () = told_to_stop(&mut self.stop) => Next::Stop,
            channel = self.incoming.recv() => channel.map_or(Next::Stop, |channel| Next::Incoming(Box::new(channel))),
            _ = self.changed.changed() => Next::Changed,
            () = sleep(wait) => if looked { Next::Changed } else { Next::Due },
        }
    }

    /// Calls the peer and runs a session as its initiator.
    async fn call(&mut self, peer: &Peer, memory: &mut Memory) {
        let approval = match self.may(peer, memory).await {
            Ok(Some(approval)) => approval,
            Ok(None) => return,
            Err(trouble) => return self.failed(memory, &trouble),
        };
        self.handle
            .set(self.peer, |pair| pair.doing = Doing::AwaitingPeer);
        let dialling = dial(
            self.handle.clone(),
            self.settings.limits.clone(),
            peer.clone(),
        );
        let dialled = tokio::select! {
            biased;
            () = told_to_stop(&mut self.stop) => return,
            // Whoever is there already is met first.
            Some(channel) = self.incoming.recv() => {
                return self.serve(peer, memory, channel).await;
            }
            dialled = dialling => dialled,
        };
        match dialled {
            Ok(channel) => {
                let yielded = self
                    .session(peer, memory, Role::Initiator, channel, approval)
                    .await;
                if let Some(channel) = yielded {
                    self.serve(peer, memory, channel).await;
                }
            }
            Err(error) => self.failed(memory, &Trouble::from(&error)),
        }
    }

    /// Runs a session as its responder, if policy lets it run now.
    async fn serve(&mut self, peer: &Peer, memory: &mut Memory, channel: Channel) {
        match self.may(peer, memory).await {
            Ok(Some(approval)) => {
                self.session(peer, memory, Role::Responder, channel, approval)
                    .await;
            }
            Ok(None) => self.refuse(channel),
            Err(trouble) => {
                self.refuse(channel);
                self.failed(memory, &trouble);
            }
        }
    }

    /// Runs one session over `channel`. Gives the channel that it made room for, if the peer called meanwhile
    /// and its call goes before.
    async fn session(
        &mut self,
        peer: &Peer,
        memory: &mut Memory,
        role: Role,
        channel: Channel,
        approval: Option<ApprovalNumber>,
    ) -> Option<Channel> {
        let settler = match self.settler(peer).await {
            Ok(settler) => settler,
            Err(trouble) => {
                self.refuse(channel);
                self.failed(memory, &trouble);
                return None;
            }
        };
        let Some(runs) = self.handle.session_runs() else {
            self.refuse(channel);
            self.failed(memory, &Trouble::text("a list is being imported".into()));
            return None;
        };
        let entry = peer.clone();
        let begun = self
            .blocking(move |handle, _| begin(handle, &entry, role, approval))
            .await;
        let begun = match begun {
            Ok(begun) => begun,
            Err(trouble) => {
                self.refuse(channel);
                self.failed(memory, &trouble);
                return None;
            }
        };
        let Begun {
            session,
            mut books,
            asked,
            asked_at,
        } = begun;
        books.runs = Some(runs);
        let course = books.course.clone();
        let wide = peer.entry.policy.wide.is_some();
        let goes_before = self.handle.id() > peer.entry.id;
        let mut yielded = None;
        let result = {
            let cancelled = {
                let (mut stop, changes) = (self.stop.clone(), self.changed.clone());
                let begun_by = Instant::now() + self.settings.patience.stall;
                let (handle, number, before) =
                    (self.handle.clone(), self.peer, peer.entry.policy.clone());
                let same = move || {
                    let now = handle.store().peer(number);
                    now.is_ok_and(|now| now.entry.policy == before)
                };
                let course = course.clone();
                async move {
                    tokio::select! {
                        () = stopped(&mut stop) => {}
                        () = course.is_cut_off(begun_by, changes, same) => {}
                    }
                }
            };
            let mut rng = UnwrapErr(SysRng);
            let run = run_mediated_session(
                session,
                channel,
                &mut rng,
                &self.settings.patience,
                &mut books,
                settler.as_ref(),
                cancelled,
            );
            tokio::pin!(run);
            loop {
                tokio::select! {
                    result = &mut run => break result,
                    Some(other) = self.incoming.recv() => {
                        let crossed = role == Role::Initiator && goes_before;
                        if crossed && course.cut_off_before(Reached::Committed, YIELDED) {
                            yielded = Some(other);
                        } else {
                            self.refuse(other);
                        }
                    }
                }
            }
        };
        let cut_off = course.cut_off();
        match (books.session, result) {
            (Some(number), result) => {
                let ran = Ran {
                    number,
                    started: asked_at,
                    asked,
                    wide,
                };
                match result {
                    Ok(outcome) => self.answered(peer, memory, ran, outcome).await,
                    Err(ended) => self.ended(peer, memory, ran, ended).await,
                }
            }
            (None, result) => {
                self.put_back(books.start.table).await;
                if role == Role::Responder {
                    memory.shut_until = Some(Instant::now() + self.settings.retry_first);
                }
                if let (Err(ended), None) = (result, cut_off) {
                    self.never_began(memory, &ended).await;
                }
            }
        }
        if let (Some(why), None) = (cut_off, &yielded) {
            self.failed(memory, &Trouble::text(why.to_owned()));
        }
        yielded
    }

    /// Sees to the stock of tables; whether there is one for a session.
    async fn prepare(&mut self, peer: &Peer, memory: &mut Memory) -> bool {
        loop {
            let entry = peer.clone();
            let stock = self.blocking(move |handle, _| stock(&handle, &entry)).await;
            match stock {
                Ok(stock) if stock >= self.settings.tables.max(1) => return true,
                Ok(stock) if is_ahead(memory.prepare_at) => return stock > 0,
                Ok(_) => {}
                Err(trouble) => {
                    self.troubled(&trouble);
                    return false;
                }
            }
            self.handle
                .set(self.peer, |pair| pair.doing = Doing::Preparing);
            let entry = peer.clone();
            let handle = self.handle.clone();
            let mut preparing = spawn_blocking(move || prepare(&handle, &entry));
            let prepared = loop {
                tokio::select! {
                    biased;
                    () = told_to_stop(&mut self.stop) => return false,
                    prepared = &mut preparing => break prepared,
                    Some(channel) = self.incoming.recv() => self.refuse(channel),
                }
            };
            match prepared.unwrap_or_else(|_| Err(Trouble::text("preparing a table failed".into())))
            {
                Ok(()) => {}
                Err(trouble) => {
                    self.failed(memory, &trouble);
                    memory.prepare_at = memory.retry_at;
                    return false;
                }
            }
        }
    }

    /// Tells the peer that this is not the moment, in the background.
    fn refuse(&self, mut channel: Channel) {
        let Ok(permit) = self.refusals.clone().try_acquire_owned() else {
            return;
        };
        tokio::spawn(async move {
            let _permit = permit;
            let telling = async move {
                channel.send(Message::Abort(AbortReason::NotNow)).await?;
                channel.finish().await
            };
            let _ = timeout(REFUSAL, telling).await;
        });
    }

    async fn put_back(&self, table: TableNumber) {
        let put = self.blocking(move |handle, _| Ok(handle.store().put_back_prepared(table)?));
        if let Err(trouble) = put.await {
            tracing::error!(peer = self.peer.number(), trouble = trouble.text, "table");
        }
    }

    fn succeeded(&self, memory: &mut Memory, started: Timestamp) {
        (memory.last, memory.failures) = (Some(started), 0);
        (memory.retry_at, memory.not_before) = (None, None);
        (memory.wanted, memory.approval) = (false, None);
        self.handle.set(self.peer, |pair| {
            (pair.trouble, pair.answered) = (None, Some(Timestamp::now()));
        });
    }

    /// Puts the next attempt off, the longer the more have failed, and by a little chance, so that two
    /// nodes do not miss each other for ever.
    fn failed(&self, memory: &mut Memory, trouble: &Trouble) {
        let (first, max) = (self.settings.retry_first, self.settings.retry_max);
        let pause = first.saturating_mul(1 << memory.failures.min(16)).min(max);
        let chance = UnwrapErr(SysRng).next_u32() % 256;
        memory.failures = memory.failures.saturating_add(1);
        let pause = pause + pause * chance / 512;
        memory.retry_at = Some(Instant::now() + pause);
        memory.not_before = trouble.not_before;
        self.troubled(trouble);
    }

    fn troubled(&self, trouble: &Trouble) {
        self.handle.set(self.peer, |pair| {
            pair.trouble = Some((Timestamp::now(), trouble.text.clone()));
        });
    }

    /// Waits, turning visitors away; false when the node stops.
    async fn pause(&mut self, pause: Duration) -> bool {
        let over = Instant::now() + pause;
        loop {
            tokio::select! {
                biased;
                () = told_to_stop(&mut self.stop) => return false,
                () = sleep_until(over) => return true,
                Some(channel) = self.incoming.recv() => self.refuse(channel),
            }
        }
    }

    /// Works in the store without holding up anybody else.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(Handle, PeerNumber) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (handle, peer) = (self.handle.clone(), self.peer);
        spawn_blocking(move || work(handle, peer))
            .await
            .unwrap_or_else(|_| Err(Trouble::text("this node failed by itself".into())))
    }
}

impl Memory {
    /// Whether the audit log has heard lately of a session with this peer that did not begin.
    fn noted_lately(&self) -> bool {
        self.refused_noted
            .is_some_and(|at| at.elapsed() < REFUSED_NOTED)
    }
}

fn is_ahead(at: Option<Instant>) -> bool {
    at.is_some_and(|at| at > Instant::now())
}

/// Resolves when the node is told to stop.
async fn told_to_stop(stop: &mut Stop) {
    // The sender lives as long as the daemon; without it there is nothing left to work for.
    let _ = stop.wait_for(Option::is_some).await;
}

/// Resolves when sessions must have ended.
async fn stopped(stop: &mut Stop) {
    let deadline = stop
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|deadline| *deadline);
    if let Some(deadline) = deadline {
        sleep_until(deadline).await;
    }
}

fn after(at: Timestamp, pause: Duration) -> Timestamp {
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
    at.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

fn until(at: Timestamp) -> Duration {
    at.duration_since(Timestamp::now())
        .try_into()
        .unwrap_or(Duration::ZERO)
}
