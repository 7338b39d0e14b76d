//! How long a node bears with a peer: every wait of a session has its bound here.

use std::time::Duration;

/// How long to bear with a peer.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Time in which something must move: a message, or at least 1,000 bytes of one. 60 s.
    pub stall: Duration,
    /// To tell the peer why the session ends. 2 s.
    pub farewell: Duration,
    /// For the peer's signature or release after one's own signature; then the mediator settles. 60 s.
    pub release: Duration,
    /// Between two questions to the mediator about a session, from one's signature on. 5 s.
    pub claim: Duration,
    /// For the mediator to tell the time before one signs. 30 s.
    pub mediator: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(60),
            farewell: Duration::from_secs(2),
            release: Duration::from_secs(60),
            claim: Duration::from_secs(5),
            mediator: Duration::from_secs(30),
        }
    }
}
