//! What the parts of a running node share: its store, how each pair stands, and who is to be woken.
//!
//! The daemon writes how a pair stands and waits to be woken; the control service reads it, watches
//! it, and wakes. Everything lasting is in the store; what is here ends with the process and names
//! nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use admin::{PairStatus, PeerNumber};
use identity::Schema;
use pairing::NodeId;
use store::{self, Store};

/// Why a session does not run at once.
#[derive(Debug, thiserror::Error)]
pub enum NotNow {
    #[error("the policy for this peer allows no session on demand")]
    ByPolicy,
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A running node, for its own parts.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

struct Shared {
    store: Arc<Store>,
    schema: Schema,
    pairs: Mutex<Pairs>,
    changes: watch::Sender<u64>,
    wake: Notify,
}

#[derive(Default)]
struct Pairs {
    known: BTreeMap<PeerNumber, PairStatus>,
    at_once: BTreeSet<PeerNumber>,
}

impl Handle {
    pub fn new(store: Arc<Store>) -> Self {
        Self::with_schema(store, Schema::default())
    }

    /// A node that matches under `schema`.
    pub fn with_schema(store: Arc<Store>, schema: Schema) -> Self {
        Self(Arc::new(Shared {
            store,
            schema,
            pairs: Mutex::default(),
            changes: watch::channel(0).0,
            wake: Notify::new(),
        }))
    }

    pub fn store(&self) -> &Arc<Store> {
        &self.0.store
    }

    pub fn schema(&self) -> Schema {
        self.0.schema
    }

    pub fn id(&self) -> NodeId {
        self.0.store.key().id()
    }

    /// How things stand with a peer.
    pub fn pair(&self, peer: PeerNumber) -> PairStatus {
        self.pairs().known.get(&peer).cloned().unwrap_or_default()
    }

    /// A number that goes up whenever something changed that a watcher may care for: how a pair
    /// stands, or what is in the store.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Says that the store was changed: peers, lists, queries or approvals. Wakes daemon and watchers.
    pub fn stored(&self) {
        self.0.wake.notify_one();
        self.tick();
    }

    /// Has a session with `peer` run as soon as may be. The peer can then tell when somebody asked.
    ///
    /// # Errors
    /// Policy does not allow it, or the store fails.
    pub fn run_now(&self, peer: PeerNumber) -> Result<(), NotNow> {
        let policy = self.0.store.peer(peer)?.entry.policy;
        if !policy.on_demand {
            return Err(NotNow::ByPolicy);
        }
        self.pairs().at_once.insert(peer);
        self.0.wake.notify_one();
        Ok(())
    }

    /// Whether a session was asked for at once; asks once.
    pub(super) fn take_at_once(&self, peer: PeerNumber) -> bool {
        self.pairs().at_once.remove(&peer)
    }

    /// Changes how a pair stands.
    pub(super) fn set(&self, peer: PeerNumber, change: impl FnOnce(&mut PairStatus)) {
        change(self.pairs().known.entry(peer).or_default());
        self.tick();
    }

    /// Resolves when somebody wakes the daemon.
    pub(super) async fn woken(&self) {
        self.0.wake.notified().await;
    }

    fn tick(&self) {
        self.0
            .changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    fn pairs(&self) -> MutexGuard<'_, Pairs> {
        self.0.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
