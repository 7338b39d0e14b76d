//! From complete legs to the release: the agreement, its two signatures, what must be kept before each,
//! and the time that must be left.
//!
//! Handed this side, where its steps go, and the state before; gives the state after. It signs
//! nothing that has not been checked and queued to be kept first. `docs/protocol.md` §8, §9.

use std::sync::Arc;

use pairing::Signature;
use rand_core::CryptoRng;

use super::legs::Unsigned;
use super::local::LocalSide;
use super::output::Output;
use super::state::{Agreed, Signed, State};
use super::step::Persist;
use crate::agreement::{self, Agreement, SignedAgreement};
use crate::error::{AgreementFault, Error, PeerMisbehaved};
use crate::limits::DEADLINE_LEAD_SECONDS;
use crate::mediator::MediatorTime;
use crate::message::Message;
use crate::receipt::Receipt;
use crate::release::Release;
use crate::role::Role;
use crate::signed::SignedState;

/// The deadline of an agreement that nobody can settle.
const NO_DEADLINE: MediatorTime = MediatorTime(0);

/// One side at the end of its session.
pub(super) struct Signing<'a> {
    pub(super) own: &'a LocalSide,
    pub(super) out: &'a mut Output,
}

impl Signing<'_> {
    /// Both legs are complete: the initiator signs at once, or asks the time to sign by.
    pub(super) fn start(&mut self, unsigned: Unsigned) -> Result<State, Error> {
        match self.own.role {
            Role::Responder => Ok(State::AwaitInitiatorSignature(Box::new(unsigned))),
            Role::Initiator if self.own.terms.mediator.can_settle() => {
                self.out.ask_time();
                Ok(State::AwaitTimeToPropose(Box::new(unsigned)))
            }
            Role::Initiator => self.propose(unsigned, NO_DEADLINE),
        }
    }

    /// Goes on with the mediator's time.
    pub(super) fn with_time(
        &mut self,
        state: State,
        now: MediatorTime,
        rng: &mut impl CryptoRng,
    ) -> Result<State, Error> {
        let window_s = self.own.terms.window.seconds();
        match state {
            // > the deadline is the mediator's time + W, asked at that moment
            State::AwaitTimeToPropose(unsigned) => {
                self.propose(*unsigned, MediatorTime(now.0.saturating_add(window_s)))
            }
            State::AwaitTimeToSign {
                unsigned,
                deadline,
                signature,
            } => {
                let latest = now.0.saturating_add(window_s);
                if deadline.0 > latest.saturating_add(DEADLINE_LEAD_SECONDS) {
                    return Err(bad_deadline(deadline, now.0 + window_s / 2, latest));
                }
                // > signs only with at least W/2 left
                enough_left(deadline, now, window_s / 2)?;
                self.countersign(*unsigned, deadline, signature)
            }
            State::AwaitTimeToRelease(mut agreed) => {
                // > only with at least W/4 left by the mediator's clock
                enough_left(agreed.agreement.agreement().deadline, now, window_s / 4)?;
                agreed.agreement.check_open_at(now)?;
                self.release(&mut agreed, rng);
                Ok(State::AwaitRelease {
                    agreed,
                    released: true,
                })
            }
            _ => Err(Error::Over),
        }
    }

    /// A responder has the initiator's Agreement.
    pub(super) fn take_initiators(
        &mut self,
        unsigned: Box<Unsigned>,
        bytes: &[u8],
    ) -> Result<State, Error> {
        let (deadline, signature) = decode_agreement(bytes)?;
        if self.own.terms.mediator.can_settle() {
            self.out.ask_time();
            return Ok(State::AwaitTimeToSign {
                unsigned,
                deadline,
                signature,
            });
        }
        if deadline != NO_DEADLINE {
            return Err(bad_deadline(deadline, NO_DEADLINE.0, NO_DEADLINE.0));
        }
        self.countersign(*unsigned, deadline, signature)
    }

    /// An initiator has the responder's Agreement.
    pub(super) fn take_responders(
        &mut self,
        signed: Signed,
        bytes: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<State, Error> {
        let (deadline, signature) = decode_agreement(bytes)?;
        // > Its Agreement message repeats the initiator's deadline; any other ends the session.
        let due = signed.state.agreement.deadline;
        if deadline != due {
            return Err(bad_deadline(deadline, due.0, due.0));
        }
        let own = signed.state.initiator_signature;
        let mut agreed = self.both_signed(signed, own, Some(signature))?;
        // With a mediator the responder releases first: a peer that walks off with this side's
        // signature can be held to it. Without one somebody has to begin.
        let released = !self.own.terms.mediator.can_settle();
        if released {
            self.release(&mut agreed, rng);
        }
        let agreed = Box::new(agreed);
        Ok(State::AwaitRelease { agreed, released })
    }

    /// The peer's release has come.
    pub(super) fn take_release(
        &mut self,
        mut agreed: Box<Agreed>,
        released: bool,
        bytes: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<State, Error> {
        let release = Release::decode(bytes).ok_or(PeerMisbehaved::Malformed {
            message: "the release",
        })?;
        let state = &agreed.signed.state;
        let verified = state.verify_release(&release)?;
        // Kept before one's own leaves: from then on the peer has no reason to send it again.
        self.out.persist(Persist::PeerReleased(
            state.session,
            Box::new(release.clone()),
        ));
        if !released {
            self.release(&mut agreed, rng);
        }
        self.note_release(&mut agreed, self.own.role.other(), release);
        Ok(State::Opening {
            agreed,
            release: verified,
        })
    }

    /// The initiator signs first.
    fn propose(&mut self, unsigned: Unsigned, deadline: MediatorTime) -> Result<State, Error> {
        let signed = self.sign(unsigned, deadline, None)?;
        Ok(State::AwaitResponderSignature(Box::new(signed)))
    }

    /// The responder signs when the initiator's signature holds.
    fn countersign(
        &mut self,
        unsigned: Unsigned,
        deadline: MediatorTime,
        initiator: Signature,
    ) -> Result<State, Error> {
        let signed = self.sign(unsigned, deadline, Some(initiator))?;
        let own = signed.state.responder_signature;
        let agreed = Box::new(self.both_signed(signed, Some(initiator), own)?);
        if self.own.terms.mediator.can_settle() {
            self.out.ask_time();
            return Ok(State::AwaitTimeToRelease(agreed));
        }
        Ok(State::AwaitRelease {
            agreed,
            released: false,
        })
    }

    /// Checks the agreement, has the signed state kept, then signs.
    fn sign(
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
            agreement,
            initiator_signature,
            responder_signature,
            asked,
        });
        self.out.signed = Some(Arc::clone(&state));
        // > Before its signature leaves, a side durably keeps what §9 needs.
        self.out.persist(Persist::Signed(Arc::clone(&state)));
        let message = agreement::encode_message(deadline, &signature);
        self.out.send(Message::Agreement(message));
        Ok(Signed { state, secret })
    }

    /// The check before any release; from here on there is a receipt.
    fn both_signed(
        &mut self,
        signed: Signed,
        initiator_signature: Option<Signature>,
        responder_signature: Option<Signature>,
    ) -> Result<Agreed, Error> {
        let (Some(initiator_signature), Some(responder_signature)) =
            (initiator_signature, responder_signature)
        else {
            return Err(AgreementFault::Signature(self.own.role.other()).into());
        };
        // > An initiator leaves the time out; a responder asks it again before it releases.
        let agreement = SignedAgreement {
            agreement: signed.state.agreement.clone(),
            initiator_signature,
            responder_signature,
        }
        .verify(self.own.terms.mediator.encoded(), &self.own.id, None)?;
        self.out.persist(Persist::Agreed(
            signed.state.session,
            Box::new(agreement.clone()),
        ));
        let receipt = Receipt::of(agreement.signed().clone());
        self.out.receipt = Some(receipt.clone());
        Ok(Agreed {
            signed,
            agreement,
            receipt,
        })
    }

    /// Sends this side's release.
    fn release(&mut self, agreed: &mut Agreed, rng: &mut impl CryptoRng) {
        let state = &agreed.signed.state;
        let role = self.own.role;
        let secret = &agreed.signed.secret;
        let release = Release::of(secret, &state.session, role, &state.mediator, rng);
        self.out.send(Message::Release(release.encode()));
        self.note_release(agreed, role, release);
    }

    fn note_release(&mut self, agreed: &mut Agreed, role: Role, release: Release) {
        agreed.receipt = agreed.receipt.clone().with_release(role, release);
        self.out.receipt = Some(agreed.receipt.clone());
    }
}

fn decode_agreement(bytes: &[u8]) -> Result<(MediatorTime, Signature), PeerMisbehaved> {
    agreement::decode_message(bytes).ok_or(PeerMisbehaved::Malformed {
        message: "the agreement",
    })
}

fn bad_deadline(found: MediatorTime, earliest: u64, latest: u64) -> Error {
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
