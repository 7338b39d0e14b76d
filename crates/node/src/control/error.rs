//! Why the control service cannot run.

use crate::socket::SocketFault;

/// Why the control service cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Socket(#[from] SocketFault),
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
