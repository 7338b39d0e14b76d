//! Who calls, and whether its role allows the call. No call gets past it.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use admin::{Client, ClientNumber, Credential};
use pairing::NodeId;
use store::Store;
use tonic::{Request, Status};
use transport::PublicKey;

use super::reflection::Reflection;
use super::refusals::Refusals;
use super::roles;
use super::store_calls::StoreCalls;
use wire::control::CONTROL_SERVICE;

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

/// What a caller may go on to.
pub(super) enum Authorized {
    Client(Caller),
    /// Whoever may open the socket and is a client may have the calls described.
    Reflection,
}

/// Lets clients in by their credential and their role.
pub(super) struct Authorizer {
    store: StoreCalls,
    refusals: Arc<Refusals>,
    /// The keys of enrolled clients, for the TLS handshake; with each call the store is asked.
    keys: RwLock<BTreeSet<NodeId>>,
    /// Held while they are read anew, so that what was read last counts.
    reading_keys: tokio::sync::Mutex<()>,
}

impl Caller {
    /// Whom the authorizer let in.
    pub(super) fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let caller = request.extensions().get::<Self>().copied();
        caller.ok_or(Status::internal(
            "a call that did not come through the authorizer",
        ))
    }
}

impl Authorizer {
    pub(super) fn new(store: StoreCalls, refusals: Arc<Refusals>) -> Self {
        Self {
            store,
            refusals,
            keys: RwLock::default(),
            reading_keys: tokio::sync::Mutex::default(),
        }
    }

    /// Says who calls and whether that is allowed; what is not goes to the audit log.
    pub(super) async fn authorize(
        &self,
        credential: Credential,
        is_local: bool,
        path: &str,
    ) -> Result<Authorized, Status> {
        let client = self.client(credential).await?;
        let number = client.as_ref().map(|client| client.number);
        let service_and_call = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let known = match service_and_call {
            Some((CONTROL_SERVICE, call)) => roles::call(call),
            _ => None,
        };
        let explores = is_local && service_and_call.is_some_and(|(name, _)| Reflection::is(name));
        let name = match known {
            Some((name, _)) => name,
            None if explores => REFLECTION,
            None => OTHER_CALL,
        };
        let Some(client) = client else {
            // Under the name of a known call or one name for all others: what a stranger writes is not logged.
            self.refusals.note(None, name).await;
            return Err(Status::permission_denied(match credential {
                Credential::User(_) => "this user is not a client of the node",
                Credential::Key(_) => "this key is not a client of the node",
            }));
        };
        match known {
            Some((call, roles)) if roles.contains(&client.role) => Ok(Authorized::Client(Caller {
                client: client.number,
                credential,
                call,
            })),
            Some((call, _)) => {
                self.refusals.note(number, call).await;
                let role = client.role.name();
                Err(Status::permission_denied(format!(
                    "the role {role} may not call {call}"
                )))
            }
            None if explores => Ok(Authorized::Reflection),
            None => Err(Status::unimplemented("there is no such call")),
        }
    }

    /// Asks again, in the middle of a long call, whether the caller may still make it.
    pub(super) async fn reauthorize(&self, caller: Caller) -> Result<(), Status> {
        match self.may_call(caller, caller.call).await? {
            true => Ok(()),
            false => Err(Status::permission_denied("the client's role was changed")),
        }
    }

    /// Whether a caller who was let in for one call might make another.
    pub(super) async fn may_call(&self, caller: Caller, call: &str) -> Result<bool, Status> {
        let client = self.client(caller.credential).await?;
        Ok(client.is_some_and(|client| {
            client.number == caller.client
                && roles::call(call).is_some_and(|(_, roles)| roles.contains(&client.role))
        }))
    }

    async fn client(&self, credential: Credential) -> Result<Option<Client>, Status> {
        self.store
            .read(move |store| store.client_with(credential))
            .await
    }

    /// Whether a key may connect at all.
    pub(super) fn admits(&self, key: &PublicKey) -> bool {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        NodeId::from_bytes(*key).is_ok_and(|id| keys.contains(&id))
    }

    /// Reads from the store which keys may connect: at the beginning, and when clients were changed.
    pub(super) async fn read_keys(&self) -> Result<(), Status> {
        let _reading = self.reading_keys.lock().await;
        let clients = self.store.read(Store::clients).await?;
        let keys = clients.iter().filter_map(|client| match client.credential {
            Credential::Key(id) => Some(id),
            Credential::User(_) => None,
        });
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.collect();
        Ok(())
    }
}
