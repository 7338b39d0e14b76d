//! The mediator's word about one session: settled, or never to be settled, signed.
//!
//! Text: label ‖ session id (32) ‖ kind (1) ‖ the mediator's time (8), then for kind 1, settled:
//! SHA-256 of the agreement (32) ‖ both signatures under it (64 each, the initiator's first) ‖ both
//! settled releases (96 each); for kind 2, never settled: the deadline that is past (8). The
//! signature under it (64) follows. `docs/protocol.md`, Settling.

use pairing::{NodeId, NodeKey, Signature};
use sealing::Reader;

use crate::agreement::Agreement;
use crate::digest::sha256;
use crate::error::{AgreementFault, VerdictFault};
use crate::mediator::MediatorTime;
use crate::release::{RELEASE_BYTES, SettledRelease};
use crate::role::Role;
use crate::session_id::SessionId;

/// Longest encoding of a verdict with its signature.
pub const VERDICT_BYTES_MAX: usize =
    LABEL.len() + 32 + 1 + 8 + 32 + 2 * 64 + 2 * RELEASE_BYTES + 64;

/// What the mediator says.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Both sides' tables are open to each other.
    Settled(Box<Settlement>),
    /// At `at` the deadline was past and nobody had settled; from then on nobody can.
    NeverSettled {
        /// Which session.
        session: SessionId,
        /// When it was decided.
        at: MediatorTime,
        /// The deadline that the caller named.
        deadline: MediatorTime,
    },
}

/// A settled session: both sides' tables are open to each other.
#[derive(Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Which session.
    pub session: SessionId,
    /// When it was decided.
    pub at: MediatorTime,
    /// SHA-256 of the agreement's text.
    pub agreement_digest: [u8; 32],
    /// By the initiator, under that text.
    pub initiator_signature: Signature,
    /// By the responder, under that text.
    pub responder_signature: Signature,
    /// Opens the initiator's tables.
    pub initiator_release: SettledRelease,
    /// Opens the responder's tables.
    pub responder_release: SettledRelease,
}

/// A verdict and a signature under it, unchecked; [`SignedState::verify_verdict`](crate::SignedState::verify_verdict) checks it.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedVerdict {
    /// What is said.
    pub verdict: Verdict,
    /// By the mediator's Ed25519 key, if it holds.
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
pub enum Decision {
    /// For good: the same to whoever asks, whenever.
    Verdict(SignedVerdict),
    /// Not settled so far, and the deadline is not past; with the mediator's time.
    Open(MediatorTime),
}

/// Why a caller gets nothing from the mediator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The check that nodes and mediator share fails.
    #[error("the agreement does not hold: {0}")]
    Agreement(#[from] AgreementFault),
    /// Neither honest node signs twice.
    #[error("another agreement of this session was settled")]
    OtherAgreement,
    /// The verdict of others is none of the caller's business.
    #[error("the caller is not a party of this session")]
    NotAParty,
    /// What was settled then is erased, so nothing can be said.
    #[error("the deadline is longer past than the mediator keeps what it settled")]
    Forgotten,
    /// The mediator's disk: nothing was given away, and the caller can try again.
    #[error("the mediator could not write it down")]
    NotKept,
}

impl Verdict {
    /// Which session it is about.
    pub fn session(&self) -> SessionId {
        match self {
            Self::Settled(settlement) => settlement.session,
            Self::NeverSettled { session, .. } => *session,
        }
    }

    /// Puts it under the mediator's key.
    pub fn sign(self, mediator: &NodeKey) -> SignedVerdict {
        SignedVerdict {
            signature: mediator.sign(&self.text()),
            verdict: self,
        }
    }

    fn text(&self) -> Vec<u8> {
        // > text = tacit/v1/verdict ‖ session id (32) ‖ kind (1) ‖ mediator's time (8) ‖ …
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

    /// Checks that `mediator`, the one of the descriptor, signed this. Says nothing about what is in it.
    ///
    /// # Errors
    /// [`VerdictFault::Signature`].
    pub(crate) fn verify_signature(&self, mediator: &NodeId) -> Result<(), VerdictFault> {
        mediator
            .verify(&self.verdict.text(), &self.signature)
            .map_err(|_| VerdictFault::Signature)
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
}

const LABEL: &[u8] = b"tacit/v1/verdict";
const SETTLED: u8 = 1;
const NEVER_SETTLED: u8 = 2;
