//! What a relay bears of all nodes together, and of each.

use std::time::Duration;

use transport::Places;

/// What a relay bears; the defaults suit tens of pairs on one core and 64 MiB.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For the TLS handshake, from a whole ClientHello on. 10 s.
    pub handshake: Duration,
    /// Of connections until they are served.
    pub places: Places,
    /// Connections at once, after the handshake. 512.
    pub connections_max: usize,
    /// Connections of one node. 32.
    pub connections_per_node_max: usize,
    /// Calls of one connection at once. 16.
    pub calls_per_connection_max: u32,
    /// Peers that one node may wait for at once. 64.
    pub waiting_per_node_max: usize,
    /// Tunnels of one node at once. 16.
    pub tunnels_per_node_max: usize,
    /// Bytes of one node's tunnels, both directions, in a day. 256 GiB.
    pub bytes_per_node_day_max: u64,
    /// Questions of one node to the mediator in a minute. 600.
    pub questions_per_node_minute_max: u32,
    /// For the first frame of a call. 10 s.
    pub first_frame: Duration,
    /// Silence after which a tunnel is ended. 10 min.
    pub tunnel_idle: Duration,
    /// Time without a call after which a connection is ended. 60 s.
    pub connection_idle: Duration,
    /// Silence after which a ping asks whether a node is still there, and how long its answer may take. 20 s.
    pub keep_alive: Duration,
    /// Between two looks at the list of enrolled nodes. 2 s.
    pub enrolment: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            places: Places::default(),
            connections_max: 512,
            connections_per_node_max: 32,
            calls_per_connection_max: 16,
            waiting_per_node_max: 64,
            tunnels_per_node_max: 16,
            bytes_per_node_day_max: 256 << 30,
            questions_per_node_minute_max: 600,
            first_frame: Duration::from_secs(10),
            tunnel_idle: Duration::from_secs(600),
            connection_idle: Duration::from_secs(60),
            keep_alive: Duration::from_secs(20),
            enrolment: Duration::from_secs(2),
        }
    }
}
