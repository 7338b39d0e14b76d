//! Agreement: one text that both sides sign when both legs are complete, and the check of it.
//!
//! The text is a canonical encoding, never protobuf bytes: it names the session, both ids, the
//! mediator, the deadline, both commitments with their proofs, and a hash of everything that was
//! asked and answered. Two signatures under it are what a mediator settles on, and with the two
//! releases they are the receipt. Nodes run [`Agreement::check`] before they sign and
//! [`SignedAgreement::verify`] before they release; the mediator runs the latter before it settles.
//! `docs/protocol.md` §8.

use element::ByClass;
use pairing::{NodeId, Signature};
use sealing::Reader;

use crate::commitment::{Commitment, Committer};
use crate::error::AgreementFault;
use crate::mediator::MediatorTime;
use crate::role::Role;
use crate::session_id::{SessionId, session_id};
use crate::transcript::{TranscriptDigests, Transcripts};

/// Bytes of an Agreement message: deadline and signature.
pub const AGREEMENT_BYTES: usize = 8 + 64;

/// What both sides sign.
#[derive(Clone, PartialEq, Eq)]
pub struct Agreement {
    /// SHA-256 of the Offer.
    pub offer_digest: [u8; 32],
    /// SHA-256 of the Answer.
    pub answer_digest: [u8; 32],
    /// Who sent the Offer.
    pub initiator: NodeId,
    /// Who sent the Answer.
    pub responder: NodeId,
    /// M.
    pub mediator: [u8; 32],
    /// Until when the mediator settles; 0 without one.
    pub deadline: MediatorTime,
    /// What the initiator is bound to.
    pub initiator_commitment: Commitment,
    /// What the responder is bound to.
    pub responder_commitment: Commitment,
    /// Hashes over all that was asked and answered.
    pub transcripts: Transcripts,
}

/// An agreement with two signatures that nobody has checked: from a peer, a caller or the disk.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedAgreement {
    /// The text.
    pub agreement: Agreement,
    /// By the initiator, if it holds.
    pub initiator_signature: Signature,
    /// By the responder, if it holds.
    pub responder_signature: Signature,
}

/// A doubly signed agreement that has passed the whole check; only [`SignedAgreement::verify`] gives one.
///
/// What stands under M, the caller and the time it was checked for. Nothing is released or settled
/// without one.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedAgreement(SignedAgreement);

impl Agreement {
    /// The canonical encoding that is signed: label first.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = LABEL.to_vec();
        out.extend_from_slice(&self.offer_digest);
        out.extend_from_slice(&self.answer_digest);
        out.extend_from_slice(self.initiator.as_bytes());
        out.extend_from_slice(self.responder.as_bytes());
        out.extend_from_slice(&self.mediator);
        out.extend_from_slice(&self.deadline.0.to_be_bytes());
        out.push(u8::from(self.has_wide()));
        out.extend_from_slice(&self.initiator_commitment.encode());
        out.extend_from_slice(&self.responder_commitment.encode());
        for leg in [
            &self.transcripts.initiator_asks,
            &self.transcripts.responder_asks,
        ] {
            for (_, digests) in leg.iter() {
                out.extend_from_slice(&digests.blinded);
                out.extend_from_slice(&digests.evaluated);
            }
        }
        out
    }

    /// Reads what [`encode`](Self::encode) writes and nothing else.
    ///
    /// # Errors
    /// [`AgreementFault::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, AgreementFault> {
        Self::decode_layout(bytes).ok_or(AgreementFault::Malformed)
    }

    fn decode_layout(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes.strip_prefix(LABEL)?);
        let offer_digest = reader.array()?;
        let answer_digest = reader.array()?;
        let initiator = NodeId::from_bytes(reader.array()?).ok()?;
        let responder = NodeId::from_bytes(reader.array()?).ok()?;
        let mediator = reader.array()?;
        let deadline = MediatorTime(reader.u64()?);
        let wide = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let initiator_commitment =
            Commitment::decode(reader.slice(Commitment::bytes(wide))?, wide)?;
        let responder_commitment =
            Commitment::decode(reader.slice(Commitment::bytes(wide))?, wide)?;
        let mut digests = || {
            Some(TranscriptDigests {
                blinded: reader.array()?,
                evaluated: reader.array()?,
            })
        };
        let mut leg = || {
            Some(ByClass {
                narrow: digests()?,
                wide: if wide { Some(digests()?) } else { None },
            })
        };
        let transcripts = Transcripts {
            initiator_asks: leg()?,
            responder_asks: leg()?,
        };
        reader.at_end()?;
        Some(Self {
            offer_digest,
            answer_digest,
            initiator,
            responder,
            mediator,
            deadline,
            initiator_commitment,
            responder_commitment,
            transcripts,
        })
    }

    /// The session that this text is about, recomputed from its parts.
    pub fn session_id(&self) -> SessionId {
        session_id(
            &self.initiator,
            &self.responder,
            &self.mediator,
            &self.offer_digest,
            &self.answer_digest,
        )
    }

    /// The node in `role`.
    pub fn party(&self, role: Role) -> &NodeId {
        match role {
            Role::Initiator => &self.initiator,
            Role::Responder => &self.responder,
        }
    }

    /// What the side in `role` is bound to.
    pub fn commitment(&self, role: Role) -> &Commitment {
        match role {
            Role::Initiator => &self.initiator_commitment,
            Role::Responder => &self.responder_commitment,
        }
    }

    /// Checks all that holds before anybody signs: two different ids, this mediator, keys that
    /// differ, and proofs that are bound to this very session, these ids and roles.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self, mediator: &[u8; 32]) -> Result<(), AgreementFault> {
        if self.initiator == self.responder {
            return Err(AgreementFault::OneIdTwice);
        }
        if self.mediator != *mediator {
            return Err(AgreementFault::OtherMediator);
        }
        // A side that repeats a point of the other knows no logarithm of its own: what opens one
        // side's tables would open the other's.
        let theirs: Vec<_> = self.responder_commitment.keys().collect();
        if self
            .initiator_commitment
            .keys()
            .any(|key| theirs.contains(&key))
        {
            return Err(AgreementFault::KeyShared);
        }
        // Recomputed from the text, so that proofs made for another session do not verify.
        let session = self.session_id();
        for role in Role::BOTH {
            let committer = Committer {
                session: &session,
                role,
                own: self.party(role),
                peer: self.party(role.other()),
                mediator: &self.mediator,
            };
            self.commitment(role)
                .verify(committer)
                .map_err(|_| AgreementFault::NotProven(role))?;
        }
        Ok(())
    }

    /// Checks one side's signature under this text.
    ///
    /// # Errors
    /// [`AgreementFault::Signature`].
    pub fn check_signature(&self, role: Role, signature: &Signature) -> Result<(), AgreementFault> {
        self.party(role)
            .verify(&self.encode(), signature)
            .map_err(|_| AgreementFault::Signature(role))
    }

    fn has_wide(&self) -> bool {
        self.initiator_commitment.classes.wide.is_some()
    }
}

impl SignedAgreement {
    /// The whole check that stands before any release: of a node's own, or of a mediator's.
    ///
    /// `caller` is who asks for it. `now` is the mediator's time; `None` where there is no mediator,
    /// and for an initiator, which releases only after the responder has.
    ///
    /// # Errors
    /// The first fault found, in the order of `docs/protocol.md` §8, *The check*.
    pub fn verify(
        &self,
        mediator: &[u8; 32],
        caller: &NodeId,
        now: Option<MediatorTime>,
    ) -> Result<VerifiedAgreement, AgreementFault> {
        self.agreement.check(mediator)?;
        self.agreement
            .check_signature(Role::Initiator, &self.initiator_signature)?;
        self.agreement
            .check_signature(Role::Responder, &self.responder_signature)?;
        if *caller != self.agreement.initiator && *caller != self.agreement.responder {
            return Err(AgreementFault::NotAParty);
        }
        let verified = VerifiedAgreement(self.clone());
        if let Some(now) = now {
            verified.check_open_at(now)?;
        }
        Ok(verified)
    }
}

impl VerifiedAgreement {
    /// The text and both signatures, to be kept or shown.
    pub fn signed(&self) -> &SignedAgreement {
        &self.0
    }

    /// The same, given up.
    pub fn into_signed(self) -> SignedAgreement {
        self.0
    }

    /// The text.
    pub fn agreement(&self) -> &Agreement {
        &self.0.agreement
    }

    /// Checks that the mediator could still settle at `now`, by its own clock.
    ///
    /// # Errors
    /// [`AgreementFault::DeadlinePast`].
    pub fn check_open_at(&self, now: MediatorTime) -> Result<(), AgreementFault> {
        if now >= self.0.agreement.deadline {
            return Err(AgreementFault::DeadlinePast);
        }
        Ok(())
    }
}

/// The Agreement message: deadline (8 bytes) and signature (64).
pub(crate) fn encode_message(deadline: MediatorTime, signature: &Signature) -> Vec<u8> {
    let mut out = deadline.0.to_be_bytes().to_vec();
    out.extend_from_slice(signature.as_bytes());
    out
}

/// Reads what [`encode_message`] writes and nothing else.
pub(crate) fn decode_message(bytes: &[u8]) -> Option<(MediatorTime, Signature)> {
    let mut reader = Reader::new(bytes);
    let deadline = MediatorTime(reader.u64()?);
    let signature = Signature::from_bytes(reader.array()?);
    reader.at_end()?;
    Some((deadline, signature))
}

const LABEL: &[u8] = b"tacit/v1/agreement";
