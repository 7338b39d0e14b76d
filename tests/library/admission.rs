//! Who gets a connection at each listener: an honest caller that needs a moment for its handshake, while
//! strangers without a key come in numbers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::service::{Node, raw_calls};
use crate::strangers::{Held, Line, client_hello, come};
use admin::ClientRole;
use node::control::ControlLimits;
use pairing::NodeKey;
use relay::{Relay, serve};
use store::enrolled;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use transport::{
    ControlConnection, EnrolledListener, EnrolledTls, Limits, Listener, PinnedTls, Places,
    RelayConnection, call_over,
};
use wire::control::generated as pb;

const HOST: [u8; 32] = [1; 32];
const HONEST: u8 = 2;
/// Few, so that few strangers fill them; and time enough that no slow machine ends what strangers cannot.
const PLACES: Places = Places {
    before_hello: 8,
    hello: Duration::from_secs(300),
    unproven: 8,
    known_addresses: 8,
    proven: 8,
    proven_per_key: 8,
};
const PATIENCE: Duration = Duration::from_secs(300);
const STRANGERS: usize = 40;

/// A listener of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// `tacit match --listen`, which takes one peer in and is done.
    Match,
    /// A node's, for its peers.
    Peers,
    /// A node's, for clerks on other machines.
    Clients,
    Relay,
}

/// A listener at work.
struct Hosted {
    which: Which,
    address: SocketAddr,
    key: [u8; 32],
    /// What goes with it.
    _kept: Vec<Box<dyn std::any::Any>>,
}

fn limits() -> Limits {
    Limits {
        wait: PATIENCE,
        attempt: PATIENCE,
        handshake: PATIENCE,
        places: PLACES,
        ..Limits::default()
    }
}

fn public(seed: u8) -> [u8; 32] {
    *NodeKey::from_seed(&[seed; 32]).id().as_bytes()
}

impl Hosted {
    fn start(which: Which, runtime: &Runtime) -> Self {
        let key = public(HOST[0]);
        let (address, kept): (_, Vec<Box<dyn std::any::Any>>) = match which {
            Which::Match => runtime.block_on(async {
                let listener = Listener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.address();
                let tls = PinnedTls::new(&HOST, public(HONEST)).unwrap();
                tokio::spawn(async move {
                    // Kept open until the test is over.
                    let _met = listener.accept(&tls, &limits(), |_, _| ()).await;
                    std::future::pending::<()>().await;
                });
                (address, Vec::new())
            }),
            Which::Peers => runtime.block_on(async {
                let tls = EnrolledTls::new(&HOST, Arc::new(|key| *key == public(HONEST))).unwrap();
                let mut listener = EnrolledListener::open("127.0.0.1:0", tls, limits())
                    .await
                    .unwrap();
                let address = listener.address().unwrap();
                tokio::spawn(async move {
                    let mut met = Vec::new();
                    loop {
                        met.extend(listener.next().await.1.ok());
                    }
                });
                (address, Vec::new())
            }),
            Which::Clients => {
                let node = Node::start_with(ControlLimits {
                    handshake: PATIENCE,
                    places: PLACES,
                    ..ControlLimits::default()
                });
                // Enrolling connects, too: from another address than those of the test.
                node.enrol(HONEST, ClientRole::Clerk);
                (node.address, vec![Box::new(node)])
            }
            Which::Relay => runtime.block_on(async {
                let home = tempfile::tempdir().unwrap();
                let honest = NodeKey::from_seed(&[HONEST; 32]).id();
                enrolled::add(home.path(), &[honest]).unwrap();
                let limits = relay::Limits {
                    handshake: PATIENCE,
                    places: PLACES,
                    ..relay::Limits::default()
                };
                let key = Arc::new(NodeKey::from_seed(&HOST));
                let relay = Relay::open(home.path(), key, Arc::new(|| 0), limits).unwrap();
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                tokio::spawn(serve(
                    relay,
                    listener,
                    std::future::pending(),
                    Duration::ZERO,
                ));
                (address, vec![Box::new(home) as Box<_>])
            }),
        };
        Self {
            which,
            address,
            key,
            _kept: kept,
        }
    }

    /// Has the honest caller come, through `line`, and tells whether it got what it came for.
    async fn serves(&self, line: &Line) -> bool {
        let tls = PinnedTls::new(&[HONEST; 32], self.key).unwrap();
        let (address, limits) = (line.address.to_string(), limits());
        match self.which {
            Which::Match | Which::Peers => {
                let stream = come(Ipv4Addr::LOCALHOST.into(), line.address).await;
                let called = call_over(stream.unwrap(), &tls, &limits).await;
                // Such a channel is open once the other side has taken the call.
                called.is_ok()
            }
            Which::Clients => {
                let link = ControlConnection::remote(&address, &tls, &limits).await;
                let Ok(link) = link else { return false };
                let status = raw_calls(&link).get_status(pb::GetStatusRequest {}).await;
                status.is_ok()
            }
            Which::Relay => {
                let link = RelayConnection::connect(&address, &tls, &limits).await;
                let Ok(mut link) = link else { return false };
                link.time().await.is_ok()
            }
        }
    }
}

/// Has strangers come from these addresses, one after the other, who say `says` and nothing more; returns
/// once all have been sent away for whom the listener has no places.
async fn strangers_come(addresses: Whence, to: SocketAddr, says: &[u8]) -> JoinSet<()> {
    let mut there = JoinSet::new();
    for n in 0..STRANGERS {
        let mut stranger = come(IpAddr::V4(addresses(n as u8)), to).await.unwrap();
        let _ = stranger.write_all(says).await;
        there.spawn(sent_away(stranger));
    }
    for _ in 0..STRANGERS - PLACES.before_hello {
        there.join_next().await.unwrap().unwrap();
    }
    there
}

/// Returns when the listener has closed a connection.
async fn sent_away(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}

/// Whence strangers come, by their number.
type Whence = fn(u8) -> Ipv4Addr;

const FLOODS: [(&str, Whence); 3] = [
    ("one address", |_| Ipv4Addr::new(127, 1, 0, 1)),
    ("one network", |n| Ipv4Addr::new(127, 1, n, 1)),
    ("four networks", |n| Ipv4Addr::new(127, 1 + n % 4, 0, n)),
];

#[test]
fn strangers_from_other_networks_displace_nobody_in_the_middle_of_a_handshake_at_any_listener() {
    let runtime = Runtime::new().unwrap();
    let hello = runtime.block_on(client_hello());
    let mut tried = 0;
    for which in [Which::Match, Which::Peers, Which::Clients, Which::Relay] {
        for (held, says) in [(Held::BeforeHello, &[][..]), (Held::BeforeProof, &hello)] {
            for (whence, addresses) in FLOODS {
                let hosted = Hosted::start(which, &runtime);
                runtime.block_on(async {
                    let from = Ipv4Addr::new(127, 9, 0, 1).into();
                    let line = Line::held(from, hosted.address, held).await;
                    let flood = async {
                        line.arrived().await;
                        let there = strangers_come(addresses, hosted.address, says).await;
                        line.go_on();
                        there
                    };
                    let (served, _there) = tokio::join!(hosted.serves(&line), flood);
                    assert!(served, "{which:?}, {held:?}, {whence}");
                });
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 24);
}

#[test]
fn strangers_from_its_own_network_displace_nobody_who_proved_its_key_from_there_before() {
    let runtime = Runtime::new().unwrap();
    let hello = runtime.block_on(client_hello());
    for which in [Which::Peers, Which::Clients, Which::Relay] {
        let hosted = Hosted::start(which, &runtime);
        for (held, says) in [(Held::BeforeHello, &[][..]), (Held::BeforeProof, &hello)] {
            runtime.block_on(async {
                let from = Ipv4Addr::new(127, 9, 0, 1).into();
                let line = Line::held(from, hosted.address, Held::Nowhere).await;
                assert!(hosted.serves(&line).await, "{which:?}, before the flood");
                let line = Line::held(from, hosted.address, held).await;
                let flood = async {
                    line.arrived().await;
                    let addresses = |n| Ipv4Addr::new(127, 9, 0, 2 + n);
                    let there = strangers_come(addresses, hosted.address, says).await;
                    line.go_on();
                    there
                };
                let (served, _there) = tokio::join!(hosted.serves(&line), flood);
                assert!(served, "{which:?}, {held:?}");
            });
        }
    }
}

#[test]
fn peers_come_in_while_nobody_looks_and_one_of_them_cannot_take_all_places() {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let tls = EnrolledTls::new(&HOST, Arc::new(|_| true)).unwrap();
        let limits = Limits {
            places: Places {
                proven_per_key: 3,
                ..PLACES
            },
            ..limits()
        };
        let mut listener = EnrolledListener::open("127.0.0.1:0", tls, limits.clone())
            .await
            .unwrap();
        let address = listener.address().unwrap();
        let calls = async |seed: u8| {
            let stream = come(Ipv4Addr::LOCALHOST.into(), address).await.unwrap();
            let tls = PinnedTls::new(&[seed; 32], public(HOST[0])).unwrap();
            call_over(stream, &tls, &limits).await
        };
        let mut open = Vec::new();
        for _ in 0..3 {
            open.push(calls(HONEST).await.unwrap());
        }
        assert!(calls(HONEST).await.is_err());
        open.push(calls(HONEST + 1).await.unwrap());
        // Once they are looked at, there is room again.
        let mut met = Vec::new();
        while met.len() < 4 {
            met.extend(listener.next().await.1.ok());
        }
        assert_eq!(met[3].1, public(HONEST + 1));
        assert!(calls(HONEST).await.is_ok());
    });
}
