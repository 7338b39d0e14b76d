//! How a session ended, written down: its answers, or why there are none and whose doing that was.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::setup::{Trouble, keep_answers};
use super::{Kept, Memory, Worker};
use crate::disposition::{Disposition, Next, Recourse};
use crate::{Cause, Ended};
use admin::{Blame, Peer, SessionNumber};
use identity::HashedIdentity;
use protocol::{Matches, Outcome, Receipt, Standing};
use store::sessions::End;

/// Between two attempts to keep answers that are there.
const KEEP_PAUSE: Duration = Duration::from_secs(3);
const KEEP_TRIES: u32 = 10;

/// A session that has run.
pub(super) struct Ran {
    pub number: SessionNumber,
    /// When the lists were read.
    pub started: Timestamp,
    pub asked: HashSet<HashedIdentity>,
    /// Whether the wide class was asked too.
    pub wide: bool,
}

/// What a session found.
pub(super) struct Found {
    pub how: Kept,
    pub receipt: Option<Receipt>,
    pub held: Matches,
}

/// A session without answers.
pub(super) struct Without {
    pub cause: Cause,
    pub means: Disposition,
    /// When the lists were read.
    pub asked_at: Timestamp,
    pub receipt: Option<Box<Receipt>>,
}

impl Worker {
    /// Keeps the answers of a session.
    pub(super) async fn answered(
        &mut self,
        peer: &Peer,
        memory: &mut Memory,
        ran: Ran,
        outcome: Outcome,
    ) {
        let number = ran.number;
        let how = match outcome.receipt.settled {
            Some(_) => Kept::Settled,
            None => Kept::Answered,
        };
        let found = Arc::new((
            ran,
            Found {
                how,
                receipt: Some(outcome.receipt),
                held: outcome.matches,
            },
        ));
        let started = found.0.started;
        let mut tries = 0;
        let kept = loop {
            let (entry, found) = (peer.clone(), found.clone());
            let kept = self
                .blocking(move |handle, _| {
                    keep_answers(&handle, &entry, number, &found.0, &found.1)
                })
                .await;
            tries += 1;
            // What is here may be all there is: a full disk is tried again before it is given up.
            match kept {
                Err(trouble) if tries < KEEP_TRIES => {
                    self.troubled(&trouble);
                    sleep(KEEP_PAUSE).await;
                }
                kept => break kept,
            }
        };
        match kept {
            Ok(()) => {
                tracing::info!(peer = self.peer.number(), session = number.number(), outcome = ?how, "session ended");
                self.succeeded(memory, started);
            }
            // What opens the answers is kept: the next round tries again.
            Err(trouble) => self.failed(memory, &trouble),
        }
    }

    /// Writes down how a session ended that gave no answers.
    pub(super) async fn ended(&mut self, peer: &Peer, memory: &mut Memory, ran: Ran, ended: Ended) {
        let recourse = Recourse::now(peer.entry.policy.mediator.is_some());
        let without = Without {
            means: ended.cause.disposition(ended.standing, recourse),
            cause: ended.cause,
            asked_at: ran.started,
            receipt: ended.receipt,
        };
        let text = without.cause.to_string();
        match self.put_down(ran.number, without).await {
            Ok(_) => self.failed(memory, &Trouble::text(text)),
            Err(trouble) => self.failed(memory, &trouble),
        }
    }

    /// Ends a session that has no answers as its failure says; gives how, and `None` for one that stays signed.
    pub(super) async fn put_down(
        &self,
        number: SessionNumber,
        without: Without,
    ) -> Result<Option<Kept>, Trouble> {
        let Without { cause, means, .. } = &without;
        let outcome = means.next.outcome();
        match outcome {
            Some(outcome) => {
                tracing::warn!(peer = self.peer.number(), session = number.number(), ?outcome, %cause, "session ended");
            }
            None => {
                tracing::warn!(peer = self.peer.number(), session = number.number(), %cause, "left signed");
            }
        }
        // Before the end: a crash in between must not let the next session run by itself.
        if means.officer {
            self.want_approval().await;
        }
        let kept = self.blocking(move |handle, _| {
            let (store, now) = (handle.store(), Timestamp::now());
            let end = |outcome| End {
                outcome,
                blame: Some(without.means.blame),
                receipt: without.receipt.as_deref(),
                asked_at: without.asked_at,
                answers: &[],
            };
            match without.means.next {
                Next::Over(outcome) => store.end_session(number, &end(outcome), now)?,
                Next::KeepAsEvidence(outcome) => {
                    store.set_aside_session(number, &end(outcome), without.cause.proof(), now)?;
                }
                Next::AskMediator | Next::Later => {}
            }
            Ok(())
        });
        kept.await?;
        Ok(outcome)
    }

    /// A session that ended before its commitment: it cost nothing, and is in the audit log if it says
    /// something of the peer.
    pub(super) async fn never_began(&mut self, memory: &mut Memory, ended: &Ended) {
        let means = ended
            .cause
            .disposition(Standing::Unsigned, Recourse::Nobody);
        let outcome = means
            .next
            .outcome()
            .filter(|outcome| *outcome == Kept::Refused || means.blame == Blame::Peer);
        let noted = memory.noted_lately();
        if let (Some(outcome), false) = (outcome, noted) {
            memory.refused_noted = Some(Instant::now());
            let noting = self.blocking(move |handle, peer| {
                let now = Timestamp::now();
                Ok(handle
                    .store()
                    .refuse_session(peer, outcome, Some(means.blame), now)?)
            });
            if let Err(trouble) = noting.await {
                return self.failed(memory, &trouble);
            }
        }
        tracing::info!(peer = self.peer.number(), cause = %ended.cause, "no session");
        if !matches!(ended.cause, Cause::Cancelled) {
            self.failed(memory, &Trouble::text(ended.cause.to_string()));
        }
    }

    /// Has an officer decide before the next session.
    async fn want_approval(&self) {
        let changed = self.blocking(|handle, peer| {
            Ok(handle.store().require_approval(peer, Timestamp::now())?)
        });
        if let Err(trouble) = changed.await {
            tracing::error!(peer = self.peer.number(), trouble = trouble.text, "policy");
        }
    }
}
