//! Connections of a relay: handshake, quotas, idle limits, and the end of all when it stops.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tonic::codegen::Service;

use super::host::Relay;
use super::service::RelayService;
use pairing::NodeId;
use transport::server::{
    ACCEPT_PAUSE, CallsGoingOn, ConnectionLimits, Connections, InHandshake, Stopping, serve_calls,
};
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
    // From here on the quotas of its node bound it, and newer handshakes no longer displace it.
    drop(in_handshake);
    let (secured, key) = match secured {
        Ok(Ok(secured)) => secured,
        Ok(Err(error)) => {
            relay.counters().handshakes_failed.fetch_add(1, Relaxed);
            // Not louder: strangers must not be able to fill the log.
            tracing::debug!(%error, "turned away");
            return;
        }
        Err(_) => {
            relay.counters().handshakes_failed.fetch_add(1, Relaxed);
            return;
        }
    };
    let Ok(caller) = NodeId::from_bytes(key) else {
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
    calls(relay, caller, secured, stopping).await;
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
    let is_let_in = || relay.admits(caller.as_bytes());
    serve_calls(secured, &limits, &going_on, is_let_in, stopping, answer).await;
}
