//! `tacit match` through a relay and with a mediator, as real processes: right answers on both sides,
//! and both sides' answers when one is killed between agreement and release.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::machines::{Machine, RelayHome, Running, ended, endings, found, said};
use relay::mediator::system_clock;
use relay::{Limits, Relay, serve};
use store::key_file::{self, StoredKey};
use tokio::sync::oneshot;

/// The lower id holds 0..60 and asks for 95..130; the other holds 100..160 and asks for 50..90.
fn pair() -> [Machine; 2] {
    let [low, high] = Machine::pair();
    low.lists(0..60, 95..130);
    high.lists(100..160, 50..90);
    [low, high]
}

fn answers_of_low() -> BTreeSet<u32> {
    (100..130).collect()
}

fn answers_of_high() -> BTreeSet<u32> {
    (50..60).collect()
}

/// Both sides' arguments are the same but for the peer.
fn both(low: &Machine, high: &Machine, more: &[&str]) -> [Command; 2] {
    [low.matching(&high.id, more), high.matching(&low.id, more)]
}

fn assert_answers(low: (Option<i32>, Vec<u8>, String), high: (Option<i32>, Vec<u8>, String)) {
    assert_eq!((low.0, high.0), (Some(0), Some(0)), "{}\n{}", low.2, high.2);
    assert_eq!(found(&low.1), answers_of_low());
    assert_eq!(found(&high.1), answers_of_high());
}

/// TCP sockets that this process listens on, by inode.
fn listening_sockets(process: u32) -> usize {
    let inodes: BTreeSet<String> = std::fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let link = link.to_str()?.to_owned();
            Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let mut listening = 0;
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let table = std::fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap();
        for line in table.lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            // State 0A is LISTEN; any UDP socket can be sent to.
            if (columns[3] == "0A" || columns[3] == "07") && inodes.contains(columns[9]) {
                listening += 1;
            }
        }
    }
    listening
}

#[test]
fn two_processes_match_through_a_relay_process_and_nothing_listens_at_either() {
    let [low, high] = pair();
    let home = RelayHome::new(&[&low, &high]);
    let relay = home.run();
    assert_eq!(
        listening_sockets(relay.child.id()),
        1,
        "it is seen where there is one"
    );
    let descriptor = home.descriptor(&home.address());
    let [first, second] = both(&low, &high, &["--mediator", &descriptor]);
    let mut second = Running::start(second);
    second.until_said("Waiting at the relay");
    assert_eq!(listening_sockets(second.child.id()), 0);
    let mut first = Running::start(first);
    first.until_said("The peer is there");
    assert_eq!(listening_sockets(first.child.id()), 0);
    let (first, second) = (first.end(), second.end());
    assert!(
        !first.2.contains("do not learn at the same moment"),
        "{}",
        first.2
    );
    assert_eq!(
        (ended(&first.1), ended(&second.1)),
        ("released".into(), "released".into())
    );
    assert_answers(first, second);
    assert!(low.unfinished().is_empty() && high.unfinished().is_empty());
    let status = home.status();
    assert_eq!(status["settled"], 0, "nobody had to settle");
    assert_eq!(status["tunnels_since_start"], 1);
}

#[test]
fn a_relay_alone_joins_the_two_and_both_are_told_that_nobody_can_settle() {
    let [low, high] = pair();
    let home = RelayHome::new(&[&low, &high]);
    let _relay = home.run();
    let [first, second] = both(&low, &high, &["--via", &home.via()]).map(Running::start);
    let (first, second) = (first.end(), second.end());
    for (_, _, said) in [&first, &second] {
        assert!(said.contains("do not learn at the same moment"), "{said}");
    }
    assert_answers(first, second);
}

#[test]
fn a_mediator_also_settles_for_two_that_meet_without_a_relay() {
    let [low, high] = pair();
    let home = RelayHome::new(&[&low, &high]);
    let _relay = home.run();
    let descriptor = home.descriptor(&home.address());
    let mut listening = Running::start(high.matching(
        &low.id,
        &["--listen", "127.0.0.1:0", "--mediator", &descriptor],
    ));
    let line = listening.until_said("Waiting at ");
    let address = line.split(' ').nth(2).unwrap().to_owned();
    let connecting = Running::start(low.matching(
        &high.id,
        &["--connect", &address, "--mediator", &descriptor],
    ));
    assert_answers(connecting.end(), listening.end());
    assert_eq!(home.status()["tunnels_since_start"], 0);
}

#[test]
fn a_node_that_is_not_enrolled_is_told_so_at_once_with_what_the_mediator_has_to_type() {
    let [low, high] = pair();
    let home = RelayHome::new(&[&low]);
    let _relay = home.run();
    let descriptor = home.descriptor(&home.address());
    for how in [["--via", &home.via()], ["--mediator", &descriptor]] {
        let refused = high.matching(&low.id, &how).output().unwrap();
        let told = said(&refused);
        assert_eq!(refused.status.code(), Some(3), "{told}");
        assert!(told.contains("does not let this node in"), "{told}");
        assert!(
            told.contains(&format!("tacit relay enrol {}", high.id)),
            "{told}"
        );
    }
}

#[test]
fn a_peer_that_does_not_come_to_the_relay_is_waited_for_and_no_longer() {
    let [low, high] = pair();
    let home = RelayHome::new(&[&low, &high]);
    let _relay = home.run();
    // The lower id dials, the other waits to be dialled.
    for [own, peer] in [[&low, &high], [&high, &low]] {
        let alone = own.matching(&peer.id, &["--via", &home.via(), "--wait", "1"]);
        let (code, _, told) = Running::start(alone).end();
        assert_eq!(code, Some(5), "{told}");
        assert!(
            told.contains("the relay") && told.contains("--wait SECONDS"),
            "{told}"
        );
    }
}

#[test]
fn another_mediator_on_the_two_sides_ends_it_on_both_with_the_field() {
    let [low, high] = pair();
    let home = RelayHome::new(&[&low, &high]);
    let other = RelayHome::new(&[&low, &high]);
    let (_relay, _other) = (home.run(), other.run());
    let (one, two) = (
        home.descriptor(&home.address()),
        other.descriptor(&other.address()),
    );
    let via = home.via();
    for (ours, said_there) in [(&["--mediator", &two][..], "mediator"), (&[], "mediator")] {
        let first = low.matching(&high.id, &["--via", &via, "--mediator", &one]);
        let second = high.matching(&low.id, &[&["--via", &via], ours].concat());
        let (first, second) = (Running::start(first), Running::start(second));
        for (code, printed, told) in [first.end(), second.end()] {
            assert_eq!(code, Some(3), "{told}");
            assert!(
                told.contains(&format!("the two sides differ: {said_there}")),
                "{told}"
            );
            assert!(told.contains("--mediator"), "{told}");
            assert!(printed.is_empty());
        }
    }
    assert!(low.unfinished().is_empty() && high.unfinished().is_empty());
}

#[test]
fn options_that_contradict_each_other_or_leave_the_way_open_are_bad_input() {
    let [low, high] = pair();
    let home = RelayHome::new(&[&low, &high]);
    let other = RelayHome::new(&[]);
    let descriptor = home.descriptor("relay.example:7448");
    let without_address = home.descriptor("");
    let mut mistyped = descriptor.clone();
    mistyped.replace_range(60..61, if &descriptor[60..61] == "q" { "p" } else { "q" });
    let wrong_key = format!("{}@relay.example:7448", other.machine.id);
    let own = format!("{}@relay.example:7448", low.id);
    for (options, expected) in [
        (&["--mediator", "garbage"][..], "starts with tacitm1"),
        (&["--mediator", &mistyped], "mistyped"),
        (&["--mediator", &descriptor[..200]], "mistyped"),
        (
            &["--mediator", &without_address],
            "does not say where its mediator is",
        ),
        (
            &["--mediator", &without_address, "--listen", "127.0.0.1:0"],
            "does not say where",
        ),
        (
            &["--mediator", &without_address, "--via", &wrong_key],
            "does not say where",
        ),
        (
            &["--mediator", &descriptor, "--via", &wrong_key],
            "two keys for the relay",
        ),
        (&["--via", "relay.example:7448"], "tacit1"),
        (&["--via", &home.machine.id], "tacit1"),
        (
            &["--via", &format!("{}@relay.example", home.machine.id)],
            "host:port",
        ),
        (&["--via", &own], "own id"),
        (
            &["--via", &format!("{}@relay.example:1", high.id)],
            "the peer's id",
        ),
        (
            &["--via", &home.via(), "--listen", "127.0.0.1:0"],
            "cannot be used with",
        ),
        (&[], "--via"),
    ] {
        let refused = low.matching(&high.id, options).output().unwrap();
        let told = said(&refused);
        assert_eq!(refused.status.code(), Some(2), "{options:?}: {told}");
        assert!(told.contains(expected), "{options:?}: {told}");
    }
}

#[test]
fn a_relay_that_is_not_there_or_has_another_key_is_said_before_any_work() {
    let [low, high] = pair();
    let home = RelayHome::new(&[&low, &high]);
    let via = home.via();
    let alone = low
        .matching(&high.id, &["--via", &via, "--wait", "1"])
        .output()
        .unwrap();
    assert_eq!(alone.status.code(), Some(5), "{}", said(&alone));
    assert!(
        said(&alone).contains("cannot be reached"),
        "{}",
        said(&alone)
    );
    assert!(!said(&alone).contains("Read the"), "{}", said(&alone));
    let _relay = home.run();
    let other = RelayHome::new(&[]);
    let wrong = format!("{}@{}", other.machine.id, home.address());
    let refused = low.matching(&high.id, &["--via", &wrong]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(
        said(&refused).contains(&home.machine.id),
        "{}",
        said(&refused)
    );
}

/// A relay in this process whose clock can be held still: a mediator that is asked for the time, and
/// so the node that asks, waits until the test lets it go on.
struct Held {
    runtime: tokio::runtime::Runtime,
    gate: Arc<Gate>,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Gate {
    /// Files that have to be there for the clock to be held.
    conditions: Mutex<Vec<(std::path::PathBuf, &'static str)>>,
    reached: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Gate {
    /// Called for every look at the mediator's clock.
    fn pass(&self) {
        let there = |(directory, ending): &(std::path::PathBuf, &str)| {
            endings(directory).iter().any(|found| found == ending)
        };
        let conditions = self.conditions.lock().unwrap().clone();
        if conditions.is_empty() || !there(&conditions[0]) {
            return;
        }
        // The first is the node's own, which asks now; the others' come by themselves.
        while !conditions.iter().all(there) {
            std::thread::yield_now();
        }
        let mut reached = self.reached.lock().unwrap();
        reached.0 = true;
        self.changed.notify_all();
        while !reached.1 {
            reached = self.changed.wait(reached).unwrap();
        }
    }

    fn wait_until_reached(&self) {
        let mut reached = self.reached.lock().unwrap();
        while !reached.0 {
            reached = self.changed.wait(reached).unwrap();
        }
    }

    fn let_go(&self) {
        self.reached.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

impl Held {
    /// Hosts the relay, and holds its clock once the responder has signed and the initiator has the
    /// agreement with both signatures: the responder asks for the time just before its release.
    fn host(home: &RelayHome, initiator: &Machine, responder: &Machine) -> Self {
        // Held questions each hold a thread, and the tunnel must not be held with them.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(8)
            .enable_all()
            .build()
            .unwrap();
        let gate = Arc::new(Gate::default());
        let unfinished = |machine: &Machine| machine.home().join("unfinished");
        *gate.conditions.lock().unwrap() = vec![
            (unfinished(responder), "agreed"),
            (unfinished(initiator), "agreed"),
        ];
        let (now, held) = (system_clock(), gate.clone());
        let clock = move || {
            held.pass();
            now()
        };
        let key = match key_file::load(&home.machine.home()).unwrap() {
            Some(StoredKey::Plain(key)) => key,
            _ => panic!("a key"),
        };
        let relay = Relay::open(
            &home.machine.home(),
            Arc::new(key),
            Arc::new(clock),
            Limits::default(),
        );
        let relay = relay.unwrap();
        let address: SocketAddr = home.address().parse().unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(address))
            .unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let served = runtime.spawn(serve(relay, listener, stopped, Duration::ZERO));
        Self {
            runtime,
            gate,
            stop: Some(stop),
            served,
        }
    }

    fn stop(mut self) {
        self.gate.let_go();
        let _ = self.stop.take().unwrap().send(());
        self.runtime.block_on(self.served).unwrap();
        drop(self.runtime);
    }
}

/// Starts both sides at a held relay, and returns when the agreement has both signatures on both sides
/// and nobody has released.
fn both_signed(home: &RelayHome, low: &Machine, high: &Machine) -> (Held, [Running; 2]) {
    let held = Held::host(home, low, high);
    let descriptor = home.descriptor(&home.address());
    let running = both(low, high, &["--mediator", &descriptor]).map(Running::start);
    held.gate.wait_until_reached();
    (held, running)
}

fn finish(machine: &Machine, more: &[&str]) -> (Option<i32>, Vec<u8>, String) {
    Running::start(machine.tacit(&[&["match", "--finish"], more].concat())).end()
}

#[test]
fn killed_between_agreement_and_release_a_side_and_its_peer_both_get_their_answers() {
    for initiator_dies in [true, false] {
        let [low, high] = pair();
        let home = RelayHome::new(&[&low, &high]);
        let (held, [mut first, mut second]) = both_signed(&home, &low, &high);
        let (dead, dying) = if initiator_dies {
            (&low, &mut first)
        } else {
            (&high, &mut second)
        };
        dying.kill();
        assert_eq!(dead.unfinished(), ["about", "agreed", "lock", "match"]);
        held.gate.let_go();
        let left = if initiator_dies { second } else { first };
        let left = left.end();
        assert!(left.2.contains("Left to the mediator: "), "{}", left.2);
        assert!(left.2.contains("Settled by the mediator"), "{}", left.2);
        assert_eq!(ended(&left.1), "settled");
        held.stop();

        // The mediator's relay is killed, too, and comes back.
        let mut relay = home.run();
        assert_eq!(home.status()["settled"], 1);
        relay.kill();
        let _relay = home.run();
        // A new session has to wait for the answers of this one.
        let peer = if initiator_dies { &high } else { &low };
        let again = dead
            .matching(&peer.id, &["--via", &home.via()])
            .output()
            .unwrap();
        assert_eq!(again.status.code(), Some(2), "{}", said(&again));
        assert!(
            said(&again).contains("tacit match --finish"),
            "{}",
            said(&again)
        );

        let finished = finish(dead, &[]);
        assert!(
            finished
                .2
                .contains("Settled by the mediator: the peer left after the agreement.")
        );
        assert_eq!(ended(&finished.1), "settled");
        if initiator_dies {
            assert_answers(finished, left);
        } else {
            assert_answers(left, finished);
        }
        assert!(low.unfinished().is_empty() && high.unfinished().is_empty());
        let nothing = finish(dead, &[]);
        assert_eq!(nothing.0, Some(0));
        assert!(
            nothing.2.contains("No session is unfinished"),
            "{}",
            nothing.2
        );
    }
}

#[test]
fn both_killed_between_agreement_and_release_both_finish() {
    let [low, high] = pair();
    let home = RelayHome::new(&[&low, &high]);
    let (held, [mut first, mut second]) = both_signed(&home, &low, &high);
    first.kill();
    second.kill();
    held.stop();
    let _relay = home.run();
    // In the order of neither their signatures nor their roles.
    let second = finish(&high, &[]);
    assert_answers(finish(&low, &[]), second);
    assert_eq!(home.status()["settled"], 1);
}

#[test]
fn stopped_after_signing_a_side_says_how_to_finish_and_its_output_is_written_then() {
    let [low, high] = pair();
    let home = RelayHome::new(&[&low, &high]);
    let held = Held::host(&home, &low, &high);
    let descriptor = home.descriptor(&home.address());
    let [mut first, second] = both(&low, &high, &["--mediator", &descriptor]);
    let results = low.path("results.csv");
    first.arg("--output").arg(&results);
    let (first, second) = (Running::start(first), Running::start(second));
    held.gate.wait_until_reached();
    let (code, _, told) = finish(&low, &[]);
    assert_eq!(code, Some(0));
    assert!(told.contains("another tacit match runs it"), "{told}");
    first.signal(rustix::process::Signal::INT);
    let (code, printed, told) = first.end();
    assert_eq!(code, Some(130), "{told}");
    assert!(
        told.contains("This side has signed") && told.contains("tacit match --finish"),
        "{told}"
    );
    assert!(printed.is_empty() && !results.exists());
    held.gate.let_go();
    let second = second.end();
    // The mediator is away now: nothing is lost, and it is said who is away.
    held.stop();
    let away = finish(&low, &["--wait", "0"]);
    assert_eq!(away.0, Some(5), "{}", away.2);
    assert!(
        away.2.contains("cannot be reached") && away.2.contains("stays as it is"),
        "{}",
        away.2
    );
    assert_eq!(low.unfinished(), ["about", "agreed", "lock", "match"]);
    let _relay = home.run();
    let first = finish(&low, &[]);
    assert!(results.exists(), "{}", first.2);
    assert_answers(first, second);
}

#[test]
fn what_is_kept_and_was_altered_or_is_another_nodes_is_said_and_stays_where_it_is() {
    let [low, high] = pair();
    let home = RelayHome::new(&[&low, &high]);
    let (held, [mut first, mut second]) = both_signed(&home, &low, &high);
    first.kill();
    second.kill();
    held.stop();
    let _relay = home.run();
    let kept = |machine: &Machine, ending: &str| {
        let entries = std::fs::read_dir(machine.home().join("unfinished")).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        paths
            .find(|path| path.extension().is_some_and(|found| found == ending))
            .unwrap()
    };
    for ending in ["about", "match", "agreed"] {
        let path = kept(&low, ending);
        let whole = std::fs::read(&path).unwrap();
        let mut altered = whole.clone();
        let middle = altered.len() / 2;
        altered[middle] ^= 1;
        // Altered, cut short, and another node's in its place.
        let others = std::fs::read(kept(&high, ending)).unwrap();
        for bytes in [
            altered,
            whole[..whole.len() - 1].to_vec(),
            Vec::new(),
            others,
        ] {
            std::fs::write(&path, &bytes).unwrap();
            let (code, printed, told) = finish(&low, &[]);
            assert_eq!(code, Some(1), "{told}");
            assert!(
                told.contains("damaged, or was not written by this node"),
                "{told}"
            );
            assert!(told.contains("hint"), "{told}");
            assert!(printed.is_empty());
            assert!(std::fs::read(&path).unwrap() == bytes, "{ending}");
        }
        std::fs::write(&path, whole).unwrap();
    }
    let second = finish(&high, &[]);
    assert_answers(finish(&low, &[]), second);
}

#[test]
fn an_agreement_that_nobody_settled_in_time_gives_neither_side_answers() {
    let [low, high] = pair();
    let home = RelayHome::new(&[&low, &high]);
    let (held, [mut first, mut second]) = both_signed(&home, &low, &high);
    first.kill();
    second.kill();
    held.stop();
    // A mediator whose clock is two hours on: past the deadline of one hour.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(StoredKey::Plain(key)) = key_file::load(&home.machine.home()).unwrap() else {
        panic!("a key");
    };
    let now = system_clock();
    let clock = Arc::new(move || now() + 7_200);
    let relay = Relay::open(
        &home.machine.home(),
        Arc::new(key),
        clock,
        Limits::default(),
    )
    .unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(home.address()))
        .unwrap();
    runtime.spawn(serve(
        relay,
        listener,
        std::future::pending(),
        Duration::ZERO,
    ));
    for machine in [&low, &high] {
        let (code, printed, told) = finish(machine, &[]);
        assert_eq!(code, Some(5), "{told}");
        assert!(told.contains("never settled"), "{told}");
        assert!(told.contains("neither side has answers"), "{told}");
        assert!(printed.is_empty());
        assert!(machine.unfinished().is_empty());
    }
}

#[test]
fn a_session_that_is_given_up_is_kept_as_evidence_and_blocks_no_new_one() {
    let [low, high] = pair();
    let home = RelayHome::new(&[&low, &high]);
    let (held, [mut first, mut second]) = both_signed(&home, &low, &high);
    first.kill();
    second.kill();
    held.stop();
    let (code, _, told) = finish(&low, &["--wait", "0", "--set-aside"]);
    assert_eq!(code, Some(5), "{told}");
    assert!(told.contains("evidence"), "{told}");
    assert!(low.unfinished().is_empty());
    assert_eq!(
        endings(&low.home().join("evidence")),
        ["about", "agreed", "match"]
    );
    let new = low
        .matching(&high.id, &["--via", &home.via(), "--wait", "0"])
        .output()
        .unwrap();
    assert_eq!(new.status.code(), Some(5), "{}", said(&new));
}

#[test]
fn answers_that_cannot_be_written_are_kept_and_written_elsewhere_without_any_network() {
    let [low, high] = pair();
    let home = RelayHome::new(&[&low, &high]);
    let mut relay = home.run();
    let descriptor = home.descriptor(&home.address());
    let [mut first, second] = both(&low, &high, &["--mediator", &descriptor]);
    let results = low.path("results.csv");
    first.arg("--output").arg(&results);
    let mut first = Running::start(first);
    first.until_said("Waiting at the relay");
    let before_the_peer = low.unfinished();
    assert_eq!(before_the_peer, ["about", "lock"], "the list is down");
    // In the way, since the session began.
    std::fs::write(&results, "somebody else's").unwrap();
    let second = Running::start(second).end();
    let (code, printed, told) = first.end();
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains("there already") && told.contains("--finish --output"),
        "{told}"
    );
    assert_eq!(found(&printed), answers_of_low(), "shown all the same");
    assert_eq!(
        low.unfinished(),
        ["about", "agreed", "lock", "match", "release"]
    );
    relay.kill();
    let elsewhere = low.path("elsewhere.csv");
    let first = finish(&low, &["--output", path(&elsewhere)]);
    assert_eq!(ended(&first.1), "released");
    assert_answers(first, second);
    assert_eq!(
        std::fs::read_to_string(&elsewhere).unwrap().lines().count(),
        36
    );
    assert_eq!(
        std::fs::read_to_string(&results).unwrap(),
        "somebody else's"
    );
    assert!(low.unfinished().is_empty());
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
