//! Whether a peer can tell from the time a session takes how long the other side's lists are.
//!
//! `cargo bench --bench timing [-- SESSIONS]`, by default 400 with a node whose lists are empty and as many with one
//! that has 1,000 people on each. Said is, for each of three times as the peer sees them, the mean for either node
//! and Welch's t; a t of 4.5 or more, in size, fails (as in "Test vector leakage assessment", Goodwill, Jun, Jaffe,
//! Rohatgi, NIST 2011). The times: from the Offer to the Answer, from there to the Commitment, and from the end
//! of a session to the next Answer of a peer that asks again and again.

#[allow(dead_code, reason = "the test that shares it uses the rest")]
#[path = "../tests/support/called.rs"]
mod called;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use called::Called;
use protocol::{Message, Session, Step};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use transport::Channel;

const PEOPLE: u32 = 1000;
const CEILING: u32 = 1024;
/// Short, so that many sessions run. What is left in the gap of a tick's random part is noise.
const TICK: Duration = Duration::from_millis(50);
/// Sessions with one node before the other's turn: the gap is between two of the same.
const BLOCK: usize = 10;
const ASK_AGAIN: Duration = Duration::from_millis(2);
const T_MAX: f64 = 4.5;

const TIMES: [&str; 3] = ["to the Answer", "to the Commitment", "between sessions"];

type Times = [Vec<f64>; 3];

fn main() -> ExitCode {
    let sessions = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    let sessions: usize = sessions.unwrap_or(400);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (empty, full) = runtime.block_on(measure(sessions));
    let mut told = false;
    for (what, (empty, full)) in TIMES.iter().zip(empty.iter().zip(&full)) {
        let t = welch(empty, full);
        println!(
            "{what:18} {:8.3} ms for nobody ({} times), {:8.3} ms for {PEOPLE} people ({}), t = {t:.2}",
            1e3 * mean(empty),
            empty.len(),
            1e3 * mean(full),
            full.len(),
        );
        // Not a number: there was nothing to tell by.
        told |= !t.is_finite() || t.abs() >= T_MAX;
    }
    if told {
        println!("The times tell the lists apart.");
        return ExitCode::FAILURE;
    }
    println!("No time tells the lists apart (|t| < {T_MAX}).");
    ExitCode::SUCCESS
}

async fn measure(sessions: usize) -> (Times, Times) {
    let nodes = [
        Called::new(0, CEILING, TICK).await,
        Called::new(PEOPLE, CEILING, TICK).await,
    ];
    let mut times = [Times::default(), Times::default()];
    while times[1][0].len() < sessions {
        for (node, times) in nodes.iter().zip(&mut times) {
            let mut ended = None;
            for _ in 0..=BLOCK {
                ended = Some(session(node, ended, times).await);
            }
        }
    }
    let [empty, full] = times;
    for node in nodes {
        node.stop().await;
    }
    (empty, full)
}

/// Runs a session as soon as the node lets it, and notes its times; gives the moment at which it ended.
async fn session(node: &Called, ended: Option<Instant>, times: &mut Times) -> Instant {
    let mut session = node.session();
    let rng = &mut UnwrapErr(SysRng);
    let Ok(Step::Send(offer)) = session.advance(rng) else {
        panic!("an initiator begins with its Offer");
    };
    let (mut channel, offered, answer) = loop {
        let mut channel = node.connect().await;
        let offered = Instant::now();
        channel.send(offer.clone()).await.expect("there is room");
        match channel.receive().await {
            Ok(Some(answer @ Message::Answer(_))) => break (channel, offered, answer),
            _ => tokio::time::sleep(ASK_AGAIN).await,
        }
    };
    let answered = Instant::now();
    session.receive(answer).expect("an honest node");
    let committed = go_on(&mut session, &mut channel).await;
    channel.finish().await.expect("the node is there");
    // The first of a block has waited for the other node's sessions.
    if let Some(ended) = ended {
        let noted = [answered - offered, committed - answered, answered - ended];
        for (times, noted) in times.iter_mut().zip(noted) {
            times.push(noted.as_secs_f64());
        }
    }
    Instant::now()
}

/// Runs the session to its end; when the node's Commitment came.
async fn go_on(session: &mut Session, channel: &mut Channel) -> Instant {
    let rng = &mut UnwrapErr(SysRng);
    let mut committed = None;
    loop {
        match session.advance(rng).expect("an honest session") {
            Step::Send(message) => channel.send(message).await.expect("the node is there"),
            Step::Persist(_) => {}
            Step::AskTime => unreachable!("there is no mediator"),
            Step::Wait => {
                let message = channel.receive().await.expect("the node is there");
                let message = message.expect("an honest node");
                committed.get_or_insert_with(Instant::now);
                session.receive(message).expect("an honest node");
            }
            Step::Done(_) => return committed.expect("the Commitment comes first"),
        }
    }
}

fn mean(times: &[f64]) -> f64 {
    times.iter().sum::<f64>() / times.len() as f64
}

/// Welch's t of two samples.
fn welch(a: &[f64], b: &[f64]) -> f64 {
    let spread = |times: &[f64]| {
        let (mean, count) = (mean(times), times.len() as f64);
        let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
        squares / (count - 1.0) / count
    };
    (mean(a) - mean(b)) / (spread(a) + spread(b)).sqrt()
}
