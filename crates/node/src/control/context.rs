//! What the calls of a node share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::authorizer::Authorizer;
use super::refusals::Refusals;
use super::settings::ControlLimits;
use super::store_calls::StoreCalls;
use crate::handle::Handle;

/// The running node, its store, and who may use them.
pub(super) struct Context {
    pub handle: Handle,
    pub limits: ControlLimits,
    pub store: StoreCalls,
    pub authorizer: Authorizer,
    pub refusals: Arc<Refusals>,
    /// One import at a time: a second would only wait for the store.
    pub imports: Arc<Semaphore>,
}

impl Context {
    pub(super) fn new(handle: Handle, limits: ControlLimits) -> Self {
        let store = StoreCalls::new(handle.clone(), limits.store_calls_max);
        let refusals = Arc::new(Refusals::new(store.clone(), limits.refusals));
        Self {
            authorizer: Authorizer::new(store.clone(), refusals.clone()),
            imports: Arc::new(Semaphore::new(1)),
            handle,
            limits,
            store,
            refusals,
        }
    }
}
