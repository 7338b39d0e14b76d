//! Serves one HTTP/2 service to many callers: the connections that run side by side, each until it is
//! idle, its caller is no longer let in, or the service stops.
//!
//! Handed streams whose other side is known, the service that answers their calls, and who says when a
//! caller is no longer let in. It accepts nothing by itself, never looks into a call, and counts no quota.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Pause after the operating system could not hand over a connection, for want of descriptors, say:
/// without it the loop that accepts would spin until some are free.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Names and values of all headers of one message, uncompressed: gRPC's own need less than 1 KiB.
const HEADERS_BYTES_MAX: u32 = 8 << 10;

/// All connections of one service.
#[derive(Default)]
pub struct Connections {
    running: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// Tells a connection that its service stops.
#[derive(Clone)]
pub struct Stopping(watch::Receiver<bool>);

impl Connections {
    /// Runs a connection.
    pub fn run<F>(&mut self, connection: impl FnOnce(Stopping) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stopping = Stopping(self.stop.subscribe());
        self.running.spawn(connection(stopping));
    }

    /// Waits until one of the connections has ended; for ever while there is none.
    ///
    /// To be called again and again, or what has ended is kept. May be dropped at any time.
    pub async fn reap(&mut self) {
        if self.running.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Tells all connections to stop, and gives their calls `drain` to end by themselves. Tells whether
    /// all ended in time.
    pub async fn drain(&mut self, drain: Duration) -> bool {
        self.stop.send_replace(true);
        let drained = timeout(drain, async {
            while self.running.join_next().await.is_some() {}
        });
        drained.await.is_ok()
    }

    /// Cuts off what is left, and returns when it is gone.
    pub async fn cut_off(mut self) {
        self.running.shutdown().await;
    }
}

impl Stopping {
    /// Returns when the service stops.
    async fn told(&mut self) {
        // It fails when the service is gone, and then there is nothing left to serve either.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// How many calls of one connection go on.
///
/// Looked at now and then, and off by one call at worst for a moment: `Relaxed` is enough.
#[derive(Clone, Default)]
pub struct CallsGoingOn(Arc<AtomicUsize>);

/// A call that goes on until this is dropped: its connection does not count as idle.
pub struct CallGoingOn(Arc<AtomicUsize>);

impl CallsGoingOn {
    /// Counts one more.
    pub fn begin(&self) -> CallGoingOn {
        self.0.fetch_add(1, Relaxed);
        CallGoingOn(self.0.clone())
    }

    fn is_none(&self) -> bool {
        self.0.load(Relaxed) == 0
    }
}

impl Drop for CallGoingOn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// What one connection of a service may use.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// What a caller may send of one call before it is read.
    pub stream_window_bytes: u32,
    /// What it may send altogether before it is read.
    pub connection_window_bytes: u32,
    /// What may wait to be written to one call.
    pub send_buffer_bytes: usize,
    /// Calls at once.
    pub calls_max: u32,
    /// Silence after which a ping asks whether the caller is still there, and how long the answer may take.
    pub keep_alive: Duration,
    /// Time without a call after which the connection is ended.
    pub idle: Duration,
}

/// Serves the calls of one connection until its caller ends it, no call goes on for
/// [`ConnectionLimits::idle`], `dismissed` returns, or the service stops.
///
/// `calls` is what `answer` counts with what it holds of each call: while one goes on, the connection is
/// not idle. `dismissed` returns once the caller is no longer let in: its calls end with the connection.
/// When the service stops, they may still end by themselves: [`Connections::drain`] bounds how long.
pub async fn serve_calls<S, F, B>(
    stream: S,
    limits: &ConnectionLimits,
    calls: &CallsGoingOn,
    dismissed: impl Future<Output = ()>,
    mut stopping: Stopping,
    answer: impl Fn(Request<Incoming>) -> F,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    let mut connection = pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(limits.stream_window_bytes)
            .initial_connection_window_size(limits.connection_window_bytes)
            .max_send_buf_size(limits.send_buffer_bytes)
            .max_header_list_size(HEADERS_BYTES_MAX)
            .max_concurrent_streams(limits.calls_max)
            .keep_alive_interval(limits.keep_alive)
            .keep_alive_timeout(limits.keep_alive)
            .serve_connection(TokioIo::new(stream), service_fn(answer))
    );
    let mut dismissed = pin!(dismissed);
    let mut looks = interval(limits.idle);
    // After a pause of the whole machine one look is enough, and callers had time to call.
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, and nobody has had time to call yet.
    looks.tick().await;
    let mut told_to_leave = false;
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = &mut dismissed => return,
            _ = looks.tick() => {
                let idle = calls.is_none();
                // Whoever was told to leave, and neither left nor called, may be sending a byte now and
                // then to hold its place.
                if idle && told_to_leave {
                    return;
                }
                if idle {
                    // Told a look ahead: a call that is on its way right now is not cut off.
                    connection.as_mut().graceful_shutdown();
                    told_to_leave = true;
                }
            }
            () = stopping.told() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.as_mut().await;
                return;
            }
        }
    }
}
