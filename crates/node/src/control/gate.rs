//! Who calls, whether the role allows it, and what may run at once. No call gets past it unseen.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::{Request, Response};
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::codegen::Service;

use super::desk::{Desk, status};
use super::{ControlLimits, Error, roles};
use crate::handle::Handle;
use admin::{Client, ClientNumber, Credential};
use pairing::NodeId;
use store::audit::Event;
use store::{self, Store};
use transport::PublicKey;
use transport::server::CallGoingOn;
use wire::control::{
    CONTROL_DESCRIPTOR, CONTROL_MESSAGE_BYTES_MAX, CONTROL_SERVICE, ControlServer,
};

/// Bytes of a request for which a client may take a second of the node's patience.
const BYTES_PER_SECOND_MIN: u64 = 10_000;
/// What stands in the audit log for calls that there are not.
const OTHER_CALL: &str = "other";
const REFLECTION: &str = "reflection";

/// A caller who was let in, in a request's extensions.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    pub client: ClientNumber,
    pub credential: Credential,
    /// The call it was let in for.
    pub call: &'static str,
}

pub(super) struct Gate {
    pub handle: Handle,
    pub limits: ControlLimits,
    /// One import at a time: a second would only wait for the store.
    pub imports: Arc<Semaphore>,
    calls: Arc<Semaphore>,
    store_calls: Arc<Semaphore>,
    /// Connections and calls of each credential.
    counts: Mutex<HashMap<Credential, Counts>>,
    refusals: Mutex<HashMap<(Option<ClientNumber>, &'static str), Refusals>>,
    /// The keys of enrolled clients, for the TLS handshake; with each call the store is asked.
    keys: RwLock<BTreeSet<NodeId>>,
    /// Held while they are read anew, so that what was read last counts.
    reading_keys: tokio::sync::Mutex<()>,
    explorer: Explorer,
}

#[derive(Default)]
struct Counts {
    connections: usize,
    calls: usize,
}

/// Refused calls of one client and kind.
struct Refusals {
    written: Instant,
    since: u64,
}

/// A connection or call that counts until it is dropped.
pub(super) struct Counted {
    gate: Arc<Gate>,
    caller: Credential,
    counts: fn(&mut Counts) -> &mut usize,
}

impl Gate {
    pub(super) fn new(handle: Handle, limits: ControlLimits) -> Result<Self, Error> {
        Ok(Self {
            handle,
            imports: Arc::new(Semaphore::new(1)),
            calls: Arc::new(Semaphore::new(limits.calls_max)),
            store_calls: Arc::new(Semaphore::new(limits.store_calls_max)),
            counts: Mutex::default(),
            refusals: Mutex::default(),
            keys: RwLock::default(),
            reading_keys: tokio::sync::Mutex::default(),
            explorer: Explorer::new()?,
            limits,
        })
    }

    /// Counts a connection; `None` when there are too many.
    pub(super) fn connect(self: &Arc<Self>, caller: Credential) -> Option<Counted> {
        {
            let counts = self.counts();
            let all: usize = counts.values().map(|counts| counts.connections).sum();
            if all >= self.limits.connections_max {
                return None;
            }
        }
        let max = self.limits.connections_per_client_max;
        self.count(caller, max, |counts| &mut counts.connections)
    }

    /// Answers one call.
    pub(super) async fn call(
        self: &Arc<Self>,
        caller: Credential,
        is_local: bool,
        going_on: CallGoingOn,
        request: Request<Incoming>,
    ) -> Response<Held> {
        let held = |permits| Permits {
            _permits: permits,
            _going_on: going_on,
        };
        let max = self.limits.calls_per_client_max;
        let permits = self.calls.clone().try_acquire_owned().ok();
        let counted = self.count(caller, max, |counts| &mut counts.calls);
        let (Some(permit), Some(counted)) = (permits, counted) else {
            let refusal = Status::resource_exhausted("too many calls at once");
            return refusal.into_http().map(|body| Held::new(body, held(None)));
        };
        let held = held(Some((permit, counted)));
        let answer = match self.admit(caller, is_local, request.uri().path()).await {
            Err(refusal) => refusal.into_http(),
            Ok(admitted) => self.dispatch(admitted, request).await,
        };
        answer.map(|body| Held::new(body, held))
    }

    async fn dispatch(
        self: &Arc<Self>,
        admitted: Admitted,
        mut request: Request<Incoming>,
    ) -> Response<tonic::body::Body> {
        let limits = &self.limits;
        match admitted {
            Admitted::Client(caller) => {
                request.extensions_mut().insert(caller);
                let request = request.map(|body| Paced::new(body, limits));
                let mut server = ControlServer::new(Desk(self.clone()))
                    .max_decoding_message_size(CONTROL_MESSAGE_BYTES_MAX)
                    .max_encoding_message_size(CONTROL_MESSAGE_BYTES_MAX);
                answered(server.call(request).await)
            }
            Admitted::Explorer => {
                let request = request.map(|body| Paced::new(body, limits));
                self.explorer.call(request).await
            }
        }
    }

    /// Says who calls and whether that is allowed; what is not goes to the audit log.
    async fn admit(
        &self,
        credential: Credential,
        is_local: bool,
        path: &str,
    ) -> Result<Admitted, Status> {
        let client = self.client(credential).await?;
        let number = client.as_ref().map(|client| client.number);
        let service_and_call = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let known = match service_and_call {
            Some((CONTROL_SERVICE, call)) => roles::call(call),
            _ => None,
        };
        let explores = is_local && service_and_call.is_some_and(|(name, _)| Explorer::is(name));
        let name = match known {
            Some((name, _)) => name,
            None if explores => REFLECTION,
            None => OTHER_CALL,
        };
        let Some(client) = client else {
            self.refused(None, name).await;
            return Err(Status::permission_denied(match credential {
                Credential::User(_) => "this user is not a client of the node",
                Credential::Key(_) => "this key is not a client of the node",
            }));
        };
        match known {
            Some((call, roles)) if roles.contains(&client.role) => Ok(Admitted::Client(Caller {
                client: client.number,
                credential,
                call,
            })),
            Some((call, _)) => {
                self.refused(number, call).await;
                let role = client.role.name();
                Err(Status::permission_denied(format!(
                    "the role {role} may not call {call}"
                )))
            }
            None if explores => Ok(Admitted::Explorer),
            None => Err(Status::unimplemented("there is no such call")),
        }
    }

    /// Asks again, in the middle of a long call, whether the caller may still make it.
    pub(super) async fn readmit(&self, caller: Caller) -> Result<(), Status> {
        let client = self.client(caller.credential).await?;
        let may = client.is_some_and(|client| {
            let call = roles::call(caller.call);
            client.number == caller.client
                && call.is_some_and(|(_, roles)| roles.contains(&client.role))
        });
        match may {
            true => Ok(()),
            false => Err(Status::permission_denied("the client's role was changed")),
        }
    }

    async fn client(&self, credential: Credential) -> Result<Option<Client>, Status> {
        self.store(move |store| store.client_with(credential)).await
    }

    /// Works in the store, off the threads that move bytes.
    pub(super) async fn store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, Status> {
        let permit = self.store_calls.clone().acquire_owned().await;
        let store = self.handle.store().clone();
        let worked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&store)
        });
        match worked.await {
            Ok(done) => done.map_err(status),
            Err(_) => Err(Status::internal("the call failed")),
        }
    }

    /// Writes a refused call down: the first at once, those of the following minute as a count.
    pub(super) async fn refused(&self, client: Option<ClientNumber>, call: &'static str) {
        let now = Instant::now();
        let times = {
            let mut refusals = self.refusals();
            match refusals.entry((client, call)) {
                Entry::Vacant(slot) => {
                    slot.insert(Refusals {
                        written: now,
                        since: 0,
                    });
                    1
                }
                Entry::Occupied(mut slot) => {
                    let known = slot.get_mut();
                    known.since += 1;
                    if now < known.written + self.limits.refusals {
                        return;
                    }
                    known.written = now;
                    std::mem::take(&mut known.since)
                }
            }
        };
        self.write_refusal(client, call, times).await;
    }

    /// Writes down the refused calls that were only counted so far.
    pub(super) async fn write_refusals(&self) {
        let left: Vec<_> = self.refusals().drain().collect();
        for ((client, call), refusals) in left {
            if refusals.since > 0 {
                self.write_refusal(client, call, refusals.since).await;
            }
        }
    }

    async fn write_refusal(&self, client: Option<ClientNumber>, call: &'static str, times: u64) {
        tracing::warn!(
            client = client.map(ClientNumber::number),
            call,
            times,
            "refused"
        );
        let event = Event::LoginFailed {
            client,
            call: call.to_owned(),
            times,
        };
        let written = self.store(move |store| store.record(&event, Timestamp::now()));
        if let Err(failed) = written.await {
            tracing::error!(
                error = failed.message(),
                "a refused call is not in the audit log"
            );
        }
    }

    /// Whether a key may connect at all.
    pub(super) fn admits(&self, key: &PublicKey) -> bool {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        NodeId::from_bytes(*key).is_ok_and(|id| keys.contains(&id))
    }

    /// Reads from the store which keys may connect: at the beginning, and when clients were changed.
    pub(super) async fn look_at_keys(&self) -> Result<(), Status> {
        let _reading = self.reading_keys.lock().await;
        let clients = self.store(Store::clients).await?;
        let keys = clients.iter().filter_map(|client| match client.credential {
            Credential::Key(id) => Some(id),
            Credential::User(_) => None,
        });
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.collect();
        Ok(())
    }

    fn count(
        self: &Arc<Self>,
        caller: Credential,
        max: usize,
        which: fn(&mut Counts) -> &mut usize,
    ) -> Option<Counted> {
        let mut counts = self.counts();
        let count = which(counts.entry(caller).or_default());
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Counted {
            gate: self.clone(),
            caller,
            counts: which,
        })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Credential, Counts>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusals(&self) -> MutexGuard<'_, HashMap<(Option<ClientNumber>, &'static str), Refusals>> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.gate.counts();
        if let Some(entry) = counts.get_mut(&self.caller) {
            let count = (self.counts)(entry);
            *count = count.saturating_sub(1);
            if entry.connections == 0 && entry.calls == 0 {
                counts.remove(&self.caller);
            }
        }
    }
}

enum Admitted {
    Client(Caller),
    Explorer,
}

fn answered(
    answer: Result<Response<tonic::body::Body>, Infallible>,
) -> Response<tonic::body::Body> {
    match answer {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

type Explaining = Pin<Box<dyn Future<Output = Response<tonic::body::Body>> + Send>>;
type Explain = Box<dyn Fn(Request<Paced>) -> Explaining + Send + Sync>;

/// gRPC server reflection, by which standard tools list the calls and their messages.
struct Explorer {
    v1: Explain,
    v1alpha: Explain,
}

impl Explorer {
    const V1: &str = "grpc.reflection.v1.ServerReflection";
    const V1ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

    fn new() -> Result<Self, Error> {
        let builder = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(CONTROL_DESCRIPTOR)
        };
        let v1 = builder().build_v1().map_err(|_| Error::Description)?;
        let v1alpha = builder().build_v1alpha().map_err(|_| Error::Description)?;
        let v1 = v1
            .max_decoding_message_size(EXPLORER_REQUEST_BYTES_MAX)
            .max_encoding_message_size(CONTROL_MESSAGE_BYTES_MAX);
        let v1alpha = v1alpha
            .max_decoding_message_size(EXPLORER_REQUEST_BYTES_MAX)
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

    fn is(service: &str) -> bool {
        [Self::V1, Self::V1ALPHA].contains(&service)
    }

    async fn call(&self, request: Request<Paced>) -> Response<tonic::body::Body> {
        match request.uri().path().contains(Self::V1ALPHA) {
            true => (self.v1alpha)(request).await,
            false => (self.v1)(request).await,
        }
    }
}

/// A question to the explorer is a name.
const EXPLORER_REQUEST_BYTES_MAX: usize = 16 << 10;

/// What counts as long as an answer is on its way.
struct Permits {
    _permits: Option<(OwnedSemaphorePermit, Counted)>,
    _going_on: CallGoingOn,
}

/// An answer on its way to a client.
pub(super) struct Held {
    body: tonic::body::Body,
    _permits: Permits,
}

impl Held {
    fn new(body: tonic::body::Body, permits: Permits) -> Self {
        Self {
            body,
            _permits: permits,
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
    stall: std::time::Duration,
    patience: std::time::Duration,
    bytes: u64,
    waited: std::time::Duration,
    /// Since when the node waits for the client's next bytes, and until when it does.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Paced {
    fn new(body: Incoming, limits: &ControlLimits) -> Self {
        Self {
            body,
            stall: limits.stall,
            patience: limits.patience,
            bytes: 0,
            waited: std::time::Duration::ZERO,
            waiting: None,
        }
    }

    /// What is left of the node's patience.
    fn left(&self) -> std::time::Duration {
        let earned = std::time::Duration::from_secs(self.bytes / BYTES_PER_SECOND_MIN);
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
