//! Opens a session's channel over a byte stream: TLS, then HTTP/2, then the one call; in a bounded time.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::channel::Channel;
use super::entrance::Proven;
use super::error::Error;
use super::grpc;
use super::limits::Limits;
use super::tls::PinnedTls;
use super::traffic::{CountedStream, Traffic};

/// Opens a session over `stream` as the side that made the connection: TLS client, gRPC client.
///
/// # Errors
/// [`Error::HandshakeTimedOut`] after [`Limits::handshake`]; or what stood in the way.
pub async fn call_over<S>(stream: S, tls: &PinnedTls, limits: &Limits) -> Result<Channel, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opening = async {
        let traffic = Arc::new(Traffic::default());
        let secured = tls
            .connect(CountedStream::new(stream, traffic.clone()))
            .await?;
        grpc::call(secured, traffic, limits).await
    };
    timeout(limits.handshake, opening)
        .await
        .unwrap_or(Err(Error::HandshakeTimedOut))
}

/// Opens a session over `stream` as the side that accepted the connection: TLS server, gRPC server.
///
/// # Errors
/// [`Error::HandshakeTimedOut`] after [`Limits::handshake`]; or what stood in the way.
pub async fn serve_over<S>(stream: S, tls: &PinnedTls, limits: &Limits) -> Result<Channel, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opening = async {
        let traffic = Arc::new(Traffic::default());
        let secured = tls
            .accept(CountedStream::new(stream, traffic.clone()))
            .await?;
        grpc::serve(secured, traffic, limits).await
    };
    timeout(limits.handshake, opening)
        .await
        .unwrap_or(Err(Error::HandshakeTimedOut))
}

/// The same of a connection to a listener, whose other side has proven its key.
pub(super) async fn serve_proven(proven: Proven, limits: &Limits) -> Result<Channel, Error> {
    let opening = grpc::serve(proven.secured, proven.traffic, limits);
    timeout(limits.handshake, opening)
        .await
        .unwrap_or(Err(Error::HandshakeTimedOut))
}
