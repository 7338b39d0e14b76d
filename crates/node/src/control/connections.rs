//! The socket and the listener, and the connections that come there.

use std::future::{Future, pending, ready};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixStream};
use tokio::time::sleep;

use super::dispatch::Dispatcher;
use super::error::Error;
use super::settings::ControlConfig;
use crate::handle::Handle;
use crate::socket::Socket;
use admin::Credential;
use pairing::NodeId;
use transport::server::{
    ACCEPT_PAUSE, CallsGoingOn, ConnectionLimits, Connections, Stopping, serve_calls,
};
use transport::{self, EnrolledTls, Entrance, Proven, PublicKey};

/// What a client may send of one call before it is read.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// What it may send altogether.
const CONNECTION_WINDOW_BYTES: u32 = 2 << 20;
/// What may wait to be written to one call.
const SEND_BUFFER_BYTES: usize = 512 << 10;

/// The control service, bound and ready to serve.
pub struct Control {
    dispatcher: Arc<Dispatcher>,
    socket: Socket,
    remote: Option<Entrance<Proven>>,
}

impl Control {
    /// Takes the socket and the address.
    ///
    /// # Errors
    /// They cannot be had, or somebody else has them.
    pub async fn bind(handle: Handle, config: ControlConfig) -> Result<Self, Error> {
        let socket = Socket::bind(&config.socket, config.socket_mode).await?;
        let dispatcher = Arc::new(Dispatcher::new(handle, config.limits)?);
        let context = &dispatcher.context;
        let remote = match config.listen {
            None => None,
            Some(address) => {
                let listener = TcpListener::bind(&address)
                    .await
                    .map_err(|source| Error::Address { address, source })?;
                // Before the first handshake, which would find no client enrolled.
                context
                    .authorizer
                    .read_keys()
                    .await
                    .map_err(|_| Error::Clients)?;
                let list = context.clone();
                let admits = Arc::new(move |key: &PublicKey| list.authorizer.admits(key));
                let tls = EnrolledTls::new(context.handle.store().key().seed(), admits)?;
                let (places, handshake) = (context.limits.places, context.limits.handshake);
                let handed_on = |proven| ready(Ok(proven));
                Some(Entrance::open(listener, tls, places, handshake, handed_on))
            }
        };
        Ok(Self {
            dispatcher,
            socket,
            remote,
        })
    }

    /// Where clients on other machines reach the node, with its real port.
    pub fn address(&self) -> Option<SocketAddr> {
        self.remote.as_ref()?.address().ok()
    }

    /// Serves until `stop`; calls that go on then have [`drain`](super::settings::ControlLimits::drain) to end.
    pub async fn serve(mut self, stop: impl Future<Output = ()>) {
        let mut connections = Connections::default();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                accepted = self.socket.accept() => match accepted {
                    Ok(stream) => {
                        connections.run(|stopping| local(self.dispatcher.clone(), stream, stopping));
                    }
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                },
                visit = next(self.remote.as_mut()) => match visit {
                    Ok(proven) => connections.run(|stopping| {
                        remote(self.dispatcher.clone(), proven, stopping)
                    }),
                    Err(transport::Error::WrongKey { .. }) => {
                        let dispatcher = self.dispatcher.clone();
                        connections.run(|_| async move {
                            dispatcher.context.refusals.note(None, "connect").await;
                        });
                    }
                    Err(_) => {}
                },
                () = connections.reap() => {}
                () = &mut stop => break,
            }
        }
        drop(self.socket);
        // Whoever comes from here on is refused by the operating system.
        drop(self.remote);
        connections
            .drain(self.dispatcher.context.limits.drain)
            .await;
        connections.cut_off().await;
        self.dispatcher.context.refusals.write_counted().await;
    }
}

/// Serves clients until `stop`.
///
/// # Errors
/// The socket or the address cannot be had; nothing was served then.
pub async fn serve(
    handle: Handle,
    config: ControlConfig,
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    Control::bind(handle, config).await?.serve(stop).await;
    Ok(())
}

async fn next(remote: Option<&mut Entrance<Proven>>) -> Result<Proven, transport::Error> {
    match remote {
        Some(remote) => remote.next().await.1,
        None => pending().await,
    }
}

async fn local(dispatcher: Arc<Dispatcher>, stream: UnixStream, stopping: Stopping) {
    let Ok(caller) = stream.peer_cred() else {
        return;
    };
    let caller = Credential::User(caller.uid());
    if let Some(_counted) = dispatcher.connect(caller) {
        calls(dispatcher, caller, true, stream, stopping).await;
    }
}

async fn remote(dispatcher: Arc<Dispatcher>, proven: Proven, stopping: Stopping) {
    let Ok(id) = NodeId::from_bytes(proven.key) else {
        return;
    };
    let caller = Credential::Key(id);
    if let Some(_counted) = dispatcher.connect(caller) {
        calls(dispatcher, caller, false, proven.secured, stopping).await;
    }
}

/// Serves the calls of one connection until it ends, is idle, or the node stops.
async fn calls<S>(
    dispatcher: Arc<Dispatcher>,
    caller: Credential,
    is_local: bool,
    stream: S,
    stopping: Stopping,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let limits = ConnectionLimits {
        stream_window_bytes: STREAM_WINDOW_BYTES,
        connection_window_bytes: CONNECTION_WINDOW_BYTES,
        send_buffer_bytes: SEND_BUFFER_BYTES,
        calls_max: dispatcher.context.limits.calls_per_connection_max,
        keep_alive: dispatcher.context.limits.keep_alive,
        idle: dispatcher.context.limits.connection_idle,
    };
    let going_on = CallsGoingOn::default();
    let counts = going_on.clone();
    let answer = move |request| {
        let (dispatcher, going_on) = (dispatcher.clone(), counts.begin());
        async move { Ok(dispatcher.call(caller, is_local, going_on, request).await) }
    };
    // Whether a client is still one, and what it may do, is read with every call.
    serve_calls(stream, &limits, &going_on, pending(), stopping, answer).await;
}
