//! Counts what passes: bytes as an eavesdropper sees them, messages as the session sees them.
//!
//! Each counter stands for itself, and nothing else is read on its strength: `Relaxed` is enough.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use protocol::Message;

/// Which way something passed, seen from this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    Sent,
    Received,
}

/// A kind of message, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    Offer,
    Answer,
    Commitment,
    Blinded,
    Evaluated,
    Table,
    Agreement,
    Release,
    Abort,
}

impl MessageKind {
    /// All kinds, in the order in which a session uses them first.
    pub const ALL: [Self; 9] = [
        Self::Offer,
        Self::Answer,
        Self::Commitment,
        Self::Blinded,
        Self::Evaluated,
        Self::Table,
        Self::Agreement,
        Self::Release,
        Self::Abort,
    ];
}

impl From<&Message> for MessageKind {
    fn from(message: &Message) -> Self {
        match message {
            Message::Offer(_) => Self::Offer,
            Message::Answer(_) => Self::Answer,
            Message::Commitment(_) => Self::Commitment,
            Message::Blinded(_) => Self::Blinded,
            Message::Evaluated(_) => Self::Evaluated,
            Message::Table(_) => Self::Table,
            Message::Agreement(_) => Self::Agreement,
            Message::Release(_) => Self::Release,
            Message::Abort(_) => Self::Abort,
        }
    }
}

/// How many messages of one kind, and how many bytes they had in protobuf, together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageCount {
    pub messages: u64,
    pub bytes: u64,
}

/// What passed over one channel so far; counts on while the channel lives.
#[derive(Debug, Default)]
pub struct Traffic {
    sent: Counts,
    received: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    /// Of the byte stream below TLS.
    bytes: AtomicU64,
    /// Messages and their bytes, by [`MessageKind`].
    kinds: [(AtomicU64, AtomicU64); MessageKind::ALL.len()],
}

impl Traffic {
    /// Tells the bytes of the stream that carries TLS: all that somebody on the line could count.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.counts(direction).bytes.load(Relaxed)
    }

    /// Tells messages and bytes of one kind.
    pub fn messages(&self, direction: Direction, kind: MessageKind) -> MessageCount {
        let (messages, bytes) = &self.counts(direction).kinds[kind as usize];
        MessageCount {
            messages: messages.load(Relaxed),
            bytes: bytes.load(Relaxed),
        }
    }

    pub(super) fn count(&self, direction: Direction, kind: MessageKind, length: usize) {
        let (messages, bytes) = &self.counts(direction).kinds[kind as usize];
        messages.fetch_add(1, Relaxed);
        bytes.fetch_add(length as u64, Relaxed);
    }

    fn counts(&self, direction: Direction) -> &Counts {
        match direction {
            Direction::Sent => &self.sent,
            Direction::Received => &self.received,
        }
    }
}

/// A byte stream that counts into [`Traffic`].
pub struct CountedStream<S> {
    stream: S,
    traffic: Arc<Traffic>,
}

impl<S> CountedStream<S> {
    pub(super) fn new(stream: S, traffic: Arc<Traffic>) -> Self {
        Self { stream, traffic }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CountedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().len().saturating_sub(before);
        self.traffic.received.bytes.fetch_add(read as u64, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CountedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.traffic.sent.bytes.fetch_add(written as u64, Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices))?;
        self.traffic.sent.bytes.fetch_add(written as u64, Relaxed);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
