//! A relay under a flood of strangers: how many of ten honest calls get an answer.
//!
//! `cargo bench --bench flood [-- KIND]`, by default all kinds. One `tacit relay run`; 1,200 connections a
//! second without a key, bare or with a whole ClientHello, from one address, from four networks, and from
//! the honest caller's own /24; meanwhile ten times a node asks the mediator for its time, over a line
//! with a round trip of 160 ms, each time from an address that the relay does not know, and once from one
//! that it does. Fails below nine of ten; where chance decides, below seven. With `TACIT=PROGRAM` another build is flooded. Bounded: no kind lasts longer than a
//! minute, or has more than 12,000 strangers at once.

#[path = "../tests/support/strangers.rs"]
mod strangers;

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use pairing::{NodeId, NodeKey};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use strangers::{Line, client_hello, come};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use transport::{Limits, PinnedTls, RelayConnection};

const STRANGERS_A_SECOND: u32 = 1_200;
const STRANGERS_AT_ONCE_MAX: usize = 12_000;
const ROUND_TRIP: Duration = Duration::from_millis(160);
/// Longer than a stranger may stay: rooms are as full as they become.
const BEFORE_THE_FIRST: Duration = Duration::from_secs(6);
const KIND_MAX: Duration = Duration::from_secs(60);
const CALLS: u32 = 10;
const ANSWERED_MIN: u32 = 9;
/// Each is still there with a probability of 0.9 or a little less: fewer happen once in fifty times.
const ANSWERED_BY_CHANCE_MIN: u32 = 7;
const NODE: [u8; 32] = [1; 32];
/// Between strangers who come together.
const TICK: Duration = Duration::from_millis(10);

/// One kind of flood.
struct Kind {
    name: &'static str,
    /// Whence strangers come, by their number.
    strangers: fn(u32) -> [u8; 4],
    /// Whence the node comes, by the number of its call.
    node: fn(u8) -> [u8; 4],
    answered_min: u32,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "from one address",
        strangers: |_| [127, 1, 0, 1],
        node: |call| [127, 9, 0, 1 + call],
        answered_min: ANSWERED_MIN,
    },
    Kind {
        name: "from four networks",
        strangers: |n| [127, 1 + (n % 4) as u8, 0, 1],
        node: |call| [127, 9, 0, 1 + call],
        answered_min: ANSWERED_MIN,
    },
    Kind {
        name: "from the node's network",
        strangers: |_| [127, 9, 0, 250],
        node: |call| [127, 9, 0, 1 + call],
        answered_min: ANSWERED_BY_CHANCE_MIN,
    },
    Kind {
        name: "the same, to a node that is known",
        strangers: |_| [127, 9, 0, 250],
        node: |_| [127, 9, 0, 1],
        answered_min: ANSWERED_MIN,
    },
];

fn main() {
    let only = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("its own limit");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let hello = runtime.block_on(client_hello());
    println!(
        "{STRANGERS_A_SECOND} strangers a second, round trip {} ms, at most {:?} descriptors",
        ROUND_TRIP.as_millis(),
        limit.maximum
    );
    let mut all_well = true;
    for (what, says) in [("bare", Vec::new()), ("ClientHello", hello)] {
        for kind in &KINDS {
            let name = format!("{what}, {}", kind.name);
            if only.as_ref().is_some_and(|only| !name.contains(only)) {
                continue;
            }
            let relay = Hosted::start();
            let flooded = timeout_all(&runtime, flood_and_ask(&relay, kind, says.clone()));
            let Some((answered, came, seconds)) = flooded else {
                println!("{name:47} not over in time");
                all_well = false;
                continue;
            };
            println!(
                "{name:47} {answered} of {CALLS} answered; {came} strangers in {seconds:.1} s; the relay's peak {} KiB",
                relay.peak_kib()
            );
            all_well &= answered >= kind.answered_min;
        }
    }
    if !all_well {
        println!("too few");
        std::process::exit(1);
    }
}

fn timeout_all<T>(runtime: &tokio::runtime::Runtime, work: impl Future<Output = T>) -> Option<T> {
    runtime.block_on(async { timeout(KIND_MAX, work).await.ok() })
}

/// Floods a relay, and asks it meanwhile: how many calls were answered, how many strangers came, in how
/// many seconds.
async fn flood_and_ask(relay: &Hosted, kind: &Kind, says: Vec<u8>) -> (u32, usize, f64) {
    let came = Arc::new(AtomicUsize::new(0));
    let (node, calls) = (kind.node, AtomicU8::new(0));
    let next = move || IpAddr::from(node(calls.fetch_add(1, Relaxed)));
    let line = Line::delayed(next, relay.address, ROUND_TRIP / 2).await;
    let tls = PinnedTls::new(&NODE, *relay.id.as_bytes()).expect("a key");
    let (address, limits) = (line.address.to_string(), Limits::default());
    let ask = async || match RelayConnection::connect(&address, &tls, &limits).await {
        Ok(mut link) => link.time().await.is_ok(),
        Err(_) => false,
    };
    assert!(ask().await, "a call before the flood");
    let start = Instant::now();
    let flooding = tokio::spawn(flood(relay.address, kind.strangers, says, came.clone()));
    sleep(BEFORE_THE_FIRST).await;
    let mut answered = 0;
    for _ in 0..CALLS {
        answered += u32::from(ask().await);
    }
    let seconds = start.elapsed().as_secs_f64();
    flooding.abort();
    (answered, came.load(Relaxed), seconds)
}

/// Has strangers come for ever, each of whom stays until it is sent away.
async fn flood(to: SocketAddr, whence: fn(u32) -> [u8; 4], says: Vec<u8>, came: Arc<AtomicUsize>) {
    let (places, says) = (
        Arc::new(Semaphore::new(STRANGERS_AT_ONCE_MAX)),
        Arc::new(says),
    );
    let mut strangers = tokio::task::JoinSet::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let each = STRANGERS_A_SECOND * TICK.as_millis() as u32 / 1_000;
    for n in 0.. {
        if n % each == 0 {
            ticks.tick().await;
            while strangers.try_join_next().is_some() {}
        }
        let Ok(place) = places.clone().try_acquire_owned() else {
            continue;
        };
        let (came, says) = (came.clone(), says.clone());
        let from = IpAddr::from(Ipv4Addr::from(whence(n)));
        strangers.spawn(async move {
            let _place = place;
            let Ok(mut stranger) = come(from, to).await else {
                return;
            };
            came.fetch_add(1, Relaxed);
            let _ = stranger.write_all(&says).await;
            let mut bytes = [0; 2048];
            while stranger.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
        });
    }
}

/// A relay in a process of its own, with a home that goes with it.
struct Hosted {
    process: Child,
    address: SocketAddr,
    id: NodeId,
    _home: tempfile::TempDir,
}

impl Hosted {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path();
        let id = run(home, &["id", "--no-passphrase", "--json"]);
        let id: serde_json::Value = serde_json::from_str(&id).expect("JSON");
        let id = id["id"].as_str().and_then(|id| id.parse().ok());
        let node = NodeKey::from_seed(&NODE).id().to_string();
        run(home, &["relay", "enrol", &node]);
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = port.local_addr().expect("an address");
        drop(port);
        let mut process = tacit(home, &["relay", "run", "--listen", &address.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .expect("a relay");
        let mut said = BufReader::new(process.stderr.take().expect("piped"));
        let mut line = String::new();
        while !line.contains("hosts a relay") {
            line.clear();
            let read = said.read_line(&mut line).expect("text");
            assert_ne!(read, 0, "the relay ended");
        }
        // Its log is read on, or it would stop when the pipe is full.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self {
            process,
            address,
            id: id.expect("an id"),
            _home: folder,
        }
    }

    fn peak_kib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.split_whitespace().next());
        peak.and_then(|kib| kib.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn tacit(home: &Path, args: &[&str]) -> Command {
    let built = || env!("CARGO_BIN_EXE_tacit").into();
    let mut command = Command::new(std::env::var_os("TACIT").unwrap_or_else(built));
    command
        .args(args)
        .arg("--home")
        .arg(home)
        .stdin(Stdio::null());
    command
}

fn run(home: &Path, args: &[&str]) -> String {
    let output = tacit(home, args).output().expect("tacit");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}
