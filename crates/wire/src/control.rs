//! What a node and its own clients say to each other. `proto/tacit/v1/control.proto`.
//!
//! [`ControlClient`], [`ControlServer`] and the trait [`Control`] are generated, and speak in our own types:
//! those of `admin`, `identity` and [`message`]. [`codec`] puts each into its message and reads it back by
//! [`convert`]. [`generated`] has the messages themselves, for tests of what no client of ours would send.

pub mod codec;
pub mod convert;
pub mod message;

pub use super::pb::control_client::ControlClient;
pub use super::pb::control_server::{Control, ControlServer};

/// The generated messages, and a client that sends them unchecked.
pub mod generated {
    pub use crate::pb::raw_control_client::RawControlClient as ControlClient;
    pub use crate::pb::*;
}

/// The service's name in paths and in server reflection.
pub const CONTROL_SERVICE: &str = "tacit.v1.Control";
/// Its descriptor, for server reflection.
pub const CONTROL_DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/control.binpb"));
/// Longest message of the service, in encoded bytes.
pub const CONTROL_MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Records of one message at most.
pub const BATCH_PEOPLE_MAX: usize = 1000;
/// Hashed keys of one record at most.
pub const KEYS_PER_PERSON_MAX: usize = 4096;
/// Bytes of a record's id and cells together, so that it comes back in one message with its answers.
pub const RECORD_BYTES_MAX: usize = 768 << 10;

/// Bytes of an audit log's head that somebody kept, at most.
pub const HEAD_BYTES_MAX: usize = 1024;

/// What is wrong with a message of the control service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} is not one of those that there are")]
    Unknown(&'static str),
    #[error("{0} has another length or number than it may have")]
    Length(&'static str),
    /// The keys would never match, or match somebody else.
    #[error(
        "the list was read by another version of the schema than this node has; use a client of \
         the same version"
    )]
    OtherSchema,
}

/// A message without content, for the generated code.
pub type Nothing = ();
