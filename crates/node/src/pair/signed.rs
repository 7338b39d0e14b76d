//! Sessions that were signed and have not ended: by the release that is kept, or by the mediator's word.

use jiff::Timestamp;
use tokio::task::block_in_place;

use super::ending::{Found, Ran, Without};
use super::setup::{Trouble, keep_answers, settler};
use super::{Kept, Memory, Worker, told_to_stop};
use crate::Cause;
use crate::disposition::{Recourse, standing_of};
use crate::handle::{Doing, Handle};
use crate::settle::by_verdict;
use admin::{Peer, PeerNumber};
use protocol::{Receipt, Release, Role, SignedAgreement, SignedState};
use store::sessions::SessionInfo;

/// A signed session as the store has it.
struct SignedSession {
    info: SessionInfo,
    state: SignedState,
    agreed: Option<SignedAgreement>,
    released: Option<Release>,
}

enum SignedEnd {
    Found(Ran, Box<Found>),
    Without(Without),
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
            let ended = match ended {
                SignedEnd::Found(ran, found) => {
                    let (entry, how) = (peer.clone(), found.how);
                    let kept = self.blocking(move |handle, _| {
                        keep_answers(&handle, &entry, number, &ran, &found)
                    });
                    kept.await.map(|()| how)
                }
                SignedEnd::Without(without) => {
                    let trouble = Trouble::text(without.cause.to_string());
                    let ended = self.put_down(number, without).await;
                    self.troubled(&trouble);
                    ended.and_then(|how| how.ok_or(trouble))
                }
            };
            match ended {
                Ok(how) => {
                    tracing::info!(peer = self.peer.number(), session = number.number(), outcome = ?how, "signed session ended");
                    if matches!(how, Kept::Answered | Kept::Settled) {
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
        let standing = standing_of(&state, agreed.as_ref());
        let recourse = Recourse::after(
            Timestamp::now().duration_since(info.started),
            info.mediator.is_some(),
        );
        let receipt = agreed.as_ref().map(|agreed| {
            let (initiator_release, responder_release) = match state.role {
                Role::Initiator => (None, released.clone()),
                Role::Responder => (released.clone(), None),
            };
            Receipt {
                agreement: agreed.clone(),
                initiator_release,
                responder_release,
                settled: None,
            }
        });
        let without = |cause: Cause, receipt: Option<Receipt>| {
            SignedEnd::Without(Without {
                means: cause.disposition(standing, recourse),
                cause,
                asked_at: info.asked_at,
                receipt: receipt.map(Box::new),
            })
        };
        let found =
            |how, receipt, held| SignedEnd::Found(ran, Box::new(Found { how, receipt, held }));
        if let Some(release) = released {
            // A whole table is opened and looked through.
            return Some(
                match block_in_place(|| {
                    state
                        .verify_release(&release)
                        .and_then(|release| state.open(&release))
                }) {
                    Ok(held) => found(Kept::Answered, receipt, held),
                    Err(misbehaved) => without(protocol::Error::from(misbehaved).into(), receipt),
                },
            );
        }
        let settler = match settler(
            &self.handle,
            info.mediator.as_deref(),
            &self.settings.limits,
        ) {
            Ok(Some(settler)) => settler,
            Ok(None) => return Some(without(Cause::ReleaseLost, receipt)),
            Err(trouble) => {
                tracing::error!(
                    peer = self.peer.number(),
                    trouble = trouble.text,
                    "mediator"
                );
                return Some(without(Cause::NoMediator, receipt));
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
            Ok(outcome) => found(Kept::Settled, Some(outcome.receipt), outcome.matches),
            Err(cause) => without(cause, receipt),
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
