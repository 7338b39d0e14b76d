//! The socket and the listener, and the connections that come there.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::gate::{Counted, Gate};
use super::{ControlConfig, Error};
use crate::handle::Handle;
use pairing::NodeId;
use store::clients::Credential;
use transport::{self, EnrolledTls, PublicKey};

/// What a client may send of one call before it is read.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// What it may send altogether.
const CONNECTION_WINDOW_BYTES: u32 = 2 << 20;
/// What may wait to be written to one call.
const SEND_BUFFER_BYTES: usize = 512 << 10;
/// Names and values of all headers of one message, uncompressed.
const HEADERS_BYTES_MAX: u32 = 8 << 10;
/// Pause after the operating system could not hand over a connection, for want of descriptors, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The control service, bound and ready to serve.
pub struct Control {
    gate: Arc<Gate>,
    socket: Socket,
    remote: Option<Remote>,
}

/// The socket, and which file it is.
struct Socket {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

struct Remote {
    listener: TcpListener,
    tls: EnrolledTls,
}

impl Control {
    /// Takes the socket and the address.
    ///
    /// # Errors
    /// They cannot be had, or somebody else has them.
    pub async fn bind(handle: Handle, config: ControlConfig) -> Result<Self, Error> {
        let socket = Socket::bind(&config.socket, config.socket_mode).await?;
        let gate = Arc::new(Gate::new(handle, config.limits)?);
        let remote = match config.listen {
            None => None,
            Some(address) => {
                let listener = TcpListener::bind(&address)
                    .await
                    .map_err(|source| Error::Address { address, source })?;
                gate.look_at_keys().await.map_err(|_| Error::Clients)?;
                let list = gate.clone();
                let admits = Arc::new(move |key: &PublicKey| list.admits(key));
                let tls = EnrolledTls::new(gate.handle.store().key().seed(), admits)?;
                Some(Remote { listener, tls })
            }
        };
        Ok(Self {
            gate,
            socket,
            remote,
        })
    }

    /// Where clients on other machines reach the node, with its real port.
    pub fn address(&self) -> Option<SocketAddr> {
        self.remote.as_ref()?.listener.local_addr().ok()
    }

    /// Serves until `stop`; calls that go on then have [`drain`](super::ControlLimits::drain) to end.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut handshakes = VecDeque::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                accepted = self.socket.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let (gate, stopped) = (self.gate.clone(), stopped.clone());
                        connections.spawn(local(gate, stream, stopped));
                    }
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                },
                accepted = accept(self.remote.as_ref()) => match accepted {
                    Ok((stream, tls)) => {
                        admit(&self.gate, stream, tls, &mut connections, &mut handshakes, &stopped);
                    }
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                },
                Some(_) = connections.join_next() => {}
                () = &mut stop => break,
            }
        }
        self.socket.remove();
        let _ = stopping.send(true);
        let drained = timeout(self.gate.limits.drain, async {
            while connections.join_next().await.is_some() {}
        });
        let _ = drained.await;
        connections.shutdown().await;
        self.gate.write_refusals().await;
    }
}

impl Socket {
    /// Makes the socket under a name of its own, closes it to others, and then puts it in its place: at
    /// no moment can somebody open it whom its mode keeps out, and one that a killed node left makes way.
    async fn bind(path: &Path, mode: u32) -> Result<Self, Error> {
        let failed = |source| Error::Socket {
            path: path.to_owned(),
            source,
        };
        if let Ok(there) = std::fs::symlink_metadata(path) {
            if !there.file_type().is_socket() {
                return Err(Error::NotASocket { path: path.into() });
            }
            if UnixStream::connect(path).await.is_ok() {
                return Err(Error::SocketInUse { path: path.into() });
            }
        }
        let folder = path.parent().unwrap_or(Path::new("/"));
        let room = tempfile::Builder::new()
            .permissions(std::fs::Permissions::from_mode(0o700))
            .prefix(".s")
            .rand_bytes(4)
            .tempdir_in(folder)
            .map_err(failed)?;
        let new = room.path().join("s");
        let listener = UnixListener::bind(&new).map_err(failed)?;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
        let inode = std::fs::symlink_metadata(&new).map_err(failed)?.ino();
        std::fs::rename(&new, path).map_err(failed)?;
        Ok(Self {
            listener,
            path: path.into(),
            inode,
        })
    }

    /// Takes the file away, unless it is another's by now.
    fn remove(&self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

async fn accept(remote: Option<&Remote>) -> std::io::Result<(TcpStream, EnrolledTls)> {
    match remote {
        Some(remote) => {
            let (stream, _) = remote.listener.accept().await?;
            Ok((stream, remote.tls.clone()))
        }
        None => std::future::pending().await,
    }
}

/// Starts a connection from another machine, and ends the oldest handshake when there are too many.
fn admit(
    gate: &Arc<Gate>,
    stream: TcpStream,
    tls: EnrolledTls,
    connections: &mut JoinSet<()>,
    handshakes: &mut VecDeque<(Arc<()>, AbortHandle)>,
    stopped: &watch::Receiver<bool>,
) {
    // The connection's task holds the other half until its handshake is done.
    let shaking = Arc::new(());
    let (held, guests, stops) = (shaking.clone(), gate.clone(), stopped.clone());
    let task = connections.spawn(remote(guests, stream, tls, held, stops));
    handshakes.retain(|(shaking, _)| Arc::strong_count(shaking) > 1);
    handshakes.push_back((shaking, task));
    if handshakes.len() > gate.limits.handshakes_max
        && let Some((_, oldest)) = handshakes.pop_front()
    {
        oldest.abort();
    }
}

async fn local(gate: Arc<Gate>, stream: UnixStream, stopped: watch::Receiver<bool>) {
    let Ok(caller) = stream.peer_cred() else {
        return;
    };
    let caller = Credential::User(caller.uid());
    if let Some(counted) = gate.connect(caller) {
        calls(gate, caller, true, counted, stream, stopped).await;
    }
}

async fn remote(
    gate: Arc<Gate>,
    stream: TcpStream,
    tls: EnrolledTls,
    shaking: Arc<()>,
    stopped: watch::Receiver<bool>,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let secured = timeout(gate.limits.handshake, tls.accept(stream)).await;
    drop(shaking);
    let (secured, key) = match secured {
        Ok(Ok(secured)) => secured,
        Ok(Err(transport::Error::WrongKey { .. })) => {
            gate.refused(None, "connect").await;
            return;
        }
        Ok(Err(_)) | Err(_) => return,
    };
    let Ok(id) = NodeId::from_bytes(key) else {
        return;
    };
    let caller = Credential::Key(id);
    if let Some(counted) = gate.connect(caller) {
        calls(gate, caller, false, counted, secured, stopped).await;
    }
}

/// Serves the calls of one connection until it ends, is idle, or the node stops.
async fn calls<S>(
    gate: Arc<Gate>,
    caller: Credential,
    is_local: bool,
    _counted: Counted,
    stream: S,
    mut stopped: watch::Receiver<bool>,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let busy = Arc::new(());
    let limits = gate.limits.clone();
    let (held, at_gate) = (busy.clone(), gate.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (gate, busy) = (at_gate.clone(), held.clone());
        async move {
            Ok::<_, std::convert::Infallible>(gate.call(caller, is_local, busy, request).await)
        }
    });
    // Held here and by the service, beside by the calls that go on.
    let at_rest = Arc::strong_count(&busy);
    let mut connection = pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .max_header_list_size(HEADERS_BYTES_MAX)
            .max_concurrent_streams(limits.calls_per_connection_max)
            .keep_alive_interval(limits.keep_alive)
            .keep_alive_timeout(limits.keep_alive)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut looks = interval(limits.connection_idle);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks.tick().await;
    let mut told = false;
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = looks.tick() => {
                if Arc::strong_count(&busy) <= at_rest {
                    if told { return; }
                    connection.as_mut().graceful_shutdown();
                    told = true;
                }
            }
            () = told_to_stop(&mut stopped) => {
                connection.as_mut().graceful_shutdown();
                // Calls that go on may end by themselves; the drain's deadline bounds them.
                let _ = connection.as_mut().await;
                return;
            }
        }
    }
}

async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
