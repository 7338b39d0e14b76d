//! Terms: what both sides must have set alike before they have a session, and the comparison.
//!
//! Each side brings its own; the Offer and the Answer carry them. Terms come from policy and
//! configuration, never from what is in a list. `docs/protocol.md` §5.1.

use element::{ByClass, ListKind};
use oprf::{ELEMENT_BYTES, Tag};

use crate::ceiling::{Ceilings, SideCeilings};
use crate::difference::Difference;
use crate::error::Error;
use crate::limits::{REFERENCE_BYTES_MAX, SCHEMA_NAME_BYTES_MAX, SETTLING_WINDOW_SECONDS};
use crate::mediator::Mediator;
use crate::role::Role;

/// What both sides must have set alike.
#[derive(Clone, PartialEq, Eq)]
pub struct Terms {
    /// The match schema's name, at most [`SCHEMA_NAME_BYTES_MAX`] bytes of visible ASCII.
    pub schema_name: String,
    /// The match schema's digest: match keys made under another would never coincide.
    pub schema_digest: [u8; 32],
    /// Who can open both sides' tables when one walks off.
    pub mediator: Mediator,
    /// Key classes are those that have ceilings.
    pub ceilings: ByClass<Ceilings>,
    /// How long after signing the mediator settles.
    pub window: SettlingWindow,
    /// Free text of at most [`REFERENCE_BYTES_MAX`] bytes that the initiator gives the session.
    pub reference: String,
}

/// W: how long after signing the mediator settles, within [`SETTLING_WINDOW_SECONDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettlingWindow(u32);

impl SettlingWindow {
    /// An hour.
    pub const DEFAULT: Self = Self(3600);

    /// `None` outside [`SETTLING_WINDOW_SECONDS`].
    pub fn from_seconds(seconds: u32) -> Option<Self> {
        SETTLING_WINDOW_SECONDS
            .contains(&seconds)
            .then_some(Self(seconds))
    }

    /// The window in seconds.
    pub fn seconds(self) -> u64 {
        u64::from(self.0)
    }

    /// The number as the Offer carries it.
    pub(crate) fn get(self) -> u32 {
        self.0
    }
}

impl Terms {
    /// Bytes of elements and tags in a session under these terms, both directions together: all of it but some
    /// hundreds a chunk.
    pub fn bytes(&self) -> u64 {
        let side = |side: &SideCeilings| {
            // Each element is sent blinded and comes back evaluated.
            2 * ELEMENT_BYTES * side.requested.elements() + Tag::BYTES * side.held.elements()
        };
        let both = |of: &Ceilings| side(&of.initiator) + side(&of.responder);
        self.ceilings.iter().map(|(_, of)| both(of) as u64).sum()
    }

    /// Checks that the texts fit an offer.
    ///
    /// # Errors
    /// [`Error::TermsUnusable`].
    pub fn check(&self) -> Result<(), Error> {
        let unusable = |what| Err(Error::TermsUnusable { what });
        if self.schema_name.len() > SCHEMA_NAME_BYTES_MAX
            || !self.schema_name.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return unusable("a schema's name is at most 31 characters of ASCII");
        }
        if self.reference.len() > REFERENCE_BYTES_MAX {
            return unusable("a reference is at most 200 bytes of UTF-8");
        }
        Ok(())
    }

    /// Compares this side's terms with the peer's.
    ///
    /// # Errors
    /// The first difference, in the order of the fields.
    pub fn compare(&self, peer: &Self) -> Result<(), Difference> {
        if (&self.schema_name, &self.schema_digest) != (&peer.schema_name, &peer.schema_digest) {
            return Err(Difference::Schema {
                ours: self.schema_name.clone(),
                ours_digest: abbreviated(&self.schema_digest),
                theirs: peer.schema_name.clone(),
                theirs_digest: abbreviated(&peer.schema_digest),
            });
        }
        if self.ceilings.wide.is_some() != peer.ceilings.wide.is_some() {
            return Err(Difference::KeyClasses {
                ours_wide: self.ceilings.wide.is_some(),
            });
        }
        if self.mediator != peer.mediator {
            let (ours_set, theirs_set) = (self.mediator.can_settle(), peer.mediator.can_settle());
            return Err(Difference::Mediator {
                ours_set,
                theirs_set,
            });
        }
        for (class, (ours, theirs)) in self.ceilings.zip(peer.ceilings).iter() {
            for side in Role::BOTH {
                let (ours, theirs) = (ours.of(side), theirs.of(side));
                for (list, ours, theirs) in [
                    (ListKind::Held, ours.held, theirs.held),
                    (ListKind::Requested, ours.requested, theirs.requested),
                ] {
                    if ours != theirs {
                        let (ours, theirs) = (ours.elements(), theirs.elements());
                        return Err(Difference::Ceiling {
                            side,
                            list,
                            class,
                            ours,
                            theirs,
                        });
                    }
                }
            }
        }
        if self.window != peer.window {
            return Err(Difference::SettlingWindow {
                ours_s: self.window.seconds(),
                theirs_s: peer.window.seconds(),
            });
        }
        if self.reference != peer.reference {
            return Err(Difference::Reference);
        }
        Ok(())
    }
}

/// The first four bytes: enough for two people to see that two digests differ.
fn abbreviated(digest: &[u8; 32]) -> String {
    digest[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
