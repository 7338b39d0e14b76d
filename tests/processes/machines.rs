//! Delegations' machines and a relay as real processes, for tests from the outside.
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use crate::people::{born, family_name, given_name};
use serde_json::Value;
use tempfile::TempDir;

/// A home with a key, and lists beside it.
pub struct Machine {
    pub folder: TempDir,
    pub id: String,
}

impl Machine {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let home = folder.path().join("home");
        let made = tacit(&home, &["id", "--no-passphrase", "--json"]).output();
        let made: Value = serde_json::from_slice(&made.unwrap().stdout).unwrap();
        let id = made["id"].as_str().unwrap().to_owned();
        Self { folder, id }
    }

    /// Two machines, the first of which has the lower id: at a relay it begins.
    pub fn pair() -> [Self; 2] {
        let (one, two) = (Self::new(), Self::new());
        let id = |machine: &Self| machine.id.parse::<pairing::NodeId>().unwrap();
        if id(&one) < id(&two) {
            [one, two]
        } else {
            [two, one]
        }
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes both lists.
    pub fn lists(&self, held: std::ops::Range<u32>, requested: std::ops::Range<u32>) {
        std::fs::write(self.path("held.csv"), list_of(held)).unwrap();
        std::fs::write(self.path("requested.csv"), list_of(requested)).unwrap();
    }

    pub fn tacit(&self, args: &[&str]) -> Command {
        tacit(&self.home(), args)
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.tacit(args).output().unwrap()
    }

    /// `tacit match` with this machine's lists at the smallest ceiling.
    pub fn matching(&self, peer: &str, more: &[&str]) -> Command {
        let mut command = self.tacit(&["match", "--ceiling", "1024", "--json", "--peer", peer]);
        command
            .arg("--held")
            .arg(self.path("held.csv"))
            .arg("--requested")
            .arg(self.path("requested.csv"))
            .args(more);
        command
    }

    /// Names of the files of unfinished sessions, by their endings.
    pub fn unfinished(&self) -> Vec<String> {
        endings(&self.home().join("unfinished"))
    }
}

pub fn endings(directory: &Path) -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(directory)
        .map(|entries| {
            entries
                .map(|entry| entry.unwrap().path())
                .filter_map(|path| Some(path.extension()?.to_str()?.to_owned()))
                .collect()
        })
        .unwrap_or_default();
    found.sort();
    found
}

pub fn tacit(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
    command
        .args(args)
        .arg("--home")
        .arg(home)
        .stdin(Stdio::null());
    command
}

/// A process whose output is read as it comes, killed when dropped.
pub struct Running {
    pub child: Child,
    said: Arc<Mutex<String>>,
    stderr: Option<BufReader<ChildStderr>>,
    stdout: Option<std::thread::JoinHandle<Vec<u8>>>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let stderr = child.stderr.take().map(BufReader::new);
        let stdout = std::thread::spawn(move || {
            let mut printed = Vec::new();
            stdout.read_to_end(&mut printed).unwrap();
            printed
        });
        Self {
            child,
            said: Arc::default(),
            stderr,
            stdout: Some(stdout),
        }
    }

    /// Reads stderr until a line has `what`, and gives that line.
    pub fn until_said(&mut self, what: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.stderr.as_mut().unwrap().read_line(&mut line).unwrap();
            self.said.lock().unwrap().push_str(&line);
            assert_ne!(
                read,
                0,
                "ended without {what:?}: {}",
                self.said.lock().unwrap()
            );
            if line.contains(what) {
                return line;
            }
        }
    }

    /// Exit code, standard output, and all that was said.
    pub fn end(mut self) -> (Option<i32>, Vec<u8>, String) {
        let mut rest = String::new();
        self.stderr
            .take()
            .unwrap()
            .read_to_string(&mut rest)
            .unwrap();
        let said = self.said.lock().unwrap().clone() + &rest;
        let code = self.child.wait().unwrap().code();
        (code, self.stdout.take().unwrap().join().unwrap(), said)
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A relay's home, with a key and enrolled nodes.
pub struct RelayHome {
    pub machine: Machine,
    pub port: u16,
}

impl RelayHome {
    pub fn new(nodes: &[&Machine]) -> Self {
        let machine = Machine::new();
        for node in nodes {
            let enrolled = machine.run(&["relay", "enrol", &node.id]);
            assert!(enrolled.status.success());
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { machine, port }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// For `--via`.
    pub fn via(&self) -> String {
        format!("{}@{}", self.machine.id, self.address())
    }

    /// For `--mediator`.
    pub fn descriptor(&self, address: &str) -> String {
        let described = self
            .machine
            .run(&["relay", "descriptor", "--address", address]);
        assert!(described.status.success());
        String::from_utf8(described.stdout)
            .unwrap()
            .trim()
            .to_owned()
    }

    /// Starts it, and returns when it takes connections.
    pub fn run(&self) -> Running {
        let mut relay = Running::start(self.machine.tacit(&[
            "relay",
            "run",
            "--listen",
            &self.address(),
            "--drain",
            "0",
        ]));
        relay.until_said("hosts a relay");
        relay
    }

    pub fn status(&self) -> Value {
        let told = self.machine.run(&["relay", "status", "--json"]);
        serde_json::from_slice(&told.stdout).unwrap()
    }
}

/// A list of invented people with a column of its own.
pub fn list_of(numbers: std::ops::Range<u32>) -> String {
    let mut list = "record_id,family_name,given_name,patronymic,date_of_birth,note\n".to_owned();
    for n in numbers {
        let (family, given, born) = (family_name(n), given_name(n), born(n));
        list += &format!("{n},{family},{given},Іванович,{born},note {n}\n");
    }
    list
}

/// The record ids that were found, in JSON.
pub fn found(json: &[u8]) -> BTreeSet<u32> {
    let json: Value = serde_json::from_slice(json)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(json)));
    let results = json["results"].as_array().unwrap();
    let found = results.iter().filter(|result| result["answer"] != "none");
    found
        .map(|result| {
            let id = result["record_id"].as_str().unwrap();
            assert_eq!(
                result["record"]["note"],
                format!("note {id}"),
                "own columns"
            );
            id.parse().unwrap()
        })
        .collect()
}

/// How the session of these answers ended.
pub fn ended(json: &[u8]) -> String {
    let json: Value = serde_json::from_slice(json).unwrap();
    json["ended"].as_str().unwrap().to_owned()
}

pub fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
