//! Settling: the mediator opens both sides' tables to each other when one has walked off.
//!
//! The mediator holds m with M = m·G. For s·G of a side it can compute s·M = m·(s·G), which opens
//! that side's tables, and prove it: s·M is to s·G what M is to G. It does so only for an agreement
//! that [`SignedAgreement::check`] admits, so that no point reaches m whose s was not proven for
//! this very session, these ids and roles. It never sees a table. `docs/protocol.md`, Settling.

use super::agreement::{AgreementFault, MediatorTime, SignedAgreement};
use super::offer::{Mediator, SettlingPoint, sha256};
use super::release::context;
use super::verdict::Settlement;
use super::{PeerMisbehaved, Role, SessionId};
use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use oprf::{self, Proof, PublicKey, proof, random_scalar};
use pairing::NodeId;
use rand_core::CryptoRng;
use sealing::Reader;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of a settled release.
pub const SETTLED_RELEASE_BYTES: usize = 32 + Proof::BYTES;

/// The longest settling window, and so how long after a key's last day an agreement under it may
/// still be settled, in seconds.
pub const WINDOW_SECONDS_MAX: u64 = 86_400;

/// By how much the mediator's clock may have stepped back since it told a node the time, in seconds.
const CLOCK_STEP_SECONDS: u64 = 60;

/// m: what the mediator settles with, for one epoch.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SettlingKey(Scalar);

/// s·M of one side from the mediator, with its proof that it is to s·G what M is to G.
///
/// Layout: s·M (32 bytes), proof (64).
#[derive(Clone, PartialEq, Eq)]
pub struct SettledRelease {
    pub(super) escrowed: RistrettoPoint,
    proof: Proof,
}

impl SettlingKey {
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(random_scalar(rng))
    }

    /// Takes a key up that was kept before. `None` if the bytes are not the canonical encoding of a
    /// scalar other than zero.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        Option::<Scalar>::from(Scalar::from_canonical_bytes(*bytes))
            .filter(|scalar| *scalar != Scalar::ZERO)
            .map(Self)
    }

    /// The scalar in little-endian, to be kept sealed.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// M = m·G.
    pub fn point(&self) -> SettlingPoint {
        SettlingPoint::from_point(RistrettoPoint::mul_base(&self.0))
    }

    /// Settles `signed` for `caller` at `now`, the mediator's own time.
    ///
    /// # Errors
    /// The first fault that [`SignedAgreement::check`] finds, or [`AgreementFault::DeadlineTooFar`]:
    /// no two honest nodes agree on a deadline further away than [`WINDOW_SECONDS_MAX`].
    pub fn settle(
        &self,
        signed: &SignedAgreement,
        caller: &NodeId,
        now: MediatorTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Settlement, AgreementFault> {
        let point = self.point();
        signed.check(point.encoded(), caller, Some(now))?;
        let agreement = &signed.agreement;
        let latest = now
            .0
            .saturating_add(WINDOW_SECONDS_MAX + CLOCK_STEP_SECONDS);
        if agreement.deadline.0 > latest {
            return Err(AgreementFault::DeadlineTooFar);
        }
        let session = agreement.session_id();
        let mut release = |role| {
            let context = context(&session, role);
            self.release(&context, &agreement.commitment(role).release, rng)
        };
        Ok(Settlement {
            session,
            at: now,
            agreement_digest: sha256(&agreement.encode()),
            initiator_signature: signed.initiator_signature,
            responder_signature: signed.responder_signature,
            initiator_release: release(Role::Initiator),
            responder_release: release(Role::Responder),
        })
    }

    fn release(
        &self,
        context: &[u8],
        public: &PublicKey,
        rng: &mut impl CryptoRng,
    ) -> SettledRelease {
        SettledRelease {
            escrowed: self.0 * public.point(),
            proof: proof::prove_equality(proof::SETTLED, context, &self.0, public.point(), rng),
        }
    }
}

impl SettledRelease {
    pub fn encode(&self) -> [u8; SETTLED_RELEASE_BYTES] {
        let mut out = [0; SETTLED_RELEASE_BYTES];
        out[..32].copy_from_slice(self.escrowed.compress().as_bytes());
        out[32..].copy_from_slice(&self.proof.encode());
        out
    }

    /// Reads the layout. `None` when it is another.
    pub fn decode(bytes: &[u8; SETTLED_RELEASE_BYTES]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let escrowed = oprf::decode_element(&reader.array()?, 0).ok()?;
        let proof = Proof::decode(&reader.array()?).ok()?;
        reader.at_end()?;
        Some(Self { escrowed, proof })
    }

    /// Checks that this opens the tables of the side in `role` that committed to `public` = s·G.
    ///
    /// # Errors
    /// [`PeerMisbehaved::WrongRelease`]; here it is the mediator's doing.
    pub fn verify(
        &self,
        session: &SessionId,
        role: Role,
        mediator: &Mediator,
        public: &PublicKey,
    ) -> Result<(), PeerMisbehaved> {
        let wrong = |_| PeerMisbehaved::WrongRelease;
        let settling = PublicKey::decode(mediator.encoded()).map_err(wrong)?;
        proof::verify_equality(
            proof::SETTLED,
            &context(session, role),
            &settling,
            public.point(),
            &self.escrowed,
            &self.proof,
        )
        .map_err(wrong)
    }
}
