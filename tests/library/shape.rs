//! What a session of a node reads and writes between the peer's first byte and its own last one: as much for an
//! empty list as for a full one, before lists are changed and after.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use node::{Journal, Patience, run_session};
use protocol::{ListKind, Persist, Progress};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use store::{Store, Tally};

use crate::called::{Called, import};

const CEILING: u32 = 16_384;
const PEOPLE: u32 = 15_000;
/// Times are written with as many digits as they have.
const DIGITS: u64 = 200;

/// Runs a session as its initiator; what the node's store did from the first byte on to the last one that it
/// sent, and how many of the five that it asked about the node holds.
async fn session(node: &Called) -> (Tally, usize) {
    node.is_ready().await;
    let session = node.session();
    let before = node.store.tally();
    let channel = node.connect().await;
    let mut watching = Watching {
        store: node.store.clone(),
        at_the_last: None,
    };
    let (patience, mut rng) = (Patience::default(), UnwrapErr(SysRng));
    let outcome = run_session(
        session,
        channel,
        &mut rng,
        &patience,
        &mut watching,
        pending(),
    );
    let matches = outcome.await.unwrap().matches.narrow.len();
    (watching.at_the_last.unwrap() - before, matches)
}

/// Looks at the node's store when its release is here, which is the last that it sends.
struct Watching {
    store: Arc<Store>,
    at_the_last: Option<Tally>,
}

impl Journal for Watching {
    fn keep(&mut self, state: Persist) -> std::io::Result<()> {
        if matches!(state, Persist::PeerReleased(..)) {
            self.at_the_last = Some(self.store.tally());
        }
        Ok(())
    }

    fn progress(&mut self, _: Progress) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_reads_and_writes_as_much_for_nobody_as_for_15_000_people_before_edits_and_after()
{
    let mut done = Vec::new();
    for people in [0, PEOPLE] {
        let node = Called::new(people, CEILING, Duration::from_millis(50)).await;
        let (first, matches) = session(&node).await;
        assert_eq!(matches, 5.min(people as usize));
        // Everybody else comes, and everybody goes.
        for (kind, changed) in [(ListKind::Held, 3..PEOPLE), (ListKind::Requested, 0..1)] {
            import(&node.store, kind, changed);
        }
        node.handle.stored();
        let (second, matches) = loop {
            let (tally, matches) = session(&node).await;
            // The old list answers until a tick.
            if matches == 2 {
                break (tally, matches);
            }
        };
        assert_eq!(matches, 2);
        done.extend([first, second]);
        node.stop().await;
    }
    let first = done[0];
    assert!(first.cells_read > 0 && first.bytes_written > 0);
    for other in done {
        let cells = |tally: Tally| (tally.cells_read, tally.cells_written);
        assert_eq!(cells(other), cells(first));
        assert!(other.bytes_read.abs_diff(first.bytes_read) < DIGITS);
        assert!(other.bytes_written.abs_diff(first.bytes_written) < DIGITS);
    }
}

/// The worker sees a list of another version, and not that its table and its questions went with the one before.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_withdrawn_and_imported_before_anybody_looked_answers_again() {
    let node = Called::new(5, 1024, Duration::from_millis(50)).await;
    node.is_ready().await;
    node.store
        .withdraw(ListKind::Held, None, Timestamp::now())
        .unwrap();
    import(&node.store, ListKind::Held, 3..8);
    node.handle.stored();
    let (patience, mut rng) = (Patience::default(), UnwrapErr(SysRng));
    for _ in 0..20 {
        node.is_ready().await;
        let (session, channel) = (node.session(), node.connect().await);
        let mut watching = Watching {
            store: node.store.clone(),
            at_the_last: None,
        };
        let ended = run_session(
            session,
            channel,
            &mut rng,
            &patience,
            &mut watching,
            pending(),
        );
        // Turned away until what is new serves.
        if let Ok(outcome) = ended.await {
            assert_eq!(outcome.matches.narrow.len(), 2);
            return node.stop().await;
        }
    }
    panic!("{:?}", node.handle.pair(node.peer));
}
