//! The encrypted channel over real sockets on the loopback interface: what it carries, whom it
//! refuses, and what it says about each.

use std::time::Duration;

use ring::signature::{Ed25519KeyPair, KeyPair};
use tacit::exchange::message::{AbortReason, BlindedChunk, Message};
use tacit::identity::KeyClass;
use tacit::transport::{
    Direction, Duplex, Error, Kind, Limits, Listener, PinnedTls, PublicKey, Turn, connect,
};

const ALICE: [u8; 32] = [1; 32];
const BOB: [u8; 32] = [2; 32];
const MALLORY: [u8; 32] = [3; 32];

/// Both nodes meet, or what each made of the attempt.
async fn meet(
    alice: &PinnedTls,
    bob: &PinnedTls,
    limits: &Limits,
) -> (Result<Duplex, Error>, Result<Duplex, Error>) {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    tokio::join!(
        listener.accept(alice, limits, |_, _| ()),
        connect(&address, bob, limits),
    )
}

/// Alice, who listened, and Bob, who connected.
async fn pair() -> (Duplex, Duplex) {
    let (alice, bob) = meet(&tls(ALICE, BOB), &tls(BOB, ALICE), &limits()).await;
    (alice.unwrap(), bob.unwrap())
}

fn tls(own: [u8; 32], peer: [u8; 32]) -> PinnedTls {
    PinnedTls::new(&own, public(peer)).unwrap()
}

fn public(seed: [u8; 32]) -> PublicKey {
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    pair.public_key().as_ref().try_into().unwrap()
}

fn limits() -> Limits {
    Limits {
        wait: Duration::from_secs(20),
        ..Limits::default()
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

#[tokio::test(flavor = "multi_thread")]
async fn two_pinned_nodes_exchange_messages_both_ways_and_part() {
    let (mut alice, mut bob) = pair().await;
    alice.send(Message::Offer(vec![7; 300])).await.unwrap();
    bob.send(Message::Abort(AbortReason::Cancelled))
        .await
        .unwrap();
    assert!(bob.receive().await == Ok(Some(Message::Offer(vec![7; 300]))));
    assert!(alice.receive().await == Ok(Some(Message::Abort(AbortReason::Cancelled))));
    let traffic = alice.traffic();
    assert_eq!(traffic.messages(Direction::Sent, Kind::Offer).messages, 1);
    assert_eq!(traffic.messages(Direction::Sent, Kind::Offer).bytes, 303);
    let (a, b) = tokio::join!(alice.finish(), bob.finish());
    assert_eq!((a, b), (Ok(()), Ok(())));
}

/// Sends `count` chunks while receiving as many.
async fn swap(mut duplex: Duplex, count: u32, length: usize) -> Duplex {
    let (mut sent, mut received) = (0, 0);
    while sent < count || received < count {
        match duplex.turn(sent < count).await.unwrap() {
            Turn::Free(slot) => {
                slot.send(chunk(sent, length)).unwrap();
                sent += 1;
            }
            Turn::Received(message) => {
                assert!(message == chunk(received, length));
                received += 1;
            }
            Turn::Ended => panic!("ended after {received} messages"),
        }
    }
    duplex
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_megabytes_each_way_at_once_do_not_block_each_other() {
    let (alice, bob) = pair().await;
    let length = (1 << 20) - 16;
    let (alice, bob) = tokio::join!(swap(alice, 40, length), swap(bob, 40, length));
    let (sent, received) = (alice.traffic(), bob.traffic());
    assert!(sent.bytes(Direction::Sent) > 40 * length as u64);
    let (a, b) = tokio::join!(alice.finish(), bob.finish());
    assert_eq!((a, b), (Ok(()), Ok(())));
    assert_eq!(
        sent.bytes(Direction::Sent),
        received.bytes(Direction::Received)
    );
    assert_eq!(
        sent.bytes(Direction::Received),
        received.bytes(Direction::Sent)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_refused_by_either_side_which_says_whose_it_is() {
    let short = Limits {
        wait: Duration::from_secs(3),
        ..limits()
    };
    let (alice, mallory) = meet(&tls(ALICE, BOB), &tls(MALLORY, ALICE), &short).await;
    assert_eq!(mallory.err(), Some(Error::KeyRefused));
    assert_eq!(
        alice.err(),
        Some(Error::OnlyWrongKeysCame {
            presented: public(MALLORY)
        })
    );

    let (alice, bob) = meet(&tls(ALICE, BOB), &tls(BOB, MALLORY), &short).await;
    assert_eq!(
        bob.err(),
        Some(Error::WrongKey {
            presented: public(ALICE)
        })
    );
    assert_eq!(alice.err(), Some(Error::NobodyCame { turned_away: 1 }));
}
