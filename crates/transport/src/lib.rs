//! The encrypted channel between two nodes.
//!
//! From the bottom up: a byte stream (`direct`: TCP; `tunnel`: through a relay), TLS 1.3 in which
//! each side proves one expected key (`tls`), HTTP/2 and gRPC with one bidirectional stream
//! (`grpc`), and on top a [`Duplex`] that sends and receives whole messages. Everything above the
//! byte stream runs over any `AsyncRead + AsyncWrite`.
//!
//! It is handed the node's key and the peer's, and carries messages without looking into them. It
//! never decides what a message means, never reconnects behind its user's back, and never lets a
//! peer that did not prove its key send a byte to the code above. `docs/protocol.md` §2.

mod control;
mod direct;
mod duplex;
mod grpc;
mod link;
mod meter;
pub mod server;
mod tls;
mod tunnel;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tonic::Code;

pub use control::{ControlLink, Wire};
pub use direct::{Listener, Reception, connect};
pub use duplex::{Duplex, Slot, Turn};
pub use meter::{Direction, Kind, Tally, Traffic};
pub use tls::{Admission, EnrolledTls, PinnedTls};
pub use tunnel::{RelayLink, Tunnel, dial_through, listen_through};

/// An Ed25519 public key that a node presents in the TLS handshake, in RFC 8032 encoding.
pub type PublicKey = [u8; 32];

/// How long to wait and how much to take; the defaults suit two nodes on different continents.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For the peer to appear, be it to connect or to be there to be connected to. 10 min.
    pub wait: Duration,
    /// For one TCP connection to be made. 10 s.
    pub attempt: Duration,
    /// Pause after the first attempt to connect; doubles with each one up to `pause_max`. 200 ms.
    pub pause_first: Duration,
    /// 5 s.
    pub pause_max: Duration,
    /// For TLS, HTTP/2 and the opening of the session's stream, together. 10 s.
    pub handshake: Duration,
    /// Connections that may be in their handshake at once; a further one displaces the oldest. 64.
    pub handshakes_max: usize,
    /// Silence after which a ping asks whether the peer is still there. 20 s.
    pub keep_alive_interval: Duration,
    /// For the answer to that ping; then the peer counts as gone. 20 s.
    pub keep_alive_timeout: Duration,
    /// For [`Duplex::finish`]: the peer's last bytes, and its word that it has ours. 30 s.
    pub finish: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(600),
            attempt: Duration::from_secs(10),
            pause_first: Duration::from_millis(200),
            pause_max: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            handshakes_max: 64,
            keep_alive_interval: Duration::from_secs(20),
            keep_alive_timeout: Duration::from_secs(20),
            finish: Duration::from_secs(30),
        }
    }
}

/// Why there is no channel, or no longer one; grouped by whose doing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    // Ours: what this node was told to use does not work.
    /// The address is not `host:port`.
    #[error("the address is not of the form host:port")]
    AddressMalformed,
    /// The host's name has no address.
    #[error("the host name cannot be resolved")]
    NameUnknown,
    /// The address to listen on is taken by another program, or not one of this machine.
    #[error("cannot listen on this address: {0}")]
    CannotListen(io::ErrorKind),
    /// TLS refused this node's own key or settings.
    #[error("this node's key cannot be used for TLS")]
    KeyUnusable,
    /// The message to send is longer than [`wire::MESSAGE_BYTES_MAX`]; it was not sent.
    #[error(
        "a message of {bytes} bytes is longer than {} bytes",
        wire::MESSAGE_BYTES_MAX
    )]
    MessageTooLong { bytes: usize },

    // The peer's absence, or the network's doing.
    /// Nothing accepted a connection at the peer's address until the wait was over.
    #[error("the peer's address cannot be reached: {0}")]
    Unreachable(io::ErrorKind),
    /// Nobody proved to be a tacit node until the wait was over; `turned_away` others came.
    #[error("the peer did not come; {turned_away} other connections were turned away")]
    NobodyCame { turned_away: u32 },
    /// Only nodes with other keys came until the wait was over; `presented` is the last one's.
    #[error(
        "the peer did not come, but a node with the key {} did",
        Hex(presented)
    )]
    OnlyWrongKeysCame { presented: PublicKey },
    /// TLS and the opening of the session took longer than [`Limits::handshake`].
    #[error("no handshake in time")]
    HandshakeTimedOut,
    /// Newer connections displaced this one, which had not finished its handshake.
    #[error("displaced by newer connections before its handshake was done")]
    Displaced,
    /// The connection broke, or the peer stopped to answer pings, or ended without finishing.
    #[error("the peer is gone")]
    Gone,
    /// The peer did not end its side within [`Limits::finish`]; the last message may be lost.
    #[error("the peer did not finish in time")]
    Unfinished,

    // Somebody else's: whoever is there is not the peer, or does not take us for its peer.
    /// The other side proved to have the key `presented`, which is not the peer's.
    #[error("another node is there, with the key {}", Hex(presented))]
    WrongKey { presented: PublicKey },
    /// The other side refused this node's key: it is not paired with this node.
    #[error("the other side does not accept this node's key")]
    KeyRefused,
    /// The other side does not speak TLS.
    #[error("the other side does not speak TLS")]
    NotTls,
    /// The other side speaks TLS, but not with this version, key exchange, raw keys and HTTP/2.
    #[error("the other side speaks another kind of TLS")]
    Incompatible,
    /// The peer's gRPC layer turned the session down, with this gRPC status code.
    #[error("the peer turned the session down (gRPC status {code})")]
    Refused { code: i32 },

    // The peer's fault, after it proved its key, or while it tried to.
    /// The peer broke the rules of the channel.
    #[error("the peer misbehaved: {0}")]
    Misbehaved(#[from] Misbehaviour),
}

impl Error {
    /// Whether another try, a little later, may do.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Gone | Self::HandshakeTimedOut => true,
            Self::Refused { code } => {
                [Code::NotFound, Code::Unavailable, Code::Aborted].contains(&Code::from_i32(*code))
            }
            _ => false,
        }
    }
}

/// Which rule of the channel the peer broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    /// Of TLS: RFC 8446.
    #[error("broken TLS")]
    Tls,
    /// Of HTTP/2: RFC 9113.
    #[error("broken HTTP/2")]
    Http2,
    /// Of gRPC: headers, trailers, or the frame around a message.
    #[error("broken gRPC")]
    Grpc,
    /// A message announced as longer than [`wire::MESSAGE_BYTES_MAX`].
    #[error("a message longer than {} bytes", wire::MESSAGE_BYTES_MAX)]
    MessageTooLong,
    /// A message that is none.
    #[error("a message that is {0}")]
    NotAMessage(#[from] wire::Error),
}

/// Opens a session over `stream` as the side that made the connection: TLS client, gRPC client.
///
/// # Errors
/// [`Error::HandshakeTimedOut`] after [`Limits::handshake`]; or what stood in the way.
pub async fn call_over<S>(stream: S, tls: &PinnedTls, limits: &Limits) -> Result<Duplex, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opening = async {
        let traffic = Arc::new(Traffic::default());
        let secured = tls
            .connect(meter::Metered::new(stream, traffic.clone()))
            .await?;
        grpc::call(secured, traffic, limits).await
    };
    timeout(limits.handshake, opening)
        .await
        .unwrap_or(Err(Error::HandshakeTimedOut))
}

/// Opens a session over `stream` as the side that accepted the connection: TLS server, gRPC server.
///
/// # Errors
/// [`Error::HandshakeTimedOut`] after [`Limits::handshake`]; or what stood in the way.
pub async fn serve_over<S>(stream: S, tls: &PinnedTls, limits: &Limits) -> Result<Duplex, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opening = async {
        let traffic = Arc::new(Traffic::default());
        let secured = tls
            .accept(meter::Metered::new(stream, traffic.clone()))
            .await?;
        grpc::serve(secured, traffic, limits).await
    };
    timeout(limits.handshake, opening)
        .await
        .unwrap_or(Err(Error::HandshakeTimedOut))
}

/// The same for a node whose key is among several that `tls` admits; gives the key that was proven.
async fn serve_enrolled<S>(
    stream: S,
    tls: &EnrolledTls,
    limits: &Limits,
) -> Result<(Duplex, PublicKey), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opening = async {
        let traffic = Arc::new(Traffic::default());
        let metered = meter::Metered::new(stream, traffic.clone());
        let (secured, key) = tls.accept(metered).await?;
        Ok((grpc::serve(secured, traffic, limits).await?, key))
    };
    timeout(limits.handshake, opening)
        .await
        .unwrap_or(Err(Error::HandshakeTimedOut))
}

/// Prints a public key in hexadecimal.
struct Hex<'a>(&'a PublicKey);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
