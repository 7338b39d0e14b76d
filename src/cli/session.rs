//! One side of a session as the command line runs it: prepare, exchange, grade.
//!
//! What `tacit match` and `tacit demo` have in common.

use std::collections::HashSet;
use std::future::Future;
use std::io;
use std::sync::Arc;

use indicatif::ProgressBar;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use super::Failure;
use super::advice::own_failure;
use super::asking::Asking;
use super::progress::Progress;
use identity::grade::{PersonAnswer, answers};
use identity::{HashedIdentity, KeyClass, List, ListSizes};
use node::{Cause, Ended, Journal, Patience, run_mediated_session};
use pairing::{NodeId, NodeKey};
use protocol::session;
use protocol::{
    self, ByClass, Matches, Persist, PreparedTable, QuestionSet, Role, Session, Setup, Terms,
};
use transport::Channel;

/// Computes the table of `held` under `terms` and starts a session that asks for `requested`;
/// nothing is sent before [`exchange`].
///
/// # Errors
/// A list that does not fit its ceiling.
pub fn prepare(
    role: Role,
    key: Arc<NodeKey>,
    peer: NodeId,
    terms: &Terms,
    held: &List,
    requested: &List,
    progress: &Progress,
) -> Result<Session, Failure> {
    let ceilings = terms.ceilings.map(|_, ceilings| ceilings.of(role).held);
    let total = ceilings.iter().map(|(_, ceiling)| ceiling.elements()).sum();
    let bar = progress.bar("Preparing the sealed table", total);
    let by_class = |list: &List| ByClass {
        narrow: list.elements(KeyClass::Narrow),
        wide: terms.ceilings.wide.map(|_| list.elements(KeyClass::Wide)),
    };
    let mut rng = UnwrapErr(SysRng);
    let table = PreparedTable::prepare(
        by_class(held),
        ceilings,
        terms.mediator,
        &mut rng,
        |elements| bar.inc(elements as u64),
    )
    .map_err(|error| own_failure(&error))?;
    bar.finish_and_clear();
    let asked = terms
        .ceilings
        .map(|_, ceilings| ceilings.of(role).requested);
    // Before the peer is called: nothing of a session may take as long as a list is.
    let questions = QuestionSet::prepare(by_class(requested), asked, &mut rng)
        .map_err(|error| own_failure(&error))?;
    let setup = Setup {
        role,
        key,
        peer,
        terms: terms.clone(),
        questions,
        table,
    };
    Session::new(setup, &mut rng).map_err(|error| own_failure(&error))
}

/// Runs the session over an open channel. `keep` has on disk, when it returns, what it is handed;
/// with `asking` the mediator ends what the peer breaks off.
///
/// # Errors
/// The session ended without answers.
pub async fn exchange(
    session: Session,
    channel: Channel,
    patience: &Patience,
    progress: &Progress,
    keep: impl FnMut(Persist) -> io::Result<()>,
    asking: Option<&Asking<'_>>,
    cancelled: impl Future<Output = ()>,
) -> Result<session::Outcome, Ended> {
    let mut rng = UnwrapErr(SysRng);
    let mut watcher = Watcher::new(progress, &session, keep, asking);
    let result = run_mediated_session(
        session,
        channel,
        &mut rng,
        patience,
        &mut watcher,
        asking,
        cancelled,
    )
    .await;
    watcher.clear();
    result
}

/// The answer for each requested record, in the list's order.
pub fn graded(requested: &List, held: &Matches, peer_people: u64) -> Vec<PersonAnswer> {
    let matched: HashSet<HashedIdentity> = held
        .iter()
        .flat_map(|(_, held)| held.iter().copied())
        .collect();
    let classes: Vec<KeyClass> = held.iter().map(|(class, _)| class).collect();
    let sizes = ListSizes {
        requested: requested.people.len() as u64,
        held: peer_people,
    };
    answers(requested, &matched, &classes, sizes)
}

/// Shows a session's progress, and hands on what has to be kept.
struct Watcher<'a, K> {
    progress: &'a Progress,
    asked: ProgressBar,
    answered: ProgressBar,
    keep: K,
    asking: Option<&'a Asking<'a>>,
}

impl<'a, K> Watcher<'a, K> {
    fn new(
        progress: &'a Progress,
        session: &Session,
        keep: K,
        asking: Option<&'a Asking<'a>>,
    ) -> Self {
        let totals = session.progress();
        Self {
            progress,
            asked: progress.bar("Asking the peer", totals.to_answer),
            answered: progress.bar("Answering the peer", totals.to_evaluate),
            keep,
            asking,
        }
    }

    fn clear(&self) {
        self.asked.finish_and_clear();
        self.answered.finish_and_clear();
    }
}

impl<K: FnMut(Persist) -> io::Result<()>> Journal for Watcher<'_, K> {
    fn keep(&mut self, state: Persist) -> io::Result<()> {
        let signs = matches!(state, Persist::Signed(_));
        (self.keep)(state)?;
        if signs && self.asking.is_some() {
            self.progress
                .say("The lists are exchanged; this side signs. From here on nothing is lost: tacit match --finish ends the session should this one be stopped.");
        }
        Ok(())
    }

    fn progress(&mut self, progress: session::Progress) {
        self.asked.set_position(progress.answered as u64);
        self.answered.set_position(progress.evaluated as u64);
    }

    fn left_to_the_mediator(&mut self, cause: &Cause) {
        if let Some(asking) = self.asking {
            asking.leave_to_it();
        }
        self.progress.say(format!("Left to the mediator: {cause}."));
    }
}
