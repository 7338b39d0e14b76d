//! Who may use a node, as what.

use pairing::NodeId;
use serde::{Deserialize, Serialize};

use super::number::ClientNumber;

/// Bytes of a client's name at most.
pub const CLIENT_NAME_BYTES_MAX: usize = 255;

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientRole {
    /// Submits queries and reads its own answers.
    Clerk,
    /// Keeps lists, peers, clients and approvals.
    Officer,
    /// Reads the audit log and receipts, and nothing else.
    Auditor,
}

/// How a client is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Credential {
    /// A user of this machine, on the node's socket.
    User(u32),
    /// An Ed25519 key, over TLS.
    Key(NodeId),
}

/// A client that the node lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    pub number: ClientNumber,
    pub name: String,
    pub role: ClientRole,
    pub credential: Credential,
}

impl ClientRole {
    /// Its name, as commands and the audit log write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clerk => "clerk",
            Self::Officer => "officer",
            Self::Auditor => "auditor",
        }
    }
}

/// Somebody who is to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewClient {
    /// What people here call it, 1 to [`CLIENT_NAME_BYTES_MAX`] bytes.
    pub name: String,
    pub role: ClientRole,
    pub credential: Credential,
}

/// Another role for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleChange {
    pub client: ClientNumber,
    pub role: ClientRole,
}
