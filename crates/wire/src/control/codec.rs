//! Between bytes and our types: what the generated client and server of the control service read and
//! write with.

use std::marker::PhantomData;
use std::sync::Arc;

use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::Malformed;

/// A generated message that carries a `T`.
pub trait Carries<T>: prost::Message + Default {
    /// The message for a value.
    fn write(value: T) -> Self;

    /// The value in a message, checked.
    ///
    /// # Errors
    /// What is wrong with the message.
    fn read(self) -> Result<T, Malformed>;
}

/// Sends values `S` in messages `SM`, and receives values `R` in messages `RM`.
pub struct CarryingCodec<S, SM, R, RM> {
    sent: Carrier<S, SM>,
    received: Carrier<R, RM>,
}

/// One direction of a [`CarryingCodec`]: values `T` in messages `M`. Holds nothing.
pub struct Carrier<T, M>(PhantomData<fn() -> (T, M)>);

impl<S, SM, R, RM> Default for CarryingCodec<S, SM, R, RM> {
    fn default() -> Self {
        Self {
            sent: Carrier(PhantomData),
            received: Carrier(PhantomData),
        }
    }
}

impl<T, M> Clone for Carrier<T, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, M> Copy for Carrier<T, M> {}

impl<S, SM, R, RM> Codec for CarryingCodec<S, SM, R, RM>
where
    S: Send + 'static,
    R: Send + 'static,
    SM: Carries<S> + 'static,
    RM: Carries<R> + 'static,
{
    type Encode = S;
    type Decode = R;
    type Encoder = Carrier<S, SM>;
    type Decoder = Carrier<R, RM>;

    fn encoder(&mut self) -> Carrier<S, SM> {
        self.sent
    }

    fn decoder(&mut self) -> Carrier<R, RM> {
        self.received
    }
}

impl<T, M: Carries<T>> Encoder for Carrier<T, M> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, value: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let encoded = M::write(value).encode(buffer);
        encoded.map_err(|_| Status::internal("no room to encode"))
    }
}

impl<T, M: Carries<T>> Decoder for Carrier<T, M> {
    type Item = T;
    type Error = Status;

    /// A client is told what is wrong with its message; the [`Malformed`] itself is the status's source,
    /// by which a client tells a strange reply from a refusal.
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        let message = M::decode(buffer).map_err(|error| Status::internal(error.to_string()))?;
        message.read().map(Some).map_err(|malformed| {
            let mut status = Status::invalid_argument(malformed.to_string());
            status.set_source(Arc::new(malformed));
            status
        })
    }
}
