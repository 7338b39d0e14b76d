//! Nodes as real processes, as two delegations run them: lists, queries and answers; a peer that goes
//! away; approval and budget; a seized disk; and kills at any point of a session.

mod importing;
mod lasting;
mod monitored;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc;
use std::time::Duration;

use crate::running::{
    Node, born, document, family_name, given_name, ids, import, introduce, list_of,
};
use pairing::NodeKey;
use transport::{Limits, PinnedTls, connect};

/// Tries again at once.
const QUICK: &str = "retry_seconds = 1\nretry_seconds_max = 1\ntick_seconds = 1\n";

/// An address of this machine that nobody has now.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn listening() -> String {
    format!("{QUICK}listen = \"{}\"\n", free_address())
}

/// Two nodes that run; the second can call the first.
fn two_that_meet() -> [Node; 2] {
    let [mut one, mut two] = Node::pair(QUICK);
    one.configure(&listening());
    one.start();
    two.start();
    [one, two]
}

/// The arguments that ask about one person.
fn about(n: u32) -> Vec<String> {
    [
        "query",
        "--family",
        &family_name(n),
        "--given",
        given_name(n),
        "--born",
        &born(n),
    ]
    .map(str::to_owned)
    .to_vec()
}

fn ask(node: &Node, n: u32, more: &[&str]) -> String {
    let about = about(n);
    let args: Vec<&str> = about
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect();
    node.ok(&args)
}

/// The number of a query that was submitted and not waited for.
fn detached(node: &Node, n: u32, more: &[&str]) -> String {
    let said = ask(node, n, &[more, &["--detach"]].concat());
    let digits: String = said.chars().filter(char::is_ascii_digit).collect();
    assert!(!digits.is_empty(), "{said}");
    digits
}

#[test]
fn two_nodes_with_10_000_records_each_answer_their_officers_and_clerks_also_after_one_was_away() {
    let [mut one, mut two] = Node::pair(QUICK);
    let clients = free_address();
    one.configure(&listening());
    two.configure(&format!("{QUICK}clients = \"{clients}\"\n"));
    one.start();
    two.start();
    introduce(&one, &two, &["--on-demand", "--schedule", "none"]);
    import(&one, 0..10_000, 29_000..39_000);
    import(&two, 20_000..30_000, 9_000..19_000);

    // A clerk on another machine, known by a key.
    let clerk = Node::new("");
    two.ok(&[
        "client", "enrol", "desk", "--role", "clerk", "--key", &clerk.id,
    ]);
    let there = format!("{}@{clients}", two.id);
    let passphrase = clerk.path("passphrase").to_str().unwrap().to_owned();
    let remote = [
        "--node",
        there.as_str(),
        "--passphrase-file",
        passphrase.as_str(),
    ];
    let officers = detached(&one, 20_005, &[]);
    ask(&clerk, 5, &[&remote[..], &["--now"]].concat());

    assert_eq!(two.found(None), ids(9_000..10_000));
    one.until("the other side's session has ended", |one| {
        one.outcomes() == ["answered"]
    });
    assert_eq!(one.found(None), ids(29_000..30_000));
    assert_eq!(one.found(Some(&officers)).len(), 1);
    let clerks = clerk.ok(&[&["results", "1", "--json"], &remote[..]].concat());
    let clerks: serde_json::Value = serde_json::from_str(&clerks).unwrap();
    assert_eq!(clerks["counts"]["strong"], 1, "{clerks}");
    // The officer of that node is not the clerk.
    let others = two.run(&["results", "1"]);
    assert!(!others.status.success(), "a query is its clerk's own");

    one.stop();
    let waiting = detached(&two, 6, &["--now"]);
    two.until("it says why it waits", |two| {
        let status = two.pair_status();
        status["trouble"]
            .as_str()
            .is_some_and(|trouble| trouble.contains("cannot be reached"))
    });
    one.start();
    two.ok(&["query", "--wait", &waiting]);
    assert_eq!(two.found(Some(&waiting)).len(), 1);

    two.stop();
    two.start();
    assert_eq!(two.found(None), ids(9_000..10_000));
    assert_eq!(two.found(Some(&waiting)).len(), 1);
    assert_eq!(two.outcomes(), ["answered", "answered"]);
    assert!(
        two.ok(&["audit", "verify"]).contains("verif")
            || two.run(&["audit", "verify"]).status.success()
    );
}

#[test]
fn nothing_in_the_home_of_a_stopped_node_names_anybody_on_its_lists() {
    let [mut one, mut two] = two_that_meet();
    introduce(
        &one,
        &two,
        &["--on-demand", "--schedule", "none", "--ceiling", "4096"],
    );
    import(&one, 0..500, 900..1_200);
    import(&two, 1_000..1_500, 300..700);
    ask(&two, 7, &["--now"]);
    one.until("answered", |one| one.outcomes() == ["answered"]);
    assert_eq!(one.found(None), ids(1_000..1_200));
    one.stop();
    two.stop();
    for (node, numbers) in [(&one, [0, 499, 900, 1_000]), (&two, [1_000, 1_499, 300, 7])] {
        let mut bytes = Vec::new();
        for file in std::fs::read_dir(node.home()).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                bytes.extend(std::fs::read(path).unwrap());
            }
        }
        assert!(bytes.len() > 500 * 33, "the lists are there");
        let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        let list = list_of(numbers.into_iter());
        let options =
            identity::ListOptions::new(identity::ListKind::Held, jiff::civil::date(2026, 1, 15));
        let list = std::io::Cursor::new(list.into_bytes());
        let list = identity::list::read(list, Default::default(), &options, |_| ()).unwrap();
        for (person, n) in list.people.iter().zip(numbers) {
            for (_, key) in &person.keys {
                assert!(!has(&key.as_bytes()[..16]), "a key of {n}");
            }
            for text in [
                family_name(n),
                family_name(n).to_uppercase(),
                document(n),
                born(n),
            ] {
                assert!(!has(text.as_bytes()), "{text}");
            }
        }
    }
}

#[test]
fn a_session_runs_by_itself_when_it_is_due_though_nobody_asks_for_one() {
    let [mut one, mut two] = Node::pair(QUICK);
    two.configure(&listening());
    one.start();
    two.start();
    introduce(&two, &one, &["--ceiling", "1024"]);
    import(&one, 0..50, 100..110);
    import(&two, 100..150, 0..60);
    one.until("answered", |one| one.outcomes() == ["answered"]);
    two.until("answered", |two| two.outcomes() == ["answered"]);
    assert_eq!(one.found(None), ids(100..110));
    assert_eq!(two.found(None), ids(0..50));
    // Where policy has none on demand, a query waits for the next.
    let said = one.run(&["query", "--wait", "1", "--now"]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("Not at once"));
    one.until("it says when the next is", |one| {
        one.pair_status()["next"].is_string()
    });
    assert_eq!(one.outcomes(), ["answered"]);
}

#[test]
fn two_nodes_that_call_each_other_at_the_same_moment_both_have_their_answers() {
    let [mut one, mut two] = Node::pair(QUICK);
    one.configure(&listening());
    two.configure(&listening());
    one.start();
    two.start();
    for (node, peer) in [(&one, &two), (&two, &one)] {
        let more = ["--ceiling", "1024", "--schedule", "none", "--on-demand"];
        let add = [
            "peer",
            "add",
            "theirs",
            &peer.id,
            "--address",
            &peer.address,
        ];
        node.ok(&[&add[..], &more].concat());
    }
    import(&one, 0..50, 100..110);
    import(&two, 100..150, 0..60);
    for _ in 0..5 {
        let queries = [
            detached(&one, 101, &["--now"]),
            detached(&two, 1, &["--now"]),
        ];
        for (node, query) in [&one, &two].into_iter().zip(&queries) {
            node.ok(&["query", "--wait", query]);
            assert_eq!(node.found(Some(query)).len(), 1);
        }
    }
    let answered = |node: &Node| {
        let ends = ends(node)?.into_iter();
        let all = ends.filter(|(_, end)| *end == End::WithAnswers);
        Some(all.map(|(id, _)| id).collect::<BTreeSet<_>>())
    };
    one.until(
        "every session has ended with answers on both sides",
        |one| {
            let (ones, twos) = (answered(one), answered(&two));
            ones.is_some() && ones == twos
        },
    );
}

#[test]
fn what_cannot_be_asked_is_said_and_nobody_is_called_not_held_for_it() {
    let [one, two] = two_that_meet();
    introduce(
        &one,
        &two,
        &["--on-demand", "--schedule", "none", "--ceiling", "1024"],
    );
    // More keys than the ceiling has room for.
    import(&two, 0..50, 0..600);
    import(&one, 0..50, 0..10);
    let waiting = detached(&two, 7, &["--now"]);
    two.until("it says which list needs how much", |two| {
        let status = two.pair_status();
        let trouble = status["trouble"].as_str().unwrap_or_default();
        trouble.contains("requested list needs") && trouble.contains("1024")
    });
    assert!(two.found(Some(&waiting)).is_empty() && two.sessions().is_empty());
    // Keys of another schema match nobody.
    let list = two.write("list.csv", &list_of(0..10));
    for args in [
        &["list", "import", "requested"][..],
        &["list", "import", "held"],
        &["query"],
    ] {
        let refused = two.run(&[args, &[list.as_str(), "--schema", "persons-v1"]].concat());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(3), "{said}");
        assert!(said.contains("--schema persons-v2"), "{said}");
    }
    import(&two, 0..50, 0..60);
    two.ok(&["query", "--wait", &waiting, "--now"]);
    assert_eq!(two.found(None), ids(0..50));
}

#[test]
fn a_session_that_policy_wants_approved_waits_for_an_officer_on_either_side() {
    let [one, two] = two_that_meet();
    let more = [
        "--on-demand",
        "--schedule",
        "none",
        "--ceiling",
        "1024",
        "--approval",
        "by-hand",
    ];
    introduce(&one, &two, &more);
    import(&one, 0..50, 0..10);
    import(&two, 0..50, 0..60);
    let query = detached(&two, 7, &["--now"]);
    for node in [&two, &one] {
        node.until("it waits for an officer", |node| {
            node.pair_status()["doing"] == "awaiting_approval"
        });
        assert!(node.sessions().is_empty());
        node.ok(&["approve", "1"]);
    }
    two.ok(&["query", "--wait", &query]);
    assert_eq!(two.found(None), ids(0..50));
    one.until("answered", |one| one.outcomes() == ["answered"]);
    // One approval is good for one session.
    let again = detached(&two, 8, &["--now"]);
    two.until("it waits again", |two| {
        two.pair_status()["doing"] == "awaiting_approval"
    });
    two.ok(&["refuse", "2"]);
    two.until("it no longer waits", |two| {
        two.pair_status()["doing"] != "awaiting_approval"
    });
    assert_eq!(two.outcomes(), ["answered"]);
    assert!(two.found(Some(&again)).is_empty());
}

#[test]
fn a_budget_is_counted_before_answers_leave_and_survives_a_restart() {
    let [mut one, two] = two_that_meet();
    let more = ["--on-demand", "--schedule", "none", "--ceiling", "1024"];
    introduce(&one, &two, &more);
    one.ok(&["peer", "change", "theirs", "--budget-sessions", "1"]);
    import(&one, 0..50, 0..10);
    import(&two, 0..50, 0..60);
    ask(&two, 7, &["--now"]);
    one.until("answered", |one| one.outcomes() == ["answered"]);
    one.kill();
    one.start();
    let refused = detached(&two, 8, &["--now"]);
    one.until(
        "it says that the budget is used up, and when it resets",
        |one| {
            let status = one.pair_status();
            let trouble = status["trouble"].as_str().unwrap_or_default();
            trouble.contains("budget") && trouble.contains("20")
        },
    );
    two.until(
        "it is told no more than that this is not the moment",
        |two| {
            let status = two.pair_status();
            status["trouble"]
                .as_str()
                .is_some_and(|trouble| trouble.contains("no session now"))
        },
    );
    assert!(two.found(Some(&refused)).is_empty());
    assert_eq!(one.outcomes(), ["answered"]);
    let used = &one.ok(&["audit"]);
    assert!(used.contains("budget_refused"), "{used}");
}

#[test]
fn a_second_node_a_wrong_passphrase_and_a_bad_configuration_are_refused_with_a_reason() {
    let mut node = Node::new(QUICK);
    node.start();
    let second = node.daemon().output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(
        said.contains("another tacit has the store") && said.contains("tacit status"),
        "{said}"
    );
    node.stop();

    let right = node.path("passphrase");
    let wrong = node.path("wrong");
    std::fs::copy(&right, &wrong).unwrap();
    std::fs::write(&wrong, "incorrect horse battery staple\n").unwrap();
    let wrong = wrong.to_str().unwrap();
    let shut = node.run(&["node", "--passphrase-file", wrong]);
    assert_eq!(shut.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&shut.stderr).contains("wrong passphrase"));

    node.configure("\nlisten = \"127.0.0.1:0\"\nmetrix = \"127.0.0.1:1\"\n");
    for args in [&["node", "--check"][..], &["node"]] {
        let refused = node.run(args);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2));
        assert!(
            said.contains("node.toml: line 3: metrix") && said.contains("did you mean metrics?"),
            "{said}"
        );
    }
    node.configure(QUICK);
    assert!(
        node.ok(&["node", "--check"])
            .contains("The configuration is good.")
    );
    node.start();
    let audit = node.ok(&["audit"]);
    assert!(
        audit.contains("node_started") && audit.contains("node_stopped"),
        "{audit}"
    );
}

#[test]
fn a_service_manager_hands_the_passphrase_over_and_is_told_when_the_node_is_ready_and_when_it_stops()
 {
    let node = Node::new(QUICK);
    let credentials = node.path("credentials");
    std::fs::create_dir(&credentials).unwrap();
    // Readable to a group, as systemd's access list shows in the mode.
    let passphrase = credentials.join("tacit.passphrase");
    std::fs::copy(node.path("passphrase"), &passphrase).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o440);
    std::fs::set_permissions(&passphrase, mode).unwrap();
    let socket = node.path("notify");
    let told = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    told.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut child = node
        .command(&["node"])
        .env("CREDENTIALS_DIRECTORY", &credentials)
        .env("NOTIFY_SOCKET", &socket)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut heard = [0; 64];
    let length = told.recv(&mut heard).unwrap();
    assert_eq!(&heard[..length], b"READY=1");
    assert!(node.ok(&["status"]).contains(&node.id));
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let length = told.recv(&mut heard).unwrap();
    assert_eq!(&heard[..length], b"STOPPING=1");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_peer_that_opens_a_hundred_sessions_holds_up_nobody_else() {
    let [one, two] = two_that_meet();
    introduce(
        &one,
        &two,
        &["--on-demand", "--schedule", "none", "--ceiling", "1024"],
    );
    import(&one, 0..50, 0..10);
    import(&two, 0..50, 0..60);
    let key = NodeKey::from_seed(&[9; 32]);
    one.ok(&[
        "peer",
        "add",
        "greedy",
        &key.id().to_string(),
        "--ceiling",
        "1024",
    ]);
    let node: pairing::NodeId = one.id.parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sessions = runtime.block_on(async {
        let tls = PinnedTls::new(&[9; 32], *node.as_bytes()).unwrap();
        let calls = (0..100).map(|_| {
            let (tls, address) = (tls.clone(), one.address.clone());
            tokio::spawn(async move { connect(&address, &tls, &Limits::default()).await })
        });
        let mut sessions = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            sessions.extend(call.await.unwrap());
        }
        sessions
    });
    assert!(!sessions.is_empty());
    ask(&two, 7, &["--now"]);
    assert_eq!(two.found(None), ids(0..50));
    drop(sessions);
    // None of them got as far as a commitment, so none cost anything.
    let greedy = one.json(&["status"])["peers"][1].clone();
    assert_eq!(greedy["name"], "greedy");
    assert_eq!(one.outcomes().len(), 1);
}

/// A relay process with a mediator, before a proxy that counts what passes.
struct Mediated {
    home: tempfile::TempDir,
    relay: Child,
    passed: Arc<AtomicU64>,
    alarms: mpsc::Receiver<()>,
    at: Arc<AtomicU64>,
    descriptor: String,
}

impl Mediated {
    fn start(nodes: [&Node; 2]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let tacit = |args: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
            command
                .args(args)
                .arg("--home")
                .arg(home.path().join("home"));
            command
        };
        assert!(
            tacit(&["id", "--no-passphrase"])
                .output()
                .unwrap()
                .status
                .success()
        );
        let [one, two] = nodes.map(|node| node.id.as_str());
        assert!(
            tacit(&["relay", "enrol", one, two])
                .output()
                .unwrap()
                .status
                .success()
        );
        let behind = free_address();
        let relay = tacit(&["relay", "run", "--listen", &behind.to_string()])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (passed, at) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicU64::new(u64::MAX)),
        );
        let (alarm, alarms) = mpsc::channel();
        let front = proxy(behind, Duration::ZERO, passed.clone(), at.clone(), alarm);
        let described = tacit(&["relay", "descriptor", "--address", &front.to_string()])
            .output()
            .unwrap();
        let descriptor = String::from_utf8(described.stdout)
            .unwrap()
            .trim()
            .to_owned();
        Self {
            home,
            relay,
            passed,
            alarms,
            at,
            descriptor,
        }
    }

    /// Gives the alarm once this many more bytes have passed.
    fn alarm_after(&self, bytes: u64) {
        self.at.store(self.passed.load(SeqCst) + bytes, SeqCst);
    }
}

impl Drop for Mediated {
    fn drop(&mut self) {
        let _ = self.relay.kill();
        let _ = self.relay.wait();
        let _ = &self.home;
    }
}

/// Bytes that a proxy moves at a time.
const STRIDE: usize = 512;

/// Rests for `pace` after each stride, in each direction by itself.
fn proxy(
    behind: SocketAddr,
    pace: Duration,
    passed: Arc<AtomicU64>,
    at: Arc<AtomicU64>,
    alarm: mpsc::Sender<()>,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let Ok(relay) = TcpStream::connect(behind) else {
                continue;
            };
            let ends = [
                (stream.try_clone(), relay.try_clone()),
                (Ok(relay), Ok(stream)),
            ];
            for (from, to) in ends {
                let (mut from, mut to) = (from.unwrap(), to.unwrap());
                let (passed, at, alarm) = (passed.clone(), at.clone(), alarm.clone());
                std::thread::spawn(move || {
                    let mut buffer = [0; STRIDE];
                    while let Ok(read @ 1..) = from.read(&mut buffer) {
                        let now = passed.fetch_add(read as u64, SeqCst) + read as u64;
                        let due = at.load(SeqCst);
                        if now >= due && at.compare_exchange(due, u64::MAX, SeqCst, SeqCst).is_ok()
                        {
                            let _ = alarm.send(());
                        }
                        if to.write_all(&buffer[..read]).is_err() {
                            break;
                        }
                        std::thread::sleep(pace);
                    }
                    let _ = to.shutdown(Shutdown::Both);
                    let _ = from.shutdown(Shutdown::Both);
                });
            }
        }
    });
    address
}

/// How a session stands at one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    WithAnswers,
    Without,
    /// Signed, and waiting for the mediator's word.
    Open,
}

/// How each session that was signed stands, by its id; `None` while one runs.
fn ends(node: &Node) -> Option<BTreeMap<String, End>> {
    let mut ends = BTreeMap::new();
    for session in node.sessions() {
        let end = match session["outcome"].as_str() {
            Some("answered" | "settled") => End::WithAnswers,
            Some(_) => End::Without,
            None if session["stage"] == "signed" => End::Open,
            None => return None,
        };
        if let Some(id) = session["id"].as_str() {
            ends.insert(id.to_owned(), end);
        }
    }
    Some(ends)
}

/// Two nodes that have met once at a mediator's relay, and the bytes that it took.
struct Met {
    one: Node,
    two: Node,
    mediated: Mediated,
    whole: u64,
}

impl Met {
    fn new() -> Self {
        let [mut one, mut two] = Node::pair(QUICK);
        let mediated = Mediated::start([&one, &two]);
        one.start();
        two.start();
        let more = [
            "--by-relay",
            "--mediator",
            &mediated.descriptor,
            "--on-demand",
            "--schedule",
            "none",
            "--ceiling",
            "1024",
        ];
        introduce(&one, &two, &more);
        import(&one, 0..50, 100..110);
        import(&two, 100..150, 0..60);
        let before = mediated.passed.load(SeqCst);
        ask(&two, 0, &["--now"]);
        one.until("answered", |one| one.outcomes() == ["answered"]);
        let whole = mediated.passed.load(SeqCst) - before;
        Self {
            one,
            two,
            mediated,
            whole,
        }
    }

    /// Starts a session and kills one node once so many bytes have passed. False if the two can do
    /// nothing more before the settling window is over: one side has signed, and the other has not.
    fn kill_after(&mut self, bytes: u64, first: bool) -> bool {
        self.mediated.alarm_after(bytes);
        let query = detached(&self.two, 7, &["--now"]);
        // At once when they have, and never if the session takes less than the first one.
        let mut looks = 0;
        let passed = loop {
            let look = Duration::from_millis(200);
            if self.mediated.alarms.recv_timeout(look).is_ok() {
                break true;
            }
            if !self.two.found(Some(&query)).is_empty() {
                break false;
            }
            looks += 1;
            assert!(looks < 600, "neither an answer nor {bytes} bytes");
        };
        if !passed {
            self.mediated.at.store(u64::MAX, SeqCst);
            return true;
        }
        let victim = if first { &mut self.one } else { &mut self.two };
        victim.kill();
        victim.start();
        let mut blocked = false;
        self.two.until("both sides have ended alike", |two| {
            let (Some(ones), Some(twos)) = (ends(&self.one), ends(two)) else {
                return false;
            };
            let ids: BTreeSet<&String> = ones.keys().chain(twos.keys()).collect();
            let end =
                |ends: &BTreeMap<String, End>, id| ends.get(id).copied().unwrap_or(End::Without);
            let pairs: Vec<_> = ids
                .iter()
                .map(|id| (end(&ones, *id), end(&twos, *id)))
                .collect();
            for pair in &pairs {
                let unlike = [
                    (End::WithAnswers, End::Without),
                    (End::Without, End::WithAnswers),
                ];
                assert!(
                    !unlike.contains(pair),
                    "after {bytes} bytes: {ones:?} {twos:?}"
                );
            }
            blocked = pairs
                .iter()
                .any(|pair| [(End::Open, End::Without), (End::Without, End::Open)].contains(pair));
            // The query is asked again after a session that was cut off, and no other follows its answer.
            let answered = || !two.found(Some(&query)).is_empty();
            blocked
                || (pairs
                    .iter()
                    .all(|pair| pair.0 == pair.1 && pair.0 != End::Open)
                    && answered())
        });
        !blocked
    }
}

/// Before both have signed neither side has answers, and after it both have, from the peer or from the
/// mediator; whoever is killed, and whenever.
#[test]
fn whenever_one_node_is_killed_both_get_their_answers_or_neither_does() {
    let mut met = Some(Met::new());
    let whole = met.as_ref().map_or(0, |met| met.whole);
    // Over the whole session, then closely over its end, where signatures and releases pass.
    let early = (1..4).map(|part| whole * part / 4);
    let late = (0..8).map(|step| whole.saturating_sub(7_000) + 800 * step);
    for (round, bytes) in early.chain(late).enumerate() {
        let pair = met.get_or_insert_with(Met::new);
        if !pair.kill_after(bytes, round % 2 == 0) {
            met = None;
        }
    }
    let met = met.unwrap_or_else(Met::new);
    assert_eq!(met.two.found(None), ids(0..50));
    assert_eq!(met.one.found(None), ids(100..110));
    for node in [&met.one, &met.two] {
        assert!(node.run(&["audit", "verify"]).status.success());
    }
}
