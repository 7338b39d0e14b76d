//! What this side brings to a session and is bound to in it: who it is, its lists, its commitment.

use std::sync::Arc;

use pairing::{NodeId, NodeKey};

use crate::commitment::{Commitment, Committer};
use crate::questions::QuestionSet;
use crate::role::Role;
use crate::session_id::SessionId;
use crate::table::PreparedTable;
use crate::terms::Terms;

/// What stays the same throughout.
pub(super) struct LocalSide {
    pub(super) role: Role,
    pub(super) key: Arc<NodeKey>,
    pub(super) id: NodeId,
    pub(super) peer: NodeId,
    pub(super) terms: Terms,
}

/// The lists of this side, ready to be asked and to answer.
pub(super) struct Prepared {
    pub(super) questions: QuestionSet,
    pub(super) table: PreparedTable,
}

/// What names the session and this side's commitment in it.
pub(super) struct Bound {
    pub(super) session: SessionId,
    pub(super) offer_digest: [u8; 32],
    pub(super) answer_digest: [u8; 32],
    pub(super) commitment: Commitment,
}

impl LocalSide {
    /// Initiator's and responder's ids.
    pub(super) fn parties(&self) -> (NodeId, NodeId) {
        match self.role {
            Role::Initiator => (self.id, self.peer),
            Role::Responder => (self.peer, self.id),
        }
    }

    pub(super) fn committer<'a>(&'a self, session: &'a SessionId, role: Role) -> Committer<'a> {
        let (own, peer) = if role == self.role {
            (&self.id, &self.peer)
        } else {
            (&self.peer, &self.id)
        };
        Committer {
            session,
            role,
            own,
            peer,
            mediator: self.terms.mediator.encoded(),
        }
    }
}
