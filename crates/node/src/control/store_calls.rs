//! Work in the store on behalf of calls: off the threads that move bytes, so much at once.

use std::sync::Arc;

use store::Store;
use tokio::sync::Semaphore;
use tonic::Status;

use super::refuse::status;
use crate::handle::Handle;

/// A node's store, as calls use it.
#[derive(Clone)]
pub(super) struct StoreCalls {
    handle: Handle,
    at_once: Arc<Semaphore>,
}

impl StoreCalls {
    /// `calls_max` work at once; further ones wait.
    pub(super) fn new(handle: Handle, calls_max: usize) -> Self {
        Self {
            handle,
            at_once: Arc::new(Semaphore::new(calls_max)),
        }
    }

    /// Reads the store, or writes what no watcher cares for.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, Status> {
        let permit = self.at_once.clone().acquire_owned().await;
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

    /// Changes the store, and lets the daemon and the watchers know.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, Status> {
        let handle = self.handle.clone();
        let changed = self.read(move |store| {
            let done = work(store)?;
            // Here, for the client may be gone by now.
            handle.stored();
            Ok(done)
        });
        changed.await
    }
}
