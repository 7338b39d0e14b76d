//! How a node runs: where it is reached, how many tables it holds ready, and how long it bears with whom.
//!
//! The daemon and its workers are handed it once, at the start; what concerns one peer is in the store.

use std::time::Duration;

use super::Patience;
use transport::Limits;

/// How a node runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// host:port at which paired peers come; without it nobody can come but through a relay.
    pub listen: Option<String>,
    /// Unused tables that are held ready for each peer.
    pub tables: u32,
    /// From one moment to the next at which changed lists begin to serve. What a peer can tell of them from
    /// when sessions run is no finer than this.
    pub tick: Duration,
    pub patience: Patience,
    pub limits: Limits,
    /// Between two attempts at a session: the first pause, which doubles up to the last.
    pub retry_first: Duration,
    pub retry_max: Duration,
    /// How long sessions may go on once the node is told to stop.
    pub stop: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: None,
            tables: 1,
            tick: Duration::from_secs(60),
            patience: Patience::default(),
            limits: Limits::default(),
            retry_first: Duration::from_secs(5),
            retry_max: Duration::from_secs(300),
            stop: Duration::from_secs(30),
        }
    }
}
