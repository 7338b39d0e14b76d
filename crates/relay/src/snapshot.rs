//! How a relay stands at one moment: plain values, to be shown.

use std::sync::atomic::Ordering::Relaxed;

use super::host::Relay;
use super::mediator::Summary;
use super::rooms::TunnelView;
use pairing::NodeId;

/// A relay at one moment.
pub(super) struct Snapshot {
    pub(super) id: NodeId,
    pub(super) draining: bool,
    pub(super) enrolled: usize,
    /// Connected nodes with the number of their connections.
    pub(super) connected: Vec<(NodeId, usize)>,
    /// Who waits for whom.
    pub(super) waiting: Vec<(NodeId, NodeId)>,
    pub(super) tunnels: Vec<TunnelView>,
    /// None if the ledger cannot be read.
    pub(super) mediator: Option<Summary>,
    pub(super) since_start: SinceStart,
}

/// What [`Counters`](super::Counters) say.
pub(super) struct SinceStart {
    pub(super) tunnels: u64,
    pub(super) bytes: u64,
    pub(super) handshakes_failed: u64,
    pub(super) dials_refused: u64,
    pub(super) verdicts: u64,
    pub(super) open_answers: u64,
    pub(super) refusals: u64,
}

impl Snapshot {
    /// Asks every part of `relay` in turn; they may differ by what happened in between.
    pub(super) fn of(relay: &Relay) -> Self {
        let (rooms, counters) = (relay.rooms(), relay.counters());
        Self {
            id: relay.id(),
            draining: rooms.is_draining(),
            enrolled: relay.enrolled(),
            connected: rooms.connected(),
            waiting: rooms.waiting(),
            tunnels: rooms.tunnels(),
            mediator: relay.mediator().summary().ok(),
            since_start: SinceStart {
                tunnels: counters.tunnels.load(Relaxed),
                bytes: counters.bytes.load(Relaxed),
                handshakes_failed: counters.handshakes_failed.load(Relaxed),
                dials_refused: counters.dials_refused.load(Relaxed),
                verdicts: counters.verdicts.load(Relaxed),
                open_answers: counters.open_answers.load(Relaxed),
                refusals: counters.refusals.load(Relaxed),
            },
        }
    }
}
