//! `tacit match` as two real processes over real sockets: right answers, and every way it can go wrong.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::people::{born, family_name, given_name};
use serde_json::Value;
use tempfile::TempDir;

const HEADER: &str = "record_id,family_name,given_name,patronymic,date_of_birth\n";

/// A delegation's machine: a home with a key, and its lists.
struct Machine {
    folder: TempDir,
    id: String,
}

impl Machine {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let home = folder.path().join("home");
        let output = tacit(&["id", "--no-passphrase", "--json", "--home", text(&home)]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let id = answer["id"].as_str().expect("an id").to_owned();
        let machine = Self { folder, id };
        machine.list("held.csv", HEADER);
        machine.list("requested.csv", HEADER);
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn list(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("a list");
    }

    fn lists(&self, held: impl IntoIterator<Item = u32>, requested: impl IntoIterator<Item = u32>) {
        self.list("held.csv", people(held));
        self.list("requested.csv", people(requested));
    }

    fn command(&self, peer: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
        command
            .arg("match")
            .arg("--home")
            .arg(self.path("home"))
            .args(["--peer", peer]);
        command
            .arg("--held")
            .arg(self.path("held.csv"))
            .arg("--requested")
            .arg(self.path("requested.csv"));
        command
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, peer: &str, more: &[&str]) -> Output {
        self.command(peer, more).output().expect("tacit runs")
    }

    /// Starts listening and comes back when the address is known.
    fn listen(&self, peer: &str, more: &[&str]) -> Talking {
        let more = [&["--listen", "127.0.0.1:0"], more].concat();
        let mut talking = Talking::start(&mut self.command(peer, &more));
        talking.until_said("Waiting at ");
        talking
    }
}

/// A process, and what it has said on stderr so far.
struct Talking {
    child: Child,
    stdout: std::thread::JoinHandle<String>,
    stderr: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Talking {
    fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("tacit runs");
        // Both pipes are drained, or a long table would stop the child before it ends.
        let mut stdout = child.stdout.take().expect("piped");
        let stdout = std::thread::spawn(move || {
            let mut printed = String::new();
            stdout.read_to_string(&mut printed).expect("text");
            printed
        });
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        Self {
            child,
            stdout,
            stderr,
            said: String::new(),
        }
    }

    /// Where it waits for its peer, once it has said so.
    fn address(&self) -> &str {
        let (_, rest) = self.said.split_once("Waiting at ").expect("it waits");
        rest.split(' ').next().expect("an address")
    }

    /// Reads on until stderr has said `what`.
    fn until_said(&mut self, what: &str) {
        while !self.said.contains(what) {
            let read = self.stderr.read_line(&mut self.said).expect("text");
            assert_ne!(read, 0, "ended without saying {what:?}: {}", self.said);
        }
    }

    fn end(mut self) -> (i32, String, String) {
        self.stderr.read_to_string(&mut self.said).expect("text");
        let status = self.child.wait().expect("an end");
        let code = status
            .code()
            .unwrap_or_else(|| panic!("{status}: {}", self.said));
        (code, self.stdout.join().expect("read"), self.said)
    }
}

fn tacit(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tacit"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("tacit runs")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn code_and_error(output: &Output) -> (i32, String) {
    (
        output.status.code().expect("a code"),
        String::from_utf8(output.stderr.clone()).expect("text"),
    )
}

/// A list of invented people.
fn people(numbers: impl IntoIterator<Item = u32>) -> String {
    let mut list = HEADER.to_owned();
    for n in numbers {
        let (family, given, born) = (family_name(n), given_name(n), born(n));
        list += &format!("{n},{family},{given},Іванович,{born}\n");
    }
    list
}

/// The record ids with an answer other than "none" in a results file or in JSON on standard output.
fn found_in_csv(path: &Path) -> BTreeSet<u32> {
    let mut reader = csv::Reader::from_path(path).expect("a results file");
    let header = reader.headers().expect("a header").clone();
    let column = |name| {
        header
            .iter()
            .position(|h| h == name)
            .unwrap_or_else(|| panic!("column {name}"))
    };
    let (id, answer, keys) = (column("record_id"), column("answer"), column("keys"));
    let mut found = BTreeSet::new();
    for row in reader.records() {
        let row = row.expect("a row");
        match &row[answer] {
            "none" => assert!(row[keys].is_empty()),
            "strong" => {
                assert!(!row[keys].is_empty());
                found.insert(row[id].parse().expect("a number"));
            }
            other => panic!("answer {other:?}"),
        }
    }
    found
}

fn found_in_json(stdout: &[u8]) -> BTreeSet<u32> {
    let json: Value = serde_json::from_slice(stdout).expect("JSON");
    let answers = json["results"].as_array().expect("results");
    answers
        .iter()
        .filter(|answer| answer["answer"] != "none")
        .map(|answer| {
            answer["record_id"]
                .as_str()
                .expect("an id")
                .parse()
                .expect("a number")
        })
        .collect()
}

/// Both sides over real sockets: A holds 0..n and asks for n−common.., B the other way round.
fn both_learn(people: u32, common: u32, more: &[&str]) {
    let (a, b) = (Machine::new(), Machine::new());
    a.lists(0..people, 200_000 - common..200_000 + people - common);
    b.lists(
        200_000 - people..200_000,
        (0..common).chain(400_000..400_000 + people - common),
    );
    let results = a.path("results.csv");
    let listening = a.listen(&b.id, &[&["--output", text(&results)], more].concat());
    let connecting = b.run(
        &a.id,
        &[&["--connect", listening.address(), "--json"], more].concat(),
    );
    let (code, _, said) = listening.end();
    assert_eq!(
        (code, connecting.status.code()),
        (0, Some(0)),
        "{said}{}",
        code_and_error(&connecting).1
    );
    assert_eq!(
        found_in_csv(&results),
        (200_000 - common..200_000).collect()
    );
    assert_eq!(found_in_json(&connecting.stdout), (0..common).collect());
}

#[test]
fn two_processes_with_10_000_held_and_requested_each_find_exactly_the_1_000_in_common() {
    both_learn(10_000, 1_000, &[]);
}

#[test]
fn lists_far_below_the_ceiling_are_matched_just_as_exactly() {
    both_learn(50, 7, &["--ceiling", "16384"]);
}

#[test]
fn a_list_of_one_and_no_match_at_all_are_ordinary_sessions() {
    both_learn(1, 1, &["--ceiling", "1024"]);
    both_learn(3, 0, &["--ceiling", "1024"]);
}

#[test]
fn a_list_with_a_header_and_no_rows_is_said_to_be_empty_and_matches_nobody() {
    let (a, b) = (Machine::new(), Machine::new());
    b.lists(0..5, 0..5);
    let listening = a.listen(&b.id, &["--ceiling", "1024"]);
    let connecting = b.run(
        &a.id,
        &[
            "--connect",
            listening.address(),
            "--ceiling",
            "1024",
            "--json",
        ],
    );
    let (code, _, said) = listening.end();
    assert_eq!((code, connecting.status.code()), (0, Some(0)), "{said}");
    assert!(said.contains("has no people"), "{said}");
    assert_eq!(found_in_json(&connecting.stdout), BTreeSet::new());
}

#[test]
fn different_ceilings_end_it_on_both_sides_with_code_3_and_the_field() {
    let (a, b) = (Machine::new(), Machine::new());
    a.lists(0..5, 0..5);
    b.lists(0..5, 0..5);
    let results = b.path("results.csv");
    let listening = a.listen(&b.id, &["--ceiling", "1024"]);
    let connecting = b.run(
        &a.id,
        &[
            "--connect",
            listening.address(),
            "--ceiling",
            "4096",
            "--output",
            text(&results),
        ],
    );
    let (code, stdout, said) = listening.end();
    let (other_code, other_said) = code_and_error(&connecting);
    assert_eq!((code, other_code), (3, 3), "{said}{other_said}");
    assert!(
        said.contains("this side has 1024 elements, the peer 4096"),
        "{said}"
    );
    assert!(
        other_said.contains("this side has 4096 elements, the peer 1024"),
        "{other_said}"
    );
    assert!(stdout.is_empty() && connecting.stdout.is_empty() && !results.exists());
}

#[test]
fn the_wide_class_on_one_side_only_ends_it_on_both_sides() {
    let (a, b) = (Machine::new(), Machine::new());
    let listening = a.listen(&b.id, &["--ceiling", "1024", "--wide"]);
    let connecting = b.run(
        &a.id,
        &["--connect", listening.address(), "--ceiling", "1024"],
    );
    let (code, _, said) = listening.end();
    assert_eq!((code, connecting.status.code()), (3, Some(3)), "{said}");
    assert!(
        said.contains("key classes: this side has the wide class on, the peer off"),
        "{said}"
    );
}

#[test]
fn a_list_above_the_ceiling_is_refused_before_anybody_is_called() {
    let (a, b) = (Machine::new(), Machine::new());
    a.lists(0..1000, 0..1);
    let (code, said) =
        code_and_error(&a.run(&b.id, &["--connect", "127.0.0.1:1", "--ceiling", "1024"]));
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("the held list needs ") && said.contains("the ceiling is 1024"),
        "{said}"
    );
    assert!(
        said.contains("--ceiling 4096"),
        "the hint names a ceiling that fits: {said}"
    );
    a.lists(0..1, 0..1000);
    let (code, said) =
        code_and_error(&a.run(&b.id, &["--connect", "127.0.0.1:1", "--ceiling", "1024"]));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("the requested list needs "), "{said}");
}

#[test]
fn a_stranger_with_another_key_is_turned_away_and_named_and_the_right_peer_still_gets_through() {
    let (a, b, stranger) = (Machine::new(), Machine::new(), Machine::new());
    a.lists(0..5, 0..5);
    b.lists(0..5, 0..5);
    let mut listening = a.listen(&b.id, &["--ceiling", "1024"]);
    let refused = stranger.run(
        &a.id,
        &["--connect", listening.address(), "--ceiling", "1024"],
    );
    let (code, said) = code_and_error(&refused);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("does not accept this node's key"), "{said}");
    listening.until_said(&stranger.id);
    let connecting = b.run(
        &a.id,
        &[
            "--connect",
            listening.address(),
            "--ceiling",
            "1024",
            "--json",
        ],
    );
    assert_eq!(found_in_json(&connecting.stdout), (0..5).collect());
    assert_eq!(listening.end().0, 0);
}

#[test]
fn a_node_other_than_the_one_named_is_not_spoken_to() {
    let (a, b, other) = (Machine::new(), Machine::new(), Machine::new());
    let listening = a.listen(&b.id, &["--ceiling", "1024", "--wait", "2"]);
    // B means to reach `other`, and the address is A's.
    let (code, said) = code_and_error(&b.run(
        &other.id,
        &["--connect", listening.address(), "--ceiling", "1024"],
    ));
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(&a.id), "the error names who is there: {said}");
    let (code, _, said) = listening.end();
    assert!(code == 5 || code == 3, "{said}");
}

#[test]
fn a_peer_that_does_not_speak_tls_is_told_apart_from_one_that_is_away() {
    let machine = Machine::new();
    let peer = Machine::new().id;
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("an address").to_string();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().expect("a connection");
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    });
    let (code, said) =
        code_and_error(&machine.run(&peer, &["--connect", &address, "--ceiling", "1024"]));
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("does not speak TLS"), "{said}");
    answering.join().expect("the server ends");

    let free = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address")
        .to_string();
    let (code, said) = code_and_error(&machine.run(
        &peer,
        &["--connect", &free, "--ceiling", "1024", "--wait", "1"],
    ));
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("cannot be reached"), "{said}");
}

#[test]
fn garbage_on_the_port_does_not_end_the_wait() {
    let (a, b) = (Machine::new(), Machine::new());
    a.lists(0..5, 0..5);
    b.lists(0..5, 0..5);
    let mut listening = a.listen(&b.id, &["--ceiling", "1024"]);
    // It says where it waits a moment before the port is open; a peer tries again, and so does this.
    let started = std::time::Instant::now();
    let mut garbage = loop {
        match TcpStream::connect(listening.address()) {
            Ok(stream) => break stream,
            Err(error) => {
                assert!(started.elapsed().as_secs() < 30, "{error}");
                std::thread::yield_now();
            }
        }
    };
    garbage.write_all(&[0x55; 4096]).expect("written");
    listening.until_said("Turned away");
    let connecting = b.run(
        &a.id,
        &[
            "--connect",
            listening.address(),
            "--ceiling",
            "1024",
            "--json",
        ],
    );
    assert_eq!(found_in_json(&connecting.stdout), (0..5).collect());
    assert_eq!(listening.end().0, 0);
}

#[test]
fn a_wait_for_nobody_ends_with_code_5() {
    let (a, b) = (Machine::new(), Machine::new());
    let (code, _, said) = a.listen(&b.id, &["--ceiling", "1024", "--wait", "1"]).end();
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("the peer did not come"), "{said}");
}

#[test]
fn a_peer_that_is_killed_half_way_leaves_the_other_with_code_5_and_no_results() {
    let (a, b) = (Machine::new(), Machine::new());
    a.lists(0..5, 0..5);
    b.lists(0..5, 0..5);
    let results = a.path("results.csv");
    let mut listening = a.listen(&b.id, &["--ceiling", "262144", "--output", text(&results)]);
    let mut connecting = b
        .command(
            &a.id,
            &["--connect", listening.address(), "--ceiling", "262144"],
        )
        .spawn()
        .expect("tacit runs");
    listening.until_said("The peer is there");
    connecting.kill().expect("killed");
    connecting.wait().expect("gone");
    let (code, stdout, said) = listening.end();
    assert_eq!(code, 5, "{said}");
    assert!(stdout.is_empty() && !results.exists());
}

#[test]
fn an_interrupted_side_says_so_and_so_does_the_other() {
    let (a, b) = (Machine::new(), Machine::new());
    let (listening, connecting) = meet(&a, &b);
    signal("TERM", &connecting.child);
    let (code, _, said) = connecting.end();
    assert_eq!(code, 130, "{said}");
    let (code, _, said) = listening.end();
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("stopped there"), "{said}");
}

/// The other side takes in nothing, so that a farewell would last.
#[test]
fn a_side_that_is_interrupted_twice_does_not_wait_for_the_other() {
    let (a, b) = (Machine::new(), Machine::new());
    let (mut listening, mut connecting) = meet(&a, &b);
    signal("STOP", &listening.child);
    while connecting.child.try_wait().expect("a child").is_none() {
        signal("TERM", &connecting.child);
    }
    listening.child.kill().expect("it is there");
    listening.child.wait().expect("an end");
    let (code, _, said) = connecting.end();
    assert_eq!(code, 130, "{said}");
    assert!(said.contains("stopped at once, without a word"), "{said}");
}

/// A list that nobody ever writes keeps the reading waiting, whatever the machine's speed.
#[test]
fn a_side_that_is_interrupted_while_it_reads_or_prepares_ends_on_the_spot() {
    let a = Machine::new();
    a.list("held.csv", format!("{HEADER}H-1,,,,\n"));
    std::fs::remove_file(a.path("requested.csv")).expect("it is there");
    let made = Command::new("mkfifo").arg(a.path("requested.csv")).status();
    assert!(made.expect("mkfifo runs").success());
    let b = Machine::new();
    let more = ["--connect", "127.0.0.1:1", "--skip-bad-rows"];
    let mut reading = Talking::start(&mut a.command(&b.id, &more));
    reading.until_said("line 2");
    signal("TERM", &reading.child);
    let (code, _, said) = reading.end();
    assert_eq!(code, 130, "{said}");
    assert!(said.contains("stopped before the peer was there"), "{said}");
}

/// Both sides of a session that is long enough to be stopped, once each knows that the other is there.
fn meet(a: &Machine, b: &Machine) -> (Talking, Talking) {
    let ceiling = ["--ceiling", "262144"];
    let mut listening = a.listen(&b.id, &ceiling);
    let more = [&["--connect", listening.address()], &ceiling[..]].concat();
    let mut connecting = Talking::start(&mut b.command(&a.id, &more));
    connecting.until_said("The peer is there");
    listening.until_said("The peer is there");
    (listening, connecting)
}

fn signal(name: &str, child: &Child) {
    let kill = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    assert!(kill.expect("kill runs").success());
}

#[test]
fn an_output_file_that_is_there_is_never_overwritten_without_force() {
    let (a, b) = (Machine::new(), Machine::new());
    a.lists(0..5, 0..5);
    b.lists(0..5, 0..5);
    a.list("results.csv", "precious");
    let results = a.path("results.csv");
    let (code, said) = code_and_error(&a.run(
        &b.id,
        &["--connect", "127.0.0.1:1", "--output", text(&results)],
    ));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--force"), "{said}");
    assert_eq!(
        std::fs::read_to_string(&results).expect("a file"),
        "precious"
    );

    let listening = a.listen(
        &b.id,
        &["--ceiling", "1024", "--output", text(&results), "--force"],
    );
    assert!(
        b.run(
            &a.id,
            &["--connect", listening.address(), "--ceiling", "1024"]
        )
        .status
        .success()
    );
    assert_eq!(listening.end().0, 0);
    assert_eq!(found_in_csv(&results), (0..5).collect());
}

#[test]
fn rows_with_errors_stop_the_match_with_line_column_and_reason_unless_they_are_skipped() {
    let (a, b) = (Machine::new(), Machine::new());
    b.lists(0..5, 0..5);
    a.list(
        "held.csv",
        people(0..5) + "x1,Петренко,Іван,Іванович,не пам'ятаю\n",
    );
    a.list("requested.csv", people(0..5));
    let (code, said) =
        code_and_error(&a.run(&b.id, &["--connect", "127.0.0.1:1", "--ceiling", "1024"]));
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("held.csv, line 7, column date_of_birth: the date cannot be read"),
        "{said}"
    );
    assert!(said.contains("--skip-bad-rows"), "{said}");
    assert!(!said.contains("Петренко"), "no cell is echoed: {said}");

    let listening = a.listen(&b.id, &["--ceiling", "1024", "--skip-bad-rows"]);
    let connecting = b.run(
        &a.id,
        &[
            "--connect",
            listening.address(),
            "--ceiling",
            "1024",
            "--json",
        ],
    );
    assert_eq!(found_in_json(&connecting.stdout), (0..5).collect());
    let (code, _, said) = listening.end();
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_list_file_that_is_no_list_is_refused_with_a_hint_and_code_2() {
    let (a, b) = (Machine::new(), Machine::new());
    let big = [
        HEADER.as_bytes(),
        b"1,",
        &vec![b'a'; 10 << 20],
        b",b,c,1990-01-02\n",
    ]
    .concat();
    let cases: [(&str, Option<&[u8]>, &str); 6] = [
        ("missing", None, "No such file"),
        ("empty", Some(b""), "the file is empty"),
        (
            "binary",
            Some(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0\x01\0\0\0"),
            "not a list",
        ),
        (
            "Latin-1",
            Some(
                b"record_id,family_name,given_name,date_of_birth\n1,M\xfcller,J\xf6rg,1990-01-02\n",
            ),
            "perhaps Latin-1",
        ),
        (
            "without a needed column",
            Some(b"record_id,given_name,date_of_birth\n1,Ivan,1990-01-02\n"),
            "no column for",
        ),
        (
            "10 MB in one field",
            Some(&big),
            "line 2, column 2: a field is longer than 64 KiB",
        ),
    ];
    for (what, content, expected) in cases {
        match content {
            Some(content) => a.list("held.csv", content),
            None => std::fs::remove_file(a.path("held.csv")).expect("removed"),
        }
        let (code, said) =
            code_and_error(&a.run(&b.id, &["--connect", "127.0.0.1:1", "--ceiling", "1024"]));
        assert_eq!(code, 2, "{what}: {said}");
        assert!(said.contains(expected), "{what}: {said}");
        assert!(said.contains("hint"), "{what}: {said}");
    }
}

#[test]
fn a_node_without_a_key_or_named_as_its_own_peer_is_told_what_to_do() {
    let a = Machine::new();
    let (code, said) = code_and_error(&a.run(&a.id, &["--connect", "127.0.0.1:1"]));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("own id"), "{said}");
    let b = Machine::new();
    std::fs::remove_dir_all(b.path("home")).expect("removed");
    let (code, said) = code_and_error(&b.run(&a.id, &["--connect", "127.0.0.1:1"]));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("tacit id"), "{said}");
}

#[test]
fn a_mistyped_peer_an_address_without_a_port_and_one_that_is_taken_are_bad_input() {
    let (a, b) = (Machine::new(), Machine::new());
    let mistyped =
        b.id.replace(&b.id[20..21], if &b.id[20..21] == "q" { "p" } else { "q" });
    assert_eq!(
        a.run(&mistyped, &["--connect", "127.0.0.1:1"])
            .status
            .code(),
        Some(2)
    );
    let (code, said) = code_and_error(&a.run(&b.id, &["--listen", "nowhere"]));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("host:port"), "{said}");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, said) = code_and_error(&a.run(&b.id, &["--listen", &address]));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("cannot listen"), "{said}");
}

#[test]
fn the_demo_shows_both_sides_answers_what_others_saw_and_a_session_that_the_mediator_settled() {
    let output = tacit(&["demo"]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(
        said.contains("Delegation A learns: of 14 people it asks about, Delegation B holds 9."),
        "{said}"
    );
    assert!(
        said.contains("Delegation B learns: of 13 people it asks about, Delegation A holds 7."),
        "{said}"
    );
    assert!(said.contains("What an eavesdropper saw"), "{said}");
    assert!(said.contains("What the relay saw"), "{said}");
    assert!(said.contains("has settled 1 session"), "{said}");
    // Once by release, and once more after one side was killed.
    for learnt in ["Delegation B holds 9.", "Delegation A holds 7."] {
        assert_eq!(said.matches(learnt).count(), 2, "{said}");
    }
    // Every kind of message has the same number and size in both sessions.
    let kinds = said
        .lines()
        .filter(|line| line.starts_with('│') && line.contains(" messages "))
        .collect::<Vec<_>>();
    assert_eq!(kinds.len(), 8, "{said}");
    for line in kinds {
        let cells: Vec<&str> = line
            .split("messages")
            .nth(1)
            .expect("cells")
            .split("bytes")
            .map(|cell| cell.trim_matches(|c: char| !c.is_alphanumeric()))
            .collect();
        assert_eq!(cells[0], cells[1], "{line}");
    }
}

#[test]
fn help_of_every_subcommand_has_an_example_and_the_version_prints() {
    let version = tacit(&["--version"]);
    assert_eq!(
        String::from_utf8_lossy(&version.stdout).trim(),
        format!("tacit {}", env!("CARGO_PKG_VERSION"))
    );
    let help = String::from_utf8(tacit(&["--help"]).stdout).expect("text");
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .collect();
    assert!(commands.len() >= 4, "{help}");
    for command in commands {
        let help = String::from_utf8(tacit(&[command, "--help"]).stdout).expect("text");
        assert!(
            help.contains("Example") || help.contains("Commands:"),
            "{command}: {help}"
        );
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            String::from_utf8_lossy(&tacit(&["completions", shell]).stdout).contains("tacit"),
            "{shell}"
        );
    }
}
