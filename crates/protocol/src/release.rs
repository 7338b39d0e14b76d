//! Release: s·M with a proof that it is to M what s·G is to G; and what it opens.
//!
//! Layout: s·M (32 bytes), proof (64). `docs/protocol.md` §9.

use super::agreement::{AgreementFault, SignedAgreement};
use super::offer::Mediator;
use super::table::ReleaseSecret;
use super::verdict::SignedVerdict;
use super::{ByClass, PeerMisbehaved, Role, SessionId};
use curve25519_dalek::RistrettoPoint;
use element::HashedIdentity;
use oprf::{self, Proof, PublicKey, proof};
use rand_core::CryptoRng;
use sealing::Reader;

/// Bytes of a Release message.
pub const RELEASE_BYTES: usize = 32 + Proof::BYTES;

/// What opens one side's tables.
#[derive(Clone, PartialEq, Eq)]
pub struct Release {
    escrowed: RistrettoPoint,
    proof: Proof,
}

/// For each key class, the requested identities that the peer holds.
pub type Held = ByClass<Vec<HashedIdentity>>;

/// A doubly signed agreement with both releases: proof to a third party of what was exchanged.
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt {
    pub agreement: SignedAgreement,
    pub initiator_release: Option<Release>,
    pub responder_release: Option<Release>,
    /// The mediator's word, where it settled.
    pub settled: Option<SignedVerdict>,
}

impl std::fmt::Debug for Receipt {
    /// Says which releases are there, and nothing of them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receipt")
            .field("session", &self.agreement.agreement.session_id())
            .field("initiator_released", &self.initiator_release.is_some())
            .field("responder_released", &self.responder_release.is_some())
            .field("settled", &self.settled.is_some())
            .finish()
    }
}

impl Release {
    pub(super) fn of(
        secret: &ReleaseSecret,
        session: &SessionId,
        role: Role,
        mediator: &Mediator,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let context = context(session, role);
        Self {
            escrowed: *secret.escrowed(mediator),
            proof: proof::prove_equality(
                proof::RELEASE,
                &context,
                secret.scalar(),
                mediator.point(),
                rng,
            ),
        }
    }

    /// s·M.
    pub(super) fn escrowed(&self) -> &RistrettoPoint {
        &self.escrowed
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.escrowed.compress().to_bytes().to_vec();
        out.extend_from_slice(&self.proof.encode());
        out
    }

    /// Reads the layout. `None` when it is another.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let escrowed = oprf::decode_element(&reader.array()?, 0).ok()?;
        let proof = Proof::decode(&reader.array()?).ok()?;
        reader.at_end()?;
        Some(Self { escrowed, proof })
    }

    /// Checks that this opens the tables of the side in `role` that committed to `public` = s·G.
    ///
    /// # Errors
    /// [`PeerMisbehaved::WrongRelease`].
    pub fn verify(
        &self,
        session: &SessionId,
        role: Role,
        mediator: &Mediator,
        public: &PublicKey,
    ) -> Result<(), PeerMisbehaved> {
        let context = context(session, role);
        proof::verify_equality(
            proof::RELEASE,
            &context,
            public,
            mediator.point(),
            &self.escrowed,
            &self.proof,
        )
        .map_err(|_| PeerMisbehaved::WrongRelease)
    }
}

impl From<AgreementFault> for super::Error {
    fn from(fault: AgreementFault) -> Self {
        PeerMisbehaved::Agreement(fault).into()
    }
}

/// session id ‖ role of the side whose tables are opened.
pub(super) fn context(session: &SessionId, role: Role) -> Vec<u8> {
    let mut context = session.0.to_vec();
    context.push(role.byte());
    context
}
