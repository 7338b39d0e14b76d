//! How a worker hears that the node is told to stop, and until when its session may go on.

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Once the node is told to stop: the moment by which sessions must have ended.
pub(crate) type Stop = watch::Receiver<Option<Instant>>;

/// Resolves when the node is told to stop.
pub(super) async fn told_to_stop(stop: &Stop) {
    // The sender lives as long as the daemon; without it there is nothing left to work for.
    let _ = stop.clone().wait_for(Option::is_some).await;
}

/// Resolves when sessions must have ended.
pub(super) async fn stopped(stop: &Stop) {
    let mut stop = stop.clone();
    let deadline = stop.wait_for(Option::is_some).await;
    let deadline = deadline.ok().and_then(|deadline| *deadline);
    if let Some(deadline) = deadline {
        sleep_until(deadline).await;
    }
}
