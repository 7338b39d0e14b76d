//! How far a session has gone, and what may still cut it off: the peer's own call and a peer that does not
//! begin until this side has committed, an officer who takes something back until it has signed.
//!
//! One state says both, so that a cut-off and the step that it must come before are in one order: after a
//! cut-off nothing is committed or signed, and after that step nothing is cut off for this reason. It never
//! ends a session itself: whoever runs it waits for [`Course::is_cut_off`].

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

/// The peer has called too, and its call goes before.
pub(super) const YIELDED: &str = "the peer's own call goes before";
const NOT_BEGUN: &str = "the peer opened a session and did not begin it";
pub(super) const TAKEN_BACK: &str = "the policy for the peer was changed while a session ran";

/// How far a session has gone, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reached {
    Begun,
    /// What it costs is being written down, or was.
    Committed,
    /// What it signs is being kept, or was: the signature may be out.
    Signed,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Runs(Reached),
    CutOff(&'static str),
}

/// How far one session has gone, for all who have a say in it.
#[derive(Clone)]
pub(super) struct Course(Arc<watch::Sender<State>>);

impl Course {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(State::Runs(Reached::Begun))))
    }

    /// Goes on to `next`, before anything is done for it.
    ///
    /// # Errors
    /// Why the session was cut off: `next` must not be done.
    pub(super) fn reach(&self, next: Reached) -> Result<(), &'static str> {
        let mut refused = None;
        self.0.send_if_modified(|state| match *state {
            State::Runs(_) => {
                *state = State::Runs(next);
                true
            }
            State::CutOff(why) => {
                refused = Some(why);
                false
            }
        });
        refused.map_or(Ok(()), Err)
    }

    /// Cuts the session off, unless it has reached `step` or is cut off already; whether it did.
    pub(super) fn cut_off_before(&self, step: Reached, why: &'static str) -> bool {
        self.0.send_if_modified(|state| {
            let cut = matches!(*state, State::Runs(reached) if reached < step);
            if cut {
                *state = State::CutOff(why);
            }
            cut
        })
    }

    /// Why it was cut off, if it was.
    pub(super) fn cut_off(&self) -> Option<&'static str> {
        match *self.0.borrow() {
            State::CutOff(why) => Some(why),
            State::Runs(_) => None,
        }
    }

    /// Resolves once the session is cut off, by whomever. Until then it cuts it off itself if the peer has
    /// not begun it by `begun_by`, or if `same`, asked after each of `changes`, finds another policy before
    /// this side has signed. `same` may block; the session goes on meanwhile.
    pub(super) async fn is_cut_off(
        &self,
        begun_by: Instant,
        changes: watch::Receiver<u64>,
        same: impl Fn() -> bool + Clone + Send + 'static,
    ) {
        let mut states = self.0.subscribe();
        tokio::select! {
            _ = states.wait_for(|state| matches!(state, State::CutOff(_))) => {}
            // A peer that opens a session and does not begin it would hold this moment for ever.
            true = self.not_begun(begun_by) => {}
            // What an officer takes back counts until this side has signed.
            true = self.taken_back(changes, same) => {}
        }
    }

    async fn not_begun(&self, begun_by: Instant) -> bool {
        sleep_until(begun_by).await;
        self.cut_off_before(Reached::Committed, NOT_BEGUN)
    }

    async fn taken_back(
        &self,
        mut changes: watch::Receiver<u64>,
        same: impl Fn() -> bool + Clone + Send + 'static,
    ) -> bool {
        while changes.changed().await.is_ok() {
            if !spawn_blocking(same.clone()).await.unwrap_or(false) {
                return self.cut_off_before(Reached::Signed, TAKEN_BACK);
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, Mutex, mpsc};
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    fn at(reached: Reached) -> Course {
        let course = Course::new();
        course.reach(reached).unwrap();
        course
    }

    #[test]
    fn a_step_and_the_cut_off_that_must_come_before_it_never_both_happen() {
        for (before, step) in [
            (Reached::Begun, Reached::Committed),
            (Reached::Committed, Reached::Signed),
        ] {
            for _ in 0..1000 {
                let (course, both) = (at(before), Barrier::new(2));
                let (reached, cut) = std::thread::scope(|scope| {
                    let reaching = scope.spawn(|| {
                        both.wait();
                        course.reach(step).is_ok()
                    });
                    both.wait();
                    let cut = course.cut_off_before(step, TAKEN_BACK);
                    (reaching.join().unwrap(), cut)
                });
                assert!(reached != cut, "either the one or the other");
                assert_eq!(course.cut_off().is_some(), cut);
            }
        }
    }

    #[tokio::test]
    async fn the_deadline_for_beginning_cuts_off_a_peer_that_has_not_begun_and_no_other() {
        let (_changes, unchanged) = watch::channel(0);
        let idle = Course::new();
        idle.is_cut_off(Instant::now(), unchanged, || true).await;
        assert_eq!(idle.cut_off(), Some(NOT_BEGUN));
        assert_eq!(idle.reach(Reached::Committed), Err(NOT_BEGUN));

        for reached in [Reached::Committed, Reached::Signed] {
            let begun = at(reached);
            assert!(!begun.not_begun(Instant::now()).await);
            assert_eq!(begun.cut_off(), None);
        }
    }

    #[tokio::test]
    async fn what_was_taken_back_does_not_count_if_this_side_signs_before_it_is_known() {
        for signs in [false, true] {
            let course = at(Reached::Committed);
            let (changes, changed) = watch::channel(0);
            changes.send_replace(1);
            let ((asked, asks), (answer, answers)) = (oneshot::channel(), mpsc::channel());
            let once = Arc::new(Mutex::new(Some((asked, answers))));
            let same = move || {
                let (asked, answers) = once.lock().unwrap().take().unwrap();
                asked.send(()).unwrap();
                answers.recv().unwrap()
            };
            let watched = course.clone();
            let watching = tokio::spawn(async move { watched.taken_back(changed, same).await });
            asks.await.unwrap();
            if signs {
                course.reach(Reached::Signed).unwrap();
            }
            answer.send(false).unwrap();
            assert_eq!(watching.await.unwrap(), !signs);
            assert_eq!(course.cut_off().is_none(), signs);
            assert_eq!(course.reach(Reached::Signed).is_ok(), signs);
        }
    }

    #[tokio::test]
    async fn a_change_of_something_else_does_not_cut_off_and_the_peers_own_call_does_once() {
        let course = Course::new();
        let (changes, changed) = watch::channel(0);
        changes.send_replace(1);
        drop(changes);
        assert!(!course.taken_back(changed.clone(), || true).await);
        assert_eq!(course.cut_off(), None);

        let hour_ahead = Instant::now() + Duration::from_secs(3600);
        assert!(course.cut_off_before(Reached::Committed, YIELDED));
        assert!(!course.cut_off_before(Reached::Committed, NOT_BEGUN));
        course.is_cut_off(hour_ahead, changed, || true).await;
        assert_eq!(course.reach(Reached::Committed), Err(YIELDED));
    }
}
