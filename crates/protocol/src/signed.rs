//! What a node keeps, durably, before its signature leaves: with the peer's release, from the peer or
//! from the mediator, it gives this side's answers, also after a crash.
//!
//! Names nobody: hashed identities, tags and the peer's sealed tables. Guessable all the same, so
//! it is kept sealed, in the layout of `keeping`. `docs/protocol.md` §8.

use super::agreement::{Agreement, SignedAgreement};
use super::offer::Mediator;
use super::release::{Held, Release};
use super::requester::Asked;
use super::settling::SettledRelease;
use super::table::TableKey;
use super::{ByClass, PeerMisbehaved, Role, SessionId};
use curve25519_dalek::RistrettoPoint;
use element::HashedIdentity;
use oprf::PublicKey;
use pairing::Signature;

/// This side has signed.
pub struct SignedState {
    pub session: SessionId,
    pub role: Role,
    pub mediator: Mediator,
    pub agreement: Agreement,
    /// The initiator's signature; its own state has it from the start.
    pub(super) initiator_signature: Option<Signature>,
    pub(super) responder_signature: Option<Signature>,
    pub(super) asked: ByClass<Asked>,
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

    /// Every identity that this side asked.
    pub fn asked(&self) -> impl Iterator<Item = &HashedIdentity> {
        self.asked.iter().flat_map(|(_, asked)| &asked.inputs)
    }

    /// Checks the peer's release, opens its tables and looks this side's tags up.
    ///
    /// # Errors
    /// [`PeerMisbehaved::WrongRelease`]: nothing was opened.
    /// [`PeerMisbehaved::TableDoesNotOpen`], [`PeerMisbehaved::TableNotSorted`]: the holder committed to a bad table.
    pub fn open(&self, release: &Release) -> Result<Held, PeerMisbehaved> {
        let (role, public) = (self.role.other(), self.peer_release());
        release.verify(&self.session, role, &self.mediator, public)?;
        self.open_with(release.escrowed())
    }

    /// The same with the mediator's word in place of the peer's.
    ///
    /// # Errors
    /// Those of [`open`](Self::open); a wrong release is the mediator's doing, a bad table the peer's.
    pub fn open_settled(&self, release: &SettledRelease) -> Result<Held, PeerMisbehaved> {
        let (role, public) = (self.role.other(), self.peer_release());
        release.verify(&self.session, role, &self.mediator, public)?;
        self.open_with(&release.escrowed)
    }

    fn open_with(&self, escrowed: &RistrettoPoint) -> Result<Held, PeerMisbehaved> {
        self.asked.as_ref().try_map(|class, asked| {
            let key = TableKey::derive(escrowed, self.peer_release(), &self.mediator, class);
            let table = key.open(&asked.sealed, asked.table_ceiling)?;
            let found = table.look_up(&asked.tags);
            Ok(asked
                .inputs
                .iter()
                .zip(found)
                .filter_map(|(input, found)| found.then_some(*input))
                .collect())
        })
    }

    /// s·G of the peer.
    pub(super) fn peer_release(&self) -> &PublicKey {
        &self.agreement.commitment(self.role.other()).release
    }
}
