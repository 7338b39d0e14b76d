//! HTTP/2 (RFC 9113) and gRPC over a stream that TLS has secured: one connection, one call of
//! `Peer.Session`, and nothing beside or after it.
//!
//! hyper drives the connection directly, because a pool, reconnects and load balancing have no place
//! in a channel to one proven peer; tonic's generated client and server run on it. [`Vetted`] stands
//! between hyper and tonic: it tells a stream that the peer ended from one that broke off, takes a
//! gRPC status apart before tonic does, and says who is to blame.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode, Uri};
use hyper::{client, server};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_stream::StreamExt;
use tonic::codegen::{BoxStream, Service};
use tonic::{Code, Status, Streaming};

use super::duplex::{Duplex, Inbound, Outbound, outbound};
use super::link::{Fate, Link, Tasks, Watched};
use super::meter::Traffic;
use super::{Error, Limits, Misbehaviour};
use protocol::message::Message;
use wire::{self, MESSAGE_BYTES_MAX, Peer, PeerClient, PeerServer};

/// What the peer may send of one message stream before it is read: two messages.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// What it may send altogether.
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// What may wait to be written to the connection.
const SEND_BUFFER_BYTES: usize = 1 << 20;
/// Names and values of all headers of one message, uncompressed.
const HEADERS_BYTES_MAX: u32 = 8 << 10;
/// The session's.
const STREAMS_MAX: u32 = 1;

/// Headers in which a gRPC call ends.
const GRPC_STATUS: &str = "grpc-status";
/// Never used here, and tonic panics if its value is not base64.
const GRPC_STATUS_DETAILS: &str = "grpc-status-details-bin";

/// Opens the session as the side that made the connection. The caller bounds the time.
pub(super) async fn call<S>(
    secured: S,
    traffic: Arc<Traffic>,
    limits: &Limits,
) -> Result<Duplex, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let fate = Arc::new(Fate::default());
    let tasks = Tasks::default();
    let (caller, connection) = client::conn::http2::Builder::new(tasks.clone())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(limits.keep_alive_interval)
        .keep_alive_timeout(limits.keep_alive_timeout)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(Watched::new(secured, fate.clone())))
        .await
        .map_err(|error| fate.blame(&error))?;
    let link = Link::start(connection, tasks, fate.clone());

    let origin = Uri::from_static("https://peer.tacit.invalid");
    let (outgoing, queue) = outbound();
    let caller = Caller::new(caller, fate);
    let mut client = PeerClient::with_origin(caller.clone(), origin)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let streaming = match client.session(queue).await {
        Ok(response) => response.into_inner(),
        Err(status) => return Err(status_error(&status)),
    };
    let inbound = Inbound::new(streaming, traffic.clone());
    Ok(Duplex::new(
        outgoing,
        inbound,
        link.called_by(caller),
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
) -> Result<Duplex, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let fate = Arc::new(Fate::default());
    let tasks = Tasks::default();
    let (opened, open) = oneshot::channel();
    let (outgoing, queue) = outbound();
    let service = PeerServer::new(Doorman(Mutex::new(Some((opened, queue)))))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let vetting = fate.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let vet = |body| Vetted::new(body, Side::Request, vetting.clone());
        service.clone().call(request.map(vet))
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
        .auto_date_header(false)
        .serve_connection(TokioIo::new(Watched::new(secured, fate.clone())), service);
    let link = Link::start(connection, tasks, fate);

    match open.await {
        Ok(streaming) => {
            let inbound = Inbound::new(streaming, traffic.clone());
            Ok(Duplex::new(outgoing, inbound, link, traffic, limits))
        }
        // The service went with its connection before anybody called it.
        Err(_) => {
            link.ended().await;
            Err(link.fault().unwrap_or(Error::Gone))
        }
    }
}

/// Serves the one session of a connection: hands its stream over to whoever waits for it.
struct Doorman(Mutex<Option<(oneshot::Sender<Streaming<Message>>, Outbound)>>);

#[tonic::async_trait]
impl Peer for Doorman {
    type SessionStream = BoxStream<Message>;

    async fn session(
        &self,
        request: tonic::Request<Streaming<Message>>,
    ) -> Result<tonic::Response<Self::SessionStream>, Status> {
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

/// The caller's end of an HTTP/2 connection, as tonic's client wants it; the connection lives as long.
#[derive(Clone)]
pub(super) struct Caller {
    caller: client::conn::http2::SendRequest<tonic::body::Body>,
    fate: Arc<Fate>,
}

impl Caller {
    pub(super) fn new(
        caller: client::conn::http2::SendRequest<tonic::body::Body>,
        fate: Arc<Fate>,
    ) -> Self {
        Self { caller, fate }
    }
}

impl Service<Request<tonic::body::Body>> for Caller {
    type Response = Response<Vetted>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    /// Always: tonic forgets the cause of a failure here, and `call` fails with it just as well.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let response = self.caller.send_request(request);
        let fate = self.fate.clone();
        Box::pin(async move {
            let response = response.await.map_err(|error| fate.blame(&error))?;
            check_headers(response.status(), response.headers())?;
            Ok(response.map(|body| Vetted::new(body, Side::Response, fate)))
        })
    }
}

/// Lets only the headers of a gRPC response pass that has messages to come.
fn check_headers(status: StatusCode, headers: &HeaderMap) -> Result<(), Error> {
    let grpc =
        |value: &hyper::header::HeaderValue| value.as_bytes().starts_with(b"application/grpc");
    if status != StatusCode::OK || !headers.get(CONTENT_TYPE).is_some_and(grpc) {
        return Err(Misbehaviour::Grpc.into());
    }
    if headers.contains_key(GRPC_STATUS) {
        check_status(headers)?;
        // Success, and not a single message: no session ends like this.
        return Err(Error::Gone);
    }
    if headers.contains_key(GRPC_STATUS_DETAILS) {
        return Err(Misbehaviour::Grpc.into());
    }
    Ok(())
}

/// Reads the status that ends a call.
fn check_status(headers: &HeaderMap) -> Result<(), Error> {
    let status = headers.get(GRPC_STATUS).ok_or(Misbehaviour::Grpc)?;
    match Code::from_bytes(status.as_bytes()) {
        Code::Ok => Ok(()),
        code => Err(Error::Refused { code: code.into() }),
    }
}

/// Which of the two bodies of a call: they end differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Ends with the stream.
    Request,
    /// Ends with trailers that hold a status.
    Response,
}

/// A received body that says for certain how it ended.
pub(super) struct Vetted {
    body: Incoming,
    side: Side,
    fate: Arc<Fate>,
    over: bool,
}

impl Vetted {
    fn new(body: Incoming, side: Side, fate: Arc<Fate>) -> Self {
        Self {
            body,
            side,
            fate,
            over: false,
        }
    }

    /// Says how a body ended that gave no trailers.
    fn end(&self) -> Option<Error> {
        match self.side {
            // A reset, which hyper may pass off as an end, is none.
            _ if !self.body.is_end_stream() => Some(Error::Gone),
            Side::Request => None,
            Side::Response => Some(Misbehaviour::Grpc.into()),
        }
    }

    fn trailers(&self, trailers: HeaderMap) -> Result<Frame<Bytes>, Error> {
        match self.side {
            Side::Request => Err(Misbehaviour::Grpc.into()),
            Side::Response => {
                check_status(&trailers)?;
                let mut bare = HeaderMap::new();
                bare.extend(trailers.into_iter().filter(|(name, _)| {
                    name.as_ref()
                        .is_some_and(|name| name.as_str() == GRPC_STATUS)
                }));
                Ok(Frame::trailers(bare))
            }
        }
    }
}

impl Body for Vetted {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_trailers() {
                Ok(trailers) => Some(self.trailers(trailers)),
                Err(data) => return Poll::Ready(Some(Ok(data))),
            },
            Some(Err(error)) => Some(Err(self.fate.blame(&error))),
            None => self.end().map(Err),
        };
        self.over = true;
        Poll::Ready(frame)
    }
}

/// Says what a status means that a received stream ended in.
///
/// None of them is the peer's word, which [`Vetted`] has taken out: they carry an [`Error`] of this
/// channel or of `wire`, or are tonic's about a frame that it could not read.
pub(super) fn status_error(status: &Status) -> Error {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<Error>() {
            return *error;
        }
        if let Some(error) = error.downcast_ref::<wire::Error>() {
            return Misbehaviour::NotAMessage(*error).into();
        }
        source = error.source();
    }
    match status.code() {
        Code::OutOfRange => Misbehaviour::MessageTooLong.into(),
        _ => Misbehaviour::Grpc.into(),
    }
}
