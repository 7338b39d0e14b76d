//! The settling key: with it a mediator opens both sides' tables to each other when one has walked off.
//!
//! The mediator holds m with M = m·G. For s·G of a side it can compute s·M = m·(s·G), which opens
//! that side's tables, and prove it: s·M is to s·G what M is to G. It does so only for a
//! [`VerifiedAgreement`], so that no point reaches m whose s was not proven for this very session,
//! these ids and roles. It never sees a table. `docs/protocol.md` §11.

use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use oprf::random_scalar;
use pairing::NodeId;
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::agreement::{SignedAgreement, VerifiedAgreement};
use crate::digest::sha256;
use crate::error::AgreementFault;
use crate::limits::{MEDIATOR_CLOCK_SET_BACK_SECONDS, WINDOW_SECONDS_MAX};
use crate::mediator::{MediatorTime, SettlingPoint};
use crate::release::SettledRelease;
use crate::role::Role;
use crate::verdict::Settlement;

/// m: what the mediator settles with, for one epoch.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SettlingKey(Scalar);

impl SettlingKey {
    /// Draws a key for a new epoch.
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
    /// The first fault that [`SignedAgreement::verify`] finds, or [`AgreementFault::DeadlineTooFar`]:
    /// no two honest nodes agree on a deadline further away than [`WINDOW_SECONDS_MAX`].
    pub fn settle(
        &self,
        signed: &SignedAgreement,
        caller: &NodeId,
        now: MediatorTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Settlement, AgreementFault> {
        let verified = signed.verify(self.point().encoded(), caller, Some(now))?;
        // > deadline ≤ now + 86,400 + 60, the 60 s for a clock that was set back meanwhile
        let latest = now
            .0
            .saturating_add(WINDOW_SECONDS_MAX + MEDIATOR_CLOCK_SET_BACK_SECONDS);
        if verified.agreement().deadline.0 > latest {
            return Err(AgreementFault::DeadlineTooFar);
        }
        let [initiator_release, responder_release] =
            Role::BOTH.map(|role| self.release(&verified, role, rng));
        Ok(Settlement {
            session: verified.agreement().session_id(),
            at: now,
            agreement_digest: sha256(&verified.agreement().encode()),
            initiator_signature: signed.initiator_signature,
            responder_signature: signed.responder_signature,
            initiator_release,
            responder_release,
        })
    }

    /// The one place where a point meets m.
    fn release(
        &self,
        verified: &VerifiedAgreement,
        role: Role,
        rng: &mut impl CryptoRng,
    ) -> SettledRelease {
        let agreement = verified.agreement();
        let public = &agreement.commitment(role).release;
        SettledRelease::of(&self.0, &agreement.session_id(), role, public, rng)
    }
}
