//! What a machine's own monitoring can see of a node: `/health`, `/metrics` for Prometheus, and
//! `grpc.health.v1.Health`. Peers by their number, nobody by name.
//!
//! Everybody on the machine can open a local address, so there nothing is told that follows from lists: how many
//! people are on them, how much of a budget is left. On a socket its mode says who sees that too.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use super::handle::Handle;
use super::socket::Socket;
use admin::{Activity, Peer};
use protocol::ListKind;
use store::Store;
use store::budget::Direction;

const CONNECTIONS_MAX: usize = 16;
/// For one connection, from start to end; whoever watches health connects again.
const CONNECTION_WAIT: Duration = Duration::from_secs(60);
const REQUEST_BYTES_MAX: usize = 16 << 10;
const UNREADABLE: &str = "the store cannot be read\n";
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How much whoever reads may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    WithoutSizes,
    WithSizes,
}

/// Connections of the machine's monitoring, bounded in number and time.
#[derive(Clone)]
pub struct Monitoring {
    handle: Handle,
    room: Arc<Semaphore>,
    health: HealthServer<HealthService>,
    reporter: HealthReporter,
    stopping: Arc<AtomicBool>,
}

impl Monitoring {
    pub fn new(handle: Handle) -> Self {
        let reporter = HealthReporter::new();
        Self {
            handle,
            room: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            health: HealthServer::new(HealthService::from_health_reporter(reporter.clone())),
            reporter,
            stopping: Arc::default(),
        }
    }

    /// Says from now on that the node is about to stop.
    pub async fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        let status = ServingStatus::NotServing;
        self.reporter.set_service_status("", status).await;
    }

    /// Serves everybody who reaches an address, for ever: without sizes.
    pub async fn serve(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.begin(stream, Detail::WithoutSizes),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    /// Serves those who may open a socket, for ever: with sizes.
    pub async fn serve_socket(self, socket: Socket) {
        loop {
            match socket.accept().await {
                Ok(stream) => self.begin(stream, Detail::WithSizes),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn begin<S>(&self, stream: S, detail: Detail)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if let Ok(permit) = self.room.clone().try_acquire_owned() {
            let monitoring = self.clone();
            tokio::spawn(async move {
                let _permit = permit;
                monitoring.attend(TokioIo::new(stream), detail).await;
            });
        }
    }

    async fn attend<S>(self, stream: TokioIo<S>, detail: Detail)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(move |request: Request<Incoming>| {
            let mut monitoring = self.clone();
            async move {
                if request.uri().path().starts_with("/grpc.health.v1.Health/") {
                    monitoring.report().await;
                    return monitoring.health.call(request).await;
                }
                let answer = monitoring.answer(&request, detail).await;
                Ok::<_, Infallible>(answer.map(Body::new))
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .max_buf_size(REQUEST_BYTES_MAX);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(REQUEST_BYTES_MAX as u32)
            .max_concurrent_streams(8);
        let connection = builder.serve_connection(stream, service);
        let _ = timeout(CONNECTION_WAIT, connection).await;
    }

    /// What is the matter with the node; `None` if nothing is.
    async fn trouble(&self) -> Option<String> {
        if self.stopping.load(Ordering::Relaxed) {
            return Some("stopping\n".into());
        }
        let store = self.handle.store().clone();
        let ahead = spawn_blocking(move || store.log_ahead_of(Timestamp::now())).await;
        match ahead {
            Ok(Ok(None)) => None,
            Ok(Ok(Some(newest))) => Some(format!(
                "the clock is behind: the newest entry of the audit log is of {newest:.0}\n"
            )),
            _ => Some(UNREADABLE.into()),
        }
    }

    /// Has gRPC health say the same as `/health`.
    async fn report(&self) {
        let status = match self.trouble().await {
            None => ServingStatus::Serving,
            Some(_) => ServingStatus::NotServing,
        };
        self.reporter.set_service_status("", status).await;
    }

    async fn answer(&self, request: &Request<Incoming>, detail: Detail) -> Response<String> {
        let plain = "text/plain";
        let (status, kind, text) = match (request.method(), request.uri().path()) {
            (&Method::GET, "/health") => match self.trouble().await {
                None => (StatusCode::OK, plain, "ok\n".into()),
                Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, plain, trouble),
            },
            (&Method::GET, "/metrics") => {
                let handle = self.handle.clone();
                match spawn_blocking(move || metrics(&handle, detail)).await {
                    Ok(Ok(text)) => (StatusCode::OK, "text/plain; version=0.0.4", text),
                    _ => (StatusCode::INTERNAL_SERVER_ERROR, plain, UNREADABLE.into()),
                }
            }
            _ => (StatusCode::NOT_FOUND, plain, "not here\n".into()),
        };
        let mut response = Response::new(text);
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }
}

/// The text format of Prometheus, version 0.0.4.
fn metrics(handle: &Handle, detail: Detail) -> Result<String, store::Error> {
    let (store, now) = (handle.store(), Timestamp::now());
    let mut out = String::new();
    let peers = store.peers()?;
    head(&mut out, "peers", "Peers that the node is paired with.");
    let _ = writeln!(out, "tacit_node_peers {}", peers.len());
    head(
        &mut out,
        "signed_sessions",
        "Sessions that were signed and have not ended.",
    );
    let _ = writeln!(
        out,
        "tacit_node_signed_sessions {}",
        store.signed_sessions()?.len()
    );
    head(
        &mut out,
        "session_running",
        "Whether a session with the peer runs.",
    );
    for peer in &peers {
        let number = peer.number.number();
        let runs = matches!(handle.pair(peer.number).activity, Activity::Running { .. });
        let _ = writeln!(
            out,
            "tacit_node_session_running{{peer=\"{number}\"}} {}",
            u8::from(runs)
        );
    }
    head(
        &mut out,
        "in_trouble",
        "Whether the last attempt at a session came to nothing.",
    );
    for peer in &peers {
        let number = peer.number.number();
        let trouble = u8::from(handle.pair(peer.number).trouble.is_some());
        let _ = writeln!(out, "tacit_node_in_trouble{{peer=\"{number}\"}} {trouble}");
    }
    head(
        &mut out,
        "answered_seconds",
        "When a session last ended with answers since the node was started, since 1970; 0 for never.",
    );
    for peer in &peers {
        let number = peer.number.number();
        let at = handle
            .pair(peer.number)
            .answered
            .map_or(0, |at| at.as_second());
        let _ = writeln!(out, "tacit_node_answered_seconds{{peer=\"{number}\"}} {at}");
    }
    if detail == Detail::WithSizes {
        sizes(&mut out, store, &peers, now)?;
    }
    Ok(out)
}

/// What follows from lists and from what is asked about them.
fn sizes(
    out: &mut String,
    store: &Store,
    peers: &[Peer],
    now: Timestamp,
) -> Result<(), store::Error> {
    head(out, "list_people", "People on a list of the node.");
    for kind in [ListKind::Held, ListKind::Requested] {
        let people = store.list(kind)?.map_or(0, |list| list.people);
        let _ = writeln!(out, "tacit_node_list_people{{list=\"{kind}\"}} {people}");
    }
    head(
        out,
        "budget_left_elements",
        "What the peer may still have evaluated.",
    );
    for peer in peers {
        let number = peer.number.number();
        let left = store.budget_left(peer.number, Direction::Answered, now)?;
        for (class, left) in left.iter() {
            let class = class.name();
            let _ = writeln!(
                out,
                "tacit_node_budget_left_elements{{peer=\"{number}\",class=\"{class}\"}} {}",
                left.elements
            );
        }
    }
    Ok(())
}

fn head(out: &mut String, name: &str, help: &str) {
    let _ = write!(
        out,
        "# HELP tacit_node_{name} {help}\n# TYPE tacit_node_{name} gauge\n"
    );
}
