//! What a session has to give out: steps in order, and how far this side is bound by those that left.

use std::collections::VecDeque;
use std::sync::Arc;

use super::step::{Persist, Standing, Step};
use crate::message::Message;
use crate::receipt::Receipt;
use crate::signed::SignedState;

/// Steps that wait to be taken, and what stands whatever becomes of the session.
pub(super) struct Output {
    steps: VecDeque<Step>,
    pub(super) standing: Standing,
    pub(super) signed: Option<Arc<SignedState>>,
    pub(super) receipt: Option<Receipt>,
}

impl Output {
    pub(super) fn new() -> Self {
        Self {
            steps: VecDeque::new(),
            standing: Standing::Unsigned,
            signed: None,
            receipt: None,
        }
    }

    pub(super) fn send(&mut self, message: Message) {
        self.steps.push_back(Step::Send(message));
    }

    pub(super) fn persist(&mut self, state: Persist) {
        self.steps.push_back(Step::Persist(state));
    }

    pub(super) fn ask_time(&mut self) {
        self.steps.push_back(Step::AskTime);
    }

    /// Takes the next step out.
    pub(super) fn next(&mut self) -> Option<Step> {
        let step = self.steps.pop_front()?;
        // A signature or release binds this side from the moment it is handed out to be sent, not
        // when it is made: until then it can be dropped.
        match &step {
            Step::Send(Message::Agreement(_)) => self.standing = Standing::Signed,
            Step::Send(Message::Release(_)) => self.standing = Standing::Released,
            _ => {}
        }
        Some(step)
    }

    /// What has come of the peer and is still to be kept; drops the rest. Nothing while this side has not signed, for
    /// then what it would be kept with never left.
    pub(super) fn take_persists(&mut self) -> Vec<Persist> {
        let signed = self.standing > Standing::Unsigned;
        let persist = |step| match step {
            Step::Persist(state) if signed => Some(state),
            _ => None,
        };
        self.steps.drain(..).filter_map(persist).collect()
    }

    /// Drops what has not been taken.
    pub(super) fn clear(&mut self) {
        self.steps.clear();
    }
}
