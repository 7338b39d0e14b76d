//! The sending end of a connection that this side made.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::client::conn::http2::SendRequest;
use hyper::{Request, Response};
use tonic::codegen::Service;

use super::checked_body::{CheckedBody, Side, check_headers};
use super::connection_state::ConnectionState;
use super::error::Error;

/// The caller's end of an HTTP/2 connection, as tonic's client wants it; the connection lives as long.
#[derive(Clone)]
pub(super) struct RequestSender {
    sender: SendRequest<tonic::body::Body>,
    state: Arc<ConnectionState>,
}

impl RequestSender {
    pub(super) fn new(sender: SendRequest<tonic::body::Body>, state: Arc<ConnectionState>) -> Self {
        Self { sender, state }
    }
}

impl Service<Request<tonic::body::Body>> for RequestSender {
    type Response = Response<CheckedBody>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    /// Always: tonic forgets the cause of a failure here, and `call` fails with it just as well.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let response = self.sender.send_request(request);
        let state = self.state.clone();
        Box::pin(async move {
            let response = response.await.map_err(|error| state.blame(&error))?;
            check_headers(response.status(), response.headers())?;
            Ok(response.map(|body| CheckedBody::new(body, Side::Response, state)))
        })
    }
}
