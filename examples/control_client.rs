//! A client of a running node: who is paired, how each pair stands, which sessions wait, what the log says.
//!
//! `cargo run --example control_client -- /path/to/home/control.sock`, as a user who is the node's officer.

use std::path::PathBuf;

use admin::AuditVerdict;
use client::{Client, Error, Newest};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let socket = std::env::args_os().nth(1).map(PathBuf::from);
    let Some(socket) = socket else {
        eprintln!("usage: control_client SOCKET");
        std::process::exit(2);
    };
    let node = Client::local(&socket).await?;

    let status = node.status().await?;
    println!("node {}", status.id);
    for peer in &status.peers {
        println!(
            "{}: {}; it may still ask {} keys",
            peer.name,
            peer.pair.activity.name(),
            peer.theirs.narrow.elements
        );
        if let Some((at, why)) = &peer.pair.trouble {
            println!("  last attempt {at}: {why}");
        }
    }

    for approval in node.approvals().await?.iter().filter(|one| !one.approved) {
        println!(
            "a session with {} waits: tacit approve {}",
            approval.peer_name, approval.number
        );
    }
    for session in node.sessions(Newest(5)).await? {
        println!(
            "session {} with {} of {}: {}",
            session.number,
            session.peer_name,
            session.started,
            session.stage.name()
        );
    }

    match node.verify_audit(None).await? {
        AuditVerdict::Holds { head } => println!("the audit log holds; keep this: {head}"),
        AuditVerdict::Broken { fault } => println!("the audit log does not hold: {fault}"),
    }
    Ok(())
}
