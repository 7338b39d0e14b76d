//! What a session of the daemon must have kept, in the store before the message leaves that needs it; and
//! how far it is, where people see it. Blocks.

use std::io;

use jiff::Timestamp;

use super::course::{Course, Reached, TAKEN_BACK};
use crate::handle::Handle;
use crate::{Cause, Journal};
use admin::{Activity, SessionNumber};
use protocol::{Persist, Progress};
use store::sessions::Start;

/// Keeps the state of one session in the store.
pub(super) struct StoreJournal {
    pub handle: Handle,
    pub start: Start,
    pub session: Option<SessionNumber>,
    pub course: Course,
}

impl Journal for StoreJournal {
    fn keep(&mut self, state: Persist) -> io::Result<()> {
        let (store, now) = (self.handle.store(), Timestamp::now());
        let number = || {
            self.session
                .ok_or_else(|| io::Error::other("no session was started"))
        };
        match state {
            // The course first, then the store: what is being written down is not cut off meanwhile.
            Persist::TableUsed => {
                self.course
                    .reach(Reached::Committed)
                    .map_err(io::Error::other)?;
                let number = store
                    .start_session(&self.start, now)
                    .map_err(|error| self.refused(error))?;
                self.session = Some(number);
                Ok(())
            }
            Persist::Signed(state) => {
                self.course
                    .reach(Reached::Signed)
                    .map_err(io::Error::other)?;
                store
                    .keep_signed(number()?, &state, &self.start.policy, now)
                    .map_err(|error| self.refused(error))
            }
            Persist::Agreed(_, agreed) => store
                .keep_agreed(number()?, agreed.signed())
                .map_err(io::Error::other),
            Persist::PeerReleased(_, release) => store
                .keep_released(number()?, &release)
                .map_err(io::Error::other),
        }
    }

    fn progress(&mut self, progress: Progress) {
        self.handle
            .set(self.start.peer, |pair| pair.activity = running(progress));
    }

    fn left_to_the_mediator(&mut self, _cause: &Cause) {
        self.handle
            .set(self.start.peer, |pair| pair.activity = Activity::Settling);
    }
}

/// A session's progress as one sum.
fn running(progress: Progress) -> Activity {
    Activity::Running {
        done: (progress.answered + progress.evaluated) as u64,
        all: (progress.to_answer + progress.to_evaluate) as u64,
    }
}

impl StoreJournal {
    /// Why the store keeps nothing more of this session. What an officer changed may be found there before
    /// the course hears of it, and is called the same then.
    fn refused(&self, error: store::Error) -> io::Error {
        let now = self.handle.store().peer(self.start.peer);
        if now.is_ok_and(|now| now.entry.policy != self.start.policy) {
            io::Error::other(TAKEN_BACK)
        } else {
            io::Error::other(error)
        }
    }
}
