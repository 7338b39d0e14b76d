//! A client's connection to its own node: over the node's socket, or TLS with both keys pinned.
//!
//! One connection carries calls of `control.proto`, for as long as the client needs it. Unlike between
//! two nodes, what the other side says in a status is worth reading: it is the client's own node.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};
use tonic::codegen::Service;

use super::connection::{Connection, Tasks};
use super::connection_state::{ConnectionState, WatchedStream};
use super::direct::{reach, resolve};
use super::error::Error;
use super::limits::Limits;
use super::tls::PinnedTls;
use wire::control::{CONTROL_MESSAGE_BYTES_MAX, ControlClient};

/// What the node may send of one call before it is read.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// What may wait to be written to the connection.
const SEND_BUFFER_BYTES: usize = 1 << 20;
/// Names and values of all headers of one message, uncompressed.
const HEADERS_BYTES_MAX: u32 = 16 << 10;

/// One connection to the node.
pub struct ControlConnection {
    sender: ControlSender,
    running: Connection,
    state: Arc<ConnectionState>,
}

impl ControlConnection {
    /// Connects to a node of this machine at its socket.
    ///
    /// # Errors
    /// [`Error::Unreachable`]; [`Error::HandshakeTimedOut`], [`Error::Gone`].
    pub async fn local(socket: &Path, limits: &Limits) -> Result<Self, Error> {
        let unreachable = |error: io::Error| Error::Unreachable(error.kind());
        let stream = timeout(limits.attempt, UnixStream::connect(socket)).await;
        let stream = stream.map_err(|_| Error::HandshakeTimedOut)?;
        Self::open(stream.map_err(unreachable)?, limits).await
    }

    /// Connects to a node at `address`, whose key `tls` pins. Tries once.
    ///
    /// # Errors
    /// As [`super::connect`] says; [`Error::KeyRefused`], perhaps only with the first call, if this
    /// client is not enrolled.
    pub async fn remote(address: &str, tls: &PinnedTls, limits: &Limits) -> Result<Self, Error> {
        let addresses: Vec<_> = resolve(address).await?.collect();
        let stream = reach(&addresses, limits, Instant::now() + limits.attempt).await?;
        let opening = async { Self::open(tls.connect(stream).await?, limits).await };
        timeout(limits.handshake, opening)
            .await
            .unwrap_or(Err(Error::HandshakeTimedOut))
    }

    async fn open<S>(stream: S, limits: &Limits) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let state = Arc::new(ConnectionState::default());
        let tasks = Tasks::default();
        let (sender, connection) = http2::Builder::new(tasks.clone())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(STREAM_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .max_header_list_size(HEADERS_BYTES_MAX)
            .keep_alive_interval(limits.keep_alive_interval)
            .keep_alive_timeout(limits.keep_alive_timeout)
            .handshake(TokioIo::new(WatchedStream::new(stream, state.clone())))
            .await
            .map_err(|error| state.blame(&error))?;
        let running = Connection::start(connection, tasks, state.clone());
        let sender = ControlSender {
            sender,
            state: state.clone(),
        };
        Ok(Self {
            sender,
            running,
            state,
        })
    }

    /// The calls.
    pub fn calls(&self) -> ControlClient<ControlSender> {
        // gRPC wants a name; this one is looked up nowhere (RFC 6761 §6.4).
        let origin = Uri::from_static("https://node.tacit.invalid");
        ControlClient::with_origin(self.sender.clone(), origin)
            .max_decoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
    }

    /// The connection by itself, for calls of other services.
    pub fn sender(&self) -> ControlSender {
        self.sender.clone()
    }

    /// What broke the connection, if anything has: the cause behind a call's failing.
    pub fn fault(&self) -> Option<Error> {
        // The node may also have closed in good order, which is no fault and ends the calls as well.
        let gone = self.state.is_over().then_some(Error::Gone);
        self.running.fault().or(gone)
    }
}

/// The sending end of the connection, as tonic's client wants it.
#[derive(Clone)]
pub struct ControlSender {
    sender: http2::SendRequest<tonic::body::Body>,
    state: Arc<ConnectionState>,
}

impl Service<Request<tonic::body::Body>> for ControlSender {
    type Response = Response<Incoming>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    /// Always: tonic forgets the cause of a failure here, and `call` fails with it just as well.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let response = self.sender.send_request(request);
        let state = self.state.clone();
        Box::pin(async move { response.await.map_err(|error| state.blame(&error)) })
    }
}
