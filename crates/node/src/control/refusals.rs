//! Refused calls in the audit log: each client's first at once, those that follow soon after as a count, so
//! that nobody fills the log by being refused.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use admin::ClientNumber;
use jiff::Timestamp;
use store::audit::Event;
use tokio::time::Instant;

use super::store_calls::StoreCalls;

/// Of which client and call; `None` for who is no client.
type Key = (Option<ClientNumber>, &'static str);

/// What was refused and is not in the log yet.
pub(super) struct Refusals {
    store: StoreCalls,
    /// Between two entries about one client and call.
    interval: Duration,
    refused: Mutex<HashMap<Key, Refused>>,
}

/// Refused calls of one client and kind.
struct Refused {
    written: Instant,
    since: u64,
}

impl Refusals {
    pub(super) fn new(store: StoreCalls, interval: Duration) -> Self {
        Self {
            store,
            interval,
            refused: Mutex::default(),
        }
    }

    /// Writes a refused call down: the first at once, those of the following minute as a count.
    pub(super) async fn note(&self, client: Option<ClientNumber>, call: &'static str) {
        let now = Instant::now();
        let times = {
            let mut refusals = self.lock();
            match refusals.entry((client, call)) {
                Entry::Vacant(slot) => {
                    slot.insert(Refused {
                        written: now,
                        since: 0,
                    });
                    1
                }
                Entry::Occupied(mut slot) => {
                    let known = slot.get_mut();
                    known.since += 1;
                    if now < known.written + self.interval {
                        return;
                    }
                    known.written = now;
                    std::mem::take(&mut known.since)
                }
            }
        };
        self.write(client, call, times).await;
    }

    /// Writes down the refused calls that were only counted so far.
    pub(super) async fn write_counted(&self) {
        // Out of the lock before writing, which waits for the disk.
        let left: Vec<_> = self.lock().drain().collect();
        for ((client, call), refusals) in left {
            if refusals.since > 0 {
                self.write(client, call, refusals.since).await;
            }
        }
    }

    async fn write(&self, client: Option<ClientNumber>, call: &'static str, times: u64) {
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
        let written = self
            .store
            .read(move |store| store.record(&event, Timestamp::now()));
        if let Err(failed) = written.await {
            tracing::error!(
                error = failed.message(),
                "a refused call is not in the audit log"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Refused>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
