//! What a machine's monitoring, and whoever else is on that machine, can read of a node.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use pairing::NodeKey;
use store::Store;
use store::audit::Event;
use store::key_file::{self, StoredKey};
use store::passphrase::Passphrase;

use super::free_address;
use crate::running::{Node, import};

fn get(mut stream: impl Read + Write, path: &str) -> String {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Without its head, which has the time in it.
fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn health_and_metrics_name_nobody_and_tell_sizes_on_a_socket_of_ones_own_alone() {
    let mut node = Node::new("");
    let (metrics, socket) = (free_address(), node.path("metrics.sock"));
    let to_socket = format!("metrics_socket = \"{}\"\n", socket.display());
    node.configure(&format!("metrics = \"{metrics}\"\n{to_socket}"));
    node.start();
    let peer = NodeKey::from_seed(&[7; 32]).id().to_string();
    node.ok(&[
        "peer",
        "add",
        "Kryvyi-Rih",
        &peer,
        "--schedule",
        "none",
        "--on-demand",
    ]);
    let everybody = |path: &str| get(TcpStream::connect(metrics).unwrap(), path);
    let own = |path: &str| get(UnixStream::connect(&socket).unwrap(), path);
    assert!(everybody("/health").starts_with("HTTP/1.1 200"));
    assert!(own("/health").starts_with("HTTP/1.1 200"));
    assert!(everybody("/elsewhere").starts_with("HTTP/1.1 404"));

    let mut seen = Vec::new();
    for people in [5, 500] {
        import(&node, 0..people, 0..people);
        let sizes = own("/metrics");
        for list in ["held", "requested"] {
            let line = format!("tacit_node_list_people{{list=\"{list}\"}} {people}\n");
            assert!(sizes.contains(&line), "{sizes}");
        }
        assert!(sizes.contains("budget_left_elements{peer=\"1\""), "{sizes}");
        let text = everybody("/metrics");
        assert!(text.contains("tacit_node_peers 1"), "{text}");
        for text in [&sizes, &text] {
            assert!(!text.contains("Kryvyi") && !text.contains(&peer), "{text}");
        }
        seen.push(body(&text).to_owned());
    }
    assert_eq!(seen[0], seen[1], "the same whatever is on the lists");
    for word in ["people", "elements"] {
        assert!(!seen[0].contains(word), "{}", seen[0]);
    }

    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&socket), 0o600);
    if rustix::process::getuid().is_root() {
        // The folder is open to all, so that the socket's own mode is what keeps others out.
        std::fs::set_permissions(socket.parent().unwrap(), PermissionsExt::from_mode(0o755))
            .unwrap();
        let connect = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])";
        let connected = |user| {
            let mut python = Command::new("python3");
            python.args(["-c", connect]).arg(&socket).uid(user);
            python.output().unwrap()
        };
        let refused = connected(65534);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("PermissionError"), "{said}");
        assert!(connected(0).status.success());
    }
    node.stop();
    assert!(!socket.exists());
}

#[test]
fn a_clock_that_was_set_back_is_said_in_the_log_in_the_status_and_by_health() {
    let mut node = Node::new("");
    let metrics = free_address();
    node.configure(&format!("metrics = \"{metrics}\"\n"));
    node.start();
    let health = || get(TcpStream::connect(metrics).unwrap(), "/health");
    assert!(health().starts_with("HTTP/1.1 200"));
    let quiet = node.stop().join("\n");
    assert!(!quiet.contains("audit log"), "{quiet}");
    {
        let passphrase = Passphrase::new("correct horse battery staple").unwrap();
        let Some(StoredKey::Sealed(key)) = key_file::load(&node.home()).unwrap() else {
            panic!("not sealed");
        };
        let key = Arc::new(key.unseal(&passphrase).unwrap());
        let ahead = Timestamp::now()
            .checked_add(SignedDuration::from_hours(72))
            .unwrap();
        let store = Store::open(&node.home(), key, &passphrase, ahead).unwrap();
        store.record(&Event::NodeStarted, ahead).unwrap();
    }
    node.start();
    let answer = health();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(body(&answer).starts_with("the clock is behind"), "{answer}");
    let status = node.ok(&["status"]);
    assert!(status.contains("clock is wrong"), "{status}");
    assert!(node.json(&["status"])["log_ahead"].is_string());
    let said = node.stop().join("\n");
    assert!(said.contains("the audit log goes on to"), "{said}");
}
