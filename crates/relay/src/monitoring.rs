//! What an operator can see of a relay: ids, counts and bytes, and nothing about lists, of which it
//! knows nothing.
//!
//! Served over plain HTTP/1.1 on a local address and on a Unix socket in the relay's home:
//! `/health`, `/metrics` for Prometheus, `/status` as JSON. Only what the operator's machine lets in
//! reaches it; it changes nothing.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
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

use super::host::Relay;
use super::snapshot::Snapshot;

/// Operators' connections at once.
const CONNECTIONS_MAX: usize = 16;
/// For one operator's connection, from start to end: a program that hangs gives its place back.
const CONNECTION_WAIT: Duration = Duration::from_secs(10);
/// The request with its headers: what curl, a browser or Prometheus sends is a tenth of it.
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// Connections of operators, bounded in number and time.
pub struct Monitoring {
    relay: Arc<Relay>,
    places: Arc<Semaphore>,
}

impl Monitoring {
    /// Of `relay`; nobody is connected yet.
    pub fn new(relay: Arc<Relay>) -> Self {
        Self {
            relay,
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        }
    }

    /// Answers the requests of one connection, in the background; drops it if there are too many.
    pub fn serve<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Not queued: whoever hangs would hold up those behind it too.
        let Ok(permit) = self.places.clone().try_acquire_owned() else {
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
        (&Method::GET, "/metrics") => (
            StatusCode::OK,
            "text/plain; version=0.0.4",
            metrics(&Snapshot::of(relay)),
        ),
        (&Method::GET, "/status") => (
            StatusCode::OK,
            "application/json",
            status(&Snapshot::of(relay)),
        ),
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
fn metrics(relay: &Snapshot) -> String {
    let mut out = String::new();
    let mut put = |name: &str, kind: &str, help: &str, value: u64| {
        // Writing into a string does not fail.
        let _ = write!(
            out,
            "# HELP tacit_relay_{name} {help}\n# TYPE tacit_relay_{name} {kind}\ntacit_relay_{name} {value}\n"
        );
    };
    for (name, help, value) in gauges(relay) {
        put(name, "gauge", help, value as u64);
    }
    if let Some(mediator) = &relay.mediator {
        let help = "Settled sessions that can still be claimed.";
        put("settled_sessions", "gauge", help, mediator.settled);
        let until = mediator.epoch_until.map_or(0, |until| until.0);
        let help = "Last second of the settling key's epoch, since 1970.";
        put("settling_epoch_until_seconds", "gauge", help, until);
    }
    for (name, help, value) in counters(relay) {
        put(name, "counter", help, value);
    }
    out
}

fn gauges(relay: &Snapshot) -> [(&'static str, &'static str, usize); 4] {
    let connections = relay.connected.iter().map(|(_, count)| count).sum();
    [
        ("enrolled_nodes", "Nodes that may connect.", relay.enrolled),
        ("connections", "Connections of nodes.", connections),
        ("waiting", "Nodes waiting for a peer.", relay.waiting.len()),
        ("tunnels", "Tunnels open.", relay.tunnels.len()),
    ]
}

fn counters(relay: &Snapshot) -> [(&'static str, &'static str, u64); 7] {
    let counted = &relay.since_start;
    [
        ("tunnels_total", "Tunnels opened.", counted.tunnels),
        (
            "bytes_total",
            "Bytes passed through tunnels.",
            counted.bytes,
        ),
        (
            "handshakes_failed_total",
            "Connections turned away.",
            counted.handshakes_failed,
        ),
        (
            "dials_refused_total",
            "Dials refused.",
            counted.dials_refused,
        ),
        ("verdicts_total", "Verdicts given.", counted.verdicts),
        (
            "open_answers_total",
            "Claims of sessions that are open.",
            counted.open_answers,
        ),
        (
            "refusals_total",
            "Settlements and claims refused.",
            counted.refusals,
        ),
    ]
}

fn status(relay: &Snapshot) -> String {
    let connected = relay.connected.iter();
    let connected: Vec<_> = connected
        .map(|(node, connections)| json!({"node": node.to_string(), "connections": connections}))
        .collect();
    let waiting = relay.waiting.iter();
    let waiting: Vec<_> = waiting
        .map(|(node, peer)| json!({"node": node.to_string(), "for": peer.to_string()}))
        .collect();
    let tunnels = relay.tunnels.iter();
    let tunnels: Vec<_> = tunnels
        .map(|tunnel| {
            let nodes = tunnel.nodes.map(|node| node.to_string());
            json!({"nodes": nodes, "seconds": tunnel.seconds, "bytes": tunnel.bytes})
        })
        .collect();
    let mediator = relay.mediator;
    let status = json!({
        "id": relay.id.to_string(),
        "draining": relay.draining,
        "enrolled": relay.enrolled,
        "connected": connected,
        "waiting": waiting,
        "tunnels": tunnels,
        "tunnels_since_start": relay.since_start.tunnels,
        "bytes_since_start": relay.since_start.bytes,
        "settled": mediator.map(|mediator| mediator.settled),
        "settling_epoch_until": mediator.and_then(|m| m.epoch_until).map(|until| until.0),
    });
    format!("{status}\n")
}
