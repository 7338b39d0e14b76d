//! A listener's entrance: accepts TCP connections and hands on those that have proven an admitted key.
//!
//! Handed a listener, and what is to become of a connection once its key is proven. Who may stay until
//! then is decided by the [`AdmissionTable`]; here are the sockets, the clocks and the tasks. Accepting
//! goes on in a task of its own, whatever the owner does meanwhile.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use rand::rngs::StdRng;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsStream;

use super::admission::{AdmissionTable, Displaced, NoPlace, Ticket};
use super::client_hello::read_hello;
use super::descriptors;
use super::error::Error;
use super::places::Places;
use super::public_key::PublicKey;
use super::server::ACCEPT_PAUSE;
use super::tls::EnrolledTls;
use super::traffic::{CountedStream, Traffic};

/// Connections that the operating system queues until they are accepted; its `somaxconn` may allow fewer.
pub(super) const BACKLOG_CONNECTIONS: u32 = 4_096;
/// Connections that are accepted before anything else is done.
const BATCH_CONNECTIONS: usize = 64;
/// Visits that nobody has taken yet. Of those turned away a further one is not told; one that has proven
/// its key waits.
const VISITS_WAITING_MAX: usize = 256;

/// Where connections come, for as long as this lives.
pub struct Entrance<T> {
    visits: mpsc::Receiver<Visit<T>>,
    address: Result<SocketAddr, Error>,
    accepting: AbortHandle,
}

/// A connection whose other side has proven an admitted key.
pub struct Proven {
    pub secured: TlsStream<CountedStream<TcpStream>>,
    pub key: PublicKey,
    /// What passes below TLS.
    pub traffic: Arc<Traffic>,
}

impl<T: Send + 'static> Entrance<T> {
    /// Lets those that `tls` admits in at `listener`, at most so many at once as there are `places`, or as
    /// the process may have descriptors for: its limit is raised first, and what is still too little is
    /// written to the log.
    ///
    /// `handshake` bounds the rest of TLS once the ClientHello is there. `proven` makes of a connection what
    /// [`next`](Self::next) gives; it bounds its time itself, and until what it made is taken, the
    /// connection counts among the proven ones of its key.
    pub fn open<F>(
        listener: TcpListener,
        tls: EnrolledTls,
        places: Places,
        handshake: Duration,
        proven: impl Fn(Proven) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        // Whoever made the listener may have asked for fewer. If it fails, that many it is.
        let _ = rustix::net::listen(&listener, BACKLOG_CONNECTIONS as i32);
        let descriptors = descriptors::raised();
        let fitting = places.within(descriptors);
        if fitting != places {
            tracing::warn!(
                descriptors,
                before_hello = fitting.before_hello,
                unproven = fitting.unproven,
                "few descriptors: strangers can shut others out with fewer connections; raise LimitNOFILE"
            );
        }
        let (told, visits) = mpsc::channel(VISITS_WAITING_MAX);
        let address = listener.local_addr();
        let address = address.map_err(|error| Error::CannotListen(error.kind()));
        let doorkeeper = Arc::new(Doorkeeper {
            seated: Mutex::new(Seated {
                table: AdmissionTable::new(fitting),
                rng: rand::make_rng(),
            }),
            opened: Instant::now(),
            tls,
            hello: places.hello,
            handshake,
            told,
        });
        let accepting = tokio::spawn(doorkeeper.accept(listener, proven)).abort_handle();
        Self {
            visits,
            address,
            accepting,
        }
    }

    /// The address, with its real port.
    ///
    /// # Errors
    /// The operating system has forgotten it.
    pub fn address(&self) -> Result<SocketAddr, Error> {
        self.address
    }

    /// Where the next visitor is from, and what was made of its connection, or why it was turned away.
    /// May be dropped and called again.
    pub async fn next(&mut self) -> (SocketAddr, Result<T, Error>) {
        match self.visits.recv().await {
            Some((from, visit)) => (from, visit.map(|(made, _place)| made)),
            // The task that accepts lives as long as this.
            None => std::future::pending().await,
        }
    }
}

impl<T> Drop for Entrance<T> {
    fn drop(&mut self) {
        // With it go all connections that it has not handed on.
        self.accepting.abort();
    }
}

/// Where a connection is from, and what was made of it, with its place until it is taken: so one key
/// cannot fill the queue.
type Visit<T> = (SocketAddr, Result<(T, Place<T>), Error>);

/// What the tasks of one entrance share.
struct Doorkeeper<T> {
    seated: Mutex<Seated>,
    opened: Instant,
    tls: EnrolledTls,
    hello: Duration,
    handshake: Duration,
    told: mpsc::Sender<Visit<T>>,
}

struct Seated {
    /// Each with what tells it that another has its place.
    table: AdmissionTable<oneshot::Sender<()>>,
    rng: StdRng,
}

/// A place in the table, given back when dropped.
struct Place<T> {
    doorkeeper: Arc<Doorkeeper<T>>,
    ticket: Ticket,
}

/// One connection that was accepted, on its way into a task of its own.
struct Visitor<T> {
    place: Place<T>,
    stream: TcpStream,
    from: SocketAddr,
    displaced: oneshot::Receiver<()>,
}

impl<T> Doorkeeper<T> {
    fn seated(&self) -> MutexGuard<'_, Seated> {
        self.seated.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Doorkeeper<T> {
    /// Accepts for ever. What it started ends with it.
    async fn accept<F>(
        self: Arc<Self>,
        listener: TcpListener,
        proven: impl Fn(Proven) -> F + Clone + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let mut visits = JoinSet::new();
        let mut accepted = Vec::with_capacity(BATCH_CONNECTIONS);
        loop {
            tokio::select! {
                batch = accept_batch(&listener, &mut accepted) => match batch {
                    Ok(()) => {
                        for visitor in self.admit(&mut accepted) {
                            visits.spawn(visitor.run(proven.clone()));
                        }
                    }
                    // Of one connection, which its other side broke off.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                },
                Some(_) = visits.join_next() => while visits.try_join_next().is_some() {},
            }
        }
    }

    /// Gives each connection a place, and sends those away who have to go for them.
    fn admit(self: &Arc<Self>, accepted: &mut Vec<(TcpStream, SocketAddr)>) -> Vec<Visitor<T>> {
        let now = self.opened.elapsed();
        let mut seated = self.seated();
        let Seated { table, rng } = &mut *seated;
        let visitors = accepted.drain(..).map(|(stream, from)| {
            // Messages are written whole; waiting to fill a packet would only delay them.
            let _ = stream.set_nodelay(true);
            let (displaces, displaced) = oneshot::channel();
            let (ticket, gone) = table.arrive(from.ip(), now, rng, displaces);
            send_away(gone);
            let doorkeeper = self.clone();
            Visitor {
                place: Place { doorkeeper, ticket },
                stream,
                from,
                displaced,
            }
        });
        visitors.collect()
    }

    fn hello_came(&self, ticket: Ticket) -> Result<(), NoPlace> {
        let mut seated = self.seated();
        let Seated { table, rng } = &mut *seated;
        send_away(table.hello_came(ticket, rng)?);
        Ok(())
    }

    fn prove(&self, ticket: Ticket, key: PublicKey) -> Result<(), NoPlace> {
        let now = self.opened.elapsed();
        self.seated().table.prove(ticket, key, now)
    }
}

impl<T: Send + 'static> Visitor<T> {
    /// Runs the connection to its proof, and what comes of it until it is taken.
    async fn run<F>(self, proven: impl Fn(Proven) -> F)
    where
        F: Future<Output = Result<T, Error>>,
    {
        let Self {
            place,
            stream,
            from,
            displaced,
        } = self;
        let displaced = async {
            // Whoever has proven its key is no longer told anything.
            if displaced.await.is_err() {
                std::future::pending().await
            }
        };
        let outcome = tokio::select! {
            () = displaced => Err(Error::Displaced),
            outcome = place.outcome(stream, proven) => outcome,
        };
        let told = place.doorkeeper.told.clone();
        match outcome {
            Ok(made) => drop(told.send((from, Ok((made, place)))).await),
            // Without room it is not told: strangers must not be able to make anybody wait.
            Err(error) => drop(told.try_send((from, Err(error)))),
        }
    }
}

impl<T: Send + 'static> Place<T> {
    /// What becomes of the connection.
    async fn outcome<F>(&self, stream: TcpStream, proven: impl Fn(Proven) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let Doorkeeper {
            tls,
            hello,
            handshake,
            ..
        } = &*self.doorkeeper;
        let traffic = Arc::new(Traffic::default());
        let mut stream = CountedStream::new(stream, traffic.clone());
        let hello = timeout(*hello, read_hello(&mut stream))
            .await
            .unwrap_or(Err(Error::HandshakeTimedOut))?;
        self.doorkeeper.hello_came(self.ticket)?;
        // Boxed: thousands wait above for their first bytes, and need none of this.
        let handshaking = Box::pin(timeout(*handshake, tls.accept(hello, stream)));
        let (secured, key) = handshaking.await.unwrap_or(Err(Error::HandshakeTimedOut))?;
        self.doorkeeper.prove(self.ticket, key)?;
        Box::pin(proven(Proven {
            secured,
            key,
            traffic,
        }))
        .await
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        self.doorkeeper.seated().table.leave(self.ticket);
    }
}

fn send_away(displaced: Displaced<oneshot::Sender<()>>) {
    if let Some((_, displaces)) = displaced {
        // Its task may just have ended by itself.
        let _ = displaces.send(());
    }
}

impl From<NoPlace> for Error {
    fn from(_: NoPlace) -> Self {
        Self::Displaced
    }
}

/// Accepts what is there, at least one; nothing is lost when it is dropped.
async fn accept_batch(
    listener: &TcpListener,
    accepted: &mut Vec<(TcpStream, SocketAddr)>,
) -> io::Result<()> {
    poll_fn(|cx| {
        while accepted.len() < BATCH_CONNECTIONS {
            match listener.poll_accept(cx) {
                Poll::Ready(Ok(connection)) => accepted.push(connection),
                Poll::Ready(Err(error)) if accepted.is_empty() => return Poll::Ready(Err(error)),
                Poll::Ready(Err(_)) => break,
                Poll::Pending if accepted.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}
