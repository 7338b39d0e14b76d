//! What is known about how a connection fares and ended, and the stream on which it is seen first.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::error::{Error, Misbehaviour};
use super::tls;

/// What is known about how a connection fares, shared by all who could be the first to know.
///
/// The flags are only ever set, and nothing else is read on their strength: `Relaxed` is enough.
#[derive(Debug, Default)]
pub(super) struct ConnectionState {
    fault: OnceLock<Error>,
    /// The stream below has ended, in the way that TLS ends: the peer said so.
    closed: AtomicBool,
    /// The stream below has failed.
    broken: AtomicBool,
    /// This side is closing the connection.
    orderly: AtomicBool,
}

impl ConnectionState {
    /// What broke the connection, if anything has.
    pub(super) fn fault(&self) -> Option<Error> {
        self.fault.get().copied()
    }

    /// Whether the peer closed the connection, rather than that it broke.
    pub(super) fn was_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// From here on this side is closing, and reads to the end before it drops the stream.
    pub(super) fn close_orderly(&self) {
        self.orderly.store(true, Relaxed);
    }

    /// Keeps the first fault: what comes after it is a consequence.
    pub(super) fn record(&self, error: Error) {
        let _ = self.fault.set(error);
    }

    /// Whether the stream below has ended, in whatever way.
    pub(super) fn is_over(&self) -> bool {
        self.closed.load(Relaxed) || self.broken.load(Relaxed)
    }

    /// Says what an error of HTTP/2 means.
    pub(super) fn blame(&self, error: &hyper::Error) -> Error {
        if let Some(fault) = self.fault.get() {
            return *fault;
        }
        let mut source: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(error) = source {
            if let Some(error) = error.downcast_ref::<h2::Error>() {
                // h2's own verdict about what it was sent, which it tells the peer by its reason.
                let verdict = error.is_library() && error.reason() != Some(h2::Reason::NO_ERROR);
                return if verdict {
                    Misbehaviour::Http2.into()
                } else {
                    Error::Gone
                };
            }
            source = error.source();
        }
        // A request came too late: the connection is over. hyper does not say why, but if the stream
        // is whole, it was HTTP/2 that failed on it.
        if error.is_canceled() && !self.broken.load(Relaxed) && !self.closed.load(Relaxed) {
            return Misbehaviour::Http2.into();
        }
        Error::Gone
    }
}

/// The secured stream as HTTP/2 sees it: notes why TLS failed, which the layers above forget, and
/// ends in a way that lets the last bytes arrive.
pub(super) struct WatchedStream<S> {
    stream: S,
    state: Arc<ConnectionState>,
    shut: bool,
}

impl<S> WatchedStream<S> {
    pub(super) fn new(stream: S, state: Arc<ConnectionState>) -> Self {
        Self {
            stream,
            state,
            shut: false,
        }
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            // What TLS found wrong is inside the error, and lost to the layers above.
            self.state.broken.store(true, Relaxed);
            let inner = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>());
            if let Some(error) = inner {
                self.state.record(tls::blame(error));
            }
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if read.is_ok() && buffer.filled().len() == before {
            // Nothing read is the end as TLS announces it; a stream that just stops is an error.
            self.state.closed.store(true, Relaxed);
        }
        Poll::Ready(self.note(read))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        Poll::Ready(self.note(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices));
        Poll::Ready(self.note(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        Poll::Ready(self.note(flushed))
    }

    /// Says that nothing more will come, and, in an orderly end, reads until the other side has said
    /// so too: closing a TCP socket with bytes unread would reset it, and what was sent last could
    /// be lost. How long that may take is bounded by whoever waits for the end.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shut = true;
        }
        while self.state.orderly.load(Relaxed) {
            let mut scratch = [0; 1024];
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(self.as_mut().poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}
