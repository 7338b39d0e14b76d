//! What an earlier program left on the disk opens, and says the same.
//!
//! `tests/vectors/stored.json` was written by the code of commit 67e21c0, before sealing and layouts had
//! a crate of their own: single cells and files under fixed keys, the home of a node with a session that
//! `tacit match` left unfinished, a relay's home, and a node's database, row by row.

use super::*;
use crate::budget::Direction;
use crate::cell_cipher::{Cell, CellCipher, DataKey};
use crate::file_cipher::FileCipher;
use crate::key_file::{self, StoredKey};
use crate::ledger::SettlementLedger;
use crate::settling_keys;
use crate::unfinished::{Entry, Unfinished};
use admin::client::{ClientRole, Credential};
use protocol::{MediatorTime, SessionId};

struct Stored(serde_json::Value);

impl Stored {
    fn read() -> Self {
        let text = include_str!("../../../../tests/vectors/stored.json");
        Self(serde_json::from_str(text).unwrap())
    }

    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        hex::decode(self.text(name)).unwrap()
    }

    fn rows(&self, name: &str) -> impl Iterator<Item = &str> {
        let rows = self.0[name].as_array().unwrap();
        rows.iter().map(|row| row.as_str().unwrap())
    }
}

fn home() -> TestHome {
    let place = TestHome::new();
    fs::create_dir(place.home()).unwrap();
    close(&place.home(), 0o700);
    place
}

fn close(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn put(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
    close(path, 0o600);
}

#[test]
fn cells_and_their_tags_are_what_they_were() {
    let stored = Stored::read();
    let cipher = CellCipher::new(&DataKey::from_bytes(&[1; 32]));
    let cell = Cell {
        table: "record",
        column: "sealed",
        row: b"7",
    };
    let opened = |name| cipher.open(cell, &stored.bytes(name)).unwrap();
    assert_eq!(opened("cell").as_slice(), b"text");
    assert_eq!(opened("cell_empty").as_slice(), b"");
    let tag = cipher.tag("peer", &[b"a", b"bc"]);
    assert_eq!(tag.as_slice(), stored.bytes("cell_tag"));
}

#[test]
fn files_open_and_are_sealed_to_the_same_bytes() {
    let stored = Stored::read();
    let cipher = FileCipher::of(&key());
    let opened = cipher.open("one", &stored.bytes("file")).unwrap();
    assert_eq!(opened.as_slice(), b"text");
    let mut rng = ChaCha20Rng::from_seed([5; 32]);
    assert_eq!(cipher.seal("one", b"text", &mut rng), stored.bytes("file"));
}

#[test]
fn a_key_under_a_passphrase_opens() {
    let stored = Stored::read();
    let place = home();
    put(
        &place.home().join("identity.key"),
        stored.text("identity_key").as_bytes(),
    );
    let Some(StoredKey::Sealed(sealed)) = key_file::load(&place.home()).unwrap() else {
        panic!("not sealed");
    };
    assert_eq!(sealed.unseal(&passphrase()).unwrap().seed(), key().seed());
}

#[test]
fn a_session_that_was_left_unfinished_is_found_whole() {
    let stored = Stored::read();
    let place = home();
    let directory = place.home().join("unfinished");
    fs::create_dir(&directory).unwrap();
    close(&directory, 0o700);
    for (name, content) in stored.0["unfinished"].as_object().unwrap() {
        let content = hex::decode(content.as_str().unwrap()).unwrap();
        put(&directory.join(name), &content);
    }
    let mut entries = Unfinished::of(&place.home(), &key()).all().unwrap();
    let Some(Entry::Session(found)) = entries.pop() else {
        panic!("not found");
    };
    assert!(entries.is_empty());
    let about = &found.about;
    assert_eq!(about.peer, NodeKey::from_seed(&[101; 32]).id());
    assert_eq!((about.begun, about.peer_people), (now(), 9));
    assert_eq!(about.output.as_deref(), Some(Path::new("answers.csv")));
    assert!(about.force && !about.json && !about.wide && about.mediator.is_none());
    let ids = found.requested.people.iter().map(|p| p.record_id.as_ref());
    assert_eq!(ids.collect::<Vec<&str>>(), ["1", "2"]);
    assert!(found.requested.people.iter().all(|p| !p.keys.is_empty()));
    let cells = found.requested.people[1].columns.as_ref().unwrap();
    assert!(cells.iter().eq(["2", "Франко", "Іван", "1986-08-27"]));
    let session = "9245c1e7a9b2f599d50d669ab28b1d183366df85f383da4b8d24f3bb9d6cf416";
    assert_eq!(hex::encode(found.state.session.0), session);
    let agreed = found.agreed.as_ref().unwrap();
    assert_eq!(agreed.agreement.session_id(), found.state.session);
    let held = vec![HashedIdentity::from_bytes([7; 32])];
    let release = found.release.as_ref().unwrap();
    assert!(
        found
            .state
            .open(&found.state.verify_release(release).unwrap())
            .unwrap()
            .narrow
            == held
    );
}

#[test]
fn a_relays_settling_keys_and_settlements_open() {
    let stored = Stored::read();
    let place = home();
    let directory = place.home().join("settling");
    fs::create_dir(&directory).unwrap();
    close(&directory, 0o700);
    put(
        &directory.join(stored.text("settling_name")),
        &stored.bytes("settling_file"),
    );
    let keys = settling_keys::load(&place.home(), &FileCipher::of(&key())).unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(
        keys[0].key.point().encoded().as_slice(),
        stored.bytes("settling_point")
    );
    assert_eq!((keys[0].from.0, keys[0].until.0), (1000, 1100));

    drop(SettlementLedger::open(&place.home(), FileCipher::of(&key())).unwrap());
    let path = place.home().join("settlements.sqlite");
    let database = rusqlite::Connection::open(path).unwrap();
    database.execute_batch("DELETE FROM clock").unwrap();
    stored
        .rows("settlements")
        .for_each(|row| database.execute_batch(row).unwrap());
    drop(database);
    let ledger = SettlementLedger::open(&place.home(), FileCipher::of(&key())).unwrap();
    let settled = ledger.find(&SessionId([5; 32])).unwrap().unwrap();
    assert_eq!(settled.initiator, NodeKey::from_seed(&[2; 32]).id());
    assert_eq!(settled.responder, NodeKey::from_seed(&[3; 32]).id());
    assert_eq!(settled.verdict, [7; 50]);
    assert_eq!(ledger.latest().unwrap(), MediatorTime(0));
}

#[test]
fn a_nodes_database_opens_with_everything_in_it() {
    let stored = Stored::read();
    let place = home();
    let path = place.home().join(crate::database::STORE_FILE);
    let old = rusqlite::Connection::open(&path).unwrap();
    crate::migrations::at_version(&old, 4);
    old.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    let mut rows = 0;
    for row in stored.rows("store") {
        old.execute_batch(row).unwrap();
        rows += 1;
    }
    assert!(rows > 20);
    drop(old);
    close(&path, 0o600);

    let store = place.open();
    store.check_pages().unwrap();
    assert!(store.verify_audit(None).unwrap().is_ok());
    let peer = store.peers().unwrap().remove(0);
    assert_eq!(peer.entry.name, "peer 1");
    let elements = |kind| store.elements(kind, false).unwrap().identities.narrow;
    assert_eq!(elements(ListKind::Held).len(), 2);
    assert_eq!(elements(ListKind::Requested).len(), 1);
    let officer = store.client_with(Credential::User(1000)).unwrap().unwrap();
    assert_eq!(officer.role, ClientRole::Officer);
    let clerk = Credential::Key(NodeKey::from_seed(&[55; 32]).id());
    let clerk = store.client_with(clerk).unwrap().unwrap();
    let query = store.open_queries().unwrap().remove(0);
    assert_eq!(query.header, ["record_id", "family_name"]);
    assert_eq!(query.people[0].record_id.as_ref(), "id-1");
    let answers = store.answers(query.info.number, clerk.number).unwrap();
    assert_eq!(answers[0].answers.found[0].record_id, "id-1");

    let sessions = store.sessions(9).unwrap();
    assert_eq!(sessions.len(), 2);
    let last = store.last_answered(peer.number).unwrap().unwrap();
    assert_eq!(last.number, sessions[1].number);
    assert!(store.receipt(last.number).unwrap().is_some());
    let signed = store.signed_sessions().unwrap().remove(0);
    let state = store.signed_state(signed.number).unwrap().unwrap();
    let (agreed, release) = store.after_signing(signed.number, &state).unwrap();
    assert!(agreed.is_some());
    assert_eq!(
        state
            .open(&state.verify_release(&release.unwrap()).unwrap())
            .unwrap()
            .narrow
            .len(),
        1
    );
    let left = store.budget_left(peer.number, Direction::Asked, now());
    assert_eq!(left.unwrap().narrow.elements, 72);
}
