//! HTTP/2 (RFC 9113) and gRPC over a stream that TLS has secured: one connection, one call of
//! `Peer.Session`, and nothing beside or after it.
//!
//! hyper drives the connection directly, because a pool, reconnects and load balancing have no place
//! in a channel to one proven peer; tonic's generated client and server run on it, behind a
//! [`CheckedBody`].

use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Uri};
use hyper::{client, server};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_stream::StreamExt;
use tonic::codegen::{BoxStream, Service};
use tonic::{Status, Streaming};

use super::channel::{Channel, ReceivedMessages, SendQueue, send_queue};
use super::checked_body::{CheckedBody, Side, status_error};
use super::connection::{Connection, Tasks};
use super::connection_state::{ConnectionState, WatchedStream};
use super::error::Error;
use super::limits::Limits;
use super::request_sender::RequestSender;
use super::traffic::Traffic;
use protocol::Message;
use wire::{self, MESSAGE_BYTES_MAX, Peer, PeerClient, PeerServer};

/// What the peer may send of one message stream before it is read: two messages, so that one is on its
/// way while the other is read.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// What it may send altogether.
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// What may wait to be written to the connection.
const SEND_BUFFER_BYTES: usize = 1 << 20;
/// Names and values of all headers of one message, uncompressed.
const HEADERS_BYTES_MAX: u32 = 8 << 10;
/// The session's: HTTP/2 itself refuses a second one.
const STREAMS_MAX: u32 = 1;

/// Opens the session as the side that made the connection. The caller bounds the time.
pub(super) async fn call<S>(
    secured: S,
    traffic: Arc<Traffic>,
    limits: &Limits,
) -> Result<Channel, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let state = Arc::new(ConnectionState::default());
    let tasks = Tasks::default();
    let (sender, connection) = client::conn::http2::Builder::new(tasks.clone())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(limits.keep_alive_interval)
        .keep_alive_timeout(limits.keep_alive_timeout)
        // Also before the session's stream is open.
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(WatchedStream::new(secured, state.clone())))
        .await
        .map_err(|error| state.blame(&error))?;
    let running = Connection::start(connection, tasks, state.clone());

    // gRPC wants a name; this one is looked up nowhere (RFC 6761 §6.4).
    let origin = Uri::from_static("https://peer.tacit.invalid");
    let (outgoing, queue) = send_queue();
    let sender = RequestSender::new(sender, state);
    let mut client = PeerClient::with_origin(sender.clone(), origin)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let streaming = match client.session(queue).await {
        Ok(response) => response.into_inner(),
        Err(status) => return Err(status_error(&status)),
    };
    let messages = ReceivedMessages::new(streaming, traffic.clone());
    Ok(Channel::new(
        outgoing,
        messages,
        running.called_by(sender),
        traffic,
        limits,
    ))
}

/// Waits for the session to be opened, as the side that accepted the connection. The caller bounds
/// the time.
pub(super) async fn serve<S>(
    secured: S,
    traffic: Arc<Traffic>,
    limits: &Limits,
) -> Result<Channel, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let state = Arc::new(ConnectionState::default());
    let tasks = Tasks::default();
    let (opened, open) = oneshot::channel();
    let (outgoing, queue) = send_queue();
    let service = PeerServer::new(SessionService(Mutex::new(Some((opened, queue)))))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let checking = state.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let check = |body| CheckedBody::new(body, Side::Request, checking.clone());
        service.clone().call(request.map(check))
    });
    let connection = server::conn::http2::Builder::new(tasks.clone())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(limits.keep_alive_interval)
        .keep_alive_timeout(limits.keep_alive_timeout)
        // The peer need not know this node's clock.
        .auto_date_header(false)
        .serve_connection(
            TokioIo::new(WatchedStream::new(secured, state.clone())),
            service,
        );
    let running = Connection::start(connection, tasks, state);

    match open.await {
        Ok(streaming) => {
            let messages = ReceivedMessages::new(streaming, traffic.clone());
            Ok(Channel::new(outgoing, messages, running, traffic, limits))
        }
        // The service went with its connection before anybody called it.
        Err(_) => {
            // To its end first: only then is it known what broke it.
            running.ended().await;
            Err(running.fault().unwrap_or(Error::Gone))
        }
    }
}

/// Serves the one session of a connection: hands its stream over to whoever waits for it.
struct SessionService(Mutex<Option<(oneshot::Sender<Streaming<Message>>, SendQueue)>>);

#[tonic::async_trait]
impl Peer for SessionService {
    type SessionStream = BoxStream<Message>;

    async fn session(
        &self,
        request: tonic::Request<Streaming<Message>>,
    ) -> Result<tonic::Response<Self::SessionStream>, Status> {
        // Taken, so that a second call finds nothing.
        let first = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (opened, queue) = first.ok_or(Refusal::SecondSession)?;
        opened
            .send(request.into_inner())
            .map_err(|_| Refusal::Leaving)?;
        Ok(tonic::Response::new(Box::pin(queue.map(Ok))))
    }
}

/// Why this node turns a call down.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    /// The connection had its session.
    SecondSession,
    /// Nobody waits for the session any more.
    Leaving,
}

/// All that gRPC tells a peer about this node; a session's own end is an `Abort` message.
impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::SecondSession => Self::resource_exhausted("one session a connection"),
            Refusal::Leaving => Self::unavailable("leaving"),
        }
    }
}
