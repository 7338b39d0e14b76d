//! Why the control service cannot run.

use std::path::PathBuf;

/// Why the control service cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {}: {source}", .path.display())]
    Socket {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("another process answers on {}", .path.display())]
    SocketInUse { path: PathBuf },
    #[error("{} is there and is not a socket", .path.display())]
    NotASocket { path: PathBuf },
    #[error("cannot listen at {address} for clients: {source}")]
    Address {
        address: String,
        source: std::io::Error,
    },
    #[error(transparent)]
    Channel(#[from] transport::Error),
    #[error("the clients cannot be read from the store")]
    Clients,
    /// A bug of ours: what describes the service to explorers cannot be read.
    #[error("the service's own description cannot be read")]
    Description,
}
