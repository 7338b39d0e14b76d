//! Stands between hyper and tonic: tells a body that the peer ended from one that broke off, takes a
//! gRPC status apart before tonic does, and says who is to blame.
//!
//! Without it tonic would show what the peer wrote as an error of ours, and a broken stream as an end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, StatusCode};
use tonic::{Code, Status};

use super::connection_state::ConnectionState;
use super::error::{Error, Misbehaviour};

/// Headers in which a gRPC call ends.
const GRPC_STATUS: &str = "grpc-status";
/// Never used here, and tonic panics if its value is not base64.
const GRPC_STATUS_DETAILS: &str = "grpc-status-details-bin";

/// Lets only the headers of a gRPC response pass that has messages to come.
pub(super) fn check_headers(status: StatusCode, headers: &HeaderMap) -> Result<(), Error> {
    let grpc =
        |value: &hyper::header::HeaderValue| value.as_bytes().starts_with(b"application/grpc");
    if status != StatusCode::OK || !headers.get(CONTENT_TYPE).is_some_and(grpc) {
        return Err(Misbehaviour::Grpc.into());
    }
    // A response may consist of headers alone, and then ends in them.
    if headers.contains_key(GRPC_STATUS) {
        check_status(headers)?;
        // Success, and not a single message: no session ends like this.
        return Err(Error::Gone);
    }
    // Not in trailers, where it is left out, but where tonic would read it.
    if headers.contains_key(GRPC_STATUS_DETAILS) {
        return Err(Misbehaviour::Grpc.into());
    }
    Ok(())
}

/// Reads the status that ends a call.
fn check_status(headers: &HeaderMap) -> Result<(), Error> {
    let status = headers.get(GRPC_STATUS).ok_or(Misbehaviour::Grpc)?;
    match Code::from_bytes(status.as_bytes()) {
        Code::Ok => Ok(()),
        code => Err(Error::Refused { code: code.into() }),
    }
}

/// Which of the two bodies of a call: they end differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Ends with the stream.
    Request,
    /// Ends with trailers that hold a status.
    Response,
}

/// A received body that says for certain how it ended.
pub(super) struct CheckedBody {
    body: Incoming,
    side: Side,
    state: Arc<ConnectionState>,
    over: bool,
}

impl CheckedBody {
    pub(super) fn new(body: Incoming, side: Side, state: Arc<ConnectionState>) -> Self {
        Self {
            body,
            side,
            state,
            over: false,
        }
    }

    /// Says how a body ended that gave no trailers.
    fn end(&self) -> Option<Error> {
        match self.side {
            // A reset, which hyper may pass off as an end, is none.
            _ if !self.body.is_end_stream() => Some(Error::Gone),
            Side::Request => None,
            Side::Response => Some(Misbehaviour::Grpc.into()),
        }
    }

    fn trailers(&self, trailers: HeaderMap) -> Result<Frame<Bytes>, Error> {
        match self.side {
            Side::Request => Err(Misbehaviour::Grpc.into()),
            Side::Response => {
                check_status(&trailers)?;
                // The message and the details are the peer's words: nobody here reads them.
                let mut bare = HeaderMap::new();
                bare.extend(trailers.into_iter().filter(|(name, _)| {
                    name.as_ref()
                        .is_some_and(|name| name.as_str() == GRPC_STATUS)
                }));
                Ok(Frame::trailers(bare))
            }
        }
    }
}

impl Body for CheckedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_trailers() {
                Ok(trailers) => Some(self.trailers(trailers)),
                Err(data) => return Poll::Ready(Some(Ok(data))),
            },
            Some(Err(error)) => Some(Err(self.state.blame(&error))),
            None => self.end().map(Err),
        };
        self.over = true;
        Poll::Ready(frame)
    }
}

/// Says what a status means that a received stream ended in.
///
/// None of them is the peer's word, which [`CheckedBody`] has taken out: they carry an [`Error`] of this
/// channel or of `wire`, or are tonic's about a frame that it could not read.
pub(super) fn status_error(status: &Status) -> Error {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<Error>() {
            return *error;
        }
        if let Some(error) = error.downcast_ref::<wire::Error>() {
            return Misbehaviour::NotAMessage(*error).into();
        }
        source = error.source();
    }
    match status.code() {
        Code::OutOfRange => Misbehaviour::MessageTooLong.into(),
        _ => Misbehaviour::Grpc.into(),
    }
}
