//! The node at work: one worker a peer, the address at which peers come, and the relays at which they
//! are awaited. `docs/operating.md`.
//!
//! Owns the workers, follows what changes in the store, and ends everything when told to stop: what
//! runs may go on until a deadline, and nothing that was kept is lost by it.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, Id, JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::awaiting::Awaiting;
use super::handle::Handle;
use super::settings::Settings;
use super::worker::Worker;
use admin::{Peer, PeerEntry, PeerNumber};
use store::audit::Event;
use transport::{self, Channel, EnrolledListener, EnrolledTls, PublicKey};

/// Channels of one peer that may wait to be looked at; a further one is dropped.
const WAITING_MAX: usize = 1;
/// Between two looks at the peers where nothing has changed: a worker may have failed.
const LOOK: Duration = Duration::from_secs(60);
/// Connections turned away that are written to the log one by one in a minute: strangers must not be able
/// to fill it.
const TURNED_AWAY_TOLD_MAX: u32 = 10;
const TURNED_AWAY_PERIOD: Duration = Duration::from_secs(60);
/// For what a worker still has to say once its time is over.
const PARTING: Duration = Duration::from_secs(5);

/// Why a node cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Channel(#[from] transport::Error),
}

/// A node that has its address and is about to work.
pub struct Daemon {
    handle: Handle,
    settings: Arc<Settings>,
    listener: Option<EnrolledListener>,
    /// The peers that may come to the address, by the key they prove.
    expected: Arc<RwLock<BTreeMap<PublicKey, PeerNumber>>>,
    workers: BTreeMap<PeerNumber, Working>,
    tasks: JoinSet<()>,
    /// Workers whose peer is gone and that have not ended: no other works for that peer before.
    leaving: BTreeMap<Id, PeerNumber>,
    turned_away: TurnedAway,
    changed: watch::Sender<u64>,
    stop: watch::Sender<Option<Instant>>,
}

/// One worker, and what leads to it.
struct Working {
    entry: PeerEntry,
    incoming: mpsc::Sender<Channel>,
    task: Id,
    at_relay: Option<AbortHandle>,
}

/// Connections turned away in a minute.
#[derive(Default)]
struct TurnedAway {
    until: Option<Instant>,
    count: u32,
}

impl TurnedAway {
    /// Writes one to the log; of many in one minute the first, and how many there were more.
    fn tell(&mut self, from: SocketAddr, error: transport::Error) {
        let now = Instant::now();
        if self.until.is_none_or(|until| until <= now) {
            let untold = self.count.saturating_sub(TURNED_AWAY_TOLD_MAX);
            if untold > 0 {
                tracing::info!(untold, "turned away");
            }
            self.until = Some(now + TURNED_AWAY_PERIOD);
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        if self.count <= TURNED_AWAY_TOLD_MAX {
            tracing::info!(%from, %error, "turned away");
        }
    }
}

impl Daemon {
    /// Takes the address; nobody is met before [`run`](Self::run).
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn open(handle: Handle, settings: Settings) -> Result<Self, Error> {
        let expected = Arc::new(RwLock::new(BTreeMap::new()));
        let admits = {
            let expected: Arc<RwLock<BTreeMap<PublicKey, PeerNumber>>> = expected.clone();
            move |key: &PublicKey| {
                let expected = expected.read().unwrap_or_else(PoisonError::into_inner);
                expected.contains_key(key)
            }
        };
        let listener = match &settings.listen {
            Some(address) => {
                let tls = EnrolledTls::new(handle.store().key().seed(), Arc::new(admits))?;
                Some(EnrolledListener::open(address, tls, settings.limits.clone()).await?)
            }
            None => None,
        };
        Ok(Self {
            handle,
            settings: Arc::new(settings),
            listener,
            expected,
            workers: BTreeMap::new(),
            tasks: JoinSet::new(),
            leaving: BTreeMap::new(),
            turned_away: TurnedAway::default(),
            changed: watch::channel(0).0,
            stop: watch::channel(None).0,
        })
    }

    /// Where peers come, with its real port.
    ///
    /// # Errors
    /// The operating system has forgotten it.
    pub fn address(&self) -> Result<Option<SocketAddr>, Error> {
        let listener = self.listener.as_ref();
        Ok(listener.map(EnrolledListener::address).transpose()?)
    }

    /// Works until `stop`, and then for at most [`Settings::stop`].
    ///
    /// # Errors
    /// The store fails at the start or at the end; in between failures are told by the pairs.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        self.note(Event::NodeStarted).await?;
        let mut stop = pin!(stop);
        self.follow().await?;
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.reset();
        loop {
            let visit = async {
                match &mut self.listener {
                    Some(listener) => listener.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = self.handle.woken() => {
                    self.look().await;
                    self.changed.send_modify(|count| *count = count.wrapping_add(1));
                }
                Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => {
                    let (id, failed) = match ended {
                        Ok((id, ())) => (id, false),
                        Err(error) => (error.id(), true),
                    };
                    self.leaving.remove(&id);
                    let gone = self.workers.iter().find(|(_, working)| working.task == id);
                    if let Some(peer) = gone.map(|(number, _)| *number) {
                        self.forget(peer);
                    }
                    if failed {
                        // The next look gives the peer another worker, and not at once.
                        tracing::error!("a worker failed");
                    } else {
                        self.look().await;
                    }
                }
                _ = looks.tick() => self.look().await,
                (from, visit) = visit => match visit {
                    Ok((channel, key)) => self.lead(&key, channel),
                    Err(error) => self.turned_away.tell(from, error),
                },
            }
        }
        tracing::info!("stopping");
        self.listener = None;
        let deadline = Instant::now() + self.settings.stop;
        let _ = self.stop.send(Some(deadline));
        for working in self.workers.values() {
            if let Some(at_relay) = &working.at_relay {
                at_relay.abort();
            }
        }
        let ended = timeout_at(deadline + PARTING, async {
            while self.tasks.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            tracing::warn!("sessions were cut off at the deadline");
            self.tasks.abort_all();
        }
        self.note(Event::NodeStopped).await
    }

    async fn look(&mut self) {
        if let Err(error) = self.follow().await {
            tracing::error!(%error, "the peers cannot be read");
        }
    }

    /// Has one worker for each peer that there is, set up as the store has it.
    async fn follow(&mut self) -> Result<(), Error> {
        let store = self.handle.store().clone();
        let peers = spawn_blocking(move || store.peers())
            .await
            .unwrap_or(Err(store::Error::DamagedStore))?;
        let gone: Vec<PeerNumber> = {
            let there = |number: &PeerNumber| peers.iter().any(|peer| peer.number == *number);
            let workers = self.workers.keys().copied();
            workers.filter(|number| !there(number)).collect()
        };
        for peer in gone {
            if let Some(task) = self.forget(peer) {
                self.leaving.insert(task, peer);
            }
        }
        for peer in peers {
            let known = self.workers.get(&peer.number);
            // How it is reached is set up once; everything else the worker reads before each session.
            let same = known.is_some_and(|known| {
                known.entry.id == peer.entry.id
                    && known.entry.by_relay == peer.entry.by_relay
                    && known.entry.policy.mediator == peer.entry.policy.mediator
            });
            let leaving = self.leaving.values().any(|number| *number == peer.number);
            if !same && !leaving {
                let (incoming, task) = match self.workers.remove(&peer.number) {
                    Some(working) => {
                        if let Some(at_relay) = working.at_relay {
                            at_relay.abort();
                        }
                        (working.incoming, working.task)
                    }
                    None => self.start(&peer),
                };
                let at_relay = self.await_at_relay(&peer, &incoming);
                let entry = peer.entry;
                self.workers.insert(
                    peer.number,
                    Working {
                        entry,
                        incoming,
                        task,
                        at_relay,
                    },
                );
            }
        }
        let expected = self
            .workers
            .iter()
            .filter(|(_, working)| !working.entry.by_relay);
        let expected = expected.map(|(number, working)| (*working.entry.id.as_bytes(), *number));
        *self
            .expected
            .write()
            .unwrap_or_else(PoisonError::into_inner) = expected.collect();
        Ok(())
    }

    fn start(&mut self, peer: &Peer) -> (mpsc::Sender<Channel>, Id) {
        let (incoming, channels) = mpsc::channel(WAITING_MAX);
        let worker = Worker::new(
            self.handle.clone(),
            peer.number,
            self.settings.clone(),
            channels,
            self.changed.subscribe(),
            self.stop.subscribe(),
        );
        let task = self.tasks.spawn(worker.run());
        (incoming, task.id())
    }

    /// Leaves a worker to itself; it ends once it has ended what it does.
    fn forget(&mut self, peer: PeerNumber) -> Option<Id> {
        let working = self.workers.remove(&peer)?;
        if let Some(at_relay) = working.at_relay {
            at_relay.abort();
        }
        Some(working.task)
    }

    /// Leads a visitor to its worker; drops it if the worker has one waiting.
    fn lead(&self, key: &PublicKey, channel: Channel) {
        let number = {
            let expected = self.expected.read().unwrap_or_else(PoisonError::into_inner);
            expected.get(key).copied()
        };
        let working = number.and_then(|number| self.workers.get(&number));
        if let Some(working) = working
            && working.incoming.try_send(channel).is_err()
        {
            tracing::info!(
                peer = number.map(PeerNumber::number),
                "a visitor too many was dropped"
            );
        }
    }

    fn await_at_relay(&self, peer: &Peer, incoming: &mpsc::Sender<Channel>) -> Option<AbortHandle> {
        if !peer.entry.by_relay {
            return None;
        }
        let descriptor = peer.entry.policy.descriptor()?;
        let awaiting = Awaiting {
            handle: self.handle.clone(),
            number: peer.number,
            peer: peer.entry.id,
            relay: descriptor.mediator,
            address: descriptor.address,
            limits: self.settings.limits.clone(),
            incoming: incoming.clone(),
        };
        Some(tokio::spawn(awaiting.run()).abort_handle())
    }

    async fn note(&self, event: Event) -> Result<(), Error> {
        let store = self.handle.store().clone();
        spawn_blocking(move || store.record(&event, Timestamp::now()).map(drop))
            .await
            .unwrap_or(Err(store::Error::DamagedStore))?;
        Ok(())
    }
}
