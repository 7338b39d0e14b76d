//! One side of a session as the command line runs it: read lists, prepare, exchange, grade.
//!
//! What `tacit match` and `tacit demo` have in common.

use std::collections::HashSet;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;

use indicatif::ProgressBar;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use super::Failure;
use super::asking::Asking;
use super::progress::Progress;
use super::terms::ceiling_for;
use admin::Outcome;
use identity::grade::{PersonAnswer, answers};
use identity::list::Columns;
use identity::{HashedIdentity, KeyClass, List, ListReport, ListSizes, RowIssue};
use node::disposition::{ExitClass, Next, Recourse};
use node::{Cause, Ended, Owner, Patience, run_mediated_session};
use pairing::{NodeId, NodeKey};
use protocol::release::Held;
use protocol::session::{self, Persist, Setup, Standing};
use protocol::{self, AbortReason, ByClass, PreparedTable, Role, Session, Terms};
use transport::{self, Channel};

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
    let setup = Setup {
        role,
        key,
        peer,
        terms: terms.clone(),
        requested: by_class(requested),
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
pub fn graded(requested: &List, held: &Held, peer_people: u64) -> Vec<PersonAnswer> {
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

impl<K: FnMut(Persist) -> io::Result<()>> Owner for Watcher<'_, K> {
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

/// What a failed session means for people, and what to do. `recourse`: who can end it, from what is kept.
pub fn session_failure(ended: &Ended, recourse: Recourse) -> Failure {
    let mut failure = cause_failure(&ended.cause);
    let next = ended.cause.disposition(ended.standing, recourse).next;
    match (next, ended.standing) {
        (Next::Over(Outcome::NeverSettled), _) | (_, Standing::Unsigned) => {}
        (Next::AskMediator | Next::Later, _) => {
            failure.message.push_str(
                ".\n       This side has signed, and what it takes to have its answers is kept",
            );
            failure.hint = Some(FINISH_HINT.into());
        }
        (_, Standing::Released) => failure.message.push_str(
            ".\n       It ended after this side had opened its table: the peer may have its answers, you have none.\n       \
             Write down when this was, and do not run another match with this peer before an officer has decided",
        ),
        // What the mediator gave the peer nobody knows here.
        (Next::KeepAsEvidence(Outcome::Unanswered), _) => failure.message.push_str(
            ".\n       It ended after this side had signed: the peer may have its answers, you have none.\n       \
             Write down when this was, and do not run another match with this peer before an officer has decided",
        ),
        (Next::Over(_) | Next::KeepAsEvidence(_), Standing::Signed) => failure.message.push_str(
            ".\n       It ended after this side had signed and before it opened its table: neither side has answers",
        ),
    }
    failure
}

/// What to do about a session that is kept.
pub const FINISH_HINT: &str = "finish it with tacit match --finish, from the same home";

/// What to do where the peer may have answers, and this side has none.
pub const OFFICER_HINT: &str =
    "do not run another match with this peer before an officer has decided";

/// Why a session gave no answers, and what to do.
pub fn cause_failure(cause: &Cause) -> Failure {
    let hint = match cause {
        Cause::Exchange(error) => return own_failure(error),
        Cause::Channel(error) => return channel_failure(error),
        Cause::Cancelled => {
            return Failure {
                message: "stopped before there were answers".into(),
                hint: Some(
                    "nothing was written; run the match again on both sides when you are ready"
                        .into(),
                ),
                exit: cause.exit_class().into(),
            };
        }
        Cause::Stalled { .. } | Cause::ReleaseLate { .. } => {
            "is their program still running, and the line still up? Then run the match again on both sides"
        }
        Cause::NoMediator => "give --mediator, the same on both sides",
        Cause::NoTime(_) => {
            "is the mediator's relay running? Then run the match again on both sides"
        }
        Cause::EpochOver => {
            "ask the mediator for a new descriptor (tacit relay descriptor); both sides need the same"
        }
        Cause::NeverSettled => "run the match again on both sides",
        Cause::MediatorRefused(_) => {
            "note the time and this message, and talk to the mediator; tacit match --finish --set-aside gives the session up"
        }
        Cause::MediatorMisbehaved { .. } => {
            "note the time and this message, and talk to the mediator"
        }
        Cause::ReleaseLost => OFFICER_HINT,
        Cause::NotKept(_) => "is the disk full or gone? Then run the match again on both sides",
    };
    Failure {
        message: cause.to_string(),
        hint: Some(hint.to_owned()),
        exit: cause.exit_class().into(),
    }
}

fn own_failure(error: &protocol::Error) -> Failure {
    use protocol::Error;
    let hint = match error {
        Error::TermsDiffer(_) => {
            "both sides must run the same version of tacit with the same --ceiling, --wide, --schema and --mediator".to_owned()
        }
        Error::PeerMisbehaved(_) => {
            "the peer's program is broken, or it cheats: note the time and this message, and talk to them before another try".to_owned()
        }
        Error::PeerAborted(AbortReason::Misbehaved) => {
            "compare the versions of tacit on both sides; if they are the same, somebody is cheating".to_owned()
        }
        Error::PeerAborted(_) => {
            "ask them what happened there, then run the match again on both sides".to_owned()
        }
        Error::AboveCeiling { elements, .. } => match ceiling_for(*elements) {
            Some(ceiling) => {
                format!("agree with the other side on --ceiling {ceiling}, and run both with it")
            }
            None => "split the list: no ceiling is that large".to_owned(),
        },
        Error::TooLate { .. } => {
            "is the line slow? Run the match again on both sides".to_owned()
        }
        Error::TableDoesNotFit | Error::TermsUnusable { .. } | Error::OwnPeer | Error::Over => {
            "this should not happen: please report it, with the version and this message".to_owned()
        }
    };
    Failure {
        message: error.to_string(),
        hint: Some(hint),
        exit: ExitClass::from(error).into(),
    }
}

/// Why there is no channel, and what to do.
pub fn channel_failure(error: &transport::Error) -> Failure {
    use transport::Error;
    let message = match error {
        Error::WrongKey { presented } | Error::OnlyWrongKeysCame { presented } => {
            match NodeId::from_bytes(*presented) {
                Ok(id) => format!("another node is there than the one named with --peer: {id}"),
                Err(_) => "a node with an invalid key is there".to_owned(),
            }
        }
        Error::KeyRefused => "the other side does not accept this node's key".to_owned(),
        _ => error.to_string(),
    };
    let hint = match error {
        Error::WrongKey { .. } | Error::OnlyWrongKeysCame { .. } => {
            "compare the id with the peer over the telephone, word by word (tacit id ID prints the words)"
        }
        Error::KeyRefused => "give them your id again (tacit id) for their --peer",
        Error::Refused { .. } => "is another match already running there?",
        Error::Misbehaved(_) => {
            "what is there may not be tacit, or cheats: check the address and talk to them"
        }
        Error::NotTls | Error::Incompatible => {
            "is this the address of their tacit, and the same version?"
        }
        Error::AddressMalformed => "write host:port, as in 192.0.2.7:7447",
        Error::NameUnknown => "check the spelling, or give the IP address",
        Error::CannotListen(_) => "use an address of this machine and a port that is free",
        Error::KeyUnusable | Error::MessageTooLong { .. } => "please report this",
        Error::Unreachable(_) => {
            "is their side started with --listen, and the port open in their firewall?"
        }
        Error::NobodyCame { .. } => {
            "have they started with --connect to this address? --wait SECONDS waits longer"
        }
        Error::HandshakeTimedOut | Error::Displaced | Error::Gone | Error::Unfinished => {
            "run the match again on both sides"
        }
    };
    Failure {
        message,
        hint: Some(hint.to_owned()),
        exit: ExitClass::from(error).into(),
    }
}

/// What is wrong in a list's rows, as lines for the terminal, at most `max` of them.
pub fn row_errors(path: &Path, list: &List, max: usize) -> Vec<String> {
    row_errors_in(path, &list.report, &list.columns, max)
}

/// The same of a list that was not kept.
pub fn row_errors_in(
    path: &Path,
    report: &ListReport,
    columns: &Columns,
    max: usize,
) -> Vec<String> {
    let place = |issue: &RowIssue| match issue.field {
        Some(field) => format!("line {}, column {}", issue.line, columns.header_of(field)),
        None => format!("line {}", issue.line),
    };
    let mut lines: Vec<String> = report
        .errors()
        .take(max)
        .map(|issue| format!("{}, {}: {}", path.display(), place(issue), issue.reason))
        .collect();
    let total = report.errors().count();
    if total > max {
        lines.push(format!(
            "… and {} more; tacit check {} shows all",
            total - max,
            path.display()
        ));
    }
    lines
}
