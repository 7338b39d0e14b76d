//! Why there is no channel, sorted by whose doing it is.

use std::io;

use tonic::Code;

use super::public_key::{Hex, PublicKey};

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
    /// TLS and the opening of the session took longer than [`Limits::handshake`](super::Limits::handshake).
    #[error("no handshake in time")]
    HandshakeTimedOut,
    /// There were too many connections: another took this one's place before it had proven its key, or
    /// too many with its key had proven it and opened no session.
    #[error("displaced by other connections before its handshake was done")]
    Displaced,
    /// The connection broke, or the peer stopped to answer pings, or ended without finishing.
    #[error("the peer is gone")]
    Gone,
    /// The peer did not end its side within [`Limits::finish`](super::Limits::finish); the last message may be lost.
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
