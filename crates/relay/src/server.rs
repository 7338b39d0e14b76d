//! Connections of a relay: handshake, quotas, idle limits, and the end of all when it stops.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tonic::codegen::Service;

use super::service::Desk;
use super::settling::Clock;
use super::status::Meters;
use super::{Limits, Rooms, Settling};
use pairing::{NodeId, NodeKey};
use store::{self, enrolled};
use transport::server::{
    ACCEPT_PAUSE, CallsGoingOn, ConnectionLimits, Connections, InHandshake, Stopping, serve_calls,
};
use transport::{self, EnrolledTls, PublicKey};
use wire::relay::{RELAY_MESSAGE_BYTES_MAX, RelayServer};

/// What a node may send of one tunnel before the relay passes it on; what the relay holds of each
/// direction of a tunnel at most, with the two buffers below.
const TUNNEL_WINDOW_BYTES: u32 = 256 << 10;
/// What may wait to be written to one connection.
const SEND_BUFFER_BYTES: usize = 128 << 10;
/// Between two sweeps of what is past its time.
const SWEEP: Duration = Duration::from_secs(600);

/// A relay and its mediator.
pub struct Relay {
    pub(super) limits: Limits,
    pub(super) rooms: Arc<Rooms>,
    pub(super) settling: Settling,
    pub(super) meters: Arc<Meters>,
    pub(super) id: NodeId,
    tls: EnrolledTls,
    home: PathBuf,
    enrolled: Arc<RwLock<Enrolled>>,
}

#[derive(Default)]
struct Enrolled {
    nodes: BTreeSet<NodeId>,
    changed: Option<SystemTime>,
}

/// Why a relay cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Channel(#[from] transport::Error),
    #[error("the enrolled nodes changed while they were read")]
    EnrolmentUnstable,
}

impl Relay {
    /// Opens the relay in `home` with its key.
    ///
    /// # Errors
    /// What is in `home` cannot be read or written.
    pub fn open(
        home: &Path,
        key: Arc<NodeKey>,
        clock: Clock,
        limits: Limits,
    ) -> Result<Arc<Self>, Error> {
        let enrolled = Arc::new(RwLock::new(Enrolled::default()));
        let list = enrolled.clone();
        let admits = Arc::new(move |key: &PublicKey| {
            let list = list.read().unwrap_or_else(PoisonError::into_inner);
            NodeId::from_bytes(*key).is_ok_and(|id| list.nodes.contains(&id))
        });
        let meters = Arc::new(Meters::default());
        let relay = Self {
            rooms: Rooms::new(limits.clone(), meters.clone()),
            tls: EnrolledTls::new(key.seed(), admits)?,
            id: key.id(),
            settling: Settling::open(home, key, clock)?,
            home: home.to_owned(),
            limits,
            meters,
            enrolled,
        };
        relay.look_at_enrolled()?;
        Ok(Arc::new(relay))
    }

    pub fn id(&self) -> NodeId {
        self.id
    }

    pub fn settling(&self) -> &Settling {
        &self.settling
    }

    pub fn rooms(&self) -> &Arc<Rooms> {
        &self.rooms
    }

    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Whether a node with this key is enrolled.
    pub fn admits(&self, key: &PublicKey) -> bool {
        let list = self.enrolled.read();
        let list = list.unwrap_or_else(PoisonError::into_inner);
        NodeId::from_bytes(*key).is_ok_and(|id| list.nodes.contains(&id))
    }

    /// Nodes that are enrolled.
    pub fn enrolled(&self) -> usize {
        let list = self.enrolled.read();
        list.unwrap_or_else(PoisonError::into_inner).nodes.len()
    }

    /// Reads the list of enrolled nodes again if it has changed, and parts with those that are gone.
    ///
    /// # Errors
    /// The list cannot be read; the one before stays.
    pub fn look_at_enrolled(&self) -> Result<(), store::Error> {
        let path = enrolled::path(&self.home);
        let changed = std::fs::metadata(&path).and_then(|m| m.modified()).ok();
        {
            let list = self.enrolled.read();
            let list = list.unwrap_or_else(PoisonError::into_inner);
            if list.changed == changed && changed.is_some() {
                return Ok(());
            }
        }
        let nodes = enrolled::load(&self.home)?;
        {
            let list = self.enrolled.write();
            let mut list = list.unwrap_or_else(PoisonError::into_inner);
            *list = Enrolled { nodes, changed };
        }
        self.rooms.keep_only(|node| self.admits(node.as_bytes()));
        Ok(())
    }
}

/// Serves until `stop`, then lets tunnels go on for at most `drain`.
pub async fn serve(
    relay: Arc<Relay>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
    drain: Duration,
) {
    let mut connections = Connections::new(relay.limits.handshakes_max);
    let upkeep = tokio::spawn(upkeep(relay.clone()));
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connections.run_handshake(|in_handshake, stopping| {
                    connection(relay.clone(), stream, in_handshake, stopping)
                }),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            () = connections.reap() => {}
            () = &mut stop => break,
        }
    }
    // Whoever comes from here on is refused by the operating system, and tries again.
    drop(listener);
    relay.rooms.drain();
    tracing::info!(tunnels = relay.rooms.tunnels().len(), "draining");
    if !connections.drain(drain).await {
        tracing::warn!(
            tunnels = relay.rooms.tunnels().len(),
            "cut off at the deadline"
        );
    }
    connections.cut_off().await;
    upkeep.abort();
}

/// Keeps what changes with time: the list of nodes, keys and settlements.
async fn upkeep(relay: Arc<Relay>) {
    let mut looks = interval(relay.limits.enrolment);
    let mut sweeps = interval(SWEEP);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {
                let relay = relay.clone();
                let looked = tokio::task::spawn_blocking(move || relay.look_at_enrolled()).await;
                if let Ok(Err(error)) = looked {
                    tracing::warn!(%error, "the enrolled nodes cannot be read; the list before counts");
                }
            }
            _ = sweeps.tick() => {
                let relay = relay.clone();
                let swept = tokio::task::spawn_blocking(move || relay.settling.sweep()).await;
                if let Ok(Err(error)) = swept {
                    tracing::error!(%error, "what is past its time cannot be erased");
                }
            }
        }
    }
}

async fn connection(
    relay: Arc<Relay>,
    stream: TcpStream,
    in_handshake: InHandshake,
    stopping: Stopping,
) {
    // Frames are written whole; waiting to fill a packet would only delay them.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let secured = timeout(relay.limits.handshake, relay.tls.accept(stream)).await;
    drop(in_handshake);
    let (secured, key) = match secured {
        Ok(Ok(secured)) => secured,
        Ok(Err(error)) => {
            relay.meters.handshakes_failed.fetch_add(1, Relaxed);
            tracing::debug!(%error, "turned away");
            return;
        }
        Err(_) => {
            relay.meters.handshakes_failed.fetch_add(1, Relaxed);
            return;
        }
    };
    let Ok(caller) = NodeId::from_bytes(key) else {
        return;
    };
    // Counted until the connection ends.
    let _counted = match relay.rooms.connect(caller) {
        Ok(counted) => counted,
        Err(refusal) => {
            tracing::warn!(node = %caller, %refusal, "connection");
            return;
        }
    };
    tracing::debug!(node = %caller, "connected");
    calls(relay, caller, secured, stopping).await;
    tracing::debug!(node = %caller, "gone");
}

/// Serves the calls of one connection until it ends, is idle, its node is removed, or the relay stops.
async fn calls<S>(relay: Arc<Relay>, caller: NodeId, secured: S, stopping: Stopping)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let going_on = CallsGoingOn::default();
    let limits = ConnectionLimits {
        stream_window_bytes: TUNNEL_WINDOW_BYTES,
        connection_window_bytes: TUNNEL_WINDOW_BYTES,
        send_buffer_bytes: SEND_BUFFER_BYTES,
        calls_max: relay.limits.calls_per_connection_max,
        keep_alive: relay.limits.keep_alive,
        idle: relay.limits.connection_idle,
    };
    let desk = Desk {
        relay: relay.clone(),
        caller,
        going_on: going_on.clone(),
    };
    let service = RelayServer::new(desk)
        .max_decoding_message_size(RELAY_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(RELAY_MESSAGE_BYTES_MAX);
    let answer = move |request| service.clone().call(request);
    let is_let_in = || relay.admits(caller.as_bytes());
    serve_calls(secured, &limits, &going_on, is_let_in, stopping, answer).await;
}
