//! A node in this process that only answers, and the peer that calls it: for what a peer can tell from a session.

use std::sync::Arc;
use std::time::Duration;

use admin::{Activity, PeerEntry, PeerNumber, Policy};
use identity::{HashedIdentity, KeyKind, Person, Schema};
use jiff::Timestamp;
use node::daemon::{Daemon, Error};
use node::handle::Handle;
use node::settings::Settings;
use pairing::NodeKey;
use protocol::{ListKind, PreparedTable, QuestionSet, Role, Session, Setup};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use store::lists::ListHeader;
use store::passphrase::Passphrase;
use store::{Cost, Store};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use transport::{Channel, Limits, PinnedTls, connect};

/// A node in this process, and the peer that calls it.
pub struct Called {
    pub store: Arc<Store>,
    pub handle: Handle,
    pub peer: PeerNumber,
    pub address: String,
    ceiling: u32,
    own: Arc<NodeKey>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), Error>>,
    _home: TempDir,
}

fn policy(ceiling: u32) -> Policy {
    let mut policy = Policy {
        schedule_s: None,
        ..Policy::default()
    };
    for sizes in [&mut policy.narrow.own, &mut policy.narrow.peer] {
        (sizes.held, sizes.requested) = (ceiling, ceiling);
    }
    policy.narrow.budget.elements = 1 << 40;
    policy.narrow.budget.sessions = 1000;
    policy
}

pub fn identity(n: u32) -> HashedIdentity {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    HashedIdentity::from_bytes(bytes)
}

/// Imports people with one narrow key each, the number.
pub fn import(store: &Store, kind: ListKind, people: std::ops::Range<u32>) {
    let imported = store.import(kind, None, Timestamp::now, |list| {
        for (line, n) in (1..).zip(people) {
            list.add(&Person {
                line,
                record_id: n.to_string().into(),
                columns: None,
                keys: vec![(KeyKind::N1, identity(n))],
            })?;
        }
        Ok::<_, store::Error>(ListHeader {
            header: vec!["record_id".into()],
            schema: Schema::default().name().into(),
            schema_digest: hex::encode(Schema::default().digest()),
        })
    });
    imported.unwrap();
}

impl Called {
    /// A node whose held and requested lists are the people `0..people`, and which sees to its stock at every tick.
    pub async fn new(people: u32, ceiling: u32, tick: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let (key, own) = (NodeKey::from_seed(&[1; 32]), NodeKey::from_seed(&[2; 32]));
        let passphrase = Passphrase::new("correct horse battery staple").unwrap();
        let now = Timestamp::now();
        let store = Store::create(&home, Arc::new(key), &passphrase, Cost::LEAST, now).unwrap();
        import(&store, ListKind::Held, 0..people);
        import(&store, ListKind::Requested, 0..people);
        let entry = PeerEntry {
            name: "the peer".into(),
            id: own.id(),
            address: None,
            by_relay: false,
            policy: policy(ceiling),
        };
        let peer = store.add_peer(&entry, now).unwrap();
        let store = Arc::new(store);
        let handle = Handle::new(store.clone());
        let settings = Settings {
            listen: Some("127.0.0.1:0".into()),
            tick,
            ..Settings::default()
        };
        let daemon = Daemon::open(handle.clone(), settings).await.unwrap();
        let address = daemon.address().unwrap().unwrap().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(daemon.run(async {
            let _ = stopped.await;
        }));
        Self {
            store,
            handle,
            peer,
            address,
            ceiling,
            own: Arc::new(own),
            stop: Some(stop),
            running,
            _home: folder,
        }
    }

    /// Waits until the node does nothing but wait for its peer.
    pub async fn is_ready(&self) {
        let mut changes = self.handle.watch();
        loop {
            let pair = self.handle.pair(self.peer);
            if pair.activity == Activity::AwaitingPeer && !pair.changing {
                return;
            }
            changes.changed().await.unwrap();
        }
    }

    /// A session in which the peer is the initiator, and both its lists are the people `0..5`.
    pub fn session(&self) -> Session {
        let policy = policy(self.ceiling);
        let terms = policy.terms(Role::Initiator, Schema::default()).unwrap();
        let mut rng = UnwrapErr(SysRng);
        let lists = terms.ceilings.map(|_, _| (0..5).map(identity).collect());
        let held = terms.ceilings.map(|_, c| c.of(Role::Initiator).held);
        let asked = terms.ceilings.map(|_, c| c.of(Role::Initiator).requested);
        let mediator = terms.mediator;
        let setup = Setup {
            role: Role::Initiator,
            key: self.own.clone(),
            peer: self.store.key().id(),
            questions: QuestionSet::prepare(lists.clone(), asked, &mut rng).unwrap(),
            table: PreparedTable::prepare(lists, held, mediator, &mut rng, |_| ()).unwrap(),
            terms,
        };
        Session::new(setup, &mut rng).unwrap()
    }

    /// A channel of the peer to the node.
    pub async fn connect(&self) -> Channel {
        let tls = PinnedTls::new(self.own.seed(), *self.store.key().id().as_bytes()).unwrap();
        connect(&self.address, &tls, &Limits::default())
            .await
            .unwrap()
    }

    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.running.await.unwrap().unwrap();
    }
}
