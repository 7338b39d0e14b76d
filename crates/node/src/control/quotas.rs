//! How many connections and calls may be at once, altogether and of one client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use admin::Credential;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::settings::ControlLimits;

/// Counts what is going on, and lets no more than its limits begin.
pub(super) struct Quotas {
    limits: ControlLimits,
    calls: Arc<Semaphore>,
    counts: Counts,
}

/// Connections and calls of each credential.
type Counts = Arc<Mutex<HashMap<Credential, Count>>>;

#[derive(Default)]
struct Count {
    connections: usize,
    calls: usize,
}

/// A connection or call that counts until it is dropped.
pub(super) struct Counted {
    counts: Counts,
    caller: Credential,
    which: fn(&mut Count) -> &mut usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl Quotas {
    pub(super) fn new(limits: &ControlLimits) -> Self {
        Self {
            limits: limits.clone(),
            calls: Arc::new(Semaphore::new(limits.calls_max)),
            counts: Counts::default(),
        }
    }

    /// Counts a connection; `None` when there are too many.
    pub(super) fn connect(&self, caller: Credential) -> Option<Counted> {
        let mut counts = lock(&self.counts);
        let all: usize = counts.values().map(|count| count.connections).sum();
        if all >= self.limits.connections_max {
            return None;
        }
        let max = self.limits.connections_per_client_max;
        self.count(&mut counts, caller, max, |count| &mut count.connections)
    }

    /// Counts a call; `None` when there are too many.
    pub(super) fn call(&self, caller: Credential) -> Option<Counted> {
        // Before the lock, and given back by itself where the client has too many.
        let permit = self.calls.clone().try_acquire_owned().ok()?;
        let mut counts = lock(&self.counts);
        let max = self.limits.calls_per_client_max;
        let mut counted = self.count(&mut counts, caller, max, |count| &mut count.calls)?;
        counted.permit = Some(permit);
        Some(counted)
    }

    fn count(
        &self,
        counts: &mut HashMap<Credential, Count>,
        caller: Credential,
        max: usize,
        which: fn(&mut Count) -> &mut usize,
    ) -> Option<Counted> {
        let count = which(counts.entry(caller).or_default());
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Counted {
            counts: self.counts.clone(),
            caller,
            which,
            permit: None,
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        if let Some(entry) = counts.get_mut(&self.caller) {
            let count = (self.which)(entry);
            *count = count.saturating_sub(1);
            // An entry for everybody who ever called would grow without a bound.
            if entry.connections == 0 && entry.calls == 0 {
                counts.remove(&self.caller);
            }
        }
    }
}

fn lock(counts: &Counts) -> MutexGuard<'_, HashMap<Credential, Count>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
