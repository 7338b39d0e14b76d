//! Agreement: one text that both sides sign when both legs are complete, and the check of it.
//!
//! The text is a canonical encoding, never protobuf bytes: it names the session, both ids, the
//! mediator, the deadline, both commitments with their proofs, and a hash of everything that was
//! asked and answered. Two signatures under it are what a mediator settles on, and with the two
//! releases they are the receipt. Nodes run [`Agreement::check`] before they sign and
//! [`SignedAgreement::check`] before they release; the mediator runs the latter before it settles.
//! `docs/protocol.md` §8.

use super::commitment::{Commitment, Committer};
use super::offer::session_id;
use super::requester::{TranscriptDigests, Transcripts};
use super::{ByClass, Role, SessionId};
use pairing::{NodeId, Signature};
use sealing::Reader;

/// Bytes of an Agreement message: deadline and signature.
pub const AGREEMENT_BYTES: usize = 8 + 64;

/// Seconds since 1970 by the mediator's clock; 0 in an agreement without a mediator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MediatorTime(pub u64);

/// What both sides sign.
#[derive(Clone, PartialEq, Eq)]
pub struct Agreement {
    pub offer_digest: [u8; 32],
    pub answer_digest: [u8; 32],
    pub initiator: NodeId,
    pub responder: NodeId,
    /// M.
    pub mediator: [u8; 32],
    pub deadline: MediatorTime,
    pub initiator_commitment: Commitment,
    pub responder_commitment: Commitment,
    pub transcripts: Transcripts,
}

/// An agreement with both signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedAgreement {
    pub agreement: Agreement,
    pub initiator_signature: Signature,
    pub responder_signature: Signature,
}

/// Why an agreement does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AgreementFault {
    #[error("the text is not an agreement")]
    Malformed,
    #[error("it names one id as both sides")]
    OneIdTwice,
    #[error("it names another mediator")]
    OtherMediator,
    #[error("both sides have the same release point or a key in common")]
    KeyShared,
    #[error("the proofs of the {0:?}'s commitment are for another session, or wrong")]
    NotProven(Role),
    #[error("the {0:?}'s signature is not under this text")]
    Signature(Role),
    #[error("the one who asks is neither side")]
    NotAParty,
    #[error("its deadline is past")]
    DeadlinePast,
    #[error("its deadline is further away than any settling window")]
    DeadlineTooFar,
}

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

    pub fn party(&self, role: Role) -> &NodeId {
        match role {
            Role::Initiator => &self.initiator,
            Role::Responder => &self.responder,
        }
    }

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
        let theirs: Vec<_> = self.responder_commitment.keys().collect();
        if self
            .initiator_commitment
            .keys()
            .any(|key| theirs.contains(&key))
        {
            return Err(AgreementFault::KeyShared);
        }
        let session = self.session_id();
        for role in [Role::Initiator, Role::Responder] {
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
    /// `caller` is who asks for it. `now` is the mediator's time; `None` where there is no mediator.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(
        &self,
        mediator: &[u8; 32],
        caller: &NodeId,
        now: Option<MediatorTime>,
    ) -> Result<(), AgreementFault> {
        self.agreement.check(mediator)?;
        self.agreement
            .check_signature(Role::Initiator, &self.initiator_signature)?;
        self.agreement
            .check_signature(Role::Responder, &self.responder_signature)?;
        if *caller != self.agreement.initiator && *caller != self.agreement.responder {
            return Err(AgreementFault::NotAParty);
        }
        match now {
            Some(now) if now >= self.agreement.deadline => Err(AgreementFault::DeadlinePast),
            _ => Ok(()),
        }
    }
}

/// The Agreement message: deadline (8 bytes) and signature (64).
pub(super) fn encode_message(deadline: MediatorTime, signature: &Signature) -> Vec<u8> {
    let mut out = deadline.0.to_be_bytes().to_vec();
    out.extend_from_slice(signature.as_bytes());
    out
}

pub(super) fn decode_message(bytes: &[u8]) -> Option<(MediatorTime, Signature)> {
    let mut reader = Reader::new(bytes);
    let deadline = MediatorTime(reader.u64()?);
    let signature = Signature::from_bytes(reader.array()?);
    reader.at_end()?;
    Some((deadline, signature))
}

const LABEL: &[u8] = b"tacit/v1/agreement";
