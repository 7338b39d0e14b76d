//! gRPC server reflection, by which standard tools list the calls and their messages.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use hyper::{Request, Response};
use tonic::codegen::Service;

use super::bodies::Paced;
use super::error::Error;
use wire::control::{CONTROL_DESCRIPTOR, CONTROL_MESSAGE_BYTES_MAX};

/// A question to it is a name.
const REFLECTION_REQUEST_BYTES_MAX: usize = 16 << 10;

type Explaining = Pin<Box<dyn Future<Output = Response<tonic::body::Body>> + Send>>;
type Explain = Box<dyn Fn(Request<Paced>) -> Explaining + Send + Sync>;

/// Both versions of the service, each behind a box: their types have no name.
pub(super) struct Reflection {
    v1: Explain,
    v1alpha: Explain,
}

impl Reflection {
    const V1: &str = "grpc.reflection.v1.ServerReflection";
    const V1ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

    pub(super) fn new() -> Result<Self, Error> {
        let builder = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(CONTROL_DESCRIPTOR)
        };
        let v1 = builder().build_v1().map_err(|_| Error::Description)?;
        let v1alpha = builder().build_v1alpha().map_err(|_| Error::Description)?;
        let v1 = v1
            .max_decoding_message_size(REFLECTION_REQUEST_BYTES_MAX)
            .max_encoding_message_size(CONTROL_MESSAGE_BYTES_MAX);
        let v1alpha = v1alpha
            .max_decoding_message_size(REFLECTION_REQUEST_BYTES_MAX)
            .max_encoding_message_size(CONTROL_MESSAGE_BYTES_MAX);
        Ok(Self {
            v1: Box::new(move |request| {
                let mut server = v1.clone();
                Box::pin(async move { answered(server.call(request).await) })
            }),
            v1alpha: Box::new(move |request| {
                let mut server = v1alpha.clone();
                Box::pin(async move { answered(server.call(request).await) })
            }),
        })
    }

    pub(super) fn is(service: &str) -> bool {
        [Self::V1, Self::V1ALPHA].contains(&service)
    }

    pub(super) async fn call(&self, request: Request<Paced>) -> Response<tonic::body::Body> {
        match request.uri().path().contains(Self::V1ALPHA) {
            true => (self.v1alpha)(request).await,
            false => (self.v1)(request).await,
        }
    }
}

/// What a service that never fails has answered.
pub(super) fn answered(
    answer: Result<Response<tonic::body::Body>, Infallible>,
) -> Response<tonic::body::Body> {
    match answer {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}
