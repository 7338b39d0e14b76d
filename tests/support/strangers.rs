//! Strangers at a listener, who have no key, and a line on which an honest caller is slow or held.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use transport::PinnedTls;

/// What passes a line at once.
const CHUNK_BYTES: usize = 16 << 10;

/// Connects from an address of this machine, such as one of 127.0.0.0/8, as soon as somebody listens.
pub async fn come(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    loop {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        match socket.connect(to).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                tokio::task::yield_now().await;
            }
            connected => return connected,
        }
    }
}

/// A whole ClientHello, as a node sends it; anybody can.
pub async fn client_hello() -> Vec<u8> {
    let tls = PinnedTls::new(&[77; 32], [0; 32]).unwrap();
    let (near, mut far) = duplex(CHUNK_BYTES);
    let calling = tokio::spawn(async move { tls.connect(near).await.map(|_| ()) });
    let mut header = [0; 5];
    far.read_exact(&mut header).await.unwrap();
    let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
    let mut hello = header.to_vec();
    hello.resize(5 + length, 0);
    far.read_exact(&mut hello[5..]).await.unwrap();
    calling.abort();
    hello
}

/// An address that passes on to another all that comes.
pub struct Line {
    pub address: SocketAddr,
    arrived: Arc<Semaphore>,
    go_on: Arc<Semaphore>,
}

/// Where a [`Line`] holds its one caller up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    Nowhere,
    /// It has connected, and its first bytes do not come.
    BeforeHello,
    /// It has said hello, and hears no answer.
    BeforeProof,
}

impl Line {
    /// Passes one caller on, as coming from `from`, with a pause.
    pub async fn held(from: IpAddr, to: SocketAddr, held: Held) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let [arrived, go_on] = [0, 0].map(|none| Arc::new(Semaphore::new(none)));
        let pause = (arrived.clone(), go_on.clone());
        tokio::spawn(async move {
            let (caller, _) = listener.accept().await.unwrap();
            let called = come(from, to).await.unwrap();
            let (mut hears, mut says) = caller.into_split();
            let (mut answers, mut asked) = called.into_split();
            let pause = &pause;
            let (hello, answer) = (held == Held::BeforeHello, held == Held::BeforeProof);
            tokio::join!(
                pass(&mut hears, &mut asked, hello.then_some(pause)),
                pass(&mut answers, &mut says, answer.then_some(pause)),
            );
        });
        Self {
            address,
            arrived,
            go_on,
        }
    }

    /// Returns when the caller is where it is held.
    pub async fn arrived(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.go_on.add_permits(1);
    }

    /// Passes every caller on, as coming from what `from` gives for it, each byte `one_way` later.
    pub async fn delayed(
        mut from: impl FnMut() -> IpAddr + Send + 'static,
        to: SocketAddr,
        one_way: Duration,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                let from = from();
                tokio::spawn(async move {
                    let called = come(from, to).await?;
                    for stream in [&caller, &called] {
                        stream.set_nodelay(true)?;
                    }
                    let (hears, says) = caller.into_split();
                    let (answers, asked) = called.into_split();
                    tokio::join!(
                        pass_late(hears, asked, one_way),
                        pass_late(answers, says, one_way)
                    );
                    io::Result::Ok(())
                });
            }
        });
        let [arrived, go_on] = [0, 0].map(|none| Arc::new(Semaphore::new(none)));
        Self {
            address,
            arrived,
            go_on,
        }
    }
}

/// Copies to the end, with a pause once the first bytes are there.
async fn pass(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    pause: Option<&(Arc<Semaphore>, Arc<Semaphore>)>,
) {
    if let Some((arrived, go_on)) = pause {
        let mut first = vec![0; CHUNK_BYTES];
        let read = from.read(&mut first).await.unwrap_or(0);
        arrived.add_permits(1);
        go_on.acquire().await.unwrap().forget();
        if to.write_all(&first[..read]).await.is_err() {
            return;
        }
    }
    let _ = tokio::io::copy(from, to).await;
    let _ = to.shutdown().await;
}

/// Copies to the end, each byte `later` than it came.
async fn pass_late(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    later: Duration,
) {
    let mut waiting: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut ended = false;
    let mut bytes = vec![0; CHUNK_BYTES];
    while !(ended && waiting.is_empty()) {
        let due = waiting.front().map(|(due, _)| *due);
        tokio::select! {
            read = from.read(&mut bytes), if !ended => match read {
                Ok(read) if read > 0 => {
                    waiting.push_back((Instant::now() + later, bytes[..read].to_vec()));
                }
                _ => ended = true,
            },
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                let (_, chunk) = waiting.pop_front().unwrap();
                if to.write_all(&chunk).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = to.shutdown().await;
}
