//! How a session ended, written down: its answers, or why there are none and whose doing that was.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::setup::{Trouble, keep_answers};
use super::{Kept, Memory, Worker};
use crate::{Cause, Ended};
use admin::{Blame, Peer, SessionNumber};
use identity::HashedIdentity;
use protocol::release::{Held, Receipt};
use protocol::session::{Outcome, Standing};
use protocol::{self, PeerMisbehaved};
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
    pub held: Held,
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
                held: outcome.held,
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
        let number = ran.number;
        let mediated = peer.entry.policy.mediator.is_some();
        let how = verdict_on(&ended, mediated);
        if let Some(how) = how {
            let receipt = ended.receipt;
            let kept = self
                .blocking(move |handle, _| {
                    let end = End {
                        outcome: how,
                        blame: Some(blame(&ended.cause)),
                        receipt: receipt.as_deref(),
                        asked_at: ran.started,
                        answers: &[],
                    };
                    handle.store().end_session(number, &end, Timestamp::now())?;
                    Ok(ended.cause)
                })
                .await;
            match kept {
                Ok(cause) => {
                    tracing::warn!(peer = self.peer.number(), session = number.number(), outcome = ?how, %cause, "session ended");
                    self.failed(memory, &Trouble::text(cause.to_string()));
                }
                Err(trouble) => self.failed(memory, &trouble),
            }
            if how == Kept::Unanswered && ended.standing == Standing::Released {
                self.want_approval().await;
            }
        } else {
            tracing::warn!(peer = self.peer.number(), session = number.number(), cause = %ended.cause, "left signed");
            self.failed(memory, &Trouble::text(ended.cause.to_string()));
        }
    }

    /// A session that ended before its commitment: it cost nothing, and is in the audit log if it says
    /// something of the peer.
    pub(super) async fn never_began(&mut self, memory: &mut Memory, ended: &Ended) {
        let outcome = match &ended.cause {
            Cause::Exchange(protocol::Error::TermsDiffer(_)) => Some(Kept::Refused),
            Cause::Exchange(protocol::Error::PeerMisbehaved(_))
            | Cause::Channel(transport::Error::Misbehaved(_)) => Some(Kept::CutOff),
            _ => None,
        };
        let noted = memory.noted_lately();
        if let (Some(outcome), false) = (outcome, noted) {
            memory.refused_noted = Some(Instant::now());
            let blame = blame(&ended.cause);
            let noting = self.blocking(move |handle, peer| {
                let now = Timestamp::now();
                Ok(handle
                    .store()
                    .refuse_session(peer, outcome, Some(blame), now)?)
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

    /// Has an officer decide before the next session: this side has opened its table to a peer that did
    /// not open its own.
    pub(super) async fn want_approval(&self) {
        let changed = self.blocking(|handle, peer| {
            Ok(handle.store().require_approval(peer, Timestamp::now())?)
        });
        if let Err(trouble) = changed.await {
            tracing::error!(peer = self.peer.number(), trouble = trouble.text, "policy");
        }
    }
}

/// How a session without answers is written down; `None` for one that stays signed, because the
/// mediator can still end it.
fn verdict_on(ended: &Ended, mediated: bool) -> Option<Kept> {
    match (&ended.cause, ended.standing) {
        (Cause::NeverSettled, _) => Some(Kept::NeverSettled),
        (
            Cause::Exchange(protocol::Error::PeerMisbehaved(
                PeerMisbehaved::TableDoesNotOpen | PeerMisbehaved::TableNotSorted,
            )),
            _,
        ) => Some(Kept::TableShut),
        (_, Standing::Unsigned) => Some(Kept::CutOff),
        (_, _) if mediated => None,
        (_, _) => Some(Kept::Unanswered),
    }
}

fn blame(cause: &Cause) -> Blame {
    match cause {
        Cause::Exchange(protocol::Error::PeerMisbehaved(_))
        | Cause::Channel(transport::Error::Misbehaved(_)) => Blame::Peer,
        Cause::Exchange(protocol::Error::TermsDiffer(_)) | Cause::NeverSettled => Blame::Nobody,
        Cause::Exchange(protocol::Error::PeerAborted(_) | protocol::Error::TooLate { .. })
        | Cause::Channel(_)
        | Cause::Stalled { .. }
        | Cause::ReleaseLate { .. } => Blame::Channel,
        Cause::NoMediator
        | Cause::NoTime(_)
        | Cause::EpochOver
        | Cause::MediatorRefused(_)
        | Cause::MediatorMisbehaved(_) => Blame::Mediator,
        Cause::Exchange(_) | Cause::Cancelled | Cause::NotKept(_) => Blame::Own,
    }
}
