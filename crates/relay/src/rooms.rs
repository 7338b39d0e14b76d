//! Rooms: who waits for whom, the tunnels between them, and what each node uses.
//!
//! A room is one node's wait for one peer. The peer's dial takes it, and the two streams become a
//! tunnel: two copies, each of which takes a frame from one side only when the other side has room
//! for it. A frame is never looked into.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tonic::{Status, Streaming};

use super::status::Meters;
use super::{Limits, Refusal};
use pairing::NodeId;
use wire::relay::{Frame, Piece};

/// Frames that wait to be written to one side of a tunnel.
pub const FRAMES_WAITING_MAX: usize = 2;

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

/// One node's two ends of a call.
pub struct Ends {
    pub node: NodeId,
    pub incoming: Streaming<Frame>,
    pub outgoing: mpsc::Sender<Result<Frame, Status>>,
}

/// All rooms and tunnels of a relay.
pub struct Rooms {
    limits: Limits,
    meters: Arc<Meters>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
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
    task: Option<AbortHandle>,
}

/// What one node has used.
struct Usage {
    connections: usize,
    day: Instant,
    bytes: u64,
    minute: Instant,
    questions: u32,
}

/// A node's wait for one peer, given up when dropped.
pub struct Wait {
    rooms: Arc<Rooms>,
    key: (NodeId, NodeId),
    serial: u64,
}

/// A node's connection, counted while it lives.
pub struct Connected {
    rooms: Arc<Rooms>,
    node: NodeId,
}

/// What an operator sees of a tunnel.
#[derive(Debug, Clone, Copy)]
pub struct TunnelView {
    pub nodes: [NodeId; 2],
    pub seconds: u64,
    pub bytes: u64,
}

impl Rooms {
    pub fn new(limits: Limits, meters: Arc<Meters>) -> Arc<Self> {
        Arc::new(Self {
            limits,
            meters,
            state: Mutex::default(),
        })
    }

    /// Counts a new connection of `node`.
    ///
    /// # Errors
    /// [`Refusal::OverQuota`], [`Refusal::Draining`].
    pub fn connect(self: &Arc<Self>, node: NodeId) -> Result<Connected, Refusal> {
        let mut state = self.lock();
        if state.draining {
            return Err(Refusal::Draining);
        }
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
    pub fn wait(
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
    pub fn dial(&self, ends: Ends, peer: NodeId) -> Result<(), Refusal> {
        if ends.node == peer {
            return Err(Refusal::Oneself);
        }
        let mut state = self.lock();
        if state.draining {
            return Err(Refusal::Draining);
        }
        if self.is_full(&mut state, ends.node) || self.is_full(&mut state, peer) {
            return Err(Refusal::OverQuota);
        }
        let waiting = state.waiting.remove(&(peer, ends.node));
        let waiting = waiting.ok_or(Refusal::NotThere)?;
        waiting.taken.send(ends).map_err(|_| Refusal::NotThere)
    }

    /// Counts a question of `node` to the mediator.
    ///
    /// # Errors
    /// [`Refusal::OverQuota`].
    pub fn ask(&self, node: NodeId) -> Result<(), Refusal> {
        let mut state = self.lock();
        let usage = state.usage(node);
        if usage.minute.elapsed() >= MINUTE {
            (usage.minute, usage.questions) = (Instant::now(), 0);
        }
        if usage.questions >= self.limits.questions_per_node_minute_max {
            return Err(Refusal::OverQuota);
        }
        usage.questions += 1;
        Ok(())
    }

    /// Runs a tunnel between two ends until both directions end, one breaks, or nothing moves.
    pub async fn tunnel(self: Arc<Self>, one: Ends, two: Ends) {
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
        self.meters.tunnels.fetch_add(1, Relaxed);
        tracing::info!(tunnel = serial, one = %nodes[0], two = %nodes[1], "joined");
        let copies = tokio::spawn(self.clone().run(one, two, bytes.clone()));
        // Ended with its register entry, whoever drops which first.
        let ended = Ended {
            rooms: self.clone(),
            serial,
        };
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
    pub fn keep_only(&self, enrolled: impl Fn(&NodeId) -> bool) {
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
        let idle = |usage: &Usage| usage.connections == 0 && usage.day.elapsed() >= DAY;
        state.usage.retain(|_, usage| !idle(usage));
    }

    /// Lets nobody wait or dial any more; tunnels go on.
    pub fn drain(&self) {
        let mut state = self.lock();
        state.draining = true;
        state.waiting.clear();
    }

    pub fn is_draining(&self) -> bool {
        self.lock().draining
    }

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
            .filter(|(_, connections)| *connections > 0)
            .collect();
        connected.sort();
        connected
    }

    async fn run(
        self: Arc<Self>,
        one: Ends,
        two: Ends,
        bytes: Arc<AtomicU64>,
    ) -> Result<(), Refusal> {
        let nodes = [one.node, two.node];
        let copies = async {
            for outgoing in [&one.outgoing, &two.outgoing] {
                let joined = Ok(Piece::Joined.into());
                let sent = outgoing.send(joined).await;
                sent.map_err(|_| Refusal::OtherEndGone)?;
            }
            tokio::try_join!(
                self.copy(one.incoming, two.outgoing, nodes, &bytes),
                self.copy(two.incoming, one.outgoing, nodes, &bytes),
            )
        };
        tokio::select! {
            ended = copies => ended.map(|_| ()),
            () = silence(&bytes, self.limits.tunnel_idle) => Err(Refusal::OtherEndGone),
        }
    }

    /// Copies one direction to its end, which the other side sees as the end of the stream; the other
    /// direction goes on.
    async fn copy(
        &self,
        from: Streaming<Frame>,
        to: mpsc::Sender<Result<Frame, Status>>,
        nodes: [NodeId; 2],
        bytes: &AtomicU64,
    ) -> Result<(), Refusal> {
        let copied = self.copy_frames(from, &to, nodes, bytes).await;
        if let Err(refusal) = copied {
            // Without room nobody reads, and the end of the stream says enough.
            let _ = to.try_send(Err(refusal.into()));
        }
        copied
    }

    /// Takes a frame only when there is room for it on the other side.
    async fn copy_frames(
        &self,
        mut from: Streaming<Frame>,
        to: &mpsc::Sender<Result<Frame, Status>>,
        nodes: [NodeId; 2],
        bytes: &AtomicU64,
    ) -> Result<(), Refusal> {
        loop {
            let gone = |_| Refusal::OtherEndGone;
            let room = to.reserve().await.map_err(gone)?;
            let frame = tokio::select! {
                frame = from.message() => frame.map_err(|_| Refusal::OtherEndGone)?,
                () = to.closed() => return Err(Refusal::OtherEndGone),
            };
            let Some(frame) = frame else {
                return Ok(());
            };
            let Ok(Piece::Data(data)) = Piece::try_from(frame) else {
                return Err(Refusal::Malformed);
            };
            let length = data.len() as u64;
            bytes.fetch_add(length, Relaxed);
            self.meters.bytes.fetch_add(length, Relaxed);
            self.charge(nodes, length)?;
            room.send(Ok(Piece::Data(data).into()));
        }
    }

    fn charge(&self, nodes: [NodeId; 2], length: u64) -> Result<(), Refusal> {
        let mut state = self.lock();
        for node in nodes {
            let usage = state.usage(node);
            if usage.day.elapsed() >= DAY {
                (usage.day, usage.bytes) = (Instant::now(), 0);
            }
            usage.bytes = usage.bytes.saturating_add(length);
            if usage.bytes > self.limits.bytes_per_node_day_max {
                return Err(Refusal::OverQuota);
            }
        }
        Ok(())
    }

    fn is_full(&self, state: &mut State, node: NodeId) -> bool {
        let own = state.tunnels.values();
        let tunnels = own.filter(|tunnel| tunnel.nodes.contains(&node)).count();
        tunnels >= self.limits.tunnels_per_node_max
            || state.usage(node).bytes > self.limits.bytes_per_node_day_max
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
        self.usage.entry(node).or_insert_with(|| Usage {
            connections: 0,
            day: Instant::now(),
            bytes: 0,
            minute: Instant::now(),
            questions: 0,
        })
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut state = self.rooms.lock();
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

/// Returns when nothing has moved for `idle`.
async fn silence(bytes: &AtomicU64, idle: Duration) {
    let mut before = bytes.load(Relaxed);
    loop {
        sleep(idle).await;
        let now = bytes.load(Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}

fn reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::OverQuota => "over its quota",
        Refusal::Malformed => "a frame that is none",
        _ => "an end is gone",
    }
}
