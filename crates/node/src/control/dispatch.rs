//! One call of a connection: counted, authorized, answered.

use std::sync::Arc;

use admin::Credential;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tonic::Status;
use tonic::codegen::Service;
use transport::server::CallGoingOn;

use super::authorizer::Authorized;
use super::bodies::{Held, Paced};
use super::context::Context;
use super::error::Error;
use super::quotas::{Counted, Quotas};
use super::reflection::{Reflection, answered};
use super::service::ControlService;
use super::settings::ControlLimits;
use crate::handle::Handle;
use wire::control::{CONTROL_MESSAGE_BYTES_MAX, ControlServer};

/// Takes every call of every connection.
pub(super) struct Dispatcher {
    pub context: Arc<Context>,
    quotas: Quotas,
    reflection: Reflection,
}

impl Dispatcher {
    pub(super) fn new(handle: Handle, limits: ControlLimits) -> Result<Self, Error> {
        Ok(Self {
            quotas: Quotas::new(&limits),
            reflection: Reflection::new()?,
            context: Arc::new(Context::new(handle, limits)),
        })
    }

    /// Counts a connection; `None` when there are too many.
    pub(super) fn connect(&self, caller: Credential) -> Option<Counted> {
        self.quotas.connect(caller)
    }

    /// Answers one call.
    pub(super) async fn call(
        &self,
        caller: Credential,
        is_local: bool,
        going_on: CallGoingOn,
        request: Request<Incoming>,
    ) -> Response<Held> {
        let counted = self.quotas.call(caller);
        let answer = match &counted {
            None => Status::resource_exhausted("too many calls at once").into_http(),
            Some(_) => {
                let path = request.uri().path();
                match self
                    .context
                    .authorizer
                    .authorize(caller, is_local, path)
                    .await
                {
                    Err(refusal) => refusal.into_http(),
                    Ok(authorized) => self.dispatch(authorized, request).await,
                }
            }
        };
        answer.map(|body| Held::new(body, counted, going_on))
    }

    async fn dispatch(
        &self,
        authorized: Authorized,
        mut request: Request<Incoming>,
    ) -> Response<tonic::body::Body> {
        let limits = &self.context.limits;
        match authorized {
            Authorized::Client(caller) => {
                request.extensions_mut().insert(caller);
                let request = request.map(|body| Paced::new(body, limits));
                let mut server = ControlServer::new(ControlService(self.context.clone()))
                    .max_decoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
                    .max_encoding_message_size(CONTROL_MESSAGE_BYTES_MAX);
                answered(server.call(request).await)
            }
            Authorized::Reflection => {
                let request = request.map(|body| Paced::new(body, limits));
                self.reflection.call(request).await
            }
        }
    }
}
