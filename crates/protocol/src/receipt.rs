//! Receipt: what a session leaves as evidence.
//!
//! Handed what was checked before; holds it in the form in which it is kept and shown, unchecked:
//! whoever reads a receipt checks it again. `docs/protocol.md` §9.

use std::fmt;

use crate::agreement::SignedAgreement;
use crate::release::Release;
use crate::role::Role;
use crate::verdict::SignedVerdict;

/// A doubly signed agreement with both releases: proof to a third party of what was exchanged.
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What both signed.
    pub agreement: SignedAgreement,
    /// Opens the initiator's tables.
    pub initiator_release: Option<Release>,
    /// Opens the responder's tables.
    pub responder_release: Option<Release>,
    /// The mediator's word, where it settled.
    pub settled: Option<SignedVerdict>,
}

impl Receipt {
    /// A receipt of an agreement so far, without a release or a verdict.
    pub fn of(agreement: SignedAgreement) -> Self {
        Self {
            agreement,
            initiator_release: None,
            responder_release: None,
            settled: None,
        }
    }

    /// The same with the release of the side in `role`.
    #[must_use]
    pub fn with_release(mut self, role: Role, release: Release) -> Self {
        match role {
            Role::Initiator => self.initiator_release = Some(release),
            Role::Responder => self.responder_release = Some(release),
        }
        self
    }
}

impl fmt::Debug for Receipt {
    /// Says which releases are there, and nothing of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("session", &self.agreement.agreement.session_id())
            .field("initiator_released", &self.initiator_release.is_some())
            .field("responder_released", &self.responder_release.is_some())
            .field("settled", &self.settled.is_some())
            .finish()
    }
}
