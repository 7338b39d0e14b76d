//! The bodies of a call: a request for which the node waits only so long, an answer that holds its permits.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use transport::server::CallGoingOn;

use super::quotas::Counted;
use super::settings::ControlLimits;

/// Bytes of a request for which a client may take a second of the node's patience.
const BYTES_PER_SECOND_MIN: u64 = 10_000;

/// An answer on its way to a client; it counts as a call until it has left.
pub(super) struct Held {
    body: tonic::body::Body,
    _counted: Option<Counted>,
    _going_on: CallGoingOn,
}

impl Held {
    pub(super) fn new(
        body: tonic::body::Body,
        counted: Option<Counted>,
        going_on: CallGoingOn,
    ) -> Self {
        Self {
            body,
            _counted: counted,
            _going_on: going_on,
        }
    }
}

impl Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request as a client sends it, for which the node waits only so long.
pub(super) struct Paced {
    body: Incoming,
    stall: Duration,
    patience: Duration,
    bytes: u64,
    waited: Duration,
    /// Since when the node waits for the client's next bytes, and until when it does.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Paced {
    pub(super) fn new(body: Incoming, limits: &ControlLimits) -> Self {
        Self {
            body,
            stall: limits.stall,
            patience: limits.patience,
            bytes: 0,
            waited: Duration::ZERO,
            waiting: None,
        }
    }

    /// What is left of the node's patience.
    fn left(&self) -> Duration {
        let earned = Duration::from_secs(self.bytes / BYTES_PER_SECOND_MIN);
        (self.patience + earned).saturating_sub(self.waited)
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some((since, _)) = self.waiting.take() {
                    self.waited += since.elapsed();
                }
                if let Some(Ok(frame)) = &frame {
                    self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                }
                let gone = |_| Status::cancelled("the client went away");
                Poll::Ready(frame.map(|frame| frame.map_err(gone)))
            }
            Poll::Pending => {
                if self.waiting.is_none() {
                    let now = Instant::now();
                    let until = now + self.stall.min(self.left());
                    self.waiting = Some((now, Box::pin(sleep_until(until))));
                }
                let Some((_, over)) = &mut self.waiting else {
                    return Poll::Pending;
                };
                match over.as_mut().poll(cx) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(()) => {
                        let late = Status::deadline_exceeded("the request did not come in time");
                        Poll::Ready(Some(Err(late)))
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
