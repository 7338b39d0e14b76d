//! What a node keeps, durably, before its signature leaves: with a release, from the peer or from
//! the mediator, it gives this side's answers, also after a crash.
//!
//! The one place where releases and verdicts are held against what this side signed, and where
//! tables are opened. Names nobody: hashed identities, tags and the peer's sealed tables. Guessable
//! all the same, so it is kept sealed, in the layout of `at_rest`. `docs/protocol.md` §8, §9, §11.5.

use element::{ByClass, HashedIdentity};
use oprf::PublicKey;
use pairing::{NodeId, Signature};

use crate::agreement::{Agreement, SignedAgreement};
use crate::error::{PeerMisbehaved, VerdictFault};
use crate::mediator::Mediator;
use crate::receipt::Receipt;
use crate::release::{Release, SettledRelease, VerifiedRelease};
use crate::requester::Asked;
use crate::role::Role;
use crate::session_id::SessionId;
use crate::table::TableKey;
use crate::verdict::{Settlement, SignedVerdict, Verdict};

/// For each key class, the requested identities that the peer holds.
pub type Matches = ByClass<Vec<HashedIdentity>>;

/// This side has signed, or is about to.
pub struct SignedState {
    /// The session that was signed.
    pub session: SessionId,
    /// This side's.
    pub role: Role,
    /// Under whose point both sides' tables are sealed.
    pub mediator: Mediator,
    /// The text under this side's signature.
    pub agreement: Agreement,
    /// The initiator's signature; its own state has it from the start.
    pub(crate) initiator_signature: Option<Signature>,
    pub(crate) responder_signature: Option<Signature>,
    pub(crate) asked: ByClass<Asked>,
}

/// A verdict that holds for what this side signed; only [`SignedState::verify_verdict`] gives one.
pub enum VerifiedVerdict {
    /// The session was settled.
    Settled {
        /// Opens the peer's tables.
        release: Box<VerifiedRelease>,
        /// The agreement with both signatures and the mediator's word.
        receipt: Box<Receipt>,
    },
    /// Neither side has answers, and neither can get them any more.
    NeverSettled,
}

impl SignedState {
    /// The agreement with both signatures, if both were there when this side signed: the
    /// responder's case, who signs second.
    pub fn both_signed(&self) -> Option<SignedAgreement> {
        Some(SignedAgreement {
            agreement: self.agreement.clone(),
            initiator_signature: self.initiator_signature?,
            responder_signature: self.responder_signature?,
        })
    }

    /// Every identity that this side asked, padding among them.
    pub fn asked(&self) -> impl Iterator<Item = &HashedIdentity> {
        self.asked.iter().flat_map(|(_, asked)| &asked.inputs)
    }

    /// Checks that the peer's release opens the tables it committed to.
    ///
    /// # Errors
    /// [`PeerMisbehaved::WrongRelease`].
    pub fn verify_release(&self, release: &Release) -> Result<VerifiedRelease, PeerMisbehaved> {
        release.verify(
            &self.session,
            self.role.other(),
            &self.mediator,
            self.peer_release_point(),
        )
    }

    /// Checks all of a verdict against what this side signed: `mediator` is the one of the descriptor.
    ///
    /// # Errors
    /// The first fault found: the mediator is broken, or cheats.
    pub fn verify_verdict(
        &self,
        verdict: &SignedVerdict,
        mediator: &NodeId,
    ) -> Result<VerifiedVerdict, VerdictFault> {
        verdict.verify_signature(mediator)?;
        if verdict.verdict.session() != self.session {
            return Err(VerdictFault::OtherSession);
        }
        match &verdict.verdict {
            Verdict::Settled(settlement) => {
                let (release, agreement) = self.verify_settlement(settlement)?;
                let release = Box::new(release);
                let receipt = Box::new(Receipt {
                    settled: Some(verdict.clone()),
                    ..Receipt::of(agreement)
                });
                Ok(VerifiedVerdict::Settled { release, receipt })
            }
            // > for kind 2, the deadline is its own and not later than the time
            Verdict::NeverSettled { at, deadline, .. } => {
                if *deadline == self.agreement.deadline && at >= deadline {
                    Ok(VerifiedVerdict::NeverSettled)
                } else {
                    Err(VerdictFault::Deadline)
                }
            }
        }
    }

    /// Opens the peer's tables and looks this side's tags up.
    ///
    /// # Errors
    /// [`PeerMisbehaved::TableDoesNotOpen`], [`PeerMisbehaved::TableNotSorted`]: the peer committed to
    /// a bad table. [`PeerMisbehaved::WrongRelease`] for a release that was verified for another state.
    pub fn open(&self, release: &VerifiedRelease) -> Result<Matches, PeerMisbehaved> {
        if !release.is_for(&self.session, self.role.other()) {
            return Err(PeerMisbehaved::WrongRelease);
        }
        let peer_point = self.peer_release_point();
        self.asked.as_ref().try_map(|class, asked| {
            let key = TableKey::derive(release.escrowed(), peer_point, &self.mediator, class);
            let table = key.open(&asked.sealed, asked.table_ceiling)?;
            let in_table = table.look_up(&asked.tags);
            Ok(asked
                .inputs
                .iter()
                .zip(in_table)
                .filter_map(|(input, in_table)| in_table.then_some(*input))
                .collect())
        })
    }

    /// Gives what opens the peer's tables, and the agreement that both signed.
    fn verify_settlement(
        &self,
        settlement: &Settlement,
    ) -> Result<(VerifiedRelease, SignedAgreement), VerdictFault> {
        // > the digest is that of the text it signed, both signatures hold under that text, and both proofs verify
        if !settlement.is_of(&self.agreement) {
            return Err(VerdictFault::OtherAgreement);
        }
        let signed = SignedAgreement {
            agreement: self.agreement.clone(),
            initiator_signature: settlement.initiator_signature,
            responder_signature: settlement.responder_signature,
        };
        let own = *self.agreement.party(self.role);
        let verified = signed.verify(self.mediator.encoded(), &own, None)?;
        let initiator =
            self.verify_settled(Role::Initiator, settlement.release(Role::Initiator))?;
        let responder =
            self.verify_settled(Role::Responder, settlement.release(Role::Responder))?;
        let release = match self.role {
            Role::Initiator => responder,
            Role::Responder => initiator,
        };
        Ok((release, verified.into_signed()))
    }

    fn verify_settled(
        &self,
        role: Role,
        release: &SettledRelease,
    ) -> Result<VerifiedRelease, VerdictFault> {
        let public = &self.agreement.commitment(role).release;
        release.verify(&self.session, role, &self.mediator, public)
    }

    /// s·G of the peer.
    fn peer_release_point(&self) -> &PublicKey {
        &self.agreement.commitment(self.role.other()).release
    }
}
