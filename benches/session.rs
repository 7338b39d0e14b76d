//! A whole two-way session over loopback, TCP, TLS and gRPC included, against the floor of its suite.
//!
//! `cargo bench --bench session [-- ELEMENTS…]`, by default 10,000 and 100,000 elements a list. The
//! floor is what the group operations alone cost, timed on one core in the same run; the session's
//! cost is the CPU time of the whole process, both sides, from preparing tables to answers. Median
//! of five, as a ratio; with it how many cores were at work, and the peak memory of both sides
//! together in this process.

#[path = "support/sides.rs"]
mod sides;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoBasepointTable, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use oprf::{HASH_TO_GROUP, finalize, hash_to_group, random_scalar};
use pairing::NodeKey;
use protocol::Role;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use rustix::time::{ClockId, clock_gettime};
use sides::{exchange, side, terms};
use transport::{Direction, Limits, Listener, PinnedTls, connect};

const RUNS: usize = 5;

fn main() {
    let sizes: Vec<u32> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let sizes = if sizes.is_empty() {
        vec![10_000, 100_000]
    } else {
        sizes
    };
    println!(
        "cores: {}",
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    for elements in sizes {
        let mut runs: Vec<Run> = (0..RUNS).map(|_| run(elements)).collect();
        runs.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
        let run = &runs[RUNS / 2];
        println!("{elements} elements a list, two ways:");
        println!(
            "  floor        {:8.3} s CPU ({:.1} µs an element)",
            run.floor.as_secs_f64(),
            run.floor.as_secs_f64() * 5e5 / f64::from(elements)
        );
        println!(
            "  session      {:8.3} s CPU, {:.3} s on the clock",
            run.cpu.as_secs_f64(),
            run.wall.as_secs_f64()
        );
        println!(
            "  ratio        {:8.3} (median of {RUNS}; {:.3} to {:.3})",
            run.ratio(),
            runs[0].ratio(),
            runs[RUNS - 1].ratio()
        );
        println!(
            "  cores busy   {:8.2} preparing, {:.2} exchanging",
            run.prepare_cores, run.exchange_cores
        );
        println!("  wire         {:8} bytes from each side", run.bytes);
        println!("  peak memory  {:8} KiB, both sides", peak_kib());
    }
}

struct Run {
    floor: Duration,
    cpu: Duration,
    wall: Duration,
    prepare_cores: f64,
    exchange_cores: f64,
    bytes: u64,
}

impl Run {
    fn ratio(&self) -> f64 {
        self.cpu.as_secs_f64() / self.floor.as_secs_f64()
    }
}

fn run(elements: u32) -> Run {
    let floor = floor_per_element() * elements * 2;
    let terms = terms(elements);
    let keys = [Role::Initiator, Role::Responder]
        .map(|role| Arc::new(NodeKey::from_seed(&[role.byte(); 32])));
    let [initiator, responder] = [keys[0].clone(), keys[1].clone()];

    let (cpu_start, wall_start) = (cpu(), Instant::now());
    // The lists overlap by a half: identities 0..n against n/2..3n/2.
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
    let (cpu_prepared, wall_prepared) = (cpu(), wall_start.elapsed());

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let bytes = runtime.block_on(async {
        let limits = Limits::default();
        let tls_a = PinnedTls::new(&[1; 32], *responder.id().as_bytes()).expect("a key");
        let tls_b = PinnedTls::new(&[2; 32], *initiator.id().as_bytes()).expect("a key");
        let listener = Listener::bind("127.0.0.1:0").await.expect("an address");
        let address = listener.address().to_string();
        let responding = tokio::spawn(async move {
            let channel = listener
                .accept(&tls_b, &Limits::default(), |_, _| ())
                .await
                .expect("the peer");
            exchange(second, channel).await
        });
        let channel = connect(&address, &tls_a, &limits).await.expect("the peer");
        let traffic = channel.traffic();
        let initiating = tokio::spawn(exchange(first, channel));
        let a = initiating.await.expect("a side");
        let b = responding.await.expect("a side");
        assert_eq!(a.matches.narrow.len(), half as usize);
        assert_eq!(b.matches.narrow.len(), (elements - half) as usize);
        traffic.bytes(Direction::Sent)
    });
    let (cpu_end, wall) = (cpu(), wall_start.elapsed());
    let cores = |cpu: Duration, wall: Duration| cpu.as_secs_f64() / wall.as_secs_f64();
    Run {
        floor,
        cpu: cpu_end - cpu_start,
        wall,
        prepare_cores: cores(cpu_prepared - cpu_start, wall_prepared),
        exchange_cores: cores(cpu_end - cpu_prepared, wall - wall_prepared),
        bytes,
    }
}

/// What the group operations of one element cost on one core: it is prepared, asked, answered with
/// its share of the proof, and verified with its share of the proof and unblinded.
fn floor_per_element() -> Duration {
    const COUNT: usize = 1024;
    let rng = &mut UnwrapErr(SysRng);
    let scalars: Vec<Scalar> = (0..COUNT).map(|_| random_scalar(rng)).collect();
    let points: Vec<RistrettoPoint> = scalars.iter().map(RistrettoPoint::mul_base).collect();
    let encoded: Vec<CompressedRistretto> = points.iter().map(RistrettoPoint::compress).collect();
    let table = RistrettoBasepointTable::create(&points[0]);
    let coefficients: Vec<Scalar> = scalars
        .iter()
        .map(|s| {
            Scalar::from(u128::from_le_bytes(
                s.as_bytes()[..16].try_into().expect("16"),
            ))
        })
        .collect();

    let hash = timed(COUNT, || {
        for s in &scalars {
            black_box(hash_to_group(s.as_bytes(), &HASH_TO_GROUP));
        }
    });
    let variable = timed(COUNT, || {
        for (s, p) in scalars.iter().zip(&points) {
            black_box(s * p);
        }
    });
    let base = timed(COUNT, || {
        for s in &scalars {
            black_box(RistrettoPoint::mul_base(s));
        }
    });
    let fixed = timed(COUNT, || {
        for s in &scalars {
            black_box(s * &table);
        }
    });
    let decode = timed(COUNT, || {
        for e in &encoded {
            black_box(e.decompress());
        }
    });
    let encode = timed(COUNT, || {
        for points in points.chunks(256) {
            black_box(RistrettoPoint::double_and_compress_batch(points));
        }
    });
    let sum = timed(COUNT, || {
        black_box(RistrettoPoint::vartime_multiscalar_mul(
            &coefficients,
            &points,
        ));
    });
    let finish = timed(COUNT, || {
        for e in &encoded {
            black_box(finalize(e.as_bytes(), e.as_bytes()));
        }
    });
    let prepare = hash + variable + encode + finish;
    let ask = hash + base + encode;
    let answer = decode + variable + encode + sum;
    let verify = decode + fixed + encode + 2 * sum + finish;
    prepare + ask + answer + verify
}

/// CPU time of one of `count` operations: the median of eleven rounds.
fn timed(count: usize, mut operation: impl FnMut()) -> Duration {
    operation();
    let mut rounds: Vec<Duration> = (0..11)
        .map(|_| {
            let start = cpu();
            operation();
            cpu() - start
        })
        .collect();
    rounds.sort();
    rounds[5] / count as u32
}

/// CPU time of this process so far.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap_or("");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0)
}
