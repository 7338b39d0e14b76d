//! Through a relay: both nodes dial out, and the relay joins their streams into a tunnel.
//!
//! A [`Tunnel`] is a byte stream like a TCP connection; the nodes' own TLS and gRPC run inside it
//! unchanged, so that the relay handles ciphertext only, and one that joins a node to the wrong one
//! is found out by the pinned key. One connection to the relay carries one tunnel. Back-pressure
//! reaches from end to end: what the far side does not read fills HTTP/2's window, then the relay's
//! two frames, then this side's buffer. `docs/protocol.md`, Relay.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use prost::bytes::Bytes;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::checked_body::status_error;
use super::connection::{Connection, Tasks};
use super::connection_state::{ConnectionState, WatchedStream};
use super::direct::{reach, resolve};
use super::error::{Error, Misbehaviour};
use super::limits::Limits;
use super::request_sender::RequestSender;
use super::tls::PinnedTls;
use pairing::NodeId;
use protocol::{MediatorTime, SessionId, SignedAgreement};
use wire::relay::{
    self, FRAME_DATA_BYTES_MAX, Frame, Piece, RELAY_MESSAGE_BYTES_MAX, RelayClient, Reply,
    TimeRequest,
};

/// What the relay may send of one tunnel before it is read: keeps 100 Mbit/s busy over a round trip of
/// 80 ms.
const TUNNEL_WINDOW_BYTES: u32 = 1 << 20;
/// What may wait to be written to the connection.
const SEND_BUFFER_BYTES: usize = 256 << 10;
/// Names and values of all headers of one message, uncompressed.
const HEADERS_BYTES_MAX: u32 = 8 << 10;
/// Between the nodes' TLS and the tunnel, in each direction.
const BUFFER_BYTES: usize = 128 << 10;
/// Frames that wait to be written.
const OUTGOING_FRAMES_MAX: usize = 4;
/// For a tunnel that is no longer used to pass its last bytes on, such as an alert of TLS; nobody waits
/// for it.
const LINGER: Duration = Duration::from_secs(2);

/// One connection to a relay, whose key was proven.
pub struct RelayConnection {
    client: RelayClient<RequestSender>,
    running: Connection,
    answer: Duration,
}

impl RelayConnection {
    /// Connects to the relay at `address`, whose key `tls` pins. Tries once.
    ///
    /// # Errors
    /// As [`super::connect`] says; [`Error::KeyRefused`], perhaps only with the first call, if this
    /// node is not enrolled.
    pub async fn connect(address: &str, tls: &PinnedTls, limits: &Limits) -> Result<Self, Error> {
        let addresses: Vec<_> = resolve(address).await?.collect();
        let stream = reach(&addresses, limits, Instant::now() + limits.attempt).await?;
        timeout(limits.handshake, Self::open(stream, tls, limits))
            .await
            .unwrap_or(Err(Error::HandshakeTimedOut))
    }

    /// Opens a connection to a relay over `stream`. The caller bounds the time.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub async fn open<S>(stream: S, tls: &PinnedTls, limits: &Limits) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let secured = tls.connect(stream).await?;
        let state = Arc::new(ConnectionState::default());
        let tasks = Tasks::default();
        let (sender, connection) = http2::Builder::new(tasks.clone())
            .timer(TokioTimer::new())
            .initial_stream_window_size(TUNNEL_WINDOW_BYTES)
            .initial_connection_window_size(TUNNEL_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .max_header_list_size(HEADERS_BYTES_MAX)
            .keep_alive_interval(limits.keep_alive_interval)
            .keep_alive_timeout(limits.keep_alive_timeout)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(WatchedStream::new(secured, state.clone())))
            .await
            .map_err(|error| state.blame(&error))?;
        let running = Connection::start(connection, tasks, state.clone());
        // gRPC wants a name; this one is looked up nowhere (RFC 6761 §6.4).
        let origin = Uri::from_static("https://relay.tacit.invalid");
        let client = RelayClient::with_origin(RequestSender::new(sender, state), origin)
            .max_decoding_message_size(RELAY_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(RELAY_MESSAGE_BYTES_MAX);
        Ok(Self {
            client,
            running,
            answer: limits.handshake,
        })
    }

    /// Dials `peer`, which must listen for this node.
    ///
    /// # Errors
    /// [`Error::Refused`] with the status NOT_FOUND when it does not; what else stood in the way.
    pub async fn dial(mut self, peer: &NodeId) -> Result<Tunnel, Error> {
        let (outgoing, frames) = frames(peer);
        let wait = self.answer;
        let joining = async move {
            let call = self.client.dial(ReceiverStream::new(frames)).await;
            let mut incoming = call.map_err(|status| status_error(&status))?.into_inner();
            await_joined(&mut incoming).await?;
            Ok(Tunnel::start(self, outgoing, incoming))
        };
        timeout(wait, joining)
            .await
            .unwrap_or(Err(Error::HandshakeTimedOut))
    }

    /// Waits for `peer` to dial, for as long as the connection lasts. The caller bounds the time.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Gone`]: the relay ended the wait.
    pub async fn listen(mut self, peer: &NodeId) -> Result<Tunnel, Error> {
        let (outgoing, frames) = frames(peer);
        // Only the call is bounded, not the wait that it begins.
        let call = timeout(self.answer, self.client.listen(ReceiverStream::new(frames)));
        let call = call.await.map_err(|_| Error::HandshakeTimedOut)?;
        let mut incoming = call.map_err(|status| status_error(&status))?.into_inner();
        await_joined(&mut incoming).await?;
        Ok(Tunnel::start(self, outgoing, incoming))
    }

    /// Asks the mediator for its time.
    ///
    /// # Errors
    /// What stood in the way.
    pub async fn time(&mut self) -> Result<MediatorTime, Error> {
        let call = self.client.time(TimeRequest {});
        let reply = in_time(self.answer, call).await?;
        Ok(MediatorTime(reply.seconds))
    }

    /// Has the mediator settle an agreement.
    ///
    /// # Errors
    /// What stood in the way; a refusal is an answer.
    pub async fn settle(&mut self, signed: &SignedAgreement) -> Result<Reply, Error> {
        let reply = in_time(
            self.answer,
            self.client.settle(relay::SettleRequest::from(signed)),
        );
        relay::replied(reply.await?).map_err(|fault| Misbehaviour::NotAMessage(fault).into())
    }

    /// Asks the mediator what became of a session.
    ///
    /// # Errors
    /// What stood in the way; a refusal is an answer.
    pub async fn claim(
        &mut self,
        session: &SessionId,
        deadline: MediatorTime,
    ) -> Result<Reply, Error> {
        let reply = in_time(
            self.answer,
            self.client.claim(relay::claim(session, deadline)),
        );
        relay::replied(reply.await?).map_err(|fault| Misbehaviour::NotAMessage(fault).into())
    }
}

/// A byte stream to the peer through a relay.
pub struct Tunnel {
    stream: DuplexStream,
}

impl Tunnel {
    /// Moves bytes between the stream and the relay in the background until both directions end, or
    /// either breaks.
    fn start(
        relay: RelayConnection,
        outgoing: mpsc::Sender<Frame>,
        incoming: Streaming<Frame>,
    ) -> Self {
        let (stream, far) = duplex(BUFFER_BYTES);
        tokio::spawn(async move {
            let RelayConnection {
                client, running, ..
            } = relay;
            let (reader, mut writer) = tokio::io::split(far);
            let taking = async {
                let taken = frames_to_stream(incoming, &mut writer).await;
                // However the tunnel ended, whoever reads from it sees an end.
                let _ = writer.shutdown().await;
                taken
            };
            // Both to their ends: what was written before the stream was dropped, such as an alert of
            // TLS, is still passed on when nothing can be taken in any more.
            let (sent, taken) = tokio::join!(stream_to_frames(reader, outgoing), taking);
            if sent.is_ok() && taken.is_ok() {
                // Without it the connection closes by itself once it is idle.
                drop(client);
            }
            let _ = timeout(LINGER, running.ended()).await;
        });
        Self { stream }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    /// All slices at once: TLS tries its last alert in one write, behind what waits before it.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Dials `peer` through the relay at `address`, again and again at growing intervals until
/// [`Limits::wait`] is over: it may not listen yet, and a relay may be restarted.
///
/// # Errors
/// At once what another try would not mend: [`Error::WrongKey`], [`Error::KeyRefused`], quotas. After
/// the wait the last of what stood in the way.
pub async fn dial_through(
    address: &str,
    relay: &PinnedTls,
    peer: &NodeId,
    limits: &Limits,
) -> Result<Tunnel, Error> {
    retry(limits, || async {
        RelayConnection::connect(address, relay, limits)
            .await?
            .dial(peer)
            .await
    })
    .await
}

/// Waits at the relay at `address` for `peer` to dial, until [`Limits::wait`] is over; connects again
/// when the relay goes away.
///
/// # Errors
/// Those of [`dial_through`]; [`Error::NobodyCame`] when the wait is over.
pub async fn listen_through(
    address: &str,
    relay: &PinnedTls,
    peer: &NodeId,
    limits: &Limits,
) -> Result<Tunnel, Error> {
    let deadline = Instant::now() + limits.wait;
    retry(limits, || async {
        let relay = RelayConnection::connect(address, relay, limits).await?;
        timeout_at(deadline, relay.listen(peer))
            .await
            .unwrap_or(Err(Error::NobodyCame { turned_away: 0 }))
    })
    .await
}

/// Tries until it works, something is wrong that stays wrong, or the wait is over.
async fn retry<F>(limits: &Limits, mut attempt: impl FnMut() -> F) -> Result<Tunnel, Error>
where
    F: Future<Output = Result<Tunnel, Error>>,
{
    let deadline = Instant::now() + limits.wait;
    let mut pause = limits.pause_first;
    loop {
        let failure = match attempt().await {
            Ok(tunnel) => return Ok(tunnel),
            Err(error) if error.may_pass() => error,
            Err(error) => return Err(error),
        };
        if Instant::now() + pause >= deadline {
            return Err(failure);
        }
        sleep(pause).await;
        pause = (pause * 2).min(limits.pause_max);
    }
}

/// The frames to send, the first of which names the peer.
fn frames(peer: &NodeId) -> (mpsc::Sender<Frame>, mpsc::Receiver<Frame>) {
    let (outgoing, frames) = mpsc::channel(OUTGOING_FRAMES_MAX);
    // The queue is new and has room.
    let _ = outgoing.try_send(Piece::Peer(*peer).into());
    (outgoing, frames)
}

async fn await_joined(incoming: &mut Streaming<Frame>) -> Result<(), Error> {
    match next(incoming).await? {
        Some(Piece::Joined) => Ok(()),
        Some(_) => Err(Misbehaviour::Grpc.into()),
        None => Err(Error::Gone),
    }
}

async fn next(incoming: &mut Streaming<Frame>) -> Result<Option<Piece>, Error> {
    match incoming.message().await {
        Ok(Some(frame)) => Piece::try_from(frame)
            .map(Some)
            .map_err(|fault| Misbehaviour::NotAMessage(fault).into()),
        Ok(None) => Ok(None),
        Err(status) => Err(status_error(&status)),
    }
}

async fn stream_to_frames(
    mut reader: impl AsyncRead + Unpin,
    outgoing: mpsc::Sender<Frame>,
) -> io::Result<()> {
    let mut buffer = vec![0; FRAME_DATA_BYTES_MAX];
    loop {
        // Room first: what is read has a place to go.
        let gone = |_| io::ErrorKind::BrokenPipe;
        let room = outgoing.reserve().await.map_err(gone)?;
        match reader.read(&mut buffer).await? {
            // The frames' sender goes with this function: the relay sees the end of the stream.
            0 => return Ok(()),
            read => room.send(Piece::Data(Bytes::copy_from_slice(&buffer[..read])).into()),
        }
    }
}

async fn frames_to_stream(
    mut incoming: Streaming<Frame>,
    mut writer: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    loop {
        match next(&mut incoming).await {
            Ok(Some(Piece::Data(data))) => {
                if let Err(error) = writer.write_all(&data).await {
                    // Whoever had the tunnel has dropped it. To drop the stream now would reset it, and
                    // lose what was sent last, such as an alert of TLS.
                    let _ = timeout(LINGER, drain(&mut incoming)).await;
                    return Err(error);
                }
            }
            Ok(None) => return writer.shutdown().await,
            Ok(Some(_)) | Err(_) => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

async fn drain(incoming: &mut Streaming<Frame>) {
    while let Ok(Some(_)) = incoming.message().await {}
}

async fn in_time<T>(
    wait: Duration,
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, Error> {
    match timeout(wait, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(status_error(&status)),
        Err(_) => Err(Error::Gone),
    }
}
