//! A relay process under load, and what going through it costs.
//!
//! `cargo bench --bench relay [-- ELEMENTS]`, by default 100,000 elements a list. First 20 pairs at
//! once pass through one `tacit relay run` as many bytes, both ways, as such a session has; they are
//! dummy bytes, so that the relay and not the pairs' cryptography is the load. Said is the relay's peak
//! memory (VmHWM). Then the same whole session, with its cryptography, five times directly and
//! through the relay in turn: the time from the open channel to both sides' answers, median, as a ratio.

#[path = "support/sides.rs"]
mod sides;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pairing::{NodeId, NodeKey};
use protocol::Role;
use sides::{exchange, side, terms};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport::{
    Limits, Listener, PinnedTls, Tunnel, call_over, connect, dial_through, listen_through,
    serve_over,
};

const PAIRS: u8 = 20;
const RUNS: usize = 5;
/// The relay's memory with all pairs at once.
const PEAK_KIB_MAX: u64 = 64 << 10;
/// Throughput through the relay as a part of the direct one.
const RATIO_MIN: f64 = 0.70;

fn main() {
    let elements = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    let elements: u32 = elements.unwrap_or(100_000);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let relay = Hosted::start();
    println!(
        "cores: {}",
        std::thread::available_parallelism().map_or(1, usize::from)
    );

    let idle = relay.peak_kib();
    // Blinded and evaluated elements and tags of both legs: 80 bytes an element, and 1 %.
    let bytes = u64::from(elements) * 80 * 101 / 100;
    let start = Instant::now();
    runtime.block_on(relay.load(bytes));
    let took = start.elapsed().as_secs_f64();
    let passed = (u64::from(PAIRS) * 2 * bytes) as f64 / 1e6;
    let peak = relay.peak_kib();
    println!("{PAIRS} pairs at once, {elements} elements a list:");
    println!(
        "  passed on     {passed:8.1} MB in {took:.2} s, {:.1} MB/s",
        passed / took
    );
    println!("  relay's peak  {peak:8} KiB (idle {idle} KiB; at most {PEAK_KIB_MAX})");

    let mut ratios = Vec::new();
    for _ in 0..RUNS {
        let direct = runtime.block_on(session(elements, None));
        let through = runtime.block_on(session(elements, Some(&relay)));
        ratios.push((
            direct.as_secs_f64() / through.as_secs_f64(),
            direct,
            through,
        ));
    }
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, direct, through) = ratios[RUNS / 2];
    println!(
        "a whole session, {elements} elements a list, from the channel to both sides' answers:"
    );
    println!("  direct        {:8.3} s", direct.as_secs_f64());
    println!("  through       {:8.3} s", through.as_secs_f64());
    println!(
        "  throughput    {ratio:8.3} of the direct one (median of {RUNS}; {:.3} to {:.3}; at least {RATIO_MIN})",
        ratios[0].0,
        ratios[RUNS - 1].0
    );
    assert!(peak < PEAK_KIB_MAX, "the relay takes too much memory");
    assert!(
        ratio >= RATIO_MIN,
        "the relay takes too much of the throughput"
    );
}

/// A relay in a process of its own, with a home that goes with it.
struct Hosted {
    process: Child,
    address: String,
    id: NodeId,
    _home: tempfile::TempDir,
}

fn key(seed: u8) -> NodeKey {
    NodeKey::from_seed(&[seed; 32])
}

impl Hosted {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path();
        let id = run(home, &["id", "--no-passphrase", "--json"]);
        let id: serde_json::Value = serde_json::from_str(&id).expect("JSON");
        let id = id["id"]
            .as_str()
            .and_then(|id| id.parse().ok())
            .expect("an id");
        let nodes: Vec<String> = (1..=2 * PAIRS)
            .map(|seed| key(seed).id().to_string())
            .collect();
        let enrol: Vec<&str> = ["relay", "enrol"]
            .into_iter()
            .chain(nodes.iter().map(String::as_str))
            .collect();
        run(home, &enrol);
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = port.local_addr().expect("an address").to_string();
        drop(port);
        let mut process = tacit(home, &["relay", "run", "--listen", &address])
            .stderr(Stdio::piped())
            .spawn()
            .expect("a relay");
        let mut said = BufReader::new(process.stderr.take().expect("piped"));
        let mut line = String::new();
        while !line.contains("hosts a relay") {
            line.clear();
            assert_ne!(
                said.read_line(&mut line).expect("text"),
                0,
                "the relay ended"
            );
        }
        // Its log is read on, or it would stop when the pipe is full.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self {
            process,
            address,
            id,
            _home: folder,
        }
    }

    /// Both ends of a tunnel between two nodes.
    async fn tunnel(&self, one: u8, two: u8) -> (Tunnel, Tunnel) {
        let tls = |own| PinnedTls::new(&[own; 32], *self.id.as_bytes()).expect("a key");
        let (dials, listens) = (tls(one), tls(two));
        let (to, from) = (key(two).id(), key(one).id());
        let limits = Limits::default();
        let (dialled, listened) = tokio::join!(
            dial_through(&self.address, &dials, &to, &limits),
            listen_through(&self.address, &listens, &from, &limits),
        );
        (dialled.expect("joined"), listened.expect("joined"))
    }

    /// Every pair passes so many bytes in each direction, all at once.
    async fn load(&self, bytes: u64) {
        let mut tunnels = Vec::new();
        for pair in 0..PAIRS {
            let (one, two) = self.tunnel(2 * pair + 1, 2 * pair + 2).await;
            tunnels.extend([one, two]);
        }
        let ends: Vec<_> = tunnels
            .into_iter()
            .map(|tunnel| {
                tokio::spawn(async move {
                    let (mut reader, mut writer) = tokio::io::split(tunnel);
                    let writing = async {
                        let chunk = vec![7; 64 << 10];
                        let mut left = bytes;
                        while left > 0 {
                            let length = left.min(chunk.len() as u64);
                            writer
                                .write_all(&chunk[..length as usize])
                                .await
                                .expect("room");
                            left -= length;
                        }
                        writer.shutdown().await.expect("an end");
                    };
                    let reading = async {
                        let mut buffer = vec![0; 64 << 10];
                        let mut read = 0;
                        loop {
                            match reader.read(&mut buffer).await.expect("bytes") {
                                0 => return read,
                                n => read += n as u64,
                            }
                        }
                    };
                    let ((), read) = tokio::join!(writing, reading);
                    assert_eq!(read, bytes);
                })
            })
            .collect();
        for end in ends {
            end.await.expect("an end of a tunnel");
        }
    }

    fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("the relay runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .expect("a peak")
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// From the open channel to both sides' answers; tables are prepared before.
async fn session(elements: u32, relay: Option<&Hosted>) -> Duration {
    let terms = terms(elements);
    let (initiator, responder) = (Arc::new(key(1)), Arc::new(key(2)));
    let half = elements / 2;
    let first = side(Role::Initiator, &terms, &initiator, &responder, 0, elements);
    let second = side(
        Role::Responder,
        &terms,
        &responder,
        &initiator,
        half,
        elements,
    );
    let limits = Limits::default();
    let tls_a = PinnedTls::new(&[1; 32], *responder.id().as_bytes()).expect("a key");
    let tls_b = PinnedTls::new(&[2; 32], *initiator.id().as_bytes()).expect("a key");
    let (a, b) = match relay {
        Some(relay) => {
            let (one, two) = relay.tunnel(1, 2).await;
            tokio::join!(
                call_over(one, &tls_a, &limits),
                serve_over(two, &tls_b, &limits)
            )
        }
        None => {
            let listener = Listener::bind("127.0.0.1:0").await.expect("an address");
            let address = listener.address().to_string();
            tokio::join!(
                connect(&address, &tls_a, &limits),
                listener.accept(&tls_b, &limits, |_, _| ()),
            )
        }
    };
    let (a, b) = (a.expect("the peer"), b.expect("the peer"));
    let start = Instant::now();
    let (a, b) = (
        tokio::spawn(exchange(first, a)),
        tokio::spawn(exchange(second, b)),
    );
    let (a, b) = (a.await.expect("a side"), b.await.expect("a side"));
    let took = start.elapsed();
    assert_eq!(a.matches.narrow.len(), half as usize);
    assert_eq!(b.matches.narrow.len(), (elements - half) as usize);
    took
}

fn tacit(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
    command
        .args(args)
        .arg("--home")
        .arg(home)
        .stdin(Stdio::null());
    command
}

fn run(home: &Path, args: &[&str]) -> String {
    let output = tacit(home, args)
        .stderr(Stdio::null())
        .output()
        .expect("tacit runs");
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).expect("text")
}
