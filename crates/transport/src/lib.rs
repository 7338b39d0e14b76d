//! The encrypted channel between two nodes.
//!
//! From the bottom up: a byte stream (`direct`: TCP; `tunnel`: through a relay), TLS 1.3 in which
//! each side proves one expected key (`tls`), HTTP/2 and gRPC with one bidirectional stream
//! (`grpc`), and on top a [`Channel`] that sends and receives whole messages. Everything above the
//! byte stream runs over any `AsyncRead + AsyncWrite`.
//!
//! It is handed the node's key and the peer's, and carries messages without looking into them. It
//! never decides what a message means, never reconnects behind its user's back, and never lets a
//! peer that did not prove its key send a byte to the code above. `docs/protocol.md` §2.

#![warn(unreachable_pub)]

mod admission;
mod channel;
mod checked_body;
mod client_hello;
mod connection;
mod connection_state;
mod control;
mod descriptors;
mod direct;
mod entrance;
mod error;
mod grpc;
mod limits;
mod opening;
mod places;
mod public_key;
mod request_sender;
pub mod server;
mod tls;
mod traffic;
mod tunnel;

pub use channel::{Channel, Readiness, SendPermit};
pub use control::{ControlConnection, ControlSender};
pub use direct::{EnrolledListener, Listener, connect};
pub use entrance::{Entrance, Proven};
pub use error::{Error, Misbehaviour};
pub use limits::Limits;
pub use opening::{call_over, serve_over};
pub use places::Places;
pub use public_key::PublicKey;
pub use tls::{Admission, EnrolledTls, PinnedTls};
pub use traffic::{CountedStream, Direction, MessageCount, MessageKind, Traffic};
pub use tunnel::{RelayConnection, Tunnel, dial_through, listen_through};
