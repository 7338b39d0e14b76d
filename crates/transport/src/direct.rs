//! TCP: one node listens, the other connects.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::channel::Channel;
use super::entrance::{BACKLOG_CONNECTIONS, Entrance};
use super::error::{Error, Misbehaviour};
use super::limits::Limits;
use super::opening::{call_over, serve_proven};
use super::public_key::PublicKey;
use super::tls::{EnrolledTls, PinnedTls};

/// How long a name may take to be looked up: two name servers, each asked twice for 5 s, which is how
/// resolvers are set up unless told otherwise.
const NAME_WAIT: Duration = Duration::from_secs(20);

/// A reserved address at which the peer will be awaited.
pub struct Listener {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Listener {
    /// Reserves `address`, `host:port`, port 0 for any that is free. Connections are refused until
    /// [`accept`](Self::accept), so that a peer that comes early tries again.
    ///
    /// # Errors
    /// [`Error::AddressMalformed`], [`Error::NameUnknown`], [`Error::CannotListen`].
    pub async fn bind(address: &str) -> Result<Self, Error> {
        let address = resolve(address).await?.next().ok_or(Error::NameUnknown)?;
        let reserve = |reuse: bool| -> io::Result<Self> {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            socket.set_reuseaddr(reuse)?;
            socket.bind(address)?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        // Without SO_REUSEADDR first, for with it two programs that do not listen yet could both
        // have the address; then with it, in case only connections of the past stand in the way.
        match reserve(false) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => reserve(true),
            reserved => reserved,
        }
        .map_err(|error| Error::CannotListen(error.kind()))
    }

    /// Tells the reserved address, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the peer, for at most [`Limits::wait`], and opens a session with it.
    ///
    /// Everybody else is turned away, and told to `turned_away` with the reason, as far as they come no
    /// faster than it returns: the wait goes on. A stranger can neither hold the peer up nor end the wait:
    /// handshakes run side by side and are bounded in time and number, and who has to go when there are
    /// too many is not for the newest to decide ([`Places`](super::Places)).
    ///
    /// # Errors
    /// [`Error::CannotListen`]; [`Error::NobodyCame`] or [`Error::OnlyWrongKeysCame`] when the wait is
    /// over; [`Error::Misbehaved`] if the peer itself came, proved its key, and broke the channel.
    pub async fn accept(
        self,
        tls: &PinnedTls,
        limits: &Limits,
        mut turned_away: impl FnMut(SocketAddr, Error),
    ) -> Result<Channel, Error> {
        let mut peers = EnrolledListener::at(self, tls.enrolled(), limits.clone())?;
        let deadline = Instant::now() + limits.wait;
        let (mut others, mut presented) = (0_u32, None);
        loop {
            let Ok((from, visit)) = timeout_at(deadline, peers.next()).await else {
                return Err(match presented {
                    Some(presented) => Error::OnlyWrongKeysCame { presented },
                    None => Error::NobodyCame {
                        turned_away: others,
                    },
                });
            };
            match visit {
                Ok((channel, _)) => return Ok(channel),
                // Nobody but the peer gets beyond TLS.
                Err(error @ Error::Misbehaved(rule)) if rule != Misbehaviour::Tls => {
                    return Err(error);
                }
                Err(error) => {
                    others = others.saturating_add(1);
                    if let Error::WrongKey { presented: key } = error {
                        presented = Some(key);
                    }
                    turned_away(from, error);
                }
            }
        }
    }

    fn listen(self) -> io::Result<TcpListener> {
        // Of no effect on this socket, but its connections inherit it and can then be outlived.
        self.socket.set_reuseaddr(true)?;
        self.socket.listen(BACKLOG_CONNECTIONS)
    }
}

/// Where the peers of a node come, each known by its key; for as long as the node runs.
pub struct EnrolledListener {
    entrance: Entrance<(Channel, PublicKey)>,
}

impl EnrolledListener {
    /// Listens at `address` for the nodes that `tls` admits.
    ///
    /// # Errors
    /// Those of [`Listener::bind`].
    pub async fn open(address: &str, tls: EnrolledTls, limits: Limits) -> Result<Self, Error> {
        Self::at(Listener::bind(address).await?, tls, limits)
    }

    fn at(reserved: Listener, tls: EnrolledTls, limits: Limits) -> Result<Self, Error> {
        let listener = reserved
            .listen()
            .map_err(|error| Error::CannotListen(error.kind()))?;
        let (places, handshake) = (limits.places, limits.handshake);
        let limits = Arc::new(limits);
        let entrance = Entrance::open(listener, tls, places, handshake, move |proven| {
            let limits = limits.clone();
            async move {
                let key = proven.key;
                Ok((serve_proven(proven, &limits).await?, key))
            }
        });
        Ok(Self { entrance })
    }

    /// The address, with its real port.
    ///
    /// # Errors
    /// [`Error::CannotListen`]: the operating system has forgotten it.
    pub fn address(&self) -> Result<SocketAddr, Error> {
        self.entrance.address()
    }

    /// The next visitor: a channel on which a session was opened, and the key that was proven; or why it
    /// was turned away. Visitors come in whether or not this is called, bounded in time and number. May
    /// be dropped and called again.
    pub async fn next(&mut self) -> (SocketAddr, Result<(Channel, PublicKey), Error>) {
        self.entrance.next().await
    }
}

/// Connects to the peer at `address`, `host:port`, and opens a session with it.
///
/// While nothing listens there, or it hangs up before a word, tries again, at growing intervals,
/// until [`Limits::wait`] is over: the peer may not have started yet. A name may have several
/// addresses; each attempt tries all.
///
/// # Errors
/// At once: [`Error::AddressMalformed`], [`Error::NameUnknown`]; if somebody else is there,
/// [`Error::WrongKey`], [`Error::KeyRefused`], [`Error::NotTls`], [`Error::Incompatible`]; if nobody
/// answers, [`Error::HandshakeTimedOut`]; and [`Error::Refused`], [`Error::Misbehaved`].
/// After the wait: [`Error::Unreachable`], [`Error::Gone`].
pub async fn connect(address: &str, tls: &PinnedTls, limits: &Limits) -> Result<Channel, Error> {
    let deadline = Instant::now() + limits.wait;
    let addresses: Vec<SocketAddr> = resolve(address).await?.collect();
    let mut pause = limits.pause_first;
    loop {
        let failure = match reach(&addresses, limits, deadline).await {
            Ok(stream) => match call_over(stream, tls, limits).await {
                // What forwards a port hangs up like this as long as nothing listens behind it.
                Err(Error::Gone) => Error::Gone,
                settled => return settled,
            },
            Err(error) => error,
        };
        if Instant::now() + pause >= deadline {
            return Err(failure);
        }
        sleep(pause).await;
        pause = (pause * 2).min(limits.pause_max);
    }
}

/// Makes a TCP connection to the first of the addresses that takes one.
pub(super) async fn reach(
    addresses: &[SocketAddr],
    limits: &Limits,
    deadline: Instant,
) -> Result<TcpStream, Error> {
    let mut failure = Error::NameUnknown;
    for address in addresses {
        // Each address has its own attempt: one that swallows packets must not cost the others theirs.
        let attempt = deadline.min(Instant::now() + limits.attempt);
        let connected = timeout_at(attempt, TcpStream::connect(address)).await;
        match connected.unwrap_or(Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => {
                stream
                    .set_nodelay(true)
                    .map_err(|error| Error::Unreachable(error.kind()))?;
                return Ok(stream);
            }
            Err(error) => failure = Error::Unreachable(error.kind()),
        }
    }
    Err(failure)
}

/// Looks `host:port` up.
pub(super) async fn resolve(address: &str) -> Result<impl Iterator<Item = SocketAddr>, Error> {
    let (host, port) = address.rsplit_once(':').ok_or(Error::AddressMalformed)?;
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err(Error::AddressMalformed);
    }
    let found = timeout(NAME_WAIT, lookup_host(address)).await;
    found.ok().and_then(Result::ok).ok_or(Error::NameUnknown)
}
