//! Whole sessions over TCP, TLS and gRPC on loopback: what passes, and a peer that stops, stalls or breaks the order.

use std::future::pending;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use identity::HashedIdentity;
use node::{Cause, Ended, Journal, Patience, run_session};
use pairing::NodeKey;
use protocol::offer::Offer;
use protocol::{
    self, AbortReason, ByClass, Ceiling, Ceilings, Mediator, Message, Outcome, PeerMisbehaved,
    Persist, PreparedTable, Progress, QuestionSet, Role, Session, SettlingWindow, Setup, Standing,
    Terms,
};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use transport::{
    self, Channel, Direction, Limits, Listener, MessageKind, PinnedTls, Traffic, connect,
};

struct Nobody;

impl Journal for Nobody {
    fn keep(&mut self, _: Persist) -> std::io::Result<()> {
        Ok(())
    }
    fn progress(&mut self, _: Progress) {}
}

fn seed(role: Role) -> [u8; 32] {
    [role.byte(); 32]
}

fn identities(range: std::ops::Range<u32>) -> Vec<HashedIdentity> {
    range
        .map(|n| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            HashedIdentity::from_bytes(bytes)
        })
        .collect()
}

fn terms(ceiling: u32) -> Terms {
    Terms {
        schema_name: "test".into(),
        schema_digest: [0; 32],
        mediator: Mediator::None,
        ceilings: ByClass {
            narrow: Ceilings::all(Ceiling::new(ceiling).unwrap()),
            wide: None,
        },
        window: SettlingWindow::DEFAULT,
        reference: String::new(),
    }
}

fn session(
    role: Role,
    ceiling: u32,
    held: std::ops::Range<u32>,
    requested: std::ops::Range<u32>,
) -> Session {
    let rng = &mut UnwrapErr(SysRng);
    let by_class = |list| ByClass {
        narrow: list,
        wide: None,
    };
    let terms = terms(ceiling);
    let ceilings = terms.ceilings.map(|_, ceilings| ceilings.of(role).held);
    let table = PreparedTable::prepare(
        by_class(identities(held)),
        ceilings,
        Mediator::None,
        rng,
        |_| (),
    )
    .unwrap();
    let asked = terms
        .ceilings
        .map(|_, ceilings| ceilings.of(role).requested);
    let setup = Setup {
        role,
        key: Arc::new(NodeKey::from_seed(&seed(role))),
        peer: NodeKey::from_seed(&seed(role.other())).id(),
        terms,
        questions: QuestionSet::prepare(by_class(identities(requested)), asked, rng).unwrap(),
        table,
    };
    Session::new(setup, rng).unwrap()
}

/// An open channel between the two: the initiator's end, the responder's end.
async fn channels() -> (Channel, Channel) {
    channels_by(|address| async move { address }).await
}

/// The same, where the initiator connects to what `way` makes of the responder's address.
async fn channels_by<F: Future<Output = String>>(
    way: impl FnOnce(String) -> F,
) -> (Channel, Channel) {
    let tls = |role: Role| {
        PinnedTls::new(
            &seed(role),
            *NodeKey::from_seed(&seed(role.other())).id().as_bytes(),
        )
        .unwrap()
    };
    let (tls_i, tls_r) = (tls(Role::Initiator), tls(Role::Responder));
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = way(listener.address().to_string()).await;
    let accepting = tokio::spawn(async move {
        listener
            .accept(&tls_r, &Limits::default(), |_, _| ())
            .await
            .unwrap()
    });
    let connected = connect(&address, &tls_i, &Limits::default()).await.unwrap();
    (connected, accepting.await.unwrap())
}

async fn run(session: Session, channel: Channel, patience: Patience) -> Result<Outcome, Ended> {
    run_session(
        session,
        channel,
        &mut UnwrapErr(SysRng),
        &patience,
        &mut Nobody,
        pending(),
    )
    .await
}

/// Runs both sides; gives the initiator's counters after it is over.
async fn both(initiator: Session, responder: Session) -> (Outcome, Outcome, Arc<Traffic>) {
    let (channel_i, channel_r) = channels().await;
    let traffic = channel_i.traffic();
    let responding = tokio::spawn(run(responder, channel_r, Patience::default()));
    let initiating = tokio::spawn(run(initiator, channel_i, Patience::default()));
    (
        initiating.await.unwrap().unwrap(),
        responding.await.unwrap().unwrap(),
        traffic,
    )
}

/// Message by message the same; below TLS the same but for how HTTP/2 and TLS happened to cut it into
/// frames and records, which depends on the moment and not on the lists.
#[tokio::test(flavor = "multi_thread")]
async fn the_traffic_of_lists_of_one_and_of_ten_thousand_is_the_same_under_one_ceiling() {
    let mut seen = Vec::new();
    for size in [1, 10_000] {
        let initiator = session(Role::Initiator, 10_000, 0..size, 0..size);
        let responder = session(Role::Responder, 10_000, 0..size, 0..size);
        let (a, b, traffic) = both(initiator, responder).await;
        assert_eq!(
            (a.matches.narrow.len(), b.matches.narrow.len()),
            (size as usize, size as usize)
        );
        let mut messages = Vec::new();
        for direction in [Direction::Sent, Direction::Received] {
            messages.extend(MessageKind::ALL.map(|kind| traffic.messages(direction, kind)));
        }
        seen.push((
            messages,
            traffic.bytes(Direction::Sent),
            traffic.bytes(Direction::Received),
        ));
    }
    assert_eq!(
        seen[0].0, seen[1].0,
        "number and bytes of every kind of message, both ways"
    );
    for (one, other) in [(seen[0].1, seen[1].1), (seen[0].2, seen[1].2)] {
        assert!(
            one.abs_diff(other) < one / 100,
            "{one} and {other} bytes on the line"
        );
        // And little more than the elements themselves: 32 + 32 an element asked, 16 an element held.
        assert!(
            one < 10_000 * 80 * 101 / 100 + 16 * 1024,
            "{one} bytes on the line"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_falls_silent_is_given_up_and_told_so() {
    let (mut peer, channel) = channels().await;
    let patience = Patience {
        stall: Duration::from_millis(300),
        ..Patience::default()
    };
    let running = tokio::spawn(run(
        session(Role::Responder, 64, 0..5, 0..5),
        channel,
        patience,
    ));
    let offer = Offer::new(terms(64), &mut UnwrapErr(SysRng)).encode();
    peer.send(Message::Offer(offer)).await.unwrap();
    assert!(matches!(peer.receive().await, Ok(Some(Message::Answer(_)))));
    assert!(matches!(
        peer.receive().await,
        Ok(Some(Message::Commitment(_)))
    ));
    assert!(matches!(
        peer.receive().await,
        Ok(Some(Message::Abort(AbortReason::Stalled)))
    ));
    drop(peer);
    let ended = running.await.unwrap().unwrap_err();
    assert!(
        matches!(ended.cause, Cause::Stalled { .. }),
        "{:?}",
        ended.cause
    );
    assert_eq!(ended.standing, Standing::Unsigned);
}

/// Leads to `address`, 256 bytes at a time with a rest after each, in each direction by itself.
async fn dripping(address: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(address).await.unwrap();
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        let drip = |mut from: OwnedReadHalf, mut to: OwnedWriteHalf| async move {
            let mut buffer = [0; 256];
            while let Ok(read @ 1..) = from.read(&mut buffer).await {
                to.write_all(&buffer[..read]).await?;
                sleep(Duration::from_millis(10)).await;
            }
            to.shutdown().await
        };
        let _ = tokio::join!(drip(near_in, far_out), drip(far_in, near_out));
    });
    here
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_keeps_an_unsigned_session_alive_with_a_trickle_is_given_up() {
    let (peer, channel) = channels_by(dripping).await;
    let patience = Patience {
        stall: Duration::from_millis(200),
        slowest: u64::MAX,
        ..Patience::default()
    };
    // More than a megabyte, for which the line takes a minute; something moves all that time.
    let own = session(Role::Responder, 8192, 0..5, 0..5);
    let theirs = session(Role::Initiator, 8192, 0..5, 0..5);
    let running = tokio::spawn(run(own, channel, patience));
    let other = tokio::spawn(run(theirs, peer, Patience::default()));
    let ended = running.await.unwrap().unwrap_err();
    assert!(
        matches!(ended.cause, Cause::TooSlow { seconds: 2 }),
        "{:?}",
        ended.cause
    );
    assert_eq!(ended.standing, Standing::Unsigned);
    assert!(other.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_vanishes_half_way_leaves_an_unsigned_session_behind() {
    let (mut peer, channel) = channels().await;
    let running = tokio::spawn(run(
        session(Role::Responder, 64, 0..5, 0..5),
        channel,
        Patience::default(),
    ));
    let offer = Offer::new(terms(64), &mut UnwrapErr(SysRng)).encode();
    peer.send(Message::Offer(offer)).await.unwrap();
    assert!(matches!(peer.receive().await, Ok(Some(Message::Answer(_)))));
    drop(peer);
    let ended = running.await.unwrap().unwrap_err();
    assert!(
        matches!(ended.cause, Cause::Channel(transport::Error::Gone)),
        "{:?}",
        ended.cause
    );
    assert_eq!(ended.standing, Standing::Unsigned);
    assert!(ended.receipt.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_ends_its_stream_politely_in_the_middle_is_gone_all_the_same() {
    let (peer, channel) = channels().await;
    let running = tokio::spawn(run(
        session(Role::Responder, 64, 0..5, 0..5),
        channel,
        Patience::default(),
    ));
    let _ = peer.finish().await;
    let ended = running.await.unwrap().unwrap_err();
    assert!(
        matches!(ended.cause, Cause::Channel(transport::Error::Gone)),
        "{:?}",
        ended.cause
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_out_of_order_ends_the_session_and_its_sender_is_told() {
    let (mut peer, channel) = channels().await;
    let running = tokio::spawn(run(
        session(Role::Responder, 64, 0..5, 0..5),
        channel,
        Patience::default(),
    ));
    peer.send(Message::Release(vec![0; 96])).await.unwrap();
    assert!(matches!(
        peer.receive().await,
        Ok(Some(Message::Abort(AbortReason::Misbehaved)))
    ));
    drop(peer);
    let ended = running.await.unwrap().unwrap_err();
    let expected = PeerMisbehaved::OutOfOrder {
        expected: "the offer",
        found: "a release",
    };
    assert!(
        matches!(ended.cause, Cause::Exchange(protocol::Error::PeerMisbehaved(found)) if found == expected)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_session_tells_the_peer() {
    let (mut peer, channel) = channels().await;
    let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(async move {
        let session = session(Role::Responder, 64, 0..5, 0..5);
        let cancelled = async {
            let _ = cancelled.await;
        };
        run_session(
            session,
            channel,
            &mut UnwrapErr(SysRng),
            &Patience::default(),
            &mut Nobody,
            cancelled,
        )
        .await
    });
    let offer = Offer::new(terms(64), &mut UnwrapErr(SysRng)).encode();
    peer.send(Message::Offer(offer)).await.unwrap();
    assert!(matches!(peer.receive().await, Ok(Some(Message::Answer(_)))));
    assert!(matches!(
        peer.receive().await,
        Ok(Some(Message::Commitment(_)))
    ));
    cancel.send(()).unwrap();
    assert!(matches!(
        peer.receive().await,
        Ok(Some(Message::Abort(AbortReason::Cancelled)))
    ));
    drop(peer);
    assert!(matches!(
        running.await.unwrap().unwrap_err().cause,
        Cause::Cancelled
    ));
}

/// Between two steps, not only where there is something to wait for.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_cancelled_takes_no_further_step() {
    struct StopsAfter {
        steps: u32,
        cancel: Option<tokio::sync::oneshot::Sender<()>>,
    }
    impl Journal for StopsAfter {
        fn keep(&mut self, _: Persist) -> std::io::Result<()> {
            Ok(())
        }
        fn progress(&mut self, _: Progress) {
            self.steps += 1;
            if let Some(cancel) = self.cancel.take() {
                cancel.send(()).unwrap();
            }
        }
    }
    let (peer, channel) = channels().await;
    let (cancel, cancelled) = tokio::sync::oneshot::channel();
    let mut journal = StopsAfter {
        steps: 0,
        cancel: Some(cancel),
    };
    let patience = Patience {
        farewell: Duration::ZERO,
        ..Patience::default()
    };
    let ended = run_session(
        session(Role::Initiator, 64, 0..5, 0..5),
        channel,
        &mut UnwrapErr(SysRng),
        &patience,
        &mut journal,
        async {
            let _ = cancelled.await;
        },
    )
    .await;
    drop(peer);
    assert!(matches!(ended.unwrap_err().cause, Cause::Cancelled));
    assert_eq!(journal.steps, 1, "the offer, for which there was room");
}

/// Stopped in the very moment between the arrival of the peer's release and the step that takes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_came_with_the_word_to_stop_is_kept_and_gives_its_answers() {
    #[derive(Default)]
    struct Recording(Vec<Persist>);
    impl Journal for Recording {
        fn keep(&mut self, state: Persist) -> std::io::Result<()> {
            self.0.push(state);
            Ok(())
        }
        fn progress(&mut self, _: Progress) {}
    }
    let (channel, peer) = channels().await;
    let theirs = session(Role::Responder, 64, 0..5, 0..5);
    let responding = tokio::spawn(run(theirs, peer, Patience::default()));
    let traffic = channel.traffic();
    let released = std::future::poll_fn(|_| {
        let releases = traffic.messages(Direction::Received, MessageKind::Release);
        match releases.messages {
            0 => Poll::Pending,
            _ => Poll::Ready(()),
        }
    });
    let mut journal = Recording::default();
    let outcome = run_session(
        session(Role::Initiator, 64, 0..5, 3..9),
        channel,
        &mut UnwrapErr(SysRng),
        &Patience::default(),
        &mut journal,
        released,
    )
    .await
    .unwrap();
    assert_eq!(outcome.matches.narrow.len(), 2);
    let last = journal.0.last();
    assert!(matches!(last, Some(Persist::PeerReleased(of, _)) if *of == outcome.session));
    let _ = responding.await.unwrap();
}

/// What must be kept and cannot be ends the session before the message that depends on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_kept_stops_the_session_before_its_message_leaves() {
    struct FullDisk;
    impl Journal for FullDisk {
        fn keep(&mut self, _: Persist) -> std::io::Result<()> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn progress(&mut self, _: Progress) {}
    }
    let (mut peer, channel) = channels().await;
    let running = tokio::spawn(async move {
        let session = session(Role::Responder, 64, 0..5, 0..5);
        run_session(
            session,
            channel,
            &mut UnwrapErr(SysRng),
            &Patience::default(),
            &mut FullDisk,
            pending(),
        )
        .await
    });
    let offer = Offer::new(terms(64), &mut UnwrapErr(SysRng)).encode();
    peer.send(Message::Offer(offer)).await.unwrap();
    assert!(matches!(peer.receive().await, Ok(Some(Message::Answer(_)))));
    assert!(
        matches!(
            peer.receive().await,
            Ok(Some(Message::Abort(AbortReason::Failed)))
        ),
        "no commitment left"
    );
    drop(peer);
    assert!(matches!(
        running.await.unwrap().unwrap_err().cause,
        Cause::NotKept(_)
    ));
}
