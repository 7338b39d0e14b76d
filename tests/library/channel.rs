//! The encrypted channel over real sockets on the loopback interface: what it carries, whom it
//! refuses, and what it says about each. `hostile` is the other side where it is none of ours.

mod hostile;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use self::hostile::{
    ALICE, BOB, MALLORY, Trick, grpc_frame, public, rough_client, rough_server, session_request,
    session_response,
};
use crate::strangers::client_hello;
use identity::KeyClass;
use protocol::message::BlindedChunk;
use protocol::{AbortReason, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use transport::{
    Channel, Direction, Error, Limits, Listener, MessageKind, Misbehaviour, PinnedTls, Places,
    Readiness, call_over, connect, serve_over,
};

fn tls(own: [u8; 32], peer: [u8; 32]) -> PinnedTls {
    PinnedTls::new(&own, public(peer)).unwrap()
}

fn limits() -> Limits {
    Limits {
        wait: Duration::from_secs(30),
        ..Limits::default()
    }
}

/// What both nodes made of the attempt to meet: who listens first.
async fn meet(
    alice: PinnedTls,
    bob: PinnedTls,
    limits: &Limits,
) -> (Result<Channel, Error>, Result<Channel, Error>) {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    tokio::join!(
        listener.accept(&alice, limits, |_, _| ()),
        connect(&address, &bob, limits),
    )
}

/// Alice, who listened, and Bob, who connected.
async fn pair() -> (Channel, Channel) {
    let (alice, bob) = meet(tls(ALICE, BOB), tls(BOB, ALICE), &limits()).await;
    (alice.unwrap(), bob.unwrap())
}

/// Alice waiting for Bob, and the strangers whom she turns away meanwhile.
struct Waiting {
    address: SocketAddr,
    turned_away: mpsc::UnboundedReceiver<(SocketAddr, Error)>,
    outcome: tokio::task::JoinHandle<Result<Channel, Error>>,
}

async fn alice_waits(limits: Limits) -> Waiting {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.address();
    let (report, turned_away) = mpsc::unbounded_channel();
    let outcome = tokio::spawn(async move {
        let report = |from, error| report.send((from, error)).unwrap();
        listener.accept(&tls(ALICE, BOB), &limits, report).await
    });
    Waiting {
        address,
        turned_away,
        outcome,
    }
}

impl Waiting {
    /// A TCP connection to Alice, as soon as she listens.
    async fn visit(&self) -> TcpStream {
        hostile::visit(self.address).await
    }

    /// The real Bob comes and is let in.
    async fn bob_comes(self) -> (Channel, Channel) {
        let address = self.address.to_string();
        let bob = connect(&address, &tls(BOB, ALICE), &limits()).await;
        (self.outcome.await.unwrap().unwrap(), bob.unwrap())
    }
}

fn chunk(index: u32, length: usize) -> Message {
    let elements = vec![index as u8; length];
    Message::Blinded(BlindedChunk {
        class: KeyClass::Narrow,
        index,
        elements,
    })
}

// What it carries.

#[tokio::test(flavor = "multi_thread")]
async fn two_pinned_nodes_exchange_messages_both_ways_and_part() {
    let (mut alice, mut bob) = pair().await;
    alice.send(Message::Offer(vec![7; 300])).await.unwrap();
    bob.send(Message::Abort(AbortReason::Cancelled))
        .await
        .unwrap();
    assert!(bob.receive().await == Ok(Some(Message::Offer(vec![7; 300]))));
    assert!(alice.receive().await == Ok(Some(Message::Abort(AbortReason::Cancelled))));
    let (sent, received) = (alice.traffic(), bob.traffic());
    let (a, b) = tokio::join!(alice.finish(), bob.finish());
    assert_eq!((a, b), (Ok(()), Ok(())));

    let offers = sent.messages(Direction::Sent, MessageKind::Offer);
    assert_eq!((offers.messages, offers.bytes), (1, 303));
    assert_eq!(
        received.messages(Direction::Received, MessageKind::Offer),
        offers
    );
    assert_eq!(
        received
            .messages(Direction::Sent, MessageKind::Offer)
            .messages,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_channel_runs_over_any_byte_stream() {
    let (near, far) = tokio::io::duplex(4096);
    let (alice, bob, limits) = (tls(ALICE, BOB), tls(BOB, ALICE), limits());
    let (alice, bob) = tokio::join!(
        serve_over(near, &alice, &limits),
        call_over(far, &bob, &limits)
    );
    let (alice, bob) = tokio::join!(swap(alice.unwrap(), 3, 9000), swap(bob.unwrap(), 3, 9000));
    let (a, b) = tokio::join!(alice.finish(), bob.finish());
    assert_eq!((a, b), (Ok(()), Ok(())));
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_megabytes_each_way_at_once_do_not_block_each_other() {
    let (alice, bob) = pair().await;
    let length = wire::MESSAGE_BYTES_MAX - 16;
    let (alice, bob) = tokio::join!(swap(alice, 40, length), swap(bob, 40, length));
    let (near, far) = (alice.traffic(), bob.traffic());
    let (a, b) = tokio::join!(alice.finish(), bob.finish());
    assert_eq!((a, b), (Ok(()), Ok(())));
    assert!(near.bytes(Direction::Sent) > 40 * length as u64);
    assert!(near.bytes(Direction::Sent) < 41 * length as u64);
    assert_eq!(near.bytes(Direction::Sent), far.bytes(Direction::Received));
    assert_eq!(near.bytes(Direction::Received), far.bytes(Direction::Sent));
}

/// Sends `count` chunks while receiving as many.
async fn swap(mut channel: Channel, count: u32, length: usize) -> Channel {
    let (mut sent, mut received) = (0, 0);
    while sent < count || received < count {
        match channel.ready(sent < count).await.unwrap() {
            Readiness::CanSend(permit) => {
                permit.send(chunk(sent, length)).unwrap();
                sent += 1;
            }
            Readiness::Received(message) => {
                assert!(message == chunk(received, length));
                received += 1;
            }
            Readiness::Ended => panic!("ended after {received} messages"),
        }
    }
    channel
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_last_arrives_before_the_end() {
    for round in 0..50 {
        let (alice, bob) = pair().await;
        let last = chunk(round, 200_000);
        let (alice, bob) = tokio::join!(say(alice, &last), say(bob, &last));
        assert!(alice == (Ok(Some(last.clone())), Ok(())));
        assert!(bob == (Ok(Some(last)), Ok(())));
    }
}

/// Sends one message, receives one, and finishes.
async fn say(
    mut channel: Channel,
    message: &Message,
) -> (Result<Option<Message>, Error>, Result<(), Error>) {
    channel.send(message.clone()).await.unwrap();
    (channel.receive().await, channel.finish().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_finishes_lets_go_of_what_still_comes() {
    let (alice, mut bob) = pair().await;
    let finishing = tokio::spawn(alice.finish());
    for index in 0..20 {
        bob.send(chunk(index, 1_000_000)).await.unwrap();
    }
    assert_eq!(bob.finish().await, Ok(()));
    assert_eq!(finishing.await.unwrap(), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_finishes_alone_says_so_in_time() {
    let short = Limits {
        finish: Duration::from_millis(200),
        ..limits()
    };
    let (alice, bob) = meet(tls(ALICE, BOB), tls(BOB, ALICE), &short).await;
    let (alice, mut bob) = (alice.unwrap(), bob.unwrap());
    assert_eq!(alice.finish().await, Err(Error::Unfinished));
    assert!(bob.receive().await == Err(Error::Gone));

    let (alice, bob) = meet(tls(ALICE, BOB), tls(BOB, ALICE), &short).await;
    let (alice, bob) = (alice.unwrap(), bob.unwrap());
    assert_eq!(bob.finish().await, Err(Error::Unfinished));
    assert_eq!(alice.finish().await, Err(Error::Gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_waits_while_the_peer_does_not_read() {
    let (mut alice, mut bob) = pair().await;
    let mut sent = 0;
    // The windows of HTTP/2, the queue, and what is under way between them.
    while let Ok(turn) = tokio::time::timeout(Duration::from_millis(300), alice.ready(true)).await {
        let Ok(Readiness::CanSend(permit)) = turn else {
            panic!("nothing was sent to Alice")
        };
        permit.send(chunk(sent, 1_000_000)).unwrap();
        sent += 1;
        assert!(sent < 12, "twelve megabytes, and nobody reads");
    }
    for index in 0..sent {
        assert!(bob.receive().await == Ok(Some(chunk(index, 1_000_000))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_above_the_limit_is_not_sent() {
    let (mut alice, mut bob) = pair().await;
    let fits = Message::Release(vec![0; wire::MESSAGE_BYTES_MAX - 4]);
    let bytes = wire::MESSAGE_BYTES_MAX + 1;
    let too_long = Message::Release(vec![0; wire::MESSAGE_BYTES_MAX - 3]);
    assert_eq!(
        alice.send(too_long).await,
        Err(Error::MessageTooLong { bytes })
    );
    alice.send(fits.clone()).await.unwrap();
    assert!(bob.receive().await == Ok(Some(fits)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_dropped_half_way_is_gone_and_did_not_finish() {
    for _ in 0..20 {
        let (mut alice, mut bob) = pair().await;
        alice.send(chunk(1, 50)).await.unwrap();
        assert!(bob.receive().await == Ok(Some(chunk(1, 50))));
        drop(alice);
        assert!(bob.receive().await == Err(Error::Gone));
        assert!(bob.receive().await == Err(Error::Gone));

        let (mut alice, bob) = pair().await;
        drop(bob);
        assert!(alice.receive().await == Err(Error::Gone));
        let failure = loop {
            if let Err(error) = alice.send(chunk(1, 50_000)).await {
                break error;
            }
        };
        assert_eq!(failure, Error::Gone);
        assert_eq!(alice.finish().await, Err(Error::Gone));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_sent_just_before_the_end_is_received_by_a_side_busy_sending() {
    let (mut alice, mut bob) = pair().await;
    bob.send(Message::Abort(AbortReason::Failed)).await.unwrap();
    let finishing = tokio::spawn(bob.finish());
    let received = loop {
        match alice.ready(true).await.unwrap() {
            Readiness::CanSend(permit) => permit.send(chunk(0, 100_000)).unwrap(),
            Readiness::Received(message) => break message,
            Readiness::Ended => panic!("ended without a word"),
        }
    };
    assert!(received == Message::Abort(AbortReason::Failed));
    assert_eq!(alice.finish().await, Ok(()));
    assert_eq!(finishing.await.unwrap(), Ok(()));
}

// Whom it refuses, in TLS.

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_refused_by_either_side_which_says_whose_it_is() {
    let short = Limits {
        wait: Duration::from_secs(2),
        ..limits()
    };
    let (alice, mallory) = meet(tls(ALICE, BOB), tls(MALLORY, ALICE), &short).await;
    assert_eq!(mallory.err(), Some(Error::KeyRefused));
    let presented = public(MALLORY);
    assert_eq!(alice.err(), Some(Error::OnlyWrongKeysCame { presented }));

    let (alice, bob) = meet(tls(ALICE, BOB), tls(BOB, MALLORY), &short).await;
    let presented = public(ALICE);
    assert_eq!(bob.err(), Some(Error::WrongKey { presented }));
    assert_eq!(alice.err(), Some(Error::NobodyCame { turned_away: 1 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_presented_without_its_private_half_is_nobodys() {
    let mut waiting = alice_waits(limits()).await;
    let thief = rough_client(waiting.visit().await, Trick::StolenKey).await;
    assert!(hostile::alert_of(thief).await.is_some());
    let (_, error) = waiting.turned_away.recv().await.unwrap();
    assert_eq!(error, Error::Misbehaved(Misbehaviour::Tls));
    waiting.bob_comes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn weaker_tls_is_refused_and_the_wait_goes_on() {
    let mut waiting = alice_waits(limits()).await;
    for trick in [
        Trick::X25519Only,
        Trick::NoAlpn,
        Trick::NoKey,
        Trick::Certificate,
    ] {
        let refused = rough_client(waiting.visit().await, trick).await;
        hostile::alert_of(refused).await;
        let (_, error) = waiting.turned_away.recv().await.unwrap();
        assert_eq!(error, Error::Incompatible, "{trick:?}");
    }

    let mut old = waiting.visit().await;
    old.write_all(hostile::TLS12_CLIENT_HELLO).await.unwrap();
    let mut alert = Vec::new();
    old.read_to_end(&mut alert).await.unwrap();
    // Record type alert, then fatal, protocol_version: RFC 8446 §6.
    assert_eq!((alert[0], &alert[5..]), (21, &[2, 70][..]));
    let (_, error) = waiting.turned_away.recv().await.unwrap();
    assert_eq!(error, Error::Incompatible);
    waiting.bob_comes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn weaker_tls_is_refused_in_a_server_too() {
    for trick in [Trick::X25519Only, Trick::NoAlpn, Trick::Certificate] {
        let server = rough_server(trick, |stream| async move {
            let _ = stream;
        });
        let address = server.await;
        let refused = connect(&address, &tls(BOB, ALICE), &limits()).await;
        assert_eq!(refused.err(), Some(Error::Incompatible), "{trick:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handshake_agrees_on_the_one_key_exchange_and_gives_no_tickets() {
    let waiting = alice_waits(limits()).await;
    let mut bob = rough_client(waiting.visit().await, Trick::None)
        .await
        .unwrap();
    // Anything that the server says comes after tickets, had it sent any.
    let _ = bob.read_u8().await.unwrap();
    let (_, connection) = bob.get_ref();
    let group = connection.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(
        connection.protocol_version(),
        Some(rustls::ProtocolVersion::TLSv1_3)
    );
    assert_eq!(connection.tls13_tickets_received(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_speak_tls_is_refused_and_the_wait_goes_on() {
    let mut waiting = alice_waits(limits()).await;
    let mut browser = waiting.visit().await;
    browser
        .write_all(b"GET / HTTP/1.1\r\nHost: alice\r\n\r\n")
        .await
        .unwrap();
    drop(browser);
    assert_eq!(waiting.turned_away.recv().await.unwrap().1, Error::NotTls);

    let scanner = waiting.visit().await;
    let from = scanner.local_addr().unwrap();
    drop(scanner);
    let turned_away = waiting.turned_away.recv().await.unwrap();
    assert_eq!(turned_away, (from, Error::Gone));
    waiting.bob_comes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_speak_tls_is_an_error_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_10.0\r\n").await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let started = Instant::now();
    let refused = connect(&address, &tls(BOB, ALICE), &limits()).await;
    assert_eq!(refused.err(), Some(Error::NotTls));
    assert!(started.elapsed() < limits().handshake);
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_do_not_hold_the_peer_up() {
    let waiting = alice_waits(limits()).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(waiting.visit().await);
    }
    let mut slow = waiting.visit().await;
    slow.write_all(&hostile::TLS12_CLIENT_HELLO[..9])
        .await
        .unwrap();
    let started = Instant::now();
    waiting.bob_comes().await;
    assert!(started.elapsed() < limits().handshake);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_turned_away_in_time_and_so_is_one_of_too_many() {
    let mut waiting = alice_waits(Limits {
        places: Places {
            hello: Duration::from_millis(300),
            ..Places::default()
        },
        ..limits()
    })
    .await;
    let _silent = waiting.visit().await;
    let (_, error) = waiting.turned_away.recv().await.unwrap();
    assert_eq!(error, Error::HandshakeTimedOut);

    let mut waiting = alice_waits(Limits {
        handshake: Duration::from_millis(300),
        ..limits()
    })
    .await;
    let mut halting = waiting.visit().await;
    halting.write_all(&client_hello().await).await.unwrap();
    let (_, error) = waiting.turned_away.recv().await.unwrap();
    assert_eq!(error, Error::HandshakeTimedOut);

    let mut waiting = alice_waits(Limits {
        places: Places {
            before_hello: 1,
            ..Places::default()
        },
        ..limits()
    })
    .await;
    let silent = [waiting.visit().await, waiting.visit().await];
    let (from, error) = waiting.turned_away.recv().await.unwrap();
    assert!(silent.map(|one| one.local_addr().unwrap()).contains(&from));
    assert_eq!(error, Error::Displaced);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_hello_that_never_ends_is_turned_away_after_sixteen_kibibytes() {
    let mut waiting = alice_waits(limits()).await;
    let mut endless = waiting.visit().await;
    // A handshake message announced as one of 65,535 bytes, in records of 1,000.
    let mut record = vec![22, 3, 1, 0x03, 0xe8, 1, 0, 0xff, 0xff, 3, 3];
    record.resize(5 + 1_000, 7);
    for _ in 0..16 {
        endless.write_all(&record).await.unwrap();
        record[5..11].fill(7);
    }
    assert!(
        waiting.turned_away.try_recv().is_err(),
        "not before its time"
    );
    let _ = endless.write_all(&record.repeat(2)).await;
    let (_, error) = waiting.turned_away.recv().await.unwrap();
    assert_eq!(error, Error::Misbehaved(Misbehaviour::Tls));
    waiting.bob_comes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_an_error_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let short = Limits {
        handshake: Duration::from_millis(200),
        ..limits()
    };
    let refused = connect(&address, &tls(BOB, ALICE), &short).await;
    assert_eq!(refused.err(), Some(Error::HandshakeTimedOut));
}

// Addresses.

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_fails_at_once_whether_listening_or_not() {
    let reserved = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = reserved.address().to_string();
    let in_use = Some(Error::CannotListen(std::io::ErrorKind::AddrInUse));
    assert_eq!(Listener::bind(&address).await.err(), in_use);

    let listening = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listening.local_addr().unwrap().to_string();
    assert_eq!(Listener::bind(&address).await.err(), in_use);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_can_be_listened_on_again_after_a_session() {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    let (alice, bob, limits) = (tls(ALICE, BOB), tls(BOB, ALICE), limits());
    let (near, far) = tokio::join!(
        listener.accept(&alice, &limits, |_, _| ()),
        connect(&address, &bob, &limits),
    );
    // The side that closes first keeps the address busy for a while.
    drop(near.unwrap());
    assert!(far.unwrap().receive().await == Err(Error::Gone));
    assert!(Listener::bind(&address).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none_fails_at_once() {
    let bob = tls(BOB, ALICE);
    for address in ["", "localhost", ":7000", "localhost:", "localhost:70000"] {
        let malformed = Some(Error::AddressMalformed);
        assert_eq!(Listener::bind(address).await.err(), malformed, "{address}");
        let refused = connect(address, &bob, &limits()).await;
        assert_eq!(refused.err(), malformed, "{address}");
    }
    let elsewhere = Listener::bind("192.0.2.1:7000").await.err();
    let unavailable = Error::CannotListen(std::io::ErrorKind::AddrNotAvailable);
    assert_eq!(elsewhere, Some(unavailable));
    let unknown = connect("nowhere.invalid:7000", &bob, &limits()).await;
    assert_eq!(unknown.err(), Some(Error::NameUnknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_looked_up() {
    let listener = Listener::bind("localhost:0").await.unwrap();
    let address = format!("localhost:{}", listener.address().port());
    let (alice, bob, limits) = (tls(ALICE, BOB), tls(BOB, ALICE), limits());
    let (alice, bob) = tokio::join!(
        listener.accept(&alice, &limits, |_, _| ()),
        connect(&address, &bob, &limits),
    );
    assert!(alice.is_ok() && bob.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_not_there_yet_is_tried_again_until_the_wait_is_over() {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    let short = Limits {
        wait: Duration::from_millis(500),
        ..limits()
    };
    // Reserved, but not listening: refused.
    let refused = connect(&address, &tls(BOB, ALICE), &short).await;
    let unreachable = Error::Unreachable(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(refused.err(), Some(unreachable));

    let early = tokio::spawn(async move {
        let limits = limits();
        connect(&address, &tls(BOB, ALICE), &limits).await
    });
    let alice = listener
        .accept(&tls(ALICE, BOB), &limits(), |_, _| ())
        .await;
    assert!(alice.is_ok() && early.await.unwrap().is_ok());
}

// Whom it refuses after TLS: the peer itself, with a key of its own, but not playing by the rules.

#[tokio::test(flavor = "multi_thread")]
async fn garbage_after_the_handshake_is_the_peers_fault() {
    let waiting = alice_waits(limits()).await;
    let mut bob = rough_client(waiting.visit().await, Trick::None)
        .await
        .unwrap();
    bob.write_all(&[0xa5; 4096]).await.unwrap();
    bob.flush().await.unwrap();
    let outcome = waiting.outcome.await.unwrap();
    assert_eq!(outcome.err(), Some(Error::Misbehaved(Misbehaviour::Http2)));

    let address = rough_server(Trick::None, |mut alice| async move {
        alice.write_all(&[0xa5; 4096]).await.unwrap();
        alice.flush().await.unwrap();
        let _ = alice.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let outcome = connect(&address, &tls(BOB, ALICE), &limits()).await;
    assert_eq!(outcome.err(), Some(Error::Misbehaved(Misbehaviour::Http2)));
}

/// Alice's verdict on a Bob who opens a session and then sends these bytes as its body.
async fn verdict_on(body: &[u8], end: bool) -> Result<Option<Message>, Error> {
    let waiting = alice_waits(limits()).await;
    let bob = rough_client(waiting.visit().await, Trick::None)
        .await
        .unwrap();
    let (_response, mut stream, _connection) = session_request(bob).await;
    let mut alice = waiting.outcome.await.unwrap().unwrap();
    stream.send_data(body.to_vec().into(), end).unwrap();
    alice.receive().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_is_refused_for_what_it_is() {
    let misbehaved = |rule| Err(Error::Misbehaved(rule));
    let not = |error| misbehaved(Misbehaviour::NotAMessage(error));
    let unknown_field = grpc_frame(&[0x0a, 1, 7, 0x78, 1]);
    let verdict = verdict_on(&unknown_field, false).await;
    assert!(verdict == not(wire::Error::NotCanonical));
    let verdict = verdict_on(&grpc_frame(&[]), false).await;
    assert!(verdict == not(wire::Error::Empty));
    let verdict = verdict_on(&grpc_frame(b"hello"), false).await;
    assert!(verdict == not(wire::Error::NotProtobuf));

    let announced = [
        &[0][..],
        &(wire::MESSAGE_BYTES_MAX as u32 + 1).to_be_bytes(),
    ]
    .concat();
    let verdict = verdict_on(&announced, false).await;
    assert!(verdict == misbehaved(Misbehaviour::MessageTooLong));
    let compressed = [&[1][..], &grpc_frame(&[0x0a, 1, 7])[1..]].concat();
    assert!(verdict_on(&compressed, false).await == misbehaved(Misbehaviour::Grpc));
    let flag = [&[9][..], &grpc_frame(&[0x0a, 1, 7])[1..]].concat();
    assert!(verdict_on(&flag, false).await == misbehaved(Misbehaviour::Grpc));
    let cut_off = &grpc_frame(&[0x0a, 1, 7])[..7];
    assert!(verdict_on(cut_off, true).await == misbehaved(Misbehaviour::Grpc));
    assert!(verdict_on(&[], true).await == Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_reset_did_not_end() {
    for reason in [
        h2::Reason::CANCEL,
        h2::Reason::NO_ERROR,
        h2::Reason::PROTOCOL_ERROR,
    ] {
        let waiting = alice_waits(limits()).await;
        let bob = rough_client(waiting.visit().await, Trick::None)
            .await
            .unwrap();
        let (_response, mut stream, _connection) = session_request(bob).await;
        let mut alice = waiting.outcome.await.unwrap().unwrap();
        stream.send_reset(reason);
        assert!(alice.receive().await == Err(Error::Gone), "{reason:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_session_beside_the_first_is_refused_and_the_first_goes_on() {
    let waiting = alice_waits(limits()).await;
    let mut bob = rough_client(waiting.visit().await, Trick::None)
        .await
        .unwrap();
    bob.write_all(&hostile::two_sessions_at_once())
        .await
        .unwrap();
    let mut alice = waiting.outcome.await.unwrap().unwrap();
    let refused_stream = 7u32.to_be_bytes();
    assert_eq!(hostile::reset_of_stream(3, &mut bob).await, refused_stream);

    let offer = grpc_frame(&[0x0a, 1, 7]);
    let (data, no_flags) = (0, 0);
    let frame = hostile::http2_frame(data, no_flags, 1, &offer);
    bob.write_all(&frame).await.unwrap();
    assert!(alice.receive().await == Ok(Some(Message::Offer(vec![7]))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_session_after_the_first_is_refused() {
    let waiting = alice_waits(limits()).await;
    let bob = rough_client(waiting.visit().await, Trick::None)
        .await
        .unwrap();
    let (_response, mut stream, mut connection) = session_request(bob).await;
    let mut alice = waiting.outcome.await.unwrap().unwrap();
    stream.send_reset(h2::Reason::CANCEL);
    assert!(alice.receive().await == Err(Error::Gone));
    let response = connection.another_session().await;
    let resource_exhausted = "8";
    assert_eq!(response.headers()["grpc-status"], resource_exhausted);
}

/// Bob's verdict on an Alice who answers his session with this.
async fn verdict_on_server<T, F>(answer: T) -> Error
where
    T: FnOnce(hostile::Respond) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let address = rough_server(Trick::None, move |stream| session_response(stream, answer)).await;
    let once = Limits {
        pause_first: limits().wait,
        ..limits()
    };
    match connect(&address, &tls(BOB, ALICE), &once).await {
        Ok(mut bob) => bob.receive().await.map(drop).unwrap_err(),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_breaks_grpc_is_found_out_and_its_status_is_told_apart() {
    let grpc = Error::Misbehaved(Misbehaviour::Grpc);
    let not_found = hyper::Response::builder().status(404).body(()).unwrap();
    let error = verdict_on_server(|mut respond| async move {
        respond.send_response(not_found, true).unwrap();
    });
    assert_eq!(error.await, grpc);

    let error = verdict_on_server(|mut respond| async move {
        let mut headers = hostile::grpc_response();
        let status = headers.headers_mut();
        status.insert("grpc-status", "8".parse().unwrap());
        respond.send_response(headers, true).unwrap();
    });
    assert_eq!(error.await, Error::Refused { code: 8 });

    let error = verdict_on_server(|mut respond| async move {
        let mut stream = respond
            .send_response(hostile::grpc_response(), false)
            .unwrap();
        let mut trailers = hyper::HeaderMap::new();
        trailers.insert("grpc-status", "14".parse().unwrap());
        trailers.insert("grpc-status-details-bin", "not base64!".parse().unwrap());
        stream.send_trailers(trailers).unwrap();
    });
    assert_eq!(error.await, Error::Refused { code: 14 });

    let error = verdict_on_server(|mut respond| async move {
        let mut headers = hostile::grpc_response();
        let status = headers.headers_mut();
        status.insert("grpc-status", "14".parse().unwrap());
        status.insert("grpc-status-details-bin", "not base64!".parse().unwrap());
        respond.send_response(headers, true).unwrap();
    });
    assert_eq!(error.await, Error::Refused { code: 14 });

    let error = verdict_on_server(|mut respond| async move {
        let mut stream = respond
            .send_response(hostile::grpc_response(), false)
            .unwrap();
        stream.send_data(Default::default(), true).unwrap();
    });
    assert_eq!(error.await, grpc, "ended without a status");

    let error = verdict_on_server(|mut respond| async move {
        let mut stream = respond
            .send_response(hostile::grpc_response(), false)
            .unwrap();
        stream.send_reset(h2::Reason::NO_ERROR);
    });
    assert_eq!(error.await, Error::Gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_stops_to_answer_pings_is_gone() {
    let quick = Limits {
        keep_alive_interval: Duration::from_millis(100),
        keep_alive_timeout: Duration::from_millis(100),
        ..limits()
    };
    let waiting = alice_waits(quick.clone()).await;
    let bob = rough_client(waiting.visit().await, Trick::None)
        .await
        .unwrap();
    let (_response, _stream, connection) = session_request(bob).await;
    let mut alice = waiting.outcome.await.unwrap().unwrap();
    connection.freeze();
    assert!(alice.receive().await == Err(Error::Gone));

    let (freeze, frozen) = oneshot::channel();
    let address = rough_server(Trick::None, |stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        let _stream = respond.send_response(hostile::grpc_response(), false);
        tokio::select! {
            _ = connection.accept() => {}
            Ok(()) = frozen => std::future::pending().await,
        }
    })
    .await;
    let mut bob = connect(&address, &tls(BOB, ALICE), &quick).await.unwrap();
    freeze.send(()).unwrap();
    assert!(bob.receive().await == Err(Error::Gone));
}
