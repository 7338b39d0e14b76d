//! Connections of a relay: quotas, idle limits, who is parted with, and the end of all when it stops.

use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};
use tonic::codegen::Service;

use super::host::Relay;
use super::service::RelayService;
use pairing::NodeId;
use transport::server::{CallsGoingOn, ConnectionLimits, Connections, Stopping, serve_calls};
use transport::{Entrance, Proven};
use wire::relay::{RELAY_MESSAGE_BYTES_MAX, RelayServer};

/// What a node may send of one tunnel before the relay passes it on: what the relay holds of each
/// direction of a tunnel at most, with the buffer below. Less than a node takes, because the relay holds
/// it for every tunnel.
const TUNNEL_WINDOW_BYTES: u32 = 256 << 10;
/// What may wait to be written to one connection.
const SEND_BUFFER_BYTES: usize = 128 << 10;
/// Between two sweeps of what is past its time: what may be kept for days is erased minutes later.
const SWEEP: Duration = Duration::from_secs(600);

/// Serves until `stop`, then lets tunnels go on for at most `drain`.
pub async fn serve(
    relay: Arc<Relay>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
    drain: Duration,
) {
    let (tls, limits) = (relay.tls.clone(), &relay.limits);
    let mut entrance = Entrance::open(listener, tls, limits.places, limits.handshake, |proven| {
        ready(Ok(proven))
    });
    let mut connections = Connections::default();
    let upkeep = tokio::spawn(upkeep(relay.clone()));
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            (_, visit) = entrance.next() => match visit {
                Ok(proven) => {
                    connections.run(|stopping| connection(relay.clone(), proven, stopping));
                }
                Err(error) => {
                    relay.counters().handshakes_failed.fetch_add(1, Relaxed);
                    // Not louder: strangers must not be able to fill the log.
                    tracing::debug!(%error, "turned away");
                }
            },
            () = connections.reap() => {}
            () = &mut stop => break,
        }
    }
    // Whoever comes from here on is refused by the operating system, and tries again.
    drop(entrance);
    relay.rooms().drain();
    tracing::info!(tunnels = relay.rooms().tunnels().len(), "draining");
    if !connections.drain(drain).await {
        tracing::warn!(
            tunnels = relay.rooms().tunnels().len(),
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
                let looked = tokio::task::spawn_blocking(move || relay.reread_enrolled()).await;
                if let Ok(Err(error)) = looked {
                    tracing::warn!(%error, "the enrolled nodes cannot be read; the list before counts");
                }
            }
            _ = sweeps.tick() => {
                let relay = relay.clone();
                // Off the threads that move bytes: it waits for the disk.
                let swept = tokio::task::spawn_blocking(move || relay.mediator().sweep()).await;
                if let Ok(Err(error)) = swept {
                    tracing::error!(%error, "what is past its time cannot be erased");
                }
            }
        }
    }
}

async fn connection(relay: Arc<Relay>, proven: Proven, stopping: Stopping) {
    let Ok(caller) = NodeId::from_bytes(proven.key) else {
        return;
    };
    // Counted until the connection ends.
    let _counted = match relay.rooms().connect(caller) {
        Ok(counted) => counted,
        Err(refusal) => {
            tracing::warn!(node = %caller, %refusal, "connection");
            return;
        }
    };
    tracing::debug!(node = %caller, "connected");
    calls(relay, caller, proven.secured, stopping).await;
    tracing::debug!(node = %caller, "gone");
}

/// Serves the calls of one connection until it ends, is idle, its node is removed, or the relay stops.
async fn calls<S>(relay: Arc<Relay>, caller: NodeId, secured: S, stopping: Stopping)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
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
    let calls = RelayService {
        relay: relay.clone(),
        caller,
        going_on: going_on.clone(),
    };
    let service = RelayServer::new(calls)
        .max_decoding_message_size(RELAY_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(RELAY_MESSAGE_BYTES_MAX);
    let answer = move |request| service.clone().call(request);
    let dismissed = relay.dismissed(caller);
    serve_calls(secured, &limits, &going_on, dismissed, stopping, answer).await;
}
