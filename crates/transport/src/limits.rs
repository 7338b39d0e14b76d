//! What a channel waits for and how long, and how many connections there may be before it is open.

use std::time::Duration;

use super::places::Places;

/// How long to wait and how much to take; the defaults suit two nodes on different continents.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For the peer to appear, be it to connect or to be there to be connected to. 10 min: people start
    /// both sides by hand.
    pub wait: Duration,
    /// For one TCP connection to be made. 10 s: its first packet is sent again after 1, 3 and 7 s.
    pub attempt: Duration,
    /// Pause after the first attempt to connect; doubles with each one up to `pause_max`. 200 ms.
    pub pause_first: Duration,
    /// 5 s: a peer that starts later is found soon, and an absent one's host is not flooded.
    pub pause_max: Duration,
    /// For TLS, HTTP/2 and the opening of the session's stream, together. 10 s. A listener gives as much
    /// to TLS, from a whole ClientHello on, and again to what follows the proof of the key.
    pub handshake: Duration,
    /// Of connections to a listener before a session is opened on them.
    pub places: Places,
    /// Silence after which a ping asks whether the peer is still there. 20 s: sooner than a NAT or a
    /// firewall forgets a silent connection.
    pub keep_alive_interval: Duration,
    /// For the answer to that ping; then the peer counts as gone. 20 s.
    pub keep_alive_timeout: Duration,
    /// For [`Channel::finish`](super::Channel::finish): the peer's last bytes, and its word that it has ours. 30 s.
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
            places: Places::default(),
            keep_alive_interval: Duration::from_secs(20),
            keep_alive_timeout: Duration::from_secs(20),
            finish: Duration::from_secs(30),
        }
    }
}
