//! A full disk, in each path that writes: a clear error, and nothing lost or half done.
//!
//! SQLite's `max_page_count` stands for the disk: a page more than it allows is the very SQLITE_FULL
//! that a write into a full file system gives.

use super::*;
use crate::answers::Answers;
use crate::audit::Event;
use crate::sessions::{End, Start};
use admin::{ClientNumber, ClientRole, Credential, Outcome, PeerNumber};

/// Sets the limit; never below what is in use.
fn limit(store: &Store, pages: i64) {
    let sql = format!("PRAGMA max_page_count = {pages}");
    let set: i64 = store
        .connection()
        .query_row(&sql, [], |row| row.get(0))
        .unwrap();
    assert!(set >= pages);
}

/// Pages that are in use; none are free, so that the next new page does not fit.
fn fill(store: &Store) {
    store.connection().execute_batch("VACUUM").unwrap();
    limit(store, 1);
}

/// A state of everything that can be counted.
fn counts(store: &Store) -> Vec<i64> {
    let connection = store.connection();
    let tables = [
        "slot",
        "peer",
        "client",
        "audit",
        "list",
        "record",
        "query",
        "prepared",
        "prepared_chunk",
        "questions",
        "questions_chunk",
        "approval",
        "budget_use",
        "session",
        "signed_chunk",
        "receipt",
        "answer",
        "answer_chunk",
    ];
    tables
        .iter()
        .map(|table| {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        })
        .collect()
}

/// Repeats `write` on a full disk until it fails; then nothing of that last call is there, and all of
/// those before it; and with room again it works.
fn fails_cleanly(name: &str, store: &Store, mut write: impl FnMut(u32) -> Result<(), Error>) {
    fill(store);
    let mut before = counts(store);
    for n in 0..2000 {
        match write(n) {
            Ok(()) => before = counts(store),
            Err(error) => {
                assert!(matches!(error, Error::DiskFull), "{name}: {error:?}");
                assert_eq!(counts(store), before, "{name}");
                assert!(store.verify_audit(None).unwrap().is_ok(), "{name}");
                limit(store, 1_000_000);
                write(n + 10_000).unwrap_or_else(|error| panic!("{name}: {error}"));
                return;
            }
        }
    }
    panic!("{name}: the disk never filled");
}

#[test]
fn every_write_path_survives_a_full_disk() {
    let place = TestHome::new();
    let store = place.create();
    let mut entry = peer_entry(1);
    entry.policy.narrow.budget.elements = 1 << 40;
    entry.policy.narrow.budget.sessions = u32::MAX;
    let peer = store.add_peer(&entry, now()).unwrap();
    let clerk = store
        .enrol("clerk", ClientRole::Clerk, Credential::User(1), now())
        .unwrap();
    import(&store, ListKind::Held, &[(1, 0), (2, 0)]);

    fails_cleanly("audit", &store, |_| {
        store.record(&Event::NodeStarted, now()).map(drop)
    });
    fails_cleanly("peer", &store, |n| {
        let changed = PeerEntry {
            name: format!("peer {n}"),
            ..entry.clone()
        };
        store.change_peer(peer, &changed, now())
    });
    fails_cleanly("client", &store, |n| {
        let credential = Credential::User(n + 10);
        store
            .enrol("clerk", ClientRole::Clerk, credential, now())
            .map(drop)
    });
    fails_cleanly("query", &store, |n| {
        let people: Vec<Person> = (0..50).map(|i| person(n * 100 + i, 0)).collect();
        store.submit(clerk, &people, now()).map(drop)
    });
    fails_cleanly("import", &store, |n| {
        let people: Vec<_> = (0..500).map(|i| (n * 1000 + i, 0)).collect();
        try_import(&store, ListKind::Held, &people).map(drop)
    });
    let mut open = None;
    fails_cleanly("approval", &store, |_| {
        match open {
            None => open = Some(store.ask_approval(peer, now())?),
            Some(approval) => {
                store.decide(approval, false, None, now())?;
                open = None;
            }
        }
        Ok(())
    });
    sessions(&store, peer, clerk);
    drop(store);
    passphrase_change(&place);
}

/// A change has three steps; the first two leave the old passphrase, the last one both.
fn passphrase_change(place: &TestHome) {
    let new = Passphrase::new("five other words to remember").unwrap();
    let store = place.open();
    fill(&store);
    let mut failed = false;
    for _ in 0..200 {
        match store.change_passphrase(&new, Cost::LEAST, now()) {
            Ok(()) => continue,
            Err(error) => assert!(matches!(error, Error::DiskFull)),
        }
        failed = true;
        break;
    }
    assert!(failed && store.verify_audit(None).unwrap().is_ok());
    drop(store);
    drop(Store::open(&place.home(), key(), &new, now()).unwrap());
}

fn sessions(store: &Store, peer: PeerNumber, clerk: ClientNumber) {
    let held = ByClass {
        narrow: Ceiling::new(4).unwrap(),
        wide: None,
    };
    let version = || store.list(ListKind::Held).unwrap().unwrap().version;
    let (table, set) = (prepared(4), questions(4));
    let reserve = || {
        let table = store.keep_prepared(peer, version(), &table)?;
        let ready = Ready {
            table,
            questions: store.keep_questions(peer, &set, None)?,
        };
        Ok::<_, Error>(store.reserve(ready)?.map(|_| ready))
    };
    let policy = store.peer(peer).unwrap().entry.policy;
    let start = |ready| Start {
        peer,
        role: protocol::Role::Initiator,
        ready,
        answered: held,
        asked: held,
        approval: None,
        mediator: None,
        policy: policy.clone(),
        asked_at: now(),
        asked_list: 1,
    };
    let (large_table, large_set) = (prepared(256), questions(256));
    fails_cleanly("prepared", store, |_| {
        store.keep_prepared(peer, version(), &large_table).map(drop)
    });
    fails_cleanly("questions", store, |_| {
        store.keep_questions(peer, &large_set, None).map(drop)
    });
    store.discard_unused_but(peer, &[], &[]).unwrap();
    let (state, receipt, _) = super::whole_sessions::played(prepared(4));
    let query = store.submit(clerk, &[person(1, 0)], now()).unwrap();

    let mut reserved: Vec<_> = (0..600).map(|_| reserve().unwrap().unwrap()).collect();
    fails_cleanly("session", store, |_| {
        let ready = *reserved.last().unwrap();
        store.start_session(&start(ready), now())?;
        reserved.pop();
        Ok(())
    });
    // As many as the steps below end before the disk is full.
    for ready in reserved.drain(..300) {
        store.start_session(&start(ready), now()).unwrap();
    }
    let mut started: Vec<_> = store.sessions(600).unwrap();
    fails_cleanly("signed", store, |_| {
        let number = started.last().unwrap().number;
        store.keep_signed(number, &state, &policy, now())?;
        started.pop();
        Ok(())
    });
    let answers = Answers {
        asked: 1,
        list: None,
        wide: false,
        found: Vec::new(),
    };
    let end = End {
        outcome: Outcome::Answered,
        blame: None,
        receipt: Some(&receipt),
        asked_at: now(),
        answers: &[(Some(query), answers)],
    };
    // Sessions that are not signed: what a signed one gives up would make room.
    fails_cleanly("end", store, |_| {
        let number = started.last().unwrap().number;
        store.end_session(number, &end, now())?;
        started.pop();
        Ok(())
    });
}
