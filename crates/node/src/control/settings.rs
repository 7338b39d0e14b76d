//! How the control service is set up: where clients find it, and what it bears.

use std::path::PathBuf;
use std::time::Duration;

use transport::Places;

/// The socket's name in a node's home.
pub const SOCKET_FILE: &str = "control.sock";

/// Where clients find the node.
#[derive(Debug, Clone)]
pub struct ControlConfig {
    pub socket: PathBuf,
    /// Who may open the socket, as the mode of a file; who may then do what, the store says.
    pub socket_mode: u32,
    /// host:port for clients on other machines, which are let in by their keys.
    pub listen: Option<String>,
    pub limits: ControlLimits,
}

impl ControlConfig {
    /// A socket for the node's own user alone, at `socket`.
    pub fn at(socket: PathBuf) -> Self {
        Self {
            socket,
            socket_mode: 0o600,
            listen: None,
            limits: ControlLimits::default(),
        }
    }
}

/// What the control service bears; the defaults suit some tens of clients.
#[derive(Debug, Clone)]
pub struct ControlLimits {
    /// For the TLS handshake, from a whole ClientHello on. 10 s.
    pub handshake: Duration,
    /// Of connections from other machines until they are served.
    pub places: Places,
    /// Connections at once. 128.
    pub connections_max: usize,
    /// Connections of one user or key. 16.
    pub connections_per_client_max: usize,
    /// Calls of one connection at once. 16.
    pub calls_per_connection_max: u32,
    /// Calls at once. 128.
    pub calls_max: usize,
    /// Calls of one user or key at once. 16.
    pub calls_per_client_max: usize,
    /// Calls that work in the store at once; the others wait. 16.
    pub store_calls_max: usize,
    /// Time without a call after which a connection is ended. 60 s.
    pub connection_idle: Duration,
    /// Silence after which a ping asks whether a client is still there, and how long its answer may take. 20 s.
    pub keep_alive: Duration,
    /// Silence in the middle of a request, or of an answer that is not taken, after which the call ends. 30 s.
    pub stall: Duration,
    /// How long a client may altogether let the node wait in one request, beside a second for each 10 kB
    /// of it: an import keeps other imports out. 60 s.
    pub patience: Duration,
    /// Between two entries in the audit log about one client's refused calls of one kind. 60 s.
    pub refusals: Duration,
    /// For calls that go on when the node is told to stop. 2 s.
    pub drain: Duration,
}

impl Default for ControlLimits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            places: Places::default(),
            connections_max: 128,
            connections_per_client_max: 16,
            calls_per_connection_max: 16,
            calls_max: 128,
            calls_per_client_max: 16,
            store_calls_max: 16,
            connection_idle: Duration::from_secs(60),
            keep_alive: Duration::from_secs(20),
            stall: Duration::from_secs(30),
            patience: Duration::from_secs(60),
            refusals: Duration::from_secs(60),
            drain: Duration::from_secs(2),
        }
    }
}
