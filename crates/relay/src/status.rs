//! What an operator can see of a relay: ids, counts and bytes, and nothing about lists, of which it
//! knows nothing.
//!
//! Served over plain HTTP/1.1 on a local address and on a Unix socket in the relay's home:
//! `/health`, `/metrics` for Prometheus, `/status` as JSON.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Relay;
use protocol::verdict::Answer;
use wire::relay::Reply;

/// Operators' connections at once.
const CONNECTIONS_MAX: usize = 16;
/// For one operator's connection, from start to end.
const CONNECTION_WAIT: Duration = Duration::from_secs(10);
/// The request with its headers.
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// Counters since the relay started.
#[derive(Debug, Default)]
pub struct Meters {
    pub tunnels: AtomicU64,
    pub bytes: AtomicU64,
    pub handshakes_failed: AtomicU64,
    pub dials_refused: AtomicU64,
    pub verdicts: AtomicU64,
    pub open_answers: AtomicU64,
    pub refusals: AtomicU64,
}

impl Meters {
    pub(super) fn count_reply(&self, reply: &Reply) {
        let counter = match reply {
            Ok(Answer::Verdict(_)) => &self.verdicts,
            Ok(Answer::Open(_)) => &self.open_answers,
            Err(_) => &self.refusals,
        };
        counter.fetch_add(1, Relaxed);
    }
}

/// Connections of operators, bounded in number and time.
pub struct Window {
    relay: Arc<Relay>,
    room: Arc<Semaphore>,
}

impl Window {
    pub fn new(relay: Arc<Relay>) -> Self {
        Self {
            relay,
            room: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        }
    }

    /// Answers the requests of one connection, in the background; drops it if there are too many.
    pub fn attend<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Ok(permit) = self.room.clone().try_acquire_owned() else {
            return;
        };
        let relay = self.relay.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let service = service_fn(|request| {
                let response = answer(&relay, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .max_buf_size(REQUEST_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), service);
            let _ = timeout(CONNECTION_WAIT, connection).await;
        });
    }
}

fn answer(relay: &Relay, request: &Request<Incoming>) -> Response<String> {
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/health") if relay.rooms().is_draining() => (
            StatusCode::SERVICE_UNAVAILABLE,
            "text/plain",
            "draining\n".into(),
        ),
        (&Method::GET, "/health") => (StatusCode::OK, "text/plain", "ok\n".into()),
        (&Method::GET, "/metrics") => (StatusCode::OK, "text/plain; version=0.0.4", metrics(relay)),
        (&Method::GET, "/status") => (StatusCode::OK, "application/json", status(relay)),
        _ => (StatusCode::NOT_FOUND, "text/plain", "not here\n".into()),
    };
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

/// The text format of Prometheus, version 0.0.4.
fn metrics(relay: &Relay) -> String {
    let meters = relay.meters();
    let mut out = String::new();
    let mut put = |name: &str, kind: &str, help: &str, value: u64| {
        let _ = write!(
            out,
            "# HELP tacit_relay_{name} {help}\n# TYPE tacit_relay_{name} {kind}\ntacit_relay_{name} {value}\n"
        );
    };
    let connections: usize = relay.rooms().connected().iter().map(|(_, n)| n).sum();
    let gauges = [
        (
            "enrolled_nodes",
            "Nodes that may connect.",
            relay.enrolled(),
        ),
        ("connections", "Connections of nodes.", connections),
        (
            "waiting",
            "Nodes waiting for a peer.",
            relay.rooms().waiting().len(),
        ),
        ("tunnels", "Tunnels open.", relay.rooms().tunnels().len()),
    ];
    for (name, help, value) in gauges {
        put(name, "gauge", help, value as u64);
    }
    if let Ok(summary) = relay.settling().summary() {
        let help = "Settled sessions that can still be claimed.";
        put("settled_sessions", "gauge", help, summary.settled);
        let until = summary.epoch_until.map_or(0, |until| until.0);
        let help = "Last second of the settling key's epoch, since 1970.";
        put("settling_epoch_until_seconds", "gauge", help, until);
    }
    let counters = [
        ("tunnels_total", "Tunnels opened.", &meters.tunnels),
        (
            "bytes_total",
            "Bytes passed through tunnels.",
            &meters.bytes,
        ),
        (
            "handshakes_failed_total",
            "Connections turned away.",
            &meters.handshakes_failed,
        ),
        (
            "dials_refused_total",
            "Dials refused.",
            &meters.dials_refused,
        ),
        ("verdicts_total", "Verdicts given.", &meters.verdicts),
        (
            "open_answers_total",
            "Claims of sessions that are open.",
            &meters.open_answers,
        ),
        (
            "refusals_total",
            "Settlements and claims refused.",
            &meters.refusals,
        ),
    ];
    for (name, help, value) in counters {
        put(name, "counter", help, value.load(Relaxed));
    }
    out
}

fn status(relay: &Relay) -> String {
    let rooms = relay.rooms();
    let connected: Vec<_> = rooms
        .connected()
        .iter()
        .map(|(node, connections)| json!({"node": node.to_string(), "connections": connections}))
        .collect();
    let waiting: Vec<_> = rooms
        .waiting()
        .iter()
        .map(|(node, peer)| json!({"node": node.to_string(), "for": peer.to_string()}))
        .collect();
    let tunnels: Vec<_> = rooms
        .tunnels()
        .iter()
        .map(|tunnel| {
            let nodes = tunnel.nodes.map(|node| node.to_string());
            json!({"nodes": nodes, "seconds": tunnel.seconds, "bytes": tunnel.bytes})
        })
        .collect();
    let meters = relay.meters();
    let summary = relay.settling().summary().ok();
    let status = json!({
        "id": relay.id.to_string(),
        "draining": rooms.is_draining(),
        "enrolled": relay.enrolled(),
        "connected": connected,
        "waiting": waiting,
        "tunnels": tunnels,
        "tunnels_since_start": meters.tunnels.load(Relaxed),
        "bytes_since_start": meters.bytes.load(Relaxed),
        "settled": summary.map(|summary| summary.settled),
        "settling_epoch_until": summary.and_then(|s| s.epoch_until).map(|until| until.0),
    });
    format!("{status}\n")
}
