//! A control service over a store of its own, without a daemon: what is written into the store by the
//! test is what a daemon would have written.
#![allow(dead_code)]

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use admin::policy::Approval;
use admin::{
    ClientNumber, ClientRole, Credential, Outcome, PeerEntry, PeerNumber, Policy, QueryNumber,
};
use assert_cmd::cargo::cargo_bin;
use identity::HashedIdentity;
use identity::list::Cells;
use identity::{Answer, KeyKind, Person, Schema};
use jiff::Timestamp;
use node::control::{Control, ControlConfig, ControlLimits, ensure_owner};
use node::handle::Handle;
use pairing::NodeKey;
use protocol::{ByClass, Ceiling, ListKind, Mediator, PreparedTable, QuestionSet, Role};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use store::answers::{Answers, MatchedRecord};
use store::passphrase::Passphrase;
use store::prepared::Ready;
use store::sessions::{End, Start};
use store::{Cost, Store};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use transport::{ControlConnection, ControlSender, Limits, PinnedTls};
use wire::control::CONTROL_MESSAGE_BYTES_MAX;
use wire::control::convert::clients::{credential_form, role_number};
use wire::control::convert::lists::list_number;
use wire::control::generated::{self as pb, ControlClient, import_list_request::Part};
use wire::control::message::Header;

pub const PASSPHRASE: &str = "correct horse battery staple";

/// Waits for one call of a connection.
#[macro_export]
macro_rules! ask {
    ($node:expr, $link:expr, $call:ident($request:expr)) => {{
        let mut calls = $crate::service::raw_calls(&$link);
        let asked = calls.$call($request);
        $node
            .runtime
            .block_on(asked)
            .map(tonic::Response::into_inner)
    }};
}

/// The calls of a connection in bare messages: also those that no client of ours would send.
pub fn raw_calls(link: &ControlConnection) -> ControlClient<ControlSender> {
    let origin = hyper::Uri::from_static("https://node.tacit.invalid");
    ControlClient::with_origin(link.sender(), origin)
        .max_decoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
}

/// A service that runs until it is dropped, and the runtime of the test's own clients.
pub struct Node {
    pub runtime: Runtime,
    pub handle: Handle,
    pub address: SocketAddr,
    home: TempDir,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
}

impl Node {
    pub fn start() -> Self {
        Self::start_with(ControlLimits::default())
    }

    pub fn start_with(limits: ControlLimits) -> Self {
        let home = new_home();
        let store = create_store(home.path());
        ensure_owner(&store, own_user(), Timestamp::now()).unwrap();
        let handle = Handle::new(Arc::new(store));
        let runtime = Runtime::new().unwrap();
        let config = ControlConfig {
            listen: Some("127.0.0.1:0".into()),
            limits,
            ..ControlConfig::at(home.path().join("control.sock"))
        };
        let control = runtime
            .block_on(Control::bind(handle.clone(), config))
            .unwrap();
        let address = control.address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = runtime.spawn(control.serve(async move {
            let _ = stopped.await;
        }));
        Self {
            runtime,
            handle,
            address,
            home,
            stop: Some(stop),
            served: Some(served),
        }
    }

    pub fn store(&self) -> &Store {
        self.handle.store()
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn socket(&self) -> PathBuf {
        self.home().join("control.sock")
    }

    /// Stops the service, and waits until it has ended.
    pub fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(served) = self.served.take() {
            self.runtime.block_on(served).unwrap();
        }
    }

    /// Stops the service and closes the store; the home stays.
    pub fn close(mut self) -> TempDir {
        self.stop();
        let Self {
            runtime,
            handle,
            home,
            ..
        } = self;
        drop(runtime);
        drop(handle);
        home
    }

    /// A connection over the socket, as this test's own user.
    pub fn local(&self) -> ControlConnection {
        let (socket, limits) = (self.socket(), Limits::default());
        let connecting = ControlConnection::local(&socket, &limits);
        self.runtime.block_on(connecting).unwrap()
    }

    /// A connection over TLS with the key of this seed.
    pub fn remote(&self, seed: u8) -> Result<ControlConnection, transport::Error> {
        let tls = PinnedTls::new(&[seed; 32], *self.handle.id().as_bytes()).unwrap();
        let address = self.address.to_string();
        let limits = Limits::default();
        self.runtime
            .block_on(ControlConnection::remote(&address, &tls, &limits))
    }

    /// Enrols the key of this seed, as an officer does, and connects with it.
    pub fn enrol(&self, seed: u8, role: ClientRole) -> (ClientNumber, ControlConnection) {
        let key = Credential::Key(NodeKey::from_seed(&[seed; 32]).id());
        let request = pb::EnrolClientRequest {
            name: format!("client {seed}"),
            role: role_number(role),
            credential: Some(credential_form(key)),
        };
        let officer = self.local();
        let number = ask!(self, officer, enrol_client(request)).unwrap();
        let link = self.remote(seed).unwrap();
        (ClientNumber::new(number.number), link)
    }

    /// Gives this user another role; another officer stands in, as a node always has one.
    pub fn own_role(&self, role: ClientRole) {
        let own = self.own();
        let officer = Credential::User(u32::MAX);
        if self.store().client_with(officer).unwrap().is_none() {
            self.store()
                .enrol("another", ClientRole::Officer, officer, Timestamp::now())
                .unwrap();
        }
        self.store()
            .change_role(own, role, Timestamp::now())
            .unwrap();
    }

    pub fn own(&self) -> ClientNumber {
        let own = Credential::User(own_user());
        self.store().client_with(own).unwrap().unwrap().number
    }

    pub fn add_peer(&self, n: u8, policy: Policy) -> PeerNumber {
        let entry = PeerEntry {
            name: format!("peer {n}"),
            id: NodeKey::from_seed(&[100 + n; 32]).id(),
            address: None,
            by_relay: false,
            policy,
        };
        let number = self.store().add_peer(&entry, Timestamp::now()).unwrap();
        self.handle.stored();
        number
    }

    /// Writes a session with `peer` that ended with these answers.
    pub fn answer(&self, peer: PeerNumber, answers: &[(Option<QueryNumber>, Answers)]) {
        let store = self.store();
        let four = ByClass {
            narrow: Ceiling::new(4).unwrap(),
            wide: None,
        };
        let held = ByClass {
            narrow: vec![HashedIdentity::from_bytes([7; 32])],
            wide: None,
        };
        let nobody = ByClass {
            narrow: Vec::new(),
            wide: None,
        };
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let table = PreparedTable::prepare(held, four, Mediator::None, &mut rng, |_| ()).unwrap();
        let version = store
            .list(ListKind::Held)
            .unwrap()
            .map_or(0, |list| list.version);
        let questions = QuestionSet::prepare(nobody, four, &mut rng).unwrap();
        let ready = Ready {
            table: store.keep_prepared(peer, version, &table).unwrap(),
            questions: store.keep_questions(peer, &questions, None).unwrap(),
        };
        store.reserve(ready).unwrap().unwrap();
        let policy = store.peer(peer).unwrap().entry.policy;
        let approval = (policy.approval == Approval::ByHand).then(|| {
            let approval = store.ask_approval(peer, Timestamp::now()).unwrap();
            store
                .decide(approval, true, None, Timestamp::now())
                .unwrap();
            approval
        });
        let start = Start {
            peer,
            role: Role::Initiator,
            ready,
            answered: four,
            asked: four,
            approval,
            mediator: None,
            policy,
            asked_at: Timestamp::now(),
            asked_list: 1,
        };
        let session = store.start_session(&start, Timestamp::now()).unwrap();
        let end = End {
            outcome: Outcome::Answered,
            blame: None,
            receipt: None,
            asked_at: Timestamp::now(),
            answers,
        };
        store.end_session(session, &end, Timestamp::now()).unwrap();
        self.handle.stored();
    }

    /// Runs the program against this node.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        tacit(self.home(), args)
    }

    /// Runs the program and takes what it printed; it must succeed.
    pub fn ok(&self, args: &[&str]) -> String {
        text(&self.run(args))
    }

    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.home().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

pub fn tacit(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin!("tacit"));
    command
        .args(args)
        .arg("--home")
        .arg(home)
        .stdin(Stdio::null());
    command
}

pub fn text(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn new_home() -> TempDir {
    let mode = std::fs::Permissions::from_mode(0o700);
    tempfile::Builder::new()
        .permissions(mode)
        .tempdir()
        .unwrap()
}

pub fn create_store(home: &Path) -> Store {
    let key = Arc::new(NodeKey::from_seed(&[1; 32]));
    let passphrase = Passphrase::new(PASSPHRASE).unwrap();
    Store::create(home, key, &passphrase, Cost::LEAST, Timestamp::now()).unwrap()
}

pub fn own_user() -> u32 {
    rustix::process::getuid().as_raw()
}

pub fn person(n: u32, cells: &[&str]) -> pb::Person {
    let mut identity = [0; 32];
    identity[..4].copy_from_slice(&n.to_be_bytes());
    let identity = HashedIdentity::from_bytes(identity);
    pb::Person::from(&Person {
        line: n + 1,
        record_id: format!("id-{n}").into(),
        columns: Some(Cells::new(cells.iter().copied())),
        keys: vec![(KeyKind::N1, identity), (KeyKind::N4, identity)],
    })
}

pub fn header(columns: &[&str]) -> pb::ListHeader {
    (&Header {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        schema: Schema::default(),
    })
        .into()
}

pub fn start(kind: ListKind) -> pb::ImportListRequest {
    part(Part::Start(pb::ImportStart {
        kind: list_number(kind),
        header: Some(header(&["name"])),
    }))
}

pub fn batch(people: impl IntoIterator<Item = u32>) -> pb::ImportListRequest {
    let people = people
        .into_iter()
        .map(|n| person(n, &["Шевченко"]))
        .collect();
    part(Part::Batch(pb::PersonBatch { people }))
}

pub fn end(people: u64) -> pb::ImportListRequest {
    part(Part::End(pb::ImportEnd { people }))
}

pub fn part(part: Part) -> pb::ImportListRequest {
    pb::ImportListRequest { part: Some(part) }
}

pub fn answers(asked: u64, found: &[(u32, Answer)]) -> Answers {
    let found = found.iter().map(|(n, answer)| MatchedRecord {
        record_id: format!("id-{n}"),
        answer: *answer,
        kinds: vec![KeyKind::N1],
    });
    Answers {
        asked,
        list: None,
        wide: false,
        found: found.collect(),
    }
}
