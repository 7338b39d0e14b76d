//! Sessions that were signed and have not ended: by the release that is kept, or by the mediator's word.

use jiff::{SignedDuration, Timestamp};
use tokio::task::block_in_place;

use super::ending::{Found, Ran};
use super::setup::{Trouble, keep_answers, settler};
use super::{Kept, Memory, Worker, told_to_stop};
use crate::Cause;
use crate::handle::{Doing, Handle};
use crate::settle::by_verdict;
use admin::{Blame, Peer, PeerNumber};
use protocol::agreement::SignedAgreement;
use protocol::release::{Receipt, Release};
use protocol::{Role, SignedState};
use store::sessions::{End, SessionInfo};

/// How long a mediator keeps what it settled, from a session's start, at most.
const SETTLED_KEPT: SignedDuration = SignedDuration::from_hours(33 * 24);

/// A signed session as the store has it.
struct SignedSession {
    info: SessionInfo,
    state: SignedState,
    agreed: Option<SignedAgreement>,
    released: Option<Release>,
}

enum SignedEnd {
    Found(Ran, Box<Found>),
    Without(Kept, Blame, Timestamp, Option<Box<Receipt>>),
    /// It can still be ended, later.
    Open(Cause),
}

impl Worker {
    /// Ends every signed session of this peer; false when the node stops meanwhile.
    pub(super) async fn finish_signed(&mut self, peer: &Peer, memory: &mut Memory) -> bool {
        loop {
            let signed = self
                .blocking(|handle, peer| Ok(first_signed(&handle, peer)?))
                .await;
            let signed = match signed {
                Ok(None) => return true,
                Ok(Some(signed)) => signed,
                Err(trouble) => {
                    self.failed(memory, &trouble);
                    if !self.pause(self.settings.retry_max).await {
                        return false;
                    }
                    continue;
                }
            };
            self.handle
                .set(self.peer, |pair| pair.doing = Doing::Settling);
            let number = signed.info.number;
            let ended = match self.end_of(signed).await {
                Some(ended) => ended,
                None => return false,
            };
            let entry = peer.clone();
            let kept = self
                .blocking(move |handle, _| match ended {
                    SignedEnd::Found(ran, found) => {
                        let how = found.how;
                        keep_answers(&handle, &entry, number, &ran, &found)?;
                        Ok(Some(how))
                    }
                    SignedEnd::Without(how, blame, at, receipt) => {
                        let end = End {
                            outcome: how,
                            blame: Some(blame),
                            receipt: receipt.as_deref(),
                            asked_at: at,
                            answers: &[],
                        };
                        handle.store().end_session(number, &end, Timestamp::now())?;
                        Ok(Some(how))
                    }
                    SignedEnd::Open(cause) => Err(Trouble::text(cause.to_string())),
                })
                .await;
            match kept {
                Ok(how) => {
                    tracing::info!(peer = self.peer.number(), session = number.number(), outcome = ?how, "signed session ended");
                    if matches!(how, Some(Kept::Answered | Kept::Settled)) {
                        self.succeeded(memory, Timestamp::now());
                    }
                }
                Err(trouble) => {
                    self.failed(memory, &trouble);
                    if !self.pause(self.settings.retry_max).await {
                        return false;
                    }
                }
            }
        }
    }

    /// How a signed session ends; `None` when the node stops before that is known.
    async fn end_of(&mut self, signed: SignedSession) -> Option<SignedEnd> {
        let SignedSession {
            info,
            state,
            agreed,
            released,
        } = signed;
        let ran = Ran {
            number: info.number,
            started: info.asked_at,
            wide: state.agreement.transcripts.initiator_asks.wide.is_some(),
            asked: state.asked().copied().collect(),
        };
        if let Some(release) = released {
            let receipt = agreed.map(|agreement| {
                let (initiator_release, responder_release) = match state.role {
                    Role::Initiator => (None, Some(release.clone())),
                    Role::Responder => (Some(release.clone()), None),
                };
                Receipt {
                    agreement,
                    initiator_release,
                    responder_release,
                    settled: None,
                }
            });
            // A whole table is opened and looked through.
            return Some(match block_in_place(|| state.open(&release)) {
                Ok(held) => SignedEnd::Found(
                    ran,
                    Box::new(Found {
                        how: Kept::Answered,
                        receipt,
                        held,
                    }),
                ),
                Err(_) => SignedEnd::Without(
                    Kept::TableShut,
                    Blame::Peer,
                    info.started,
                    receipt.map(Box::new),
                ),
            });
        }
        let settler = match settler(
            &self.handle,
            info.mediator.as_deref(),
            &self.settings.limits,
        ) {
            Ok(Some(settler)) => settler,
            Ok(None) => {
                // An initiator without a mediator releases as soon as it has both signatures.
                if state.role == Role::Initiator && agreed.is_some() {
                    self.want_approval().await;
                }
                return Some(SignedEnd::Without(
                    Kept::Unanswered,
                    Blame::Own,
                    info.started,
                    None,
                ));
            }
            Err(trouble) => {
                tracing::error!(
                    peer = self.peer.number(),
                    trouble = trouble.text,
                    "mediator"
                );
                return Some(SignedEnd::Open(Cause::NoMediator));
            }
        };
        let verdict = by_verdict(&state, agreed, &settler, &self.settings.patience);
        tokio::pin!(verdict);
        let verdict = loop {
            tokio::select! {
                biased;
                () = told_to_stop(&mut self.stop) => return None,
                verdict = &mut verdict => break verdict,
                Some(channel) = self.incoming.recv() => self.refuse(channel),
            }
        };
        Some(match verdict {
            Ok(outcome) => SignedEnd::Found(
                ran,
                Box::new(Found {
                    how: Kept::Settled,
                    receipt: Some(outcome.receipt),
                    held: outcome.held,
                }),
            ),
            Err(Cause::NeverSettled) => {
                SignedEnd::Without(Kept::NeverSettled, Blame::Channel, info.started, None)
            }
            Err(Cause::Exchange(_)) => {
                SignedEnd::Without(Kept::TableShut, Blame::Peer, info.started, None)
            }
            // Later than that the mediator has forgotten what it settled, and says so for ever.
            Err(Cause::MediatorRefused(_)) if age(info.started) > SETTLED_KEPT => {
                SignedEnd::Without(Kept::Unanswered, Blame::Mediator, info.started, None)
            }
            Err(cause) => SignedEnd::Open(cause),
        })
    }
}

fn first_signed(handle: &Handle, peer: PeerNumber) -> Result<Option<SignedSession>, store::Error> {
    let store = handle.store();
    let Some(info) = store
        .signed_sessions()?
        .into_iter()
        .find(|info| info.peer == peer)
    else {
        return Ok(None);
    };
    let Some(state) = store.signed_state(info.number)? else {
        return Ok(None);
    };
    let (agreed, released) = store.after_signing(info.number, &state)?;
    Ok(Some(SignedSession {
        info,
        state,
        agreed,
        released,
    }))
}

fn age(at: Timestamp) -> SignedDuration {
    Timestamp::now().duration_since(at)
}
