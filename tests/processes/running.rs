//! A delegation's node as a real process, and the commands that people give it.
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub use crate::people::{born, family_name, given_name};
use serde_json::Value;
use tempfile::TempDir;

/// What a test waits for at most; everything here takes seconds, or some tens on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// A node's home, and its process while it runs.
pub struct Node {
    folder: TempDir,
    pub id: String,
    /// Where peers come, once it has run.
    pub address: String,
    process: Option<Running>,
}

struct Running {
    child: Child,
    /// Ends when the process does.
    said: mpsc::Receiver<String>,
}

impl Node {
    /// Makes a node's key, sealed, and its configuration.
    pub fn new(config: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let passphrase = folder.path().join("passphrase");
        std::fs::write(&passphrase, "correct horse battery staple\n").unwrap();
        std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut node = Self {
            folder,
            id: String::new(),
            address: String::new(),
            process: None,
        };
        let passphrase = node.text(&node.path("passphrase"));
        let made = node.ok(&["id", "--json", "--passphrase-file", &passphrase]);
        let made: Value = serde_json::from_str(&made).unwrap();
        node.id = made["id"].as_str().unwrap().to_owned();
        node.configure(config);
        node
    }

    /// Two nodes that try again at once, the first with the lower id.
    pub fn pair(config: &str) -> [Self; 2] {
        let (one, two) = (Self::new(config), Self::new(config));
        let id = |node: &Self| node.id.parse::<pairing::NodeId>().unwrap();
        if id(&one) < id(&two) {
            [one, two]
        } else {
            [two, one]
        }
    }

    pub fn configure(&self, config: &str) {
        std::fs::write(self.home().join("node.toml"), config).unwrap();
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.text(&self.path(name))
    }

    fn text(&self, path: &Path) -> String {
        path.to_str().unwrap().to_owned()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
        command
            .args(args)
            .arg("--home")
            .arg(self.home())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a command that must succeed; gives what it printed.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[args, &["--json"]].concat())).unwrap()
    }

    /// `tacit node` with this home.
    pub fn daemon(&self) -> Command {
        let passphrase = self.text(&self.path("passphrase"));
        let mut command = self.command(&["node", "--passphrase-file", &passphrase]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Starts the node; comes back when it is ready.
    pub fn start(&mut self) {
        let mut child = self.daemon().spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, said) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let mut all = Vec::new();
        while let Ok(line) = said.recv_timeout(PATIENCE) {
            if let Some((_, rest)) = line.split_once(" is ready") {
                let address = rest.split_once("peers come to ").map(|(_, rest)| rest);
                let address = address.and_then(|rest| rest.split(". Clients").next());
                self.address = address.unwrap_or_default().to_owned();
                self.process = Some(Running { child, said });
                return;
            }
            all.push(line);
        }
        let _ = child.kill();
        let _ = child.wait();
        panic!("the node did not get ready: {all:?}");
    }

    /// Stops it as the system does; gives what it said.
    pub fn stop(&mut self) -> Vec<String> {
        let mut running = self.process.take().unwrap();
        let id = rustix::process::Pid::from_child(&running.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        assert!(running.child.wait().unwrap().success());
        running.said.iter().collect()
    }

    /// Ends it as a loss of power does.
    pub fn kill(&mut self) {
        let mut running = self.process.take().unwrap();
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }

    /// How things stand with its only peer.
    pub fn pair_status(&self) -> Value {
        self.json(&["status"])["peers"][0].clone()
    }

    /// Sessions, the newest first.
    pub fn sessions(&self) -> Vec<Value> {
        let sessions = self.json(&["sessions"]);
        let sessions = sessions.get("sessions").cloned().unwrap_or(sessions);
        sessions.as_array().unwrap().clone()
    }

    pub fn outcomes(&self) -> Vec<String> {
        let outcome = |session: &Value| session["outcome"].as_str().unwrap_or("open").to_owned();
        self.sessions().iter().map(outcome).collect()
    }

    /// Looks again and again until `holds`, and fails the test if it never does.
    pub fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let last = Instant::now() + PATIENCE;
        while !holds(self) {
            let status = self.run(&["status"]);
            let status = String::from_utf8_lossy(&status.stdout).into_owned();
            assert!(Instant::now() < last, "{what}: {status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Record ids that the results call held, of a query or of the standing list.
    pub fn found(&self, query: Option<&str>) -> BTreeSet<String> {
        let mut args = vec!["results", "--found"];
        args.extend(query);
        let results = self.json(&args);
        let records = results["results"].as_array().unwrap();
        records
            .iter()
            .map(|record| record["record_id"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut running) = self.process.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

/// Pairs two running nodes: the second knows where the first is, unless there is a mediator, at whose
/// relay they meet then.
pub fn introduce(one: &Node, two: &Node, more: &[&str]) {
    let by_relay = more.contains(&"--by-relay");
    one.ok(&[&["peer", "add", "theirs", two.id.as_str()], more].concat());
    let address = ["--address", one.address.as_str()];
    let address: &[&str] = if by_relay { &[] } else { &address };
    two.ok(&[&["peer", "add", "theirs", one.id.as_str()], address, more].concat());
}

/// Imports people by their numbers. The requested list first: with the held one sessions begin, and the first is to
/// ask about somebody.
pub fn import(node: &Node, held: impl Iterator<Item = u32>, requested: impl Iterator<Item = u32>) {
    let held = node.write("held.csv", &list_of(held));
    let requested = node.write("requested.csv", &list_of(requested));
    node.ok(&["list", "import", "requested", &requested]);
    node.ok(&["list", "import", "held", &held]);
}

/// A list of invented people, no two of whom share a surname and a birth date; the record id is P and
/// the number.
pub fn list_of(numbers: impl Iterator<Item = u32>) -> String {
    let mut list =
        "record_id,family_name,given_name,patronymic,date_of_birth,document_number\n".to_owned();
    for n in numbers {
        let (family, given, born, document) = (family_name(n), given_name(n), born(n), document(n));
        list.push_str(&format!(
            "P{n},{family},{given},Іванович,{born},{document}\n"
        ));
    }
    list
}

pub fn document(n: u32) -> String {
    // None of these looks made up, as 111111 would.
    format!("АВ{:06}", 482_000 + n)
}

/// The record ids of people.
pub fn ids(numbers: impl Iterator<Item = u32>) -> BTreeSet<String> {
    numbers.map(|n| format!("P{n}")).collect()
}
