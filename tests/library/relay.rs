//! The relay over real sockets on the loopback interface: sessions through it, whom it refuses, and
//! what it does to those that misuse it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::sides::{Clock, Disk, answers, bytes, key, mediator_key, session, terms};
use crate::strangers::come;
use node::disposition::{Next, Recourse};
use node::settle::{MediatorClient, MediatorFault, RelayMediatorClient};
use node::{Cause, Ended, Journal, Patience, run_mediated_session};
use pairing::{NodeId, NodeKey};
use protocol::{
    Decision, Descriptor, Mediator, MediatorTime, Outcome, Persist, Progress, Role, SessionId,
    SignedAgreement, Standing, Verdict,
};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use relay::{self, Relay, serve};
use store::enrolled;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use transport::{
    Channel, Error, Limits, PinnedTls, Places, PublicKey, RelayConnection, Tunnel, call_over,
    dial_through, listen_through, serve_over,
};

/// gRPC status codes.
const NOT_FOUND: i32 = 5;
const RESOURCE_EXHAUSTED: i32 = 8;

/// A relay in a task of its own.
struct Hosted {
    home: tempfile::TempDir,
    relay: Arc<Relay>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

fn id(seed: u8) -> NodeId {
    NodeKey::from_seed(&[seed; 32]).id()
}

impl Hosted {
    /// Nodes 1 to 4 are enrolled; 1 is the initiator of [`sides`], 2 the responder.
    async fn start(limits: relay::Limits) -> Self {
        let home = tempfile::tempdir().unwrap();
        enrolled::add(home.path(), &[id(1), id(2), id(3), id(4)]).unwrap();
        Self::start_in(home, "127.0.0.1:0".parse().unwrap(), limits).await
    }

    async fn start_in(home: tempfile::TempDir, at: SocketAddr, limits: relay::Limits) -> Self {
        Self::start_draining(home, at, limits, Duration::ZERO).await
    }

    async fn start_draining(
        home: tempfile::TempDir,
        at: SocketAddr,
        limits: relay::Limits,
        drain: Duration,
    ) -> Self {
        let clock = Clock::new();
        let now = move || clock.0.load(std::sync::atomic::Ordering::SeqCst);
        let relay = Relay::open(home.path(), mediator_key(), Arc::new(now), limits).unwrap();
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(serve(relay.clone(), listener, stopped, drain));
        Self {
            home,
            relay,
            address,
            stop: Some(stop),
            task,
        }
    }

    async fn stop(mut self) -> (tempfile::TempDir, SocketAddr) {
        let _ = self.stop.take().unwrap().send(());
        self.task.await.unwrap();
        (self.home, self.address)
    }

    fn descriptor(&self) -> Descriptor {
        self.relay.mediator().descriptor(&self.address()).unwrap()
    }

    fn address(&self) -> String {
        self.address.to_string()
    }

    async fn link(&self, seed: u8) -> Result<RelayConnection, Error> {
        let tls = tls(seed, *mediator_key().id().as_bytes());
        RelayConnection::connect(&self.address(), &tls, &limits()).await
    }

    /// The channel of node `own` to `peer` through this relay: the lower id dials.
    async fn channel(&self, own: u8, peer: u8) -> Result<Channel, Error> {
        channel(&self.address(), own, peer).await
    }
}

async fn channel(address: &str, own: u8, peer: u8) -> Result<Channel, Error> {
    let to_relay = tls(own, *mediator_key().id().as_bytes());
    let to_peer = tls(own, *id(peer).as_bytes());
    if id(own) < id(peer) {
        let tunnel = dial_through(address, &to_relay, &id(peer), &limits()).await?;
        call_over(tunnel, &to_peer, &limits()).await
    } else {
        let tunnel = listen_through(address, &to_relay, &id(peer), &limits()).await?;
        serve_over(tunnel, &to_peer, &limits()).await
    }
}

fn tls(own: u8, peer: PublicKey) -> PinnedTls {
    PinnedTls::new(&[own; 32], peer).unwrap()
}

fn limits() -> Limits {
    Limits {
        wait: Duration::from_secs(30),
        pause_first: Duration::from_millis(5),
        pause_max: Duration::from_millis(50),
        ..Limits::default()
    }
}

/// A node's questions to the mediator of this relay.
fn asking(hosted: &Hosted, own: u8) -> RelayMediatorClient {
    asking_at(&hosted.descriptor(), own)
}

fn asking_at(descriptor: &Descriptor, own: u8) -> RelayMediatorClient {
    RelayMediatorClient::new(descriptor, &NodeKey::from_seed(&[own; 32]), limits()).unwrap()
}

/// Keeps in memory; dies, as if killed, when it is about to keep what `dies_at` names.
#[derive(Default)]
struct Keeper {
    disk: Disk,
    dies_at_agreed: bool,
    left_to_the_mediator: bool,
}

impl Journal for Keeper {
    fn keep(&mut self, state: Persist) -> std::io::Result<()> {
        let dies = self.dies_at_agreed && matches!(state, Persist::Agreed(..));
        self.disk.keep(state);
        if dies {
            return Err(std::io::ErrorKind::Other.into());
        }
        Ok(())
    }

    fn progress(&mut self, _: Progress) {}

    fn left_to_the_mediator(&mut self, _: &Cause) {
        self.left_to_the_mediator = true;
    }
}

/// One node's whole session through the relay. Node 1 of [`sides`] is initiator, and dials if its id
/// is the lower one; who dials and who initiates are separate matters.
async fn node(hosted: &Hosted, role: Role, keeper: &mut Keeper) -> Result<Outcome, Ended> {
    node_at(&hosted.descriptor(), role, keeper).await
}

async fn node_at(
    descriptor: &Descriptor,
    role: Role,
    journal: &mut impl Journal,
) -> Result<Outcome, Ended> {
    let asking = asking_at(descriptor, role.byte());
    node_asking(descriptor, role, journal, &asking).await
}

async fn node_asking(
    descriptor: &Descriptor,
    role: Role,
    journal: &mut impl Journal,
    mediator: &impl MediatorClient,
) -> Result<Outcome, Ended> {
    let terms = terms(descriptor.terms().unwrap(), 32);
    let session = session(role, key(role), &key(role.other()), &terms, 1);
    let channel = channel(&descriptor.address, role.byte(), role.other().byte()).await;
    let channel = channel.unwrap();
    let patience = Patience {
        claim: Duration::from_millis(20),
        ..Patience::default()
    };
    run_mediated_session(
        session,
        channel,
        &mut UnwrapErr(SysRng),
        &patience,
        journal,
        Some(mediator),
        std::future::pending(),
    )
    .await
}

fn narrow(outcome: &Outcome) -> Vec<[u8; 32]> {
    bytes(outcome.matches.narrow.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_only_dial_out_match_through_the_relay() {
    let hosted = Hosted::start(relay::Limits::default()).await;
    let (mut one, mut two) = (Keeper::default(), Keeper::default());
    let (i, r) = tokio::join!(
        node(&hosted, Role::Initiator, &mut one),
        node(&hosted, Role::Responder, &mut two),
    );
    assert_eq!(
        narrow(&i.unwrap_or_else(|ended| panic!("{}", ended.cause))),
        answers(Role::Initiator)
    );
    assert_eq!(
        narrow(&r.unwrap_or_else(|ended| panic!("{}", ended.cause))),
        answers(Role::Responder)
    );
    assert!(!one.left_to_the_mediator && !two.left_to_the_mediator);
    let bytes = hosted
        .relay
        .counters()
        .bytes
        .load(std::sync::atomic::Ordering::Relaxed);
    assert!(bytes > 5_000, "{bytes} bytes passed through the relay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_dies_between_agreement_and_release_and_its_peer_both_get_their_answers() {
    for dying in [Role::Initiator, Role::Responder] {
        let hosted = Hosted::start(relay::Limits::default()).await;
        let mut dead = Keeper {
            dies_at_agreed: true,
            ..Keeper::default()
        };
        let mut left = Keeper::default();
        let (died, ended) = tokio::join!(
            node(&hosted, dying, &mut dead),
            node(&hosted, dying.other(), &mut left),
        );
        let died = died.expect_err("it died");
        assert!(matches!(died.cause, Cause::NotKept(_)), "{}", died.cause);
        // The dead one comes back with nothing but its disk, while the other waits for a verdict or
        // has it.
        let outcome = match ended {
            Ok(outcome) => outcome,
            Err(ended) => panic!("{}", ended.cause),
        };
        assert_eq!(narrow(&outcome), answers(dying.other()));
        let state = dead.disk.state().unwrap();
        let asking = asking(&hosted, dying.byte());
        let patience = Patience {
            claim: Duration::from_millis(20),
            ..Patience::default()
        };
        let held = match dead.disk.opened() {
            Some(held) => held,
            None => {
                let both = dead.disk.both();
                let ended = node::settle::by_verdict(&state, both, &asking, &patience).await;
                ended.unwrap_or_else(|cause| panic!("{cause}")).matches
            }
        };
        assert_eq!(bytes(held.narrow), answers(dying));
    }
}

/// A mediator that gives whoever claims a verdict about another deadline, and says when it has.
struct Liar {
    at: RelayMediatorClient,
    lied: mpsc::Sender<()>,
}

impl MediatorClient for Liar {
    fn id(&self) -> NodeId {
        self.at.id()
    }

    fn last_deadline(&self) -> MediatorTime {
        self.at.last_deadline()
    }

    async fn time(&self) -> Result<MediatorTime, MediatorFault> {
        self.at.time().await
    }

    async fn settle(&self, signed: &SignedAgreement) -> Result<Decision, MediatorFault> {
        let agreement = &signed.agreement;
        self.claim(&agreement.session_id(), agreement.deadline)
            .await
    }

    async fn claim(
        &self,
        session: &SessionId,
        deadline: MediatorTime,
    ) -> Result<Decision, MediatorFault> {
        let verdict = Verdict::NeverSettled {
            session: *session,
            at: deadline,
            deadline: MediatorTime(deadline.0 - 1),
        };
        // Only the first is waited for.
        let _ = self.lied.send(());
        Ok(Decision::Verdict(verdict.sign(&mediator_key())))
    }
}

/// Signs only when the mediator has lied to its peer.
struct AfterTheLie(mpsc::Receiver<()>);

impl Journal for AfterTheLie {
    fn keep(&mut self, state: Persist) -> std::io::Result<()> {
        if matches!(state, Persist::Signed(_)) {
            let lied = self.0.recv_timeout(Duration::from_secs(60));
            lied.map_err(std::io::Error::other)?;
        }
        Ok(())
    }

    fn progress(&mut self, _: Progress) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_that_does_not_hold_costs_no_answers_while_the_peer_is_there() {
    let hosted = Hosted::start(relay::Limits::default()).await;
    let descriptor = hosted.descriptor();
    let (lied, hears) = mpsc::channel();
    let liar = Liar {
        at: asking(&hosted, Role::Initiator.byte()),
        lied,
    };
    let (mut keeper, mut waits) = (Keeper::default(), AfterTheLie(hears));
    // In a task of its own, because it blocks.
    let theirs = descriptor.clone();
    let responder =
        tokio::spawn(async move { node_at(&theirs, Role::Responder, &mut waits).await });
    let i = node_asking(&descriptor, Role::Initiator, &mut keeper, &liar).await;
    let i = i.unwrap_or_else(|ended| panic!("{}", ended.cause));
    assert_eq!(narrow(&i), answers(Role::Initiator));
    assert!(i.receipt.settled.is_none());
    assert!(responder.await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_that_does_not_hold_ends_what_only_the_mediator_could_end() {
    let hosted = Hosted::start(relay::Limits::default()).await;
    let descriptor = hosted.descriptor();
    let liar = Liar {
        at: asking(&hosted, Role::Initiator.byte()),
        lied: mpsc::channel().0,
    };
    let mut dead = Keeper {
        dies_at_agreed: true,
        ..Keeper::default()
    };
    let mut left = Keeper::default();
    let (i, _) = tokio::join!(
        node_asking(&descriptor, Role::Initiator, &mut left, &liar),
        node_at(&descriptor, Role::Responder, &mut dead),
    );
    let ended = i.expect_err("the mediator lied");
    let means = ended.cause.disposition(ended.standing, Recourse::Mediator);
    assert!(
        matches!(means.next, Next::KeepAsEvidence(_)),
        "{}",
        ended.cause
    );
    assert!(left.left_to_the_mediator && ended.cause.proof().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_enrolled_is_refused_and_one_that_is_removed_is_parted_with() {
    let hosted = Hosted::start(relay::Limits::default()).await;
    let stranger = match hosted.link(9).await {
        Ok(mut link) => link.time().await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert_eq!(stranger, Err(Error::KeyRefused));

    let (three, four) = tokio::join!(hosted.channel(3, 4), hosted.channel(4, 3));
    let (mut three, _four) = (three.unwrap(), four.unwrap());
    enrolled::remove(hosted.home.path(), &[id(4)]).unwrap();
    hosted.relay.reread_enrolled().unwrap();
    assert!(three.receive().await == Err(Error::Gone));
    let removed = match hosted.link(4).await {
        Ok(mut link) => link.time().await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert_eq!(removed, Err(Error::KeyRefused));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_nodes_open_connections_end_with_the_next_look_at_the_list() {
    let hosted = Hosted::start(relay::Limits {
        enrolment: Duration::from_millis(10),
        // Neither silence nor a pause without calls is what ends them.
        keep_alive: Duration::from_secs(3_600),
        connection_idle: Duration::from_secs(3_600),
        ..relay::Limits::default()
    })
    .await;
    // One at rest, one that waits for its peer, one with a tunnel; and one of a node that stays.
    let mut at_rest = hosted.link(4).await.unwrap();
    assert!(at_rest.time().await.is_ok());
    let (link, peer) = (hosted.link(4).await.unwrap(), id(2));
    let waiting = tokio::spawn(async move { link.listen(&peer).await.map(|_| ()) });
    let (three, four) = tokio::join!(hosted.channel(3, 4), hosted.channel(4, 3));
    let (_three, _four) = (three.unwrap(), four.unwrap());
    let mut stays = hosted.link(1).await.unwrap();
    assert!(stays.time().await.is_ok());
    enrolled::remove(hosted.home.path(), &[id(4)]).unwrap();
    let parted = async {
        while hosted
            .relay
            .rooms()
            .connected()
            .iter()
            .any(|(node, _)| *node == id(4))
        {
            tokio::task::yield_now().await;
        }
    };
    let parted = tokio::time::timeout(Duration::from_secs(60), parted).await;
    parted.expect("the relay parts with the node");
    assert!(waiting.await.unwrap().is_err());
    assert!(at_rest.time().await.is_err());
    assert!(stays.time().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mediator_is_asked_over_one_connection_and_over_a_new_one_when_the_relay_was_restarted()
{
    let hosted = Hosted::start(relay::Limits::default()).await;
    let asking = asking(&hosted, 1);
    for _ in 0..3 {
        assert!(asking.time().await.is_ok());
    }
    assert_eq!(hosted.relay.rooms().connected(), [(id(1), 1)]);
    let (home, address) = hosted.stop().await;
    let again = Hosted::start_in(home, address, relay::Limits::default()).await;
    assert!(asking.time().await.is_ok());
    assert_eq!(again.relay.rooms().connected(), [(id(1), 1)]);
    drop(again.stop().await);
    assert!(asking.time().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn dialling_a_node_that_does_not_wait_is_refused_and_so_is_dialling_oneself() {
    let hosted = Hosted::start(relay::Limits::default()).await;
    let dialled = hosted.link(1).await.unwrap().dial(&id(2)).await;
    assert_eq!(dialled.err(), Some(Error::Refused { code: NOT_FOUND }));
    let oneself = hosted.link(1).await.unwrap().dial(&id(1)).await;
    assert!(matches!(oneself.err(), Some(Error::Refused { .. })));
    // A node that waits for one peer is not there for another.
    let link = hosted.link(2).await.unwrap();
    let peer = id(1);
    let waiting = tokio::spawn(async move { link.listen(&peer).await.map(|_| ()) });
    while hosted.relay.rooms().waiting().is_empty() {
        tokio::task::yield_now().await;
    }
    let other = hosted.link(3).await.unwrap().dial(&id(2)).await;
    assert_eq!(other.err(), Some(Error::Refused { code: NOT_FOUND }));
    assert!(hosted.link(1).await.unwrap().dial(&id(2)).await.is_ok());
    assert_eq!(waiting.await.unwrap(), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_with_another_key_is_not_taken_for_the_relay() {
    let hosted = Hosted::start(relay::Limits::default()).await;
    let pinned = tls(1, *id(4).as_bytes());
    let refused = RelayConnection::connect(&hosted.address(), &pinned, &limits()).await;
    let presented = *mediator_key().id().as_bytes();
    assert_eq!(refused.err(), Some(Error::WrongKey { presented }));
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_half_open_connections_are_dropped_and_hold_nobody_up() {
    let hosted = Hosted::start(relay::Limits {
        places: Places {
            before_hello: 8,
            ..Places::default()
        },
        ..relay::Limits::default()
    })
    .await;
    // From here on this address has places of its own.
    assert!(hosted.link(1).await.unwrap().time().await.is_ok());
    let mut garbage = TcpStream::connect(hosted.address).await.unwrap();
    garbage.write_all(&[0x55; 4096]).await.unwrap();
    let mut rest = Vec::new();
    // The relay hangs up; whether by an alert or a reset does not matter.
    let _ = garbage.read_to_end(&mut rest).await;
    let mut silent = JoinSet::new();
    for n in 0..40 {
        let mut stranger = come(Ipv4Addr::new(127, 0, 0, 2 + n).into(), hosted.address)
            .await
            .unwrap();
        silent.spawn(async move { stranger.read(&mut [0; 1]).await.unwrap_or(0) });
    }
    assert!(hosted.link(1).await.unwrap().time().await.is_ok());
    // All but eight had to go.
    for _ in 0..32 {
        assert_eq!(silent.join_next().await.unwrap().unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_bound_a_nodes_connections_tunnels_and_questions() {
    let hosted = Hosted::start(relay::Limits {
        connections_per_node_max: 3,
        tunnels_per_node_max: 1,
        questions_per_node_minute_max: 2,
        ..relay::Limits::default()
    })
    .await;
    let mut link = hosted.link(1).await.unwrap();
    assert!(link.time().await.is_ok() && link.time().await.is_ok());
    let refused = Err(Error::Refused {
        code: RESOURCE_EXHAUSTED,
    });
    assert_eq!(link.time().await, refused);
    drop(link);

    let (one, two) = tokio::join!(hosted.channel(1, 2), hosted.channel(2, 1));
    let _open = (one.unwrap(), two.unwrap());
    let again = hosted.link(1).await.unwrap().dial(&id(3)).await;
    let code = RESOURCE_EXHAUSTED;
    assert_eq!(again.err(), Some(Error::Refused { code }));

    let mut kept = Vec::new();
    for _ in 0..8 {
        if let Ok(mut link) = hosted.link(4).await
            && link.time().await.is_ok()
        {
            kept.push(link);
        }
    }
    assert!(kept.len() <= 3, "{} connections", kept.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_slows_its_writer_and_the_relay_holds_little_of_it() {
    let hosted = Hosted::start(relay::Limits::default()).await;
    let to_relay = |own| tls(own, *mediator_key().id().as_bytes());
    let address = hosted.address();
    let (one, two) = (to_relay(1), to_relay(2));
    let (low, high) = if id(1) < id(2) { (1, 2) } else { (2, 1) };
    let (dial_tls, listen_tls) = if low == 1 { (one, two) } else { (two, one) };
    let limits = limits();
    let (to, from) = (id(high), id(low));
    let (writer, reader) = tokio::join!(
        dial_through(&address, &dial_tls, &to, &limits),
        listen_through(&address, &listen_tls, &from, &limits),
    );
    let (mut writer, mut reader) = (writer.unwrap(), reader.unwrap());
    // Writes until nothing moves any more.
    let chunk = vec![7; 64 << 10];
    let mut written = 0_u64;
    while let Ok(Ok(n)) =
        tokio::time::timeout(Duration::from_millis(500), writer.write(&chunk)).await
    {
        written += n as u64;
        assert!(written < 64 << 20, "nothing slows the writer");
    }
    let passed = hosted
        .relay
        .counters()
        .bytes
        .load(std::sync::atomic::Ordering::Relaxed);
    assert!(
        written - passed < 4 << 20 && written < 8 << 20,
        "{written} {passed}"
    );
    // And all of it arrives when it is read.
    let writing = tokio::spawn(async move { writer.shutdown().await });
    let mut read = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(30), reader.read_to_end(&mut read));
    reading.await.expect("the end arrives").unwrap();
    assert_eq!(read.len() as u64, written);
    assert!(read.iter().all(|byte| *byte == 7));
    writing.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_relay_cuts_its_tunnels_and_waiting_nodes_find_it_again() {
    let hosted = Hosted::start(relay::Limits::default()).await;
    let (one, two) = tokio::join!(hosted.channel(1, 2), hosted.channel(2, 1));
    let (mut one, mut two) = (one.unwrap(), two.unwrap());
    let waiting = {
        let address = hosted.address();
        let (low, high) = if id(3) < id(4) { (3, 4) } else { (4, 3) };
        let listener = address.clone();
        (
            tokio::spawn(async move { channel(&listener, high, low).await }),
            (address, low, high),
        )
    };
    while hosted.relay.rooms().waiting().is_empty() {
        tokio::task::yield_now().await;
    }
    let (home, address) = hosted.stop().await;
    assert!(one.receive().await == Err(Error::Gone));
    assert!(two.receive().await == Err(Error::Gone));
    let _again = Hosted::start_in(home, address, relay::Limits::default()).await;
    let (listening, (address, low, high)) = waiting;
    let dialled = channel(&address, low, high).await;
    assert!(dialled.is_ok() && listening.await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_joins_a_node_to_the_wrong_one_is_found_out_by_both() {
    let hosted = Hosted::start(relay::Limits::default()).await;
    let to_relay = |own| tls(own, *mediator_key().id().as_bytes());
    let (low, high) = if id(1) < id(2) { (1, 2) } else { (2, 1) };
    let address = hosted.address();
    // Node 3 sits in the place of the listening node: what a lying relay would arrange.
    let (dialled, listened) = tokio::join!(
        async {
            let tunnel = dial_through(&address, &to_relay(low), &id(3), &limits()).await?;
            call_over(tunnel, &tls(low, *id(high).as_bytes()), &limits()).await
        },
        async {
            let tunnel = listen_through(&address, &to_relay(3), &id(low), &limits()).await?;
            serve_over(tunnel, &tls(3, *id(low).as_bytes()), &limits()).await
        },
    );
    let presented = *id(3).as_bytes();
    assert_eq!(dialled.err(), Some(Error::WrongKey { presented }));
    assert_eq!(listened.err(), Some(Error::KeyRefused));
}

/// What a relay in the middle can do to the bytes of a tunnel.
#[derive(Debug, Clone, Copy)]
enum Tampering {
    Alter,
    Drop,
    Repeat,
    Reorder,
}

/// A tunnel of a relay that lets `intact` bytes of one direction pass and then tampers.
async fn tampering(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    intact: usize,
    how: Option<Tampering>,
) {
    let (mut passed, mut held, mut tampered) = (0, None::<Vec<u8>>, false);
    let mut buffer = vec![0; 1024];
    while let Ok(n) = from.read(&mut buffer).await
        && n > 0
    {
        let mut piece = buffer[..n].to_vec();
        passed += n;
        if let Some(how) = how.filter(|_| passed > intact && !tampered) {
            tampered = true;
            match how {
                Tampering::Alter => piece[n / 2] ^= 1,
                Tampering::Drop => continue,
                Tampering::Repeat => piece.extend_from_within(..),
                Tampering::Reorder => {
                    held = Some(piece);
                    tampered = true;
                    continue;
                }
            }
        }
        if to.write_all(&piece).await.is_err() {
            return;
        }
        if let Some(late) = held.take()
            && to.write_all(&late).await.is_err()
        {
            return;
        }
    }
    let _ = to.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_alters_drops_repeats_or_reorders_bytes_ends_the_session_with_tables_shut() {
    for how in [
        Tampering::Alter,
        Tampering::Drop,
        Tampering::Repeat,
        Tampering::Reorder,
    ] {
        let (one, far_one) = tokio::io::duplex(64 << 10);
        let (two, far_two) = tokio::io::duplex(64 << 10);
        let ((from_one, to_one), (from_two, to_two)) =
            (tokio::io::split(far_one), tokio::io::split(far_two));
        tokio::spawn(tampering(from_one, to_two, 6_000, Some(how)));
        tokio::spawn(tampering(from_two, to_one, 0, None));
        let (tls_one, tls_two) = (tls(1, *id(2).as_bytes()), tls(2, *id(1).as_bytes()));
        let limits = limits();
        let (one, two) = tokio::join!(
            call_over(one, &tls_one, &limits),
            serve_over(two, &tls_two, &limits),
        );
        let run = async |role: Role, channel: Channel| {
            let terms = terms(Mediator::None, 1024);
            let session = session(role, key(role), &key(role.other()), &terms, 1);
            let patience = Patience {
                stall: Duration::from_millis(500),
                farewell: Duration::from_millis(100),
                ..Patience::default()
            };
            let mut keeper = Keeper::default();
            run_mediated_session(
                session,
                channel,
                &mut UnwrapErr(SysRng),
                &patience,
                &mut keeper,
                None::<&RelayMediatorClient>,
                std::future::pending(),
            )
            .await
            .err()
            .map(|ended| (ended.standing, keeper.disk.release.is_some()))
        };
        let (i, r) = tokio::join!(
            run(Role::Initiator, one.unwrap()),
            run(Role::Responder, two.unwrap()),
        );
        for ended in [i, r] {
            let (standing, opened) = ended.expect("no answers");
            assert_eq!(standing, protocol::Standing::Unsigned, "{how:?}");
            assert!(!opened, "{how:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_may_wait_for_so_many_peers_and_no_more() {
    let hosted = Hosted::start(relay::Limits {
        waiting_per_node_max: 4,
        ..relay::Limits::default()
    })
    .await;
    let mut waits = Vec::new();
    for seed in 10..14 {
        let (link, peer) = (hosted.link(1).await.unwrap(), id(seed));
        waits.push(tokio::spawn(
            async move { link.listen(&peer).await.map(|_| ()) },
        ));
    }
    while hosted.relay.rooms().waiting().len() < 4 {
        tokio::task::yield_now().await;
    }
    let code = RESOURCE_EXHAUSTED;
    let fifth = hosted.link(1).await.unwrap().listen(&id(14)).await;
    assert_eq!(fifth.err(), Some(Error::Refused { code }));
    // One more for the same peer takes the place of the one before.
    let (link, peer) = (hosted.link(1).await.unwrap(), id(10));
    waits.push(tokio::spawn(
        async move { link.listen(&peer).await.map(|_| ()) },
    ));
    assert!(matches!(
        waits.remove(0).await.unwrap(),
        Err(Error::Refused { .. })
    ));
}

/// Both ends of a tunnel between nodes 1 and 2.
async fn tunnel(hosted: &Hosted) -> (Tunnel, Tunnel) {
    let to_relay = |own| tls(own, *mediator_key().id().as_bytes());
    let (one, two, address, limits) = (to_relay(1), to_relay(2), hosted.address(), limits());
    let (to, from) = (id(2), id(1));
    let (dialled, listened) = tokio::join!(
        dial_through(&address, &one, &to, &limits),
        listen_through(&address, &two, &from, &limits),
    );
    (dialled.unwrap(), listened.unwrap())
}

/// Whatever the way: an end, or an error.
async fn ends(mut stream: impl tokio::io::AsyncRead + Unpin) {
    let mut buffer = [0; 4096];
    let ended = async { while stream.read(&mut buffer).await.unwrap_or(0) > 0 {} };
    let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
    ended.expect("the relay ends it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_connects_and_never_finishes_its_first_bytes_is_parted_with() {
    let hosted = Hosted::start(relay::Limits {
        connection_idle: Duration::from_millis(100),
        ..relay::Limits::default()
    })
    .await;
    // All of the preface of HTTP/2 but its last byte; and a whole one, with no frame after it.
    for preface in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let stream = TcpStream::connect(hosted.address).await.unwrap();
        let pinned = tls(1, *mediator_key().id().as_bytes());
        let mut stream = pinned.connect(stream).await.unwrap();
        stream.write_all(preface).await.unwrap();
        stream.flush().await.unwrap();
        ends(stream).await;
    }
    while !hosted.relay.rooms().connected().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_and_idle_tunnels_are_ended_and_waiting_ones_are_not() {
    let hosted = Hosted::start(relay::Limits {
        connection_idle: Duration::from_millis(100),
        tunnel_idle: Duration::from_millis(300),
        ..relay::Limits::default()
    })
    .await;
    // A node that waits for its peer is at rest for as long as it likes.
    let (link, peer) = (hosted.link(3).await.unwrap(), id(4));
    let waiting = tokio::spawn(async move { link.listen(&peer).await.map(|_| ()) });
    while hosted.relay.rooms().waiting().is_empty() {
        tokio::task::yield_now().await;
    }
    let idle = hosted.link(4).await.unwrap();
    let (one, two) = tunnel(&hosted).await;
    ends(one).await;
    ends(two).await;
    while hosted.relay.rooms().connected() != [(id(3), 1)] {
        tokio::task::yield_now().await;
    }
    drop(idle);
    assert!(!waiting.is_finished());
    assert!(hosted.link(4).await.unwrap().dial(&id(3)).await.is_ok());
    assert_eq!(waiting.await.unwrap(), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_used_its_bytes_up_has_its_tunnel_cut_and_gets_no_other() {
    let hosted = Hosted::start(relay::Limits {
        bytes_per_node_day_max: 1 << 20,
        ..relay::Limits::default()
    })
    .await;
    let (mut one, two) = tunnel(&hosted).await;
    let reading = tokio::spawn(ends(two));
    let chunk = vec![7; 32 << 10];
    let mut written = 0;
    while one.write_all(&chunk).await.is_ok() {
        written += chunk.len();
        assert!(written < 16 << 20, "nothing stops it");
    }
    reading.await.unwrap();
    let code = RESOURCE_EXHAUSTED;
    for (own, peer) in [(1, 3), (3, 1)] {
        let refused = hosted.link(own).await.unwrap().dial(&id(peer)).await;
        assert_eq!(refused.err(), Some(Error::Refused { code }));
    }
    // Others are not held to it.
    let refused = hosted.link(3).await.unwrap().dial(&id(4)).await;
    assert_eq!(refused.err(), Some(Error::Refused { code: NOT_FOUND }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_told_to_stop_takes_nobody_in_and_lets_a_tunnel_come_to_its_end() {
    let home = tempfile::tempdir().unwrap();
    enrolled::add(home.path(), &[id(1), id(2)]).unwrap();
    let (any, limits) = ("127.0.0.1:0".parse().unwrap(), relay::Limits::default());
    let mut hosted = Hosted::start_draining(home, any, limits, Duration::from_secs(60)).await;
    let (mut one, mut two) = tunnel(&hosted).await;
    let _ = hosted.stop.take().unwrap().send(());
    while !hosted.relay.rooms().is_draining() {
        tokio::task::yield_now().await;
    }
    assert!(hosted.link(1).await.is_err());
    let mut four = [0; 4];
    one.write_all(b"ping").await.unwrap();
    two.read_exact(&mut four).await.unwrap();
    two.write_all(b"pong").await.unwrap();
    one.read_exact(&mut four).await.unwrap();
    assert_eq!(&four, b"pong");
    assert!(!hosted.task.is_finished());
    drop((one, two));
    let ended = tokio::time::timeout(Duration::from_secs(30), hosted.task).await;
    ended.expect("it ends with its last tunnel").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_dials_and_of_strangers_keeps_no_session_from_its_end() {
    let hosted = Hosted::start(relay::Limits {
        places: Places {
            before_hello: 16,
            unproven: 16,
            ..Places::default()
        },
        ..relay::Limits::default()
    })
    .await;
    let floods: Vec<_> = (0..4)
        .map(|_| {
            let (address, relay) = (hosted.address(), *mediator_key().id().as_bytes());
            tokio::spawn(async move {
                let mut refused = 0;
                for _ in 0..50 {
                    // An enrolled node that dials nobody, and one that is not enrolled.
                    for own in [3, 9] {
                        let link =
                            RelayConnection::connect(&address, &tls(own, relay), &limits()).await;
                        if let Ok(link) = link {
                            refused += u32::from(link.dial(&id(4)).await.is_err());
                        }
                    }
                }
                refused
            })
        })
        .collect();
    let (mut one, mut two) = (Keeper::default(), Keeper::default());
    let (i, r) = tokio::join!(
        node(&hosted, Role::Initiator, &mut one),
        node(&hosted, Role::Responder, &mut two),
    );
    assert_eq!(
        narrow(&i.unwrap_or_else(|ended| panic!("{}", ended.cause))),
        answers(Role::Initiator)
    );
    assert_eq!(
        narrow(&r.unwrap_or_else(|ended| panic!("{}", ended.cause))),
        answers(Role::Responder)
    );
    for flood in floods {
        assert!(flood.await.unwrap() >= 50, "each dial was turned down");
    }
}

/// A journal that waits, where it is about to keep a state that `at` names, until the relay was restarted.
struct Halting {
    keeper: Keeper,
    at: fn(&Persist) -> bool,
    halted: tokio::sync::mpsc::UnboundedSender<()>,
    go_on: std::sync::mpsc::Receiver<()>,
}

impl Journal for Halting {
    fn keep(&mut self, state: Persist) -> std::io::Result<()> {
        if (self.at)(&state) {
            self.halted.send(()).unwrap();
            self.go_on.recv().unwrap();
        }
        self.keeper.keep(state)
    }

    fn progress(&mut self, _: Progress) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_restarts_in_a_session_leaves_both_sides_with_answers_or_neither() {
    type At = fn(&Persist) -> bool;
    let table_used: At = |state| matches!(state, Persist::TableUsed);
    let agreed: At = |state| matches!(state, Persist::Agreed(..));
    for (at, answered) in [(table_used, false), (agreed, true)] {
        let hosted = Hosted::start(relay::Limits::default()).await;
        let descriptor = hosted.descriptor();
        let (halted, mut halts) = tokio::sync::mpsc::unbounded_channel();
        let start = |role: Role| {
            let (go, go_on) = std::sync::mpsc::channel();
            let mut journal = Halting {
                keeper: Keeper::default(),
                at,
                halted: halted.clone(),
                go_on,
            };
            let descriptor = descriptor.clone();
            let run = tokio::spawn(async move { node_at(&descriptor, role, &mut journal).await });
            (run, go)
        };
        let (i, go_i) = start(Role::Initiator);
        let (r, go_r) = start(Role::Responder);
        // Both are halted: each has what the other sent before.
        halts.recv().await.unwrap();
        halts.recv().await.unwrap();
        let (home, address) = hosted.stop().await;
        let _again = Hosted::start_in(home, address, relay::Limits::default()).await;
        go_i.send(()).unwrap();
        go_r.send(()).unwrap();
        for (run, role) in [(i, Role::Initiator), (r, Role::Responder)] {
            match run.await.unwrap() {
                Ok(outcome) => {
                    assert!(answered, "{role:?}");
                    assert_eq!(narrow(&outcome), answers(role));
                    assert!(outcome.receipt.settled.is_some());
                }
                Err(ended) => {
                    assert!(!answered, "{role:?}: {}", ended.cause);
                    assert_eq!(ended.standing, Standing::Unsigned);
                }
            }
        }
    }
}
