//! Rooms: who waits for whom, the tunnels between them, and what each node uses.
//!
//! A room is one node's wait for one peer. The peer's dial takes it, and the two streams become a
//! tunnel. One lock holds all of it, and nothing waits while it is held.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::counters::Counters;
use super::limits::Limits;
use super::refusal::Refusal;
use super::tunnel::{self, Ends};
use super::usage::Usage;
use pairing::NodeId;

/// All rooms and tunnels of a relay.
pub struct Rooms {
    limits: Limits,
    counters: Arc<Counters>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of the latest wait or tunnel; tells a wait from a newer one for the same peer.
    serial: u64,
    /// By who waits and for whom.
    waiting: HashMap<(NodeId, NodeId), Waiting>,
    tunnels: BTreeMap<u64, TunnelState>,
    usage: HashMap<NodeId, Usage>,
    draining: bool,
}

struct Waiting {
    serial: u64,
    taken: oneshot::Sender<Ends>,
}

struct TunnelState {
    nodes: [NodeId; 2],
    since: Instant,
    bytes: Arc<AtomicU64>,
    /// None for the moment between its entry here and its start.
    task: Option<AbortHandle>,
}

/// A node's wait for one peer, given up when dropped.
pub(super) struct Wait {
    rooms: Arc<Rooms>,
    key: (NodeId, NodeId),
    serial: u64,
}

/// A node's connection, counted while it lives.
pub(super) struct Connected {
    rooms: Arc<Rooms>,
    node: NodeId,
}

/// What an operator sees of a tunnel.
#[derive(Debug, Clone, Copy)]
pub struct TunnelView {
    pub nodes: [NodeId; 2],
    /// Since it was opened.
    pub seconds: u64,
    /// In both directions.
    pub bytes: u64,
}

impl Rooms {
    pub(super) fn new(limits: Limits, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            limits,
            counters,
            state: Mutex::default(),
        })
    }

    /// Counts a new connection of `node`.
    ///
    /// # Errors
    /// [`Refusal::OverQuota`], [`Refusal::Draining`].
    pub(super) fn connect(self: &Arc<Self>, node: NodeId) -> Result<Connected, Refusal> {
        let mut state = self.lock();
        if state.draining {
            return Err(Refusal::Draining);
        }
        // Counted and taken under one lock: of two that come for the last place one is refused.
        let all: usize = state.usage.values().map(|usage| usage.connections).sum();
        let own = &mut state.usage(node).connections;
        if *own >= self.limits.connections_per_node_max || all >= self.limits.connections_max {
            return Err(Refusal::OverQuota);
        }
        *own += 1;
        Ok(Connected {
            rooms: self.clone(),
            node,
        })
    }

    /// Lets `node` wait for `peer`. A wait for the same peer that is still there ends: of a node that
    /// connects again, the relay may not have noticed yet that its line broke.
    ///
    /// # Errors
    /// [`Refusal::Oneself`], [`Refusal::OverQuota`], [`Refusal::Draining`].
    pub(super) fn wait(
        self: &Arc<Self>,
        node: NodeId,
        peer: NodeId,
    ) -> Result<(Wait, oneshot::Receiver<Ends>), Refusal> {
        if node == peer {
            return Err(Refusal::Oneself);
        }
        let mut state = self.lock();
        if state.draining {
            return Err(Refusal::Draining);
        }
        let key = (node, peer);
        let own = state.waiting.keys().filter(|(who, _)| *who == node).count();
        // A wait in another's place takes no more room.
        if own >= self.limits.waiting_per_node_max && !state.waiting.contains_key(&key) {
            return Err(Refusal::OverQuota);
        }
        let serial = state.next_serial();
        let (taken, wait) = oneshot::channel();
        state.waiting.insert(key, Waiting { serial, taken });
        let rooms = self.clone();
        Ok((Wait { rooms, key, serial }, wait))
    }

    /// Joins a dialling node with `peer`, which waits for it.
    ///
    /// # Errors
    /// [`Refusal::NotThere`], [`Refusal::Oneself`], [`Refusal::OverQuota`], [`Refusal::Draining`]: the
    /// ends are dropped.
    pub(super) fn dial(&self, ends: Ends, peer: NodeId) -> Result<(), Refusal> {
        if ends.node == peer {
            return Err(Refusal::Oneself);
        }
        let mut state = self.lock();
        if state.draining {
            return Err(Refusal::Draining);
        }
        // Before the wait is taken: whoever waits goes on waiting when the dial is refused.
        if self.is_full(&mut state, ends.node) || self.is_full(&mut state, peer) {
            return Err(Refusal::OverQuota);
        }
        // Taken under the lock: of two dials at once, one finds nobody.
        let waiting = state.waiting.remove(&(peer, ends.node));
        let waiting = waiting.ok_or(Refusal::NotThere)?;
        waiting.taken.send(ends).map_err(|_| Refusal::NotThere)
    }

    /// Counts a question of `node` to the mediator.
    ///
    /// # Errors
    /// [`Refusal::OverQuota`].
    pub(super) fn ask(&self, node: NodeId) -> Result<(), Refusal> {
        let mut state = self.lock();
        let max = self.limits.questions_per_node_minute_max;
        state.usage(node).ask(max, Instant::now())
    }

    /// Runs a tunnel between two ends until both directions end, one breaks, or nothing moves.
    pub(super) async fn tunnel(self: Arc<Self>, one: Ends, two: Ends) {
        let nodes = [one.node, two.node];
        let bytes = Arc::new(AtomicU64::new(0));
        let serial = {
            let mut state = self.lock();
            let serial = state.next_serial();
            let (since, bytes) = (Instant::now(), bytes.clone());
            let tunnel = TunnelState {
                nodes,
                since,
                bytes,
                task: None,
            };
            state.tunnels.insert(serial, tunnel);
            serial
        };
        self.counters.tunnels.fetch_add(1, Relaxed);
        tracing::info!(tunnel = serial, one = %nodes[0], two = %nodes[1], "joined");
        let (rooms, idle, moved) = (self.clone(), self.limits.tunnel_idle, bytes.clone());
        let copies = tokio::spawn(async move {
            tunnel::join(one, two, idle, &moved, |length| rooms.pass(nodes, length)).await
        });
        // Ended with its register entry, whoever drops which first.
        let ended = Ended {
            rooms: self.clone(),
            serial,
        };
        // From here on the removal of a node, or the end of this call, ends the copies too.
        if let Some(tunnel) = self.lock().tunnels.get_mut(&serial) {
            tunnel.task = Some(copies.abort_handle());
        }
        let why = match copies.await {
            Ok(Ok(())) => "finished",
            Ok(Err(refusal)) => reason(refusal),
            Err(_) => "ended by the relay",
        };
        drop(ended);
        let bytes = bytes.load(Relaxed);
        tracing::info!(tunnel = serial, bytes, why, "parted");
    }

    /// Ends waits and tunnels of nodes that are no longer enrolled.
    pub(super) fn keep_only(&self, enrolled: impl Fn(&NodeId) -> bool) {
        let mut state = self.lock();
        state
            .waiting
            .retain(|(who, whom), _| enrolled(who) && enrolled(whom));
        for tunnel in state.tunnels.values() {
            if !tunnel.nodes.iter().all(&enrolled)
                && let Some(task) = &tunnel.task
            {
                task.abort();
            }
        }
        // Or a relay would remember every node that was ever enrolled.
        let now = Instant::now();
        state.usage.retain(|_, usage| !usage.is_past(now));
    }

    /// Lets nobody wait or dial any more; tunnels go on.
    pub(super) fn drain(&self) {
        let mut state = self.lock();
        state.draining = true;
        // Each wait sees its sender dropped, and tells its node that the relay is about to stop.
        state.waiting.clear();
    }

    /// Whether the relay is about to stop.
    pub fn is_draining(&self) -> bool {
        self.lock().draining
    }

    /// The tunnels that go on, oldest first.
    pub fn tunnels(&self) -> Vec<TunnelView> {
        let view = |tunnel: &TunnelState| TunnelView {
            nodes: tunnel.nodes,
            seconds: tunnel.since.elapsed().as_secs(),
            bytes: tunnel.bytes.load(Relaxed),
        };
        self.lock().tunnels.values().map(view).collect()
    }

    /// Who waits for whom.
    pub fn waiting(&self) -> Vec<(NodeId, NodeId)> {
        let mut waiting: Vec<_> = self.lock().waiting.keys().copied().collect();
        waiting.sort();
        waiting
    }

    /// Connected nodes with the number of their connections.
    pub fn connected(&self) -> Vec<(NodeId, usize)> {
        let state = self.lock();
        let mut connected: Vec<_> = state
            .usage
            .iter()
            .map(|(node, usage)| (*node, usage.connections))
            // What a node has used is kept for a day, longer than its connections.
            .filter(|(_, connections)| *connections > 0)
            .collect();
        connected.sort();
        connected
    }

    /// Counts what passes between two nodes, against the quotas of both.
    fn pass(&self, nodes: [NodeId; 2], length: u64) -> Result<(), Refusal> {
        self.counters.bytes.fetch_add(length, Relaxed);
        let (max, now) = (self.limits.bytes_per_node_day_max, Instant::now());
        let mut state = self.lock();
        for node in nodes {
            state.usage(node).pass(length, max, now)?;
        }
        Ok(())
    }

    fn is_full(&self, state: &mut State, node: NodeId) -> bool {
        let own = state.tunnels.values();
        let tunnels = own.filter(|tunnel| tunnel.nodes.contains(&node)).count();
        tunnels >= self.limits.tunnels_per_node_max
            || state
                .usage(node)
                .is_over(self.limits.bytes_per_node_day_max)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn usage(&mut self, node: NodeId) -> &mut Usage {
        self.usage
            .entry(node)
            .or_insert_with(|| Usage::new(Instant::now()))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut state = self.rooms.lock();
        // A newer wait for the same peer may have taken this one's place.
        let own = |waiting: &Waiting| waiting.serial == self.serial;
        if state.waiting.get(&self.key).is_some_and(own) {
            state.waiting.remove(&self.key);
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut state = self.rooms.lock();
        let usage = state.usage(self.node);
        usage.connections = usage.connections.saturating_sub(1);
    }
}

/// Takes a tunnel out of the register, and ends it.
struct Ended {
    rooms: Arc<Rooms>,
    serial: u64,
}

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(tunnel) = self.rooms.lock().tunnels.remove(&self.serial)
            && let Some(task) = tunnel.task
        {
            task.abort();
        }
    }
}

fn reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::OverQuota => "over its quota",
        Refusal::Malformed => "a frame that is none",
        _ => "an end is gone",
    }
}
