//! From complete legs to the release: the agreement, its two signatures, what must be kept before each,
//! and the time that must be left. `docs/protocol.md` §8, §9.

use std::sync::Arc;

use rand_core::CryptoRng;

use super::legs::Unsigned;
use super::{Outcome, Persist, Session, State, Step};
use crate::agreement::{self, Agreement, MediatorTime, SignedAgreement};
use crate::release::{Receipt, Release};
use crate::table::ReleaseSecret;
use crate::{AgreementFault, Error, Message, PeerMisbehaved, Role, SignedState};
use pairing::Signature;

/// Seconds by which the mediator's clock may step back between two questions without anybody's fault.
const CLOCK_STEP_S: u64 = 5;

/// This side has signed.
pub(super) struct Signed {
    pub(super) agreement: Agreement,
    pub(super) initiator_signature: Option<Signature>,
    pub(super) responder_signature: Option<Signature>,
    pub(super) state: Arc<SignedState>,
    pub(super) secret: ReleaseSecret,
    /// Set once both signatures have been checked.
    pub(super) receipt: Option<Receipt>,
}

impl Session {
    pub(super) fn with_time(
        &mut self,
        now: MediatorTime,
        rng: &mut impl CryptoRng,
    ) -> Result<(), Error> {
        let window_s = self.own.terms.window.seconds();
        let state = std::mem::replace(&mut self.state, State::Over);
        self.state = match state {
            State::AwaitTimeToPropose(unsigned) => {
                self.propose(*unsigned, MediatorTime(now.0.saturating_add(window_s)))?
            }
            State::AwaitTimeToSign {
                unsigned,
                deadline,
                signature,
            } => {
                let latest = now.0.saturating_add(window_s);
                if deadline.0 > latest.saturating_add(CLOCK_STEP_S) {
                    return Err(bad_deadline(deadline, now.0 + window_s / 2, latest));
                }
                enough_left(deadline, now, window_s / 2)?;
                self.countersign(*unsigned, deadline, signature)?
            }
            State::AwaitTimeToRelease(mut signed) => {
                enough_left(signed.agreement.deadline, now, window_s / 4)?;
                self.both_signed(&mut signed, Some(now))?;
                self.release(&mut signed, rng);
                State::AwaitRelease {
                    signed,
                    released: true,
                }
            }
            _ => return Err(Error::Over),
        };
        Ok(())
    }

    /// The initiator signs first.
    pub(super) fn propose(
        &mut self,
        unsigned: Unsigned,
        deadline: MediatorTime,
    ) -> Result<State, Error> {
        let signed = self.sign(unsigned, deadline, None)?;
        Ok(State::AwaitResponderSignature(Box::new(signed)))
    }

    /// The responder signs when the initiator's signature holds.
    pub(super) fn countersign(
        &mut self,
        unsigned: Unsigned,
        deadline: MediatorTime,
        initiator: Signature,
    ) -> Result<State, Error> {
        let mut signed = self.sign(unsigned, deadline, Some(initiator))?;
        self.both_signed(&mut signed, None)?;
        if self.own.terms.mediator.can_settle() {
            self.outbox.push_back(Step::AskTime);
            return Ok(State::AwaitTimeToRelease(Box::new(signed)));
        }
        Ok(State::AwaitRelease {
            signed: Box::new(signed),
            released: false,
        })
    }

    /// Checks the agreement, has the signed state kept, then signs.
    pub(super) fn sign(
        &mut self,
        unsigned: Unsigned,
        deadline: MediatorTime,
        initiator_signature: Option<Signature>,
    ) -> Result<Signed, Error> {
        let (initiator, responder) = self.own.parties();
        let Unsigned {
            bound,
            theirs,
            asked,
            transcripts,
            secret,
        } = unsigned;
        let (initiator_commitment, responder_commitment) = match self.own.role {
            Role::Initiator => (bound.commitment, theirs),
            Role::Responder => (theirs, bound.commitment),
        };
        let agreement = Agreement {
            offer_digest: bound.offer_digest,
            answer_digest: bound.answer_digest,
            initiator,
            responder,
            mediator: *self.own.terms.mediator.encoded(),
            deadline,
            initiator_commitment,
            responder_commitment,
            transcripts,
        };
        agreement.check(self.own.terms.mediator.encoded())?;
        if let Some(signature) = &initiator_signature {
            agreement.check_signature(Role::Initiator, signature)?;
        }
        let signature = self.own.key.sign(&agreement.encode());
        let (initiator_signature, responder_signature) = match self.own.role {
            Role::Initiator => (Some(signature), None),
            Role::Responder => (initiator_signature, Some(signature)),
        };
        let state = Arc::new(SignedState {
            session: bound.session,
            role: self.own.role,
            mediator: self.own.terms.mediator,
            agreement: agreement.clone(),
            initiator_signature,
            responder_signature,
            asked,
        });
        self.signed = Some(Arc::clone(&state));
        self.outbox
            .push_back(Step::Persist(Persist::Signed(Arc::clone(&state))));
        self.outbox
            .push_back(Step::Send(Message::Agreement(agreement::encode_message(
                deadline, &signature,
            ))));
        Ok(Signed {
            agreement,
            initiator_signature,
            responder_signature,
            state,
            secret,
            receipt: None,
        })
    }

    /// The check before any release; from here on there is a receipt.
    pub(super) fn both_signed(
        &mut self,
        signed: &mut Signed,
        now: Option<MediatorTime>,
    ) -> Result<(), Error> {
        let (Some(initiator_signature), Some(responder_signature)) =
            (signed.initiator_signature, signed.responder_signature)
        else {
            return Err(AgreementFault::Signature(self.own.role.other()).into());
        };
        let agreement = SignedAgreement {
            agreement: signed.agreement.clone(),
            initiator_signature,
            responder_signature,
        };
        agreement.check(self.own.terms.mediator.encoded(), &self.own.id, now)?;
        let receipt = Receipt {
            agreement,
            initiator_release: None,
            responder_release: None,
            settled: None,
        };
        if signed.receipt.is_some() {
            // Checked again, against the mediator's time: nothing new to keep.
            return Ok(());
        }
        self.outbox.push_back(Step::Persist(Persist::Agreed(
            signed.state.session,
            Box::new(receipt.agreement.clone()),
        )));
        signed.receipt = Some(receipt.clone());
        self.receipt = Some(receipt);
        Ok(())
    }

    /// Sends this side's release.
    pub(super) fn release(&mut self, signed: &mut Signed, rng: &mut impl CryptoRng) {
        let state = Arc::clone(&signed.state);
        let release = Release::of(
            &signed.secret,
            &state.session,
            self.own.role,
            &state.mediator,
            rng,
        );
        self.outbox
            .push_back(Step::Send(Message::Release(release.encode())));
        self.note_release(signed, self.own.role, &release);
    }

    pub(super) fn note_release(&mut self, signed: &mut Signed, role: Role, release: &Release) {
        if let Some(receipt) = &mut signed.receipt {
            match role {
                Role::Initiator => receipt.initiator_release = Some(release.clone()),
                Role::Responder => receipt.responder_release = Some(release.clone()),
            }
            self.receipt = Some(receipt.clone());
        }
    }
}

pub(super) fn open(signed: Signed, release: &Release) -> Result<Outcome, Error> {
    let held = signed.state.open(release)?;
    let receipt = signed.receipt.ok_or(Error::Over)?;
    Ok(Outcome {
        session: signed.state.session,
        held,
        receipt,
    })
}

pub(super) fn decode_agreement(bytes: &[u8]) -> Result<(MediatorTime, Signature), PeerMisbehaved> {
    agreement::decode_message(bytes).ok_or(PeerMisbehaved::Malformed {
        message: "the agreement",
    })
}

pub(super) fn bad_deadline(found: MediatorTime, earliest: u64, latest: u64) -> Error {
    PeerMisbehaved::Deadline {
        found: found.0,
        earliest,
        latest,
    }
    .into()
}

fn enough_left(deadline: MediatorTime, now: MediatorTime, needed_s: u64) -> Result<(), Error> {
    let left_s = deadline.0.saturating_sub(now.0);
    if left_s < needed_s {
        Err(Error::TooLate { left_s, needed_s })
    } else {
        Ok(())
    }
}
