//! `kill -9` at random moments, 200 times: what was acknowledged before is there after.
//!
//! The test runs itself as a child process, which opens the store, changes it in all ways, and says on
//! its standard output what has been done, after each call has returned. The parent kills it, opens the
//! store itself, and holds it against what was said.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use admin::policy::Budget;
use admin::{ApprovalNumber, Outcome, PeerEntry, PeerNumber, Policy, QuestionsNumber, TableNumber};
use identity::{HashedIdentity, KeyKind, Person};
use jiff::Timestamp;
use pairing::NodeKey;
use protocol::{ByClass, Ceiling, ListKind, Mediator, PreparedTable, QuestionSet, Role};
use rand::rngs::SysRng;
use rand::{RngExt, SeedableRng};
use rand_core::UnwrapErr;
use store::approvals::ApprovalState;
use store::audit::{Event, Head};
use store::budget::Direction;
use store::lists::ListHeader;
use store::passphrase::Passphrase;
use store::prepared::Ready;
use store::sessions::{End, Start};
use store::{Cost, Error, Store};

const KILLS: u32 = 200;
/// Homes that are killed side by side.
const HOMES: u32 = 4;
/// Held while this process has a store open or makes another: a fork takes the store's lock along until
/// its program is loaded.
static FORKING: Mutex<()> = Mutex::new(());
const CHILD_HOME: &str = "TACIT_TEST_CRASH_HOME";
const ELEMENTS: u32 = 4;

#[test]
fn nothing_acknowledged_is_lost_in_200_kills() {
    if let Some(home) = std::env::var_os(CHILD_HOME) {
        child(Path::new(&home));
    }
    let homes: Vec<_> = (0..HOMES)
        .map(|seed| std::thread::spawn(move || kill_again_and_again(seed)))
        .collect();
    let said: Vec<Said> = homes.into_iter().map(|home| home.join().unwrap()).collect();
    let sum = |count: fn(&Said) -> usize| said.iter().map(count).sum::<usize>();
    let (used, imports) = (sum(|s| s.used.len()), sum(|s| s.imports));
    let (decided, entries) = (sum(|s| s.approvals.len()), sum(|s| s.heads));
    println!(
        "{KILLS} kills: {used} sessions, {imports} imports, {decided} approvals, {entries} audit heads acknowledged"
    );
    assert!(used > 100 && imports > 50 && decided > 50 && entries > 100);
}

#[test]
fn an_import_killed_half_way_leaves_the_old_list_and_nothing_of_the_new_one() {
    if let Some(home) = std::env::var_os(CHILD_HOME) {
        import_half(Path::new(&home));
    }
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    let no_fork = FORKING.lock().unwrap();
    let store = Store::create(&home, key(), &passphrase(), Cost::LEAST, now()).unwrap();
    import(&store, 7, 3);
    drop((store, no_fork));
    let name = "an_import_killed_half_way_leaves_the_old_list_and_nothing_of_the_new_one";
    let (mut child, mut out) = child_that_runs(name, &home);
    read_until("half way", &mut out);
    child.kill().unwrap();
    child.wait().unwrap();

    let _no_fork = FORKING.lock().unwrap();
    assert!(records(&home) > 3, "some of the new list was on the disk");
    let store = open(&home);
    let mut editions = Vec::new();
    let read = store.each_person(ListKind::Held, |person| {
        editions.push(person.keys[0].1.as_bytes()[8]);
        Ok::<(), Error>(())
    });
    read.unwrap();
    assert_eq!(editions, [7; 3]);
    drop(store);
    assert_eq!(records(&home), 3);
}

/// Rows of records in a store that nobody has open.
fn records(home: &Path) -> i64 {
    let database = rusqlite::Connection::open(home.join("store.db")).unwrap();
    let count = "SELECT count(*) FROM record";
    database.query_row(count, [], |row| row.get(0)).unwrap()
}

fn import_half(home: &Path) -> ! {
    let store = open(home);
    let imported = store.import::<Error>(ListKind::Held, None, now, |list| {
        (0..1200).try_for_each(|n| list.add(&person(n, 8)))?;
        say("half way");
        loop {
            std::thread::park();
        }
    });
    panic!("{imported:?}");
}

/// What the children of one home have acknowledged.
#[derive(Default)]
struct Said {
    /// Edition and size of the last import that was acknowledged.
    list: Option<(u32, u32)>,
    /// Imports that had begun after it: one of them may have been finished without a word.
    begun: Vec<(u32, u32)>,
    imports: usize,
    used: HashSet<i64>,
    sets: HashSet<i64>,
    approvals: Vec<(i64, bool)>,
    head: Option<Head>,
    heads: usize,
}

fn kill_again_and_again(seed: u32) -> Said {
    let mut rng = rand::rngs::StdRng::seed_from_u64(u64::from(seed));
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    {
        let _no_fork = FORKING.lock().unwrap();
        let store = Store::create(&home, key(), &passphrase(), Cost::LEAST, now()).unwrap();
        store.add_peer(&peer(), now()).unwrap();
    }
    let mut said = Said::default();
    let mut sessions_before = 0;
    for kill in 0..KILLS / HOMES {
        let words = rng.random_range(0..12);
        let after = Duration::from_micros(rng.random_range(0..8_000));
        run_and_kill(&home, words, after, &mut said);
        let _no_fork = FORKING.lock().unwrap();
        let store = open(&home);
        sessions_before = check(&store, &said, sessions_before);
        if kill % 10 == 9 {
            store.check_pages().unwrap();
        }
    }
    said
}

/// Kills the child so long after so many of its words, and takes down all that it said.
fn run_and_kill(home: &Path, words: u32, after: Duration, said: &mut Said) {
    let (mut child, mut out) = child_that_runs("nothing_acknowledged_is_lost_in_200_kills", home);
    read_until("ready", &mut out);
    let mut line = String::new();
    for _ in 0..words {
        line.clear();
        out.read_line(&mut line).unwrap();
        take_down(line.trim_end(), said);
    }
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    // What is not a whole line was not said.
    for line in rest
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
    {
        take_down(line.trim_end(), said);
    }
}

/// This program again, as a child that runs one test on `home`.
fn child_that_runs(test: &str, home: &Path) -> (Child, BufReader<ChildStdout>) {
    let _no_store_open = FORKING.lock().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD_HOME, home)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

fn read_until(word: &str, out: &mut BufReader<ChildStdout>) {
    let mut line = String::new();
    while line.trim_end() != word {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "the child has ended");
    }
}

fn take_down(line: &str, said: &mut Said) {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |place: usize| words[place].parse::<i64>().unwrap();
    match words[0] {
        "importing" => said.begun.push((number(1) as u32, number(2) as u32)),
        "imported" => {
            said.list = Some((number(1) as u32, number(2) as u32));
            said.begun.clear();
            said.imports += 1;
        }
        "used" => {
            let (table, set) = (number(1), number(2));
            assert!(said.used.insert(table), "table {table} was used twice");
            assert!(said.sets.insert(set), "set {set} was used twice");
        }
        "decided" => said.approvals.push((number(1), words[2] == "true")),
        "head" => {
            said.head = Some(Head::from_line(line.strip_prefix("head ").unwrap()).unwrap());
            said.heads += 1;
        }
        _ => panic!("the child said {line:?}"),
    }
}

/// Holds the store against what was said; gives the number of sessions it has.
fn check(store: &Store, said: &Said, sessions_before: usize) -> usize {
    let verified = store.verify_audit(said.head.as_ref()).unwrap();
    verified.expect("the audit chain holds and goes on from every acknowledged head");

    let mut people = Vec::new();
    store
        .each_person(ListKind::Held, |person| {
            people.push(person.keys[0].1.as_bytes()[8]);
            Ok::<(), Error>(())
        })
        .unwrap();
    let size = people.len() as u32;
    people.dedup();
    let is = |list: &(u32, u32)| {
        list.1 == size
            && people
                .iter()
                .all(|edition| u32::from(*edition) == list.0 % 256)
    };
    assert!(people.len() <= 1, "a list of two editions");
    let known = said.list.iter().chain(&said.begun).any(is);
    let none_yet = said.list.is_none() && size == 0;
    assert!(known || none_yet, "the list is one that was imported");

    for table in &said.used {
        assert!(store.is_used(TableNumber::new(*table)).unwrap());
    }
    for set in &said.sets {
        assert!(store.are_used(QuestionsNumber::new(*set)).unwrap());
    }
    for (approval, approved) in &said.approvals {
        let state = store.approval(ApprovalNumber::new(*approval)).unwrap();
        let expected = match approved {
            true => [ApprovalState::Approved, ApprovalState::Spent],
            false => [ApprovalState::Refused; 2],
        };
        assert!(expected.contains(&state));
    }
    let sessions = store.sessions(1_000_000).unwrap().len();
    assert!(sessions >= said.used.len().max(sessions_before));
    let peer = PeerNumber::new(1);
    let left = store.budget_left(peer, Direction::Answered, now()).unwrap();
    let spent = BUDGET.elements - left.narrow.elements;
    assert_eq!(
        spent,
        u64::from(ELEMENTS) * sessions as u64,
        "budget and sessions agree"
    );
    // Nothing that a process before had prepared is there for this one.
    assert_eq!(store.unused(peer).unwrap(), (Vec::new(), Vec::new()));
    sessions
}

fn child(home: &Path) -> ! {
    let store = open(home);
    let mut rng = UnwrapErr(SysRng);
    let peer = PeerNumber::new(1);
    say("ready");
    loop {
        match rng.random_range(0..5) {
            0 => import(&store, rng.random_range(0..256), rng.random_range(1..1200)),
            1 | 2 => session(&store, peer),
            3 => {
                let approval = store.ask_approval(peer, now()).unwrap();
                if store.approval(approval).unwrap() == ApprovalState::Waiting {
                    let approved = rng.random_bool(0.3);
                    store.decide(approval, approved, None, now()).unwrap();
                    say(&format!("decided {approval} {approved}"));
                } else {
                    start(&store, peer, Some(approval));
                }
            }
            _ => {
                let head = store.record(&Event::NodeStarted, now()).unwrap();
                say(&format!("head {}", head.to_line()));
            }
        }
    }
}

fn import(store: &Store, edition: u32, size: u32) {
    say(&format!("importing {edition} {size}"));
    store
        .import(ListKind::Held, None, now, |list| {
            for n in 0..size {
                list.add(&person(n, edition as u8))?;
            }
            Ok::<_, Error>(ListHeader {
                header: vec!["record_id".into()],
                schema: "persons-v1".into(),
                schema_digest: "00".into(),
            })
        })
        .unwrap();
    say(&format!("imported {edition} {size}"));
}

fn session(store: &Store, peer: PeerNumber) {
    let session = start(store, peer, None);
    let end = End {
        outcome: Outcome::CutOff,
        blame: None,
        receipt: None,
        asked_at: now(),
        answers: &[],
    };
    store.end_session(session, &end, now()).unwrap();
}

fn start(
    store: &Store,
    peer: PeerNumber,
    approval: Option<ApprovalNumber>,
) -> admin::SessionNumber {
    let version = store
        .list(ListKind::Held)
        .unwrap()
        .map_or(0, |list| list.version);
    let ready = Ready {
        table: store.keep_prepared(peer, version, &table()).unwrap(),
        questions: store.keep_questions(peer, &questions(), None).unwrap(),
    };
    store.reserve(ready).unwrap().unwrap();
    let start = Start {
        peer,
        role: Role::Responder,
        ready,
        answered: ceiling(),
        asked: ceiling(),
        approval,
        mediator: None,
        policy: store.peer(peer).unwrap().entry.policy,
        asked_at: now(),
        asked_list: 1,
    };
    let session = store.start_session(&start, now()).unwrap();
    say(&format!("used {} {}", ready.table, ready.questions));
    session
}

/// One line in one write: the parent reads it whole, or not at all.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

const BUDGET: Budget = Budget {
    elements: 1 << 40,
    sessions: u32::MAX,
};

fn open(home: &Path) -> Store {
    Store::open(home, key(), &passphrase(), now()).unwrap()
}

fn key() -> Arc<NodeKey> {
    Arc::new(NodeKey::from_seed(&[1; 32]))
}

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse battery staple").unwrap()
}

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn peer() -> PeerEntry {
    let mut policy = Policy::default();
    policy.narrow.budget = BUDGET;
    PeerEntry {
        name: "peer".into(),
        id: NodeKey::from_seed(&[2; 32]).id(),
        address: None,
        by_relay: false,
        policy,
    }
}

fn ceiling() -> ByClass<Ceiling> {
    ByClass {
        narrow: Ceiling::new(ELEMENTS).unwrap(),
        wide: None,
    }
}

fn questions() -> QuestionSet {
    let requested = ByClass {
        narrow: vec![HashedIdentity::from_bytes([7; 32])],
        wide: None,
    };
    QuestionSet::prepare(requested, ceiling(), &mut UnwrapErr(SysRng)).unwrap()
}

fn table() -> PreparedTable {
    let held = ByClass {
        narrow: vec![HashedIdentity::from_bytes([7; 32])],
        wide: None,
    };
    let mut rng = UnwrapErr(SysRng);
    PreparedTable::prepare(held, ceiling(), Mediator::None, &mut rng, |_| ()).unwrap()
}

fn person(n: u32, edition: u8) -> Person {
    let mut identity = [edition; 32];
    identity[..4].copy_from_slice(&n.to_be_bytes());
    Person {
        line: n + 1,
        record_id: format!("id-{n}").into(),
        columns: None,
        keys: vec![(KeyKind::N1, HashedIdentity::from_bytes(identity))],
    }
}
