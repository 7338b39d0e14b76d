//! A node's questions to its mediator as the command line asks them: it says once that the mediator
//! does not answer, and after how long it gives up.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Failure;
use super::advice::channel_failure;
use super::progress::Progress;
use node::settle::{MediatorClient, MediatorFault, RelayMediatorClient};
use pairing::{NodeId, NodeKey};
use protocol::{Decision, Descriptor, MediatorTime, SessionId, SignedAgreement};
use transport::Limits;

/// Asks a mediator and tells the clerk how that goes.
pub struct Asking<'a> {
    at: RelayMediatorClient,
    progress: &'a Progress,
    /// The mediator may be away for this long.
    patience: Duration,
    /// Since when it has not answered, and what stood in the way last.
    failing: Mutex<Option<(Instant, transport::Error)>>,
    /// Whether an answer is all that the session waits for.
    left: AtomicBool,
    said_open: AtomicBool,
    gave_up: Notify,
}

impl<'a> Asking<'a> {
    /// Asks at `address` in this node's name; the mediator may be away for `patience`.
    ///
    /// # Errors
    /// The node's key cannot be used.
    pub fn of(
        (descriptor, address): &(Descriptor, String),
        key: &NodeKey,
        progress: &'a Progress,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let at = RelayMediatorClient::new(descriptor, key, Limits::default());
        let at = at.map_err(|error| channel_failure(&error))?.at(address);
        Ok(Self::new(at, progress, patience))
    }

    fn new(at: RelayMediatorClient, progress: &'a Progress, patience: Duration) -> Self {
        Self {
            at,
            progress,
            patience,
            failing: Mutex::default(),
            left: AtomicBool::new(false),
            said_open: AtomicBool::new(false),
            gave_up: Notify::new(),
        }
    }

    /// From now on the session waits for the mediator alone.
    pub fn leave_to_it(&self) {
        self.left.store(true, Relaxed);
    }

    /// Resolves when the mediator alone could end the session, and has been away for too long.
    pub async fn gave_up(&self) {
        self.gave_up.notified().await;
    }

    /// What stood in the way of the last question, if something did.
    pub fn fault(&self) -> Option<transport::Error> {
        self.failing().map(|(_, error)| error)
    }

    fn note<T>(&self, answer: Result<T, MediatorFault>) -> Result<T, MediatorFault> {
        let mut failing = self.failing_mut();
        let Err(MediatorFault::Channel(error)) = &answer else {
            *failing = None;
            return answer;
        };
        let since = failing.map_or_else(Instant::now, |(since, _)| since);
        let first = failing.replace((since, *error)).is_none();
        drop(failing);
        if self.left.load(Relaxed) {
            if first {
                self.progress.say(format!(
                    "The mediator does not answer ({error}); asking again."
                ));
            }
            if since.elapsed() >= self.patience || !error.may_pass() {
                self.gave_up.notify_one();
            }
        }
        answer
    }

    fn failing(&self) -> Option<(Instant, transport::Error)> {
        *self.failing_mut()
    }

    fn failing_mut(&self) -> std::sync::MutexGuard<'_, Option<(Instant, transport::Error)>> {
        self.failing
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl MediatorClient for Asking<'_> {
    fn id(&self) -> NodeId {
        self.at.id()
    }

    fn last_deadline(&self) -> MediatorTime {
        self.at.last_deadline()
    }

    async fn time(&self) -> Result<MediatorTime, MediatorFault> {
        self.note(self.at.time().await)
    }

    async fn settle(&self, signed: &SignedAgreement) -> Result<Decision, MediatorFault> {
        self.note(self.at.settle(signed).await)
    }

    async fn claim(
        &self,
        session: &SessionId,
        deadline: MediatorTime,
    ) -> Result<Decision, MediatorFault> {
        let answer = self.note(self.at.claim(session, deadline).await);
        if let Ok(Decision::Open(now)) = &answer
            && self.left.load(Relaxed)
            && !self.said_open.swap(true, Relaxed)
        {
            let minutes = deadline.0.saturating_sub(now.0).div_ceil(60);
            self.progress.say(format!(
                "The peer's signature is not here, so it is for the peer to settle: the mediator has the last word in {minutes} min at the latest."
            ));
        }
        answer
    }
}
