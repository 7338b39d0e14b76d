//! Homes and things to keep, for the tests of each file; and what concerns the store as a whole.

mod disk_full;
mod opening;
mod seized;
mod stored_before;
mod unfinished_files;
mod whole_sessions;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tempfile::TempDir;

use super::error::Error;
use super::lists::ListHeader;
use super::passphrase::Passphrase;
use super::prepared::Ready;
use super::{Cost, Store};
use admin::{ListChange, PeerEntry, PeerNumber, Policy};
use identity::list::Cells;
use identity::{HashedIdentity, KeyKind, Person};
use pairing::NodeKey;
use protocol::{ByClass, Ceiling, ListKind, Mediator, PreparedTable, QuestionSet};

/// A home with a store in it, gone after the test.
pub(super) struct TestHome(TempDir);

impl TestHome {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn home(&self) -> PathBuf {
        self.0.path().join("home")
    }

    pub(super) fn create(&self) -> Store {
        Store::create(&self.home(), key(), &passphrase(), Cost::LEAST, now()).unwrap()
    }

    pub(super) fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    pub(super) fn try_open(&self) -> Result<Store, Error> {
        Store::open(&self.home(), key(), &passphrase(), now())
    }

    /// A copy of the home as it is, also while it is open: what was written is in the files.
    pub(super) fn backup(&self) -> PathBuf {
        let to = self.0.path().join("backup");
        copy(&self.home(), &to);
        to
    }

    pub(super) fn restore(&self, backup: &Path) {
        fs::remove_dir_all(self.home()).unwrap();
        copy(backup, &self.home());
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

pub(super) fn key() -> Arc<NodeKey> {
    Arc::new(NodeKey::from_seed(&[1; 32]))
}

pub(super) fn passphrase() -> Passphrase {
    Passphrase::new("correct horse battery staple").unwrap()
}

pub(super) fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

pub(super) fn peer_entry(n: u8) -> PeerEntry {
    PeerEntry {
        name: format!("peer {n}"),
        id: NodeKey::from_seed(&[100 + n; 32]).id(),
        address: Some("192.0.2.1:7447".into()),
        by_relay: false,
        policy: Policy::default(),
    }
}

pub(super) fn person(n: u32, edition: u8) -> Person {
    let mut identity = [edition; 32];
    identity[..4].copy_from_slice(&n.to_be_bytes());
    let identity = HashedIdentity::from_bytes(identity);
    Person {
        line: n,
        record_id: format!("id-{n}").into(),
        columns: Some(Cells::new(["Шевченко", "Тарас", "1814-03-09"])),
        keys: vec![(KeyKind::N1, identity), (KeyKind::N4, identity)],
    }
}

pub(super) fn header() -> ListHeader {
    ListHeader {
        header: vec!["record_id".into(), "family_name".into()],
        schema: "persons-v1".into(),
        schema_digest: "00".into(),
    }
}

/// Imports people given as number and edition, on the lines 1, 2, …
pub(super) fn import(store: &Store, kind: ListKind, people: &[(u32, u8)]) -> ListChange {
    try_import(store, kind, people).unwrap()
}

pub(super) fn try_import(
    store: &Store,
    kind: ListKind,
    people: &[(u32, u8)],
) -> Result<ListChange, Error> {
    store.import(kind, None, now, |list| {
        for (line, (n, edition)) in (1..).zip(people) {
            list.add(&Person {
                line,
                ..person(*n, *edition)
            })?;
        }
        Ok(header())
    })
}

pub(super) fn questions(ceiling: u32) -> QuestionSet {
    let requested = ByClass {
        narrow: vec![HashedIdentity::from_bytes([7; 32])],
        wide: None,
    };
    let ceilings = ByClass {
        narrow: Ceiling::new(ceiling).unwrap(),
        wide: None,
    };
    let mut rng = ChaCha20Rng::from_seed([4; 32]);
    QuestionSet::prepare(requested, ceilings, &mut rng).unwrap()
}

/// A table and a set of four, reserved.
pub(super) fn ready(store: &Store, peer: PeerNumber) -> Ready {
    let version = store.list(ListKind::Held).unwrap();
    let version = version.map_or(0, |list| list.version);
    let ready = Ready {
        table: store.keep_prepared(peer, version, &prepared(4)).unwrap(),
        questions: store.keep_questions(peer, &questions(4), None).unwrap(),
    };
    store.reserve(ready).unwrap().unwrap();
    ready
}

pub(super) fn prepared(ceiling: u32) -> PreparedTable {
    let held = ByClass {
        narrow: vec![HashedIdentity::from_bytes([7; 32])],
        wide: None,
    };
    let ceilings = ByClass {
        narrow: Ceiling::new(ceiling).unwrap(),
        wide: None,
    };
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    PreparedTable::prepare(held, ceilings, Mediator::None, &mut rng, |_| ()).unwrap()
}
