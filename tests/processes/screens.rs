//! What people see, kept as files in `screens/`: help, tables, status. A change of one is reviewed by eye, with
//! `cargo insta review` or by the difference of the file. Whatever differs from run to run is replaced by dots.

use std::path::Path;
use std::process::{Command, Output};

use admin::Policy;
use admin::policy::Approval;
use insta::assert_snapshot;
use jiff::Timestamp;

use crate::machines::{Machine, Running};
use crate::service::Node;

/// Columns of the terminal that these screens are of.
const WIDTH: &str = "100";

/// Sets where and how screens are kept; until the guard is dropped.
fn settings() -> insta::internals::SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("screens");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind_to_scope()
}

fn tacit(args: &[&str]) -> Output {
    on_a_terminal(Command::new(env!("CARGO_BIN_EXE_tacit")).args(args))
        .output()
        .unwrap()
}

/// As on a terminal of a fixed width, at Greenwich, in the folder of the samples.
fn on_a_terminal(command: &mut Command) -> &mut Command {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    command
        .env("COLUMNS", WIDTH)
        .env("TZ", "UTC")
        .current_dir(samples)
}

/// What was printed, with the exit code.
fn screen(output: &Output) -> String {
    let text = |bytes: &[u8]| hide(std::str::from_utf8(bytes).unwrap());
    let mut screen = text(&output.stdout);
    if !output.stderr.is_empty() {
        screen.push_str(&format!("--- standard error\n{}", text(&output.stderr)));
    }
    screen.push_str(&format!(
        "--- exit code {}\n",
        output.status.code().unwrap()
    ));
    screen
}

/// Dots for ids and times, as many as they have letters, so that tables keep their shape.
fn hide(text: &str) -> String {
    let mut hidden = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = id(rest).or_else(|| time(rest)).unwrap_or(0);
        hidden.push_str(&"·".repeat(length));
        match length {
            0 => {
                hidden.push(first);
                rest = &rest[first.len_utf8()..];
            }
            length => rest = &rest[length..],
        }
    }
    hidden
}

/// How long the node's id is that `text` begins with.
fn id(text: &str) -> Option<usize> {
    let length = text
        .find(|letter: char| !letter.is_ascii_alphanumeric())
        .unwrap_or(text.len());
    (text.starts_with("tacit1") && length > 60).then_some(length)
}

/// How long the time is that `text` begins with, as in `2026-02-28 12:34:56`.
fn time(text: &str) -> Option<usize> {
    const SHAPE: &str = "0000-00-00 00:00:00";
    let start = text.get(..SHAPE.len())?;
    let alike = |(letter, shape): (char, char)| {
        if shape == '0' {
            letter.is_ascii_digit()
        } else {
            letter == shape
        }
    };
    start
        .chars()
        .zip(SHAPE.chars())
        .all(alike)
        .then_some(SHAPE.len())
}

/// The subcommands that a help names.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let named = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    named
        .filter(|name| !name.is_empty() && *name != "help")
        .map(str::to_owned)
        .collect()
}

/// Screens of the help of `command` and of all that it has below it; how many.
fn help(command: &[String]) -> usize {
    let mut args: Vec<&str> = command.iter().map(String::as_str).collect();
    args.push("--help");
    let shown = tacit(&args);
    assert!(shown.status.success(), "{args:?}");
    let text = String::from_utf8(shown.stdout).unwrap();
    let name = [&["help".to_owned()], command].concat().join("-");
    assert_snapshot!(name, text);
    let below = subcommands(&text)
        .into_iter()
        .map(|next| help(&[command, &[next]].concat()));
    1 + below.sum::<usize>()
}

#[test]
fn help_of_every_subcommand_is_as_reviewed() {
    let _settings = settings();
    let screens = help(&[]);
    assert!(
        screens > 35,
        "every subcommand has a help of its own: {screens}"
    );
}

#[test]
fn the_table_of_a_checked_list_is_as_reviewed() {
    let _settings = settings();
    assert_snapshot!("check", screen(&tacit(&["check", "held-b.csv"])));
    assert_snapshot!(
        "check-of-what-is-no-list",
        screen(&tacit(&["check", "/dev/null"]))
    );
}

#[test]
fn how_two_people_are_explained_is_as_reviewed() {
    let _settings = settings();
    let explained = tacit(&["explain", "requested-b.csv:2", "held-a.csv:2"]);
    assert_snapshot!("explain", screen(&explained));
}

/// The samples of the demonstration, matched by two processes.
#[test]
fn answers_of_a_match_are_as_reviewed() {
    let _settings = settings();
    let [a, b] = Machine::pair();
    let matching =
        |machine: &Machine, peer: &Machine, held: &str, requested: &str, place: [&str; 2]| {
            let mut command = machine.tacit(&["match", "--ceiling", "1024", "--peer", &peer.id]);
            on_a_terminal(&mut command);
            command
                .args(["--held", held, "--requested", requested])
                .args(place);
            command
        };
    let listening = ["--listen", "127.0.0.1:0"];
    let mut waiting = Running::start(matching(&a, &b, "held-a.csv", "requested-a.csv", listening));
    let said = waiting.until_said("Waiting at ");
    let address = said
        .strip_prefix("Waiting at ")
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let connecting = ["--connect", address];
    let mut calling = matching(&b, &a, "held-b.csv", "requested-b.csv", connecting);
    let output = calling.output().unwrap();
    assert_snapshot!("match", screen(&output).replace(address, "ADDRESS"));
    assert_eq!(waiting.end().0, Some(0));
}

#[test]
fn the_status_of_a_node_and_its_sessions_are_as_reviewed() {
    let _settings = settings();
    let node = Node::start();
    let shown = |args: &[&str]| screen(&on_a_terminal(&mut node.command(args)).output().unwrap());
    assert_snapshot!("status-without-peers", shown(&["status"]));

    node.add_peer(1, Policy::default());
    let by_hand = Policy {
        approval: Approval::ByHand,
        ..Policy::default()
    };
    let second = node.add_peer(2, by_hand);
    node.answer(second, &[]);
    node.store().ask_approval(second, Timestamp::now()).unwrap();
    assert_snapshot!("status", shown(&["status"]));
    assert_snapshot!("sessions", shown(&["sessions"]));
}
