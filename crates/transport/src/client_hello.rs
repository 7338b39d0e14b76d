//! The first message of TLS, read by itself: what comes before it is whole costs next to nothing.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};

use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::error::{Error, Misbehaviour};
use super::tls::{close_after, tls_error};

/// All that is read before a ClientHello is whole: tacit's own has some 1,500 bytes.
const HELLO_BYTES_MAX: usize = 16 << 10;
const HELLO_READ_BYTES: usize = 2 << 10;

/// Reads a whole ClientHello, of at most [`HELLO_BYTES_MAX`] with what came behind it. The caller bounds
/// the time it may take. Nothing but the stream takes memory before the first byte is there.
///
/// # Errors
/// [`Error::NotTls`], [`Error::Incompatible`], [`Error::Misbehaved`], [`Error::Gone`].
pub(super) async fn read_hello<S>(stream: &mut S) -> Result<Accepted, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut hello = None;
    let mut left = HELLO_BYTES_MAX;
    loop {
        let (read, accepted) = poll_fn(|cx| {
            // On the stack of the one call: thousands wait here at once.
            let mut bytes = [MaybeUninit::uninit(); HELLO_READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut bytes);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
            let mut read = buffer.filled();
            let length = read.len();
            let acceptor = hello.get_or_insert_with(|| Box::new(Acceptor::default()));
            while !read.is_empty() {
                acceptor.read_tls(&mut read)?;
                match acceptor.accept() {
                    Ok(None) => {}
                    settled => return Poll::Ready(Ok((length, settled))),
                }
            }
            Poll::Ready(io::Result::Ok((length, Ok(None))))
        })
        .await
        .map_err(|_| Error::Gone)?;
        match accepted {
            Ok(Some(accepted)) if read <= left => return Ok(accepted),
            Ok(None) if read == 0 => return Err(Error::Gone),
            Ok(None) if read < left => left -= read,
            Ok(_) => return Err(Misbehaviour::Tls.into()),
            Err((error, mut alert)) => {
                let mut bytes = Vec::new();
                // Into memory, which takes it.
                let _ = alert.write_all(&mut bytes);
                // Boxed: it has a buffer, and thousands wait above for their first bytes.
                Box::pin(close_after(stream, &bytes)).await;
                return Err(tls_error(&error));
            }
        }
    }
}
