//! Opening: who may, with what, and what is refused.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Instant;

use super::*;
use crate::audit::Event;
use crate::database::STORE_FILE;
use crate::key_file::{self, Protection, StoredKey};
use crate::{WRONG_PASSPHRASE_DELAY, migrations, unlock};

fn refused(place: &TestHome) -> Error {
    place.try_open().err().expect("refused")
}

#[test]
fn files_are_for_their_owner_alone() {
    let place = TestHome::new();
    let store = place.create();
    for file in fs::read_dir(place.home()).unwrap() {
        let metadata = file.unwrap().metadata().unwrap();
        assert_eq!(metadata.mode() & 0o7777, 0o600);
    }
    assert_eq!(place.home().metadata().unwrap().mode() & 0o7777, 0o700);
    drop(store);
    for name in [STORE_FILE, "store.lock"] {
        let path = place.home().join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            refused(&place),
            Error::FileOpenToOthers { mode: 0o640, .. }
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::set_permissions(place.home(), fs::Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(
        refused(&place),
        Error::HomeOpenToOthers { mode: 0o750, .. }
    ));
}

#[test]
fn a_second_process_is_refused_until_the_first_has_ended() {
    let place = TestHome::new();
    assert!(matches!(refused(&place), Error::NoStore { .. }));
    let store = place.create();
    assert!(matches!(refused(&place), Error::InUse { .. }));
    drop(store);
    let again = Store::create(&place.home(), key(), &passphrase(), Cost::LEAST, now());
    assert!(matches!(again.err(), Some(Error::StoreExists { .. })));
    place.open();
}

#[test]
fn a_wrong_passphrase_and_an_altered_slot_give_one_answer_after_a_delay() {
    let place = TestHome::new();
    drop(place.create());
    let wrong = Passphrase::new("correct horse battery stable").unwrap();
    let open = |passphrase: &Passphrase| {
        let began = Instant::now();
        let error = Store::open(&place.home(), key(), passphrase, now()).err();
        assert!(began.elapsed() >= WRONG_PASSPHRASE_DELAY);
        error.expect("refused").to_string()
    };
    let answer = open(&wrong);
    assert_eq!(open(&wrong), answer);
    let store = place.open();
    let last = store.last_entries(1).unwrap();
    assert!(
        last[0].contains("\"event\":\"unlock_failed\",\"times\":2"),
        "{}",
        last[0]
    );
    store
        .connection()
        .execute_batch("UPDATE slot SET wrapped = zeroblob(48)")
        .unwrap();
    drop(store);
    assert_eq!(open(&passphrase()), answer);
}

#[test]
fn another_nodes_key_is_refused() {
    let place = TestHome::new();
    drop(place.create());
    let other = Arc::new(NodeKey::from_seed(&[2; 32]));
    let refused = Store::open(&place.home(), other, &passphrase(), now());
    assert!(matches!(refused.err(), Some(Error::OtherNode)));
}

#[test]
fn newer_foreign_and_cut_databases_are_told_apart() {
    let place = TestHome::new();
    let store = place.create();
    import(
        &store,
        ListKind::Held,
        &(0..2000).map(|n| (n, 0)).collect::<Vec<_>>(),
    );
    drop(store);
    let path = place.home().join(STORE_FILE);
    let whole = fs::read(&path).unwrap();
    let write = |content: &[u8]| fs::write(&path, content).unwrap();

    let mut newer = whole.clone();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    write(&newer);
    assert!(matches!(
        refused(&place),
        Error::NewerStore { version: 99, .. }
    ));
    let mut foreign = whole.clone();
    foreign[68..72].copy_from_slice(&7_u32.to_be_bytes());
    write(&foreign);
    assert!(matches!(refused(&place), Error::ForeignStore { .. }));
    write(b"-----BEGIN PRIVATE KEY-----, and much more than a header of one hundred bytes, so that it could be one");
    assert!(matches!(refused(&place), Error::DamagedStore));
    for cut in [
        50,
        4096,
        whole.len() / 2,
        whole.len() - 4096,
        whole.len() - 1,
    ] {
        write(&whole[..cut]);
        let error = refused(&place);
        assert!(
            matches!(error, Error::DamagedStore),
            "cut at {cut}: {error:?}"
        );
    }
    write(&[]);
    assert!(matches!(refused(&place), Error::NoStore { .. }));
    write(&whole);
    place.open().check_pages().unwrap();
}

/// A store that was made by each earlier version opens, and is then at this one.
#[test]
fn stores_of_every_earlier_version_open() {
    for version in 1..=migrations::VERSION {
        let place = TestHome::new();
        fs::create_dir(place.home()).unwrap();
        fs::set_permissions(place.home(), fs::Permissions::from_mode(0o700)).unwrap();
        let path = place.home().join(STORE_FILE);
        let old = rusqlite::Connection::open(&path).unwrap();
        migrations::at_version(&old, version);
        let data_key = crate::cell_cipher::DataKey::draw().unwrap();
        unlock::add_slot(&old, &data_key, &passphrase(), Cost::LEAST).unwrap();
        drop(old);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let store = place.open();
        import(&store, ListKind::Held, &[(1, 0)]);
        store.add_peer(&peer_entry(1), now()).unwrap();
        drop(store);
        assert_eq!(
            place.open().list(ListKind::Held).unwrap().unwrap().people,
            1
        );
    }
}

#[test]
fn a_changed_passphrase_opens_store_and_key_and_rewrites_no_record() {
    let place = TestHome::new();
    let mut rng = ChaCha20Rng::from_seed([5; 32]);
    let protection = Protection::Passphrase(&passphrase());
    key_file::create(&place.home(), &key(), protection, &mut rng).unwrap();
    let store = place.create();
    import(&store, ListKind::Held, &[(1, 0), (2, 0)]);
    let sealed = |store: &Store| -> Vec<Vec<u8>> {
        let connection = store.connection();
        let mut query = connection
            .prepare("SELECT sealed FROM record ORDER BY id")
            .unwrap();
        query
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    let before = sealed(&store);
    let new = Passphrase::new("five other words to remember").unwrap();
    store.change_passphrase(&new, Cost::LEAST, now()).unwrap();
    assert_eq!(sealed(&store), before);
    drop(store);
    assert!(matches!(refused(&place), Error::WrongPassphrase));
    let Some(StoredKey::Sealed(file)) = key_file::load(&place.home()).unwrap() else {
        panic!("not sealed");
    };
    assert!(file.unseal(&passphrase()).is_err());
    let own = Arc::new(file.unseal(&new).unwrap());
    let store = Store::open(&place.home(), own, &new, now()).unwrap();
    assert_eq!(store.list(ListKind::Held).unwrap().unwrap().people, 2);
    assert!(store.verify_audit(None).unwrap().is_ok());
}

/// As a crash between its steps would leave it.
#[test]
fn half_a_change_of_passphrase_leaves_both_and_ends_with_the_new_one() {
    let place = TestHome::new();
    let store = place.create();
    let new = Passphrase::new("five other words to remember").unwrap();
    store
        .write(|tx| {
            let key = crate::cell_cipher::DataKey::from_bytes(store.data_key_for_tests());
            unlock::add_slot(tx, &key, &new, Cost::LEAST)
        })
        .unwrap();
    drop(store);
    drop(place.open());
    drop(Store::open(&place.home(), key(), &new, now()).unwrap());
    assert!(matches!(refused(&place), Error::WrongPassphrase));
}

#[test]
fn a_store_cut_off_while_it_was_made_can_be_made_again() {
    let place = TestHome::new();
    fs::create_dir(place.home()).unwrap();
    fs::set_permissions(place.home(), fs::Permissions::from_mode(0o700)).unwrap();
    let path = place.home().join(STORE_FILE);
    fs::write(&path, []).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(!Store::exists(&place.home()).unwrap());
    assert!(matches!(refused(&place), Error::NoStore { .. }));
    let store = place.create();
    store.record(&Event::NodeStarted, now()).unwrap();
}
