//! The mediator's word about one session: settled, or never to be settled, signed.
//!
//! Text: label ‖ session id (32) ‖ kind (1) ‖ the mediator's time (8), then for kind 1, settled:
//! SHA-256 of the agreement (32) ‖ both signatures under it (64 each, the initiator's first) ‖ both
//! settled releases (96 each); for kind 2, never settled: the deadline that is past (8). The
//! signature under it (64) follows. `docs/protocol.md`, Settling.

use super::agreement::{Agreement, AgreementFault, MediatorTime, SignedAgreement};
use super::offer::sha256;
use super::release::Receipt;
use super::settling::{SETTLED_RELEASE_BYTES, SettledRelease};
use super::{Role, SessionId, SignedState};
use pairing::{NodeId, NodeKey, Signature};
use sealing::Reader;

/// Longest encoding of a verdict with its signature.
pub const VERDICT_BYTES_MAX: usize =
    LABEL.len() + 32 + 1 + 8 + 32 + 2 * 64 + 2 * SETTLED_RELEASE_BYTES + 64;

/// What the mediator says.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    Settled(Box<Settlement>),
    /// At `at` the deadline was past and nobody had settled; from then on nobody can.
    NeverSettled {
        session: SessionId,
        at: MediatorTime,
        deadline: MediatorTime,
    },
}

/// A settled session: both sides' tables are open to each other.
#[derive(Clone, PartialEq, Eq)]
pub struct Settlement {
    pub session: SessionId,
    pub at: MediatorTime,
    pub agreement_digest: [u8; 32],
    pub initiator_signature: Signature,
    pub responder_signature: Signature,
    pub initiator_release: SettledRelease,
    pub responder_release: SettledRelease,
}

/// A verdict under the mediator's Ed25519 key.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedVerdict {
    pub verdict: Verdict,
    pub signature: Signature,
}

impl std::fmt::Debug for SignedVerdict {
    /// Says which verdict it is, and nothing of what opens a table.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let settled = matches!(self.verdict, Verdict::Settled(_));
        f.debug_struct("SignedVerdict")
            .field("session", &self.verdict.session())
            .field("settled", &settled)
            .finish_non_exhaustive()
    }
}

/// What a caller gets from the mediator that was not refused.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    Verdict(SignedVerdict),
    /// Not settled so far, and the deadline is not past; with the mediator's time.
    Open(MediatorTime),
}

/// Why a caller gets nothing from the mediator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the agreement does not hold: {0}")]
    Agreement(#[from] AgreementFault),
    /// Neither honest node signs twice.
    #[error("another agreement of this session was settled")]
    OtherAgreement,
    #[error("the caller is not a party of this session")]
    NotAParty,
    /// What was settled then is erased, so nothing can be said.
    #[error("the deadline is longer past than the mediator keeps what it settled")]
    Forgotten,
    /// The mediator's disk: nothing was given away, and the caller can try again.
    #[error("the mediator could not write it down")]
    NotKept,
}

/// Why a verdict does not hold: each is the mediator's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerdictFault {
    #[error("the bytes are not a verdict")]
    Malformed,
    #[error("it is not signed by the mediator")]
    Signature,
    #[error("it is about another session")]
    OtherSession,
    #[error("it is about another agreement than the one signed here")]
    OtherAgreement,
    #[error("it settles an agreement that does not hold: {0}")]
    Agreement(#[from] AgreementFault),
    #[error("its {0:?}'s release is not proven")]
    Release(Role),
    #[error("it calls a deadline past that is not this session's, or is not past")]
    Deadline,
}

impl Verdict {
    pub fn session(&self) -> SessionId {
        match self {
            Self::Settled(settlement) => settlement.session,
            Self::NeverSettled { session, .. } => *session,
        }
    }

    pub fn sign(self, mediator: &NodeKey) -> SignedVerdict {
        SignedVerdict {
            signature: mediator.sign(&self.text()),
            verdict: self,
        }
    }

    fn text(&self) -> Vec<u8> {
        let mut out = LABEL.to_vec();
        out.extend_from_slice(&self.session().0);
        match self {
            Self::Settled(settlement) => {
                out.push(SETTLED);
                out.extend_from_slice(&settlement.at.0.to_be_bytes());
                out.extend_from_slice(&settlement.agreement_digest);
                out.extend_from_slice(settlement.initiator_signature.as_bytes());
                out.extend_from_slice(settlement.responder_signature.as_bytes());
                out.extend_from_slice(&settlement.initiator_release.encode());
                out.extend_from_slice(&settlement.responder_release.encode());
            }
            Self::NeverSettled { at, deadline, .. } => {
                out.push(NEVER_SETTLED);
                out.extend_from_slice(&at.0.to_be_bytes());
                out.extend_from_slice(&deadline.0.to_be_bytes());
            }
        }
        out
    }
}

impl SignedVerdict {
    /// The text and the signature under it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.verdict.text();
        out.extend_from_slice(self.signature.as_bytes());
        out
    }

    /// Reads what [`encode`](Self::encode) writes and nothing else.
    ///
    /// # Errors
    /// [`VerdictFault::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, VerdictFault> {
        Self::decode_layout(bytes).ok_or(VerdictFault::Malformed)
    }

    fn decode_layout(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes.strip_prefix(LABEL)?);
        let session = SessionId(reader.array()?);
        let kind = reader.u8()?;
        let at = MediatorTime(reader.u64()?);
        let verdict = match kind {
            SETTLED => Verdict::Settled(Box::new(Settlement {
                session,
                at,
                agreement_digest: reader.array()?,
                initiator_signature: Signature::from_bytes(reader.array()?),
                responder_signature: Signature::from_bytes(reader.array()?),
                initiator_release: SettledRelease::decode(&reader.array()?)?,
                responder_release: SettledRelease::decode(&reader.array()?)?,
            })),
            NEVER_SETTLED => Verdict::NeverSettled {
                session,
                at,
                deadline: MediatorTime(reader.u64()?),
            },
            _ => return None,
        };
        let signature = Signature::from_bytes(reader.array()?);
        reader.at_end()?;
        Some(Self { verdict, signature })
    }

    /// Checks all of it against what this side signed: `mediator` is the one of the descriptor.
    ///
    /// Gives the receipt of a settled session, and `None` for one that was never settled.
    ///
    /// # Errors
    /// The first fault found: the mediator is broken, or cheats.
    pub fn check(
        &self,
        state: &SignedState,
        mediator: &NodeId,
    ) -> Result<Option<Receipt>, VerdictFault> {
        mediator
            .verify(&self.verdict.text(), &self.signature)
            .map_err(|_| VerdictFault::Signature)?;
        if self.verdict.session() != state.session {
            return Err(VerdictFault::OtherSession);
        }
        match &self.verdict {
            Verdict::Settled(settlement) => {
                settlement.check(state)?;
                Ok(Some(Receipt {
                    agreement: settlement.signed(state),
                    initiator_release: None,
                    responder_release: None,
                    settled: Some(self.clone()),
                }))
            }
            Verdict::NeverSettled { at, deadline, .. } => {
                if *deadline == state.agreement.deadline && at >= deadline {
                    Ok(None)
                } else {
                    Err(VerdictFault::Deadline)
                }
            }
        }
    }
}

impl Settlement {
    /// What opens the tables of the side in `role`.
    pub fn release(&self, role: Role) -> &SettledRelease {
        match role {
            Role::Initiator => &self.initiator_release,
            Role::Responder => &self.responder_release,
        }
    }

    /// Whether this is what `agreement` was settled to.
    pub fn is_of(&self, agreement: &Agreement) -> bool {
        self.agreement_digest == sha256(&agreement.encode())
    }

    fn signed(&self, state: &SignedState) -> SignedAgreement {
        SignedAgreement {
            agreement: state.agreement.clone(),
            initiator_signature: self.initiator_signature,
            responder_signature: self.responder_signature,
        }
    }

    fn check(&self, state: &SignedState) -> Result<(), VerdictFault> {
        let agreement = &state.agreement;
        if !self.is_of(agreement) {
            return Err(VerdictFault::OtherAgreement);
        }
        let own = agreement.party(state.role);
        self.signed(state)
            .check(state.mediator.encoded(), own, None)?;
        for role in [Role::Initiator, Role::Responder] {
            let public = &agreement.commitment(role).release;
            self.release(role)
                .verify(&state.session, role, &state.mediator, public)
                .map_err(|_| VerdictFault::Release(role))?;
        }
        Ok(())
    }
}

const LABEL: &[u8] = b"tacit/v1/verdict";
const SETTLED: u8 = 1;
const NEVER_SETTLED: u8 = 2;
