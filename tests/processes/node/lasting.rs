//! Sessions that last: longer than a peer may be silent, or long enough for an officer to change what is
//! agreed while one runs.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;
use std::time::Duration;

use admin::Policy;
use identity::{HashedIdentity, Schema};
use node::{Ended, Journal, Patience, run_session};
use pairing::NodeKey;
use protocol::{
    Outcome, Persist, PreparedTable, Progress, QuestionSet, Role, Session, Setup, Standing,
};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use transport::{Limits, PinnedTls, connect};

use super::{QUICK, STRIDE, detached, listening, proxy};
use crate::running::{Node, ids, import, introduce};

const CEILING: u32 = 1024;
const AGREED: [&str; 5] = ["--on-demand", "--schedule", "none", "--ceiling", "1024"];

#[test]
fn a_session_that_takes_longer_than_a_peer_may_be_silent_ends_with_answers_on_both_sides() {
    const STALL: Duration = Duration::from_secs(3);
    const PACE: Duration = Duration::from_millis(50);
    let stall = format!("stall_seconds = {}\n", STALL.as_secs());
    let [mut one, mut two] = Node::pair(QUICK);
    one.configure(&(listening() + &stall));
    two.configure(&(QUICK.to_owned() + &stall));
    one.start();
    two.start();
    let passed = Arc::new(AtomicU64::new(0));
    let (behind, never) = (one.address.parse().unwrap(), Arc::new(u64::MAX.into()));
    one.address = proxy(behind, PACE, passed.clone(), never, mpsc::channel().0).to_string();
    introduce(&one, &two, &AGREED);
    import(&one, 0..50, 100..110);
    import(&two, 100..150, 0..60);

    let query = detached(&two, 7, &["--now"]);
    two.until("a session has ended", |two| {
        two.outcomes().iter().any(|outcome| outcome != "open")
    });
    assert_eq!(two.outcomes(), ["answered"]);
    one.until("it has ended for the other side too", |one| {
        one.outcomes().iter().any(|outcome| outcome != "open")
    });
    assert_eq!(one.outcomes(), ["answered"]);
    assert_eq!(two.found(Some(&query)).len(), 1);
    assert_eq!(two.found(None), ids(0..50));
    assert_eq!(one.found(None), ids(100..110));
    // So slow was the line: one direction has carried at least half.
    let strides = passed.load(SeqCst) / 2 / STRIDE as u64;
    let took = PACE * u32::try_from(strides).unwrap();
    assert!(took > 2 * STALL, "{took:?} at least");
}

#[test]
fn what_an_officer_changes_after_a_node_has_signed_does_not_cost_it_the_answers() {
    let (one, peer) = node_and_peer();
    let outcome = peer.run(&one, |state| {
        // With its signature: from here on the node is bound.
        if let Persist::Agreed(..) = state {
            assert_eq!(one.sessions()[0]["stage"], "signed");
            one.ok(&["peer", "change", "theirs", "--approval", "by-hand"]);
            // Each look is answered by the node, which has its chance to act on the change.
            for _ in 0..10 {
                assert_eq!(one.sessions()[0]["stage"], "signed");
            }
        }
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    one.until("it has ended", |one| one.outcomes() != ["open"]);
    assert_eq!(one.outcomes(), ["answered"]);
}

#[test]
fn what_an_officer_changes_before_a_node_has_signed_keeps_it_from_signing() {
    let (one, peer) = node_and_peer();
    let outcome = peer.run(&one, |state| {
        if let Persist::Signed(_) = state {
            assert_eq!(one.sessions()[0]["stage"], "committed");
            one.ok(&["peer", "change", "theirs", "--approval", "by-hand"]);
        }
    });
    assert_eq!(outcome.unwrap_err().standing, Standing::Signed);
    one.until("it has ended", |one| one.outcomes() != ["open"]);
    assert_eq!(one.outcomes(), ["cut_off"]);
    one.until("it says why", |one| {
        let status = one.pair_status();
        let trouble = status["trouble"].as_str().unwrap_or_default();
        trouble.contains("the policy for the peer was changed")
    });
}

/// A node that runs and is ready, and its peer.
fn node_and_peer() -> (Node, Peer) {
    let peer = Peer::new();
    let mut one = Node::new(&listening());
    one.start();
    let add = ["peer", "add", "theirs", &peer.key.id().to_string()].map(str::to_owned);
    let add: Vec<&str> = add.iter().map(String::as_str).chain(AGREED).collect();
    one.ok(&add);
    import(&one, 0..50, 0..10);
    one.until("it waits for the peer", |one| {
        one.pair_status()["doing"] == "awaiting_peer"
    });
    (one, peer)
}

/// A peer in this process, so that the test has its hand on what comes between two of its messages.
struct Peer {
    seed: [u8; 32],
    key: Arc<NodeKey>,
}

impl Peer {
    fn new() -> Self {
        let seed = [11; 32];
        let key = Arc::new(NodeKey::from_seed(&seed));
        Self { seed, key }
    }

    /// Calls the node and runs a session as its initiator; `meanwhile` is there before each message that
    /// needs something kept.
    fn run(&self, node: &Node, meanwhile: impl FnMut(&Persist)) -> Result<Outcome, Ended> {
        let id: pairing::NodeId = node.id.parse().unwrap();
        let mut policy = Policy::default();
        for sizes in [&mut policy.narrow.own, &mut policy.narrow.peer] {
            (sizes.held, sizes.requested) = (CEILING, CEILING);
        }
        let terms = policy.terms(Role::Initiator, Schema::default()).unwrap();
        let mut rng = UnwrapErr(SysRng);
        let lists = terms
            .ceilings
            .map(|_, _| vec![HashedIdentity::from_bytes([7; 32])]);
        let held = terms
            .ceilings
            .map(|_, sizes| sizes.of(Role::Initiator).held);
        let table =
            PreparedTable::prepare(lists.clone(), held, terms.mediator, &mut rng, |_| ()).unwrap();
        let asked = terms
            .ceilings
            .map(|_, sizes| sizes.of(Role::Initiator).requested);
        let setup = Setup {
            role: Role::Initiator,
            key: self.key.clone(),
            peer: id,
            terms,
            questions: QuestionSet::prepare(lists, asked, &mut rng).unwrap(),
            table,
        };
        let session = Session::new(setup, &mut rng).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let tls = PinnedTls::new(&self.seed, *id.as_bytes()).unwrap();
            let channel = connect(&node.address, &tls, &Limits::default()).await;
            let (patience, mut journal) = (Patience::default(), Watching(meanwhile));
            let channel = channel.unwrap();
            run_session(
                session,
                channel,
                &mut rng,
                &patience,
                &mut journal,
                pending(),
            )
            .await
        })
    }
}

struct Watching<F>(F);

impl<F: FnMut(&Persist)> Journal for Watching<F> {
    fn keep(&mut self, state: Persist) -> std::io::Result<()> {
        (self.0)(&state);
        Ok(())
    }

    fn progress(&mut self, _: Progress) {}
}
