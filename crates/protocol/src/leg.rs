//! Which leg a chunk belongs to. A leg is one direction of asking, in one key class.

use element::{KeyClass, class_byte};

use crate::role::Role;
use crate::session_id::SessionId;

/// One leg of one session: what every proof over evaluations is bound to.
#[derive(Clone, Copy)]
pub struct Leg {
    /// The session that the leg is of.
    pub session: SessionId,
    /// The role of the side that holds, and proves.
    pub holder: Role,
    /// The class of the keys that are asked about.
    pub class: KeyClass,
}

impl Leg {
    /// The context of the proof over one chunk, so that it is good for no other chunk.
    pub(crate) fn context(&self, chunk: u32) -> Vec<u8> {
        // > sid ‖ role of the holder ‖ class ‖ u32(chunk index)
        let mut context = self.session.0.to_vec();
        context.push(self.holder.byte());
        context.push(class_byte(self.class));
        context.extend_from_slice(&chunk.to_be_bytes());
        context
    }
}

/// How errors name a chunk that the requester sent.
pub(crate) const BLINDED: &str = "the blinded elements";
/// How errors name a chunk that the holder answered.
pub(crate) const EVALUATIONS: &str = "the evaluated elements";
