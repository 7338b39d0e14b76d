//! `tacit relay` from the outside, as a process.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use assert_cmd::cargo::cargo_bin;
use pairing::{NodeId, NodeKey};
use protocol::Descriptor;
use serde_json::Value;

fn tacit(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin!("tacit"));
    command
        .args(args)
        .arg("--home")
        .arg(home)
        .stdin(Stdio::null());
    command
}

fn run(home: &Path, args: &[&str]) -> Output {
    tacit(home, args).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn id(seed: u8) -> String {
    NodeKey::from_seed(&[seed; 32]).id().to_string()
}

/// A relay that runs until it is dropped.
struct Running(Child);

impl Running {
    /// Starts one, and returns when it says that it hosts.
    fn start(home: &Path, port: u16, more: &[&str]) -> Self {
        let listen = format!("127.0.0.1:{port}");
        let mut child = tacit(home, &["relay", "run", "--listen", &listen])
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.as_mut().unwrap());
        let mut line = String::new();
        while !line.contains("hosts a relay") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "the relay ended");
        }
        Self(child)
    }

    fn terminate(mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn nodes_are_enrolled_listed_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (one, two) = (id(1), id(2));
    assert_eq!(
        text(&run(home, &["relay", "enrol", &one, &two])),
        "2 enrolled\n"
    );
    assert_eq!(text(&run(home, &["relay", "enrol", &one])), "0 enrolled\n");
    assert_eq!(text(&run(home, &["relay", "list"])).lines().count(), 2);
    assert_eq!(text(&run(home, &["relay", "remove", &two])), "1 removed\n");
    assert_eq!(text(&run(home, &["relay", "list"])), format!("{one}\n"));
    let refused = run(home, &["relay", "enrol", "tacit1nonsense"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn a_relay_runs_tells_its_status_and_metrics_and_stops_when_told_to() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let created: Value =
        serde_json::from_str(&text(&run(home, &["id", "--no-passphrase", "--json"]))).unwrap();
    let own: NodeId = created["id"].as_str().unwrap().parse().unwrap();
    text(&run(home, &["relay", "enrol", &id(1), &id(2)]));
    let before = text(&run(
        home,
        &["relay", "descriptor", "--address", "relay.example:7448"],
    ));
    let described: Descriptor = before.trim().parse().unwrap();
    assert_eq!(
        (described.mediator, described.address.as_str()),
        (own, "relay.example:7448")
    );

    let metrics_port = free_port();
    let metrics = format!("127.0.0.1:{metrics_port}");
    let relay = Running::start(home, free_port(), &["--metrics", &metrics]);
    let again = run(
        home,
        &["relay", "descriptor", "--address", "relay.example:7448"],
    );
    assert_eq!(
        text(&again),
        before,
        "one key, also beside the running relay"
    );
    let status: Value =
        serde_json::from_str(&text(&run(home, &["relay", "status", "--json"]))).unwrap();
    assert_eq!(status["id"], created["id"]);
    assert_eq!(status["enrolled"], 2);
    assert_eq!(status["settled"], 0);
    let shown = text(&run(home, &["relay", "status"]));
    assert!(shown.contains("enrolled nodes: 2") && shown.contains("settled"));
    assert!(get(&metrics, "/health").ends_with("ok\n"));
    let exposed = get(&metrics, "/metrics");
    assert!(
        exposed.contains("\ntacit_relay_enrolled_nodes 2\n"),
        "{exposed}"
    );

    assert_eq!(relay.terminate(), Some(0));
    let gone = run(home, &["relay", "status"]);
    assert_eq!(gone.status.code(), Some(5));
}

#[test]
fn two_relays_with_one_home_and_a_relay_without_a_key_do_not_run() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let listen = "127.0.0.1:0";
    let without = run(home, &["relay", "run", "--listen", listen]);
    assert_eq!(without.status.code(), Some(2));
    text(&run(home, &["id", "--no-passphrase"]));
    let _relay = Running::start(home, 0, &[]);
    let second = run(home, &["relay", "run", "--listen", listen]);
    assert_eq!(second.status.code(), Some(1));
}

fn get(address: &str, path: &str) -> String {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
