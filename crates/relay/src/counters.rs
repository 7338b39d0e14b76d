//! What has happened at a relay since it started, in numbers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use protocol::Decision;
use wire::relay::Reply;

/// Counters since the relay started.
#[derive(Debug, Default)]
pub struct Counters {
    /// Tunnels opened.
    pub tunnels: AtomicU64,
    /// Bytes passed through tunnels, in both directions.
    pub bytes: AtomicU64,
    /// Connections turned away before they proved an enrolled key.
    pub handshakes_failed: AtomicU64,
    pub dials_refused: AtomicU64,
    /// Verdicts given, the same one given again included.
    pub verdicts: AtomicU64,
    /// Claims of sessions that are still open.
    pub open_answers: AtomicU64,
    /// Settlements and claims refused.
    pub refusals: AtomicU64,
}

impl Counters {
    pub(super) fn count_reply(&self, reply: &Reply) {
        let counter = match reply {
            Ok(Decision::Verdict(_)) => &self.verdicts,
            Ok(Decision::Open(_)) => &self.open_answers,
            Err(_) => &self.refusals,
        };
        counter.fetch_add(1, Relaxed);
    }
}
