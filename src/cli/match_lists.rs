//! `tacit match`: one session with one peer, without a daemon.
//!
//! What was signed is on disk before the signature leaves, and goes only when the answers were delivered.

mod lists;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use lists::Reading;

use super::advice::{channel_failure, evidence_hint, session_failure};
use super::asking::Asking;
use super::delivery::Delivery;
use super::finish::{self, Options};
use super::home::HomeArgs;
use super::list_file::ListArgs;
use super::progress::Progress;
use super::results::{Results, ResultsFile};
use super::route::{Meeting, MeetingPoint, RouteArgs, look_ahead, open, relay_failure};
use super::runtime::runtime;
use super::session::{exchange, graded, prepare};
use super::stops::StopWord;
use super::terms::TermsArgs;
use super::{Exit, Failure};
use identity::{List, ListKind};
use node::disposition::{Next, Recourse};
use node::{Cause, Ended, Patience};
use pairing::{NodeId, NodeKey};
use protocol::{Mediator, Outcome, Persist, Role, Session};
use store::unfinished::{About, Draft, Unfinished};
use transport::Listener;

/// A mediator may be away for this long while a session waits for its word: a restart, not an outage.
const SETTLING_WAIT: Duration = Duration::from_secs(600);

/// To tell the peer why the session ends: it takes nothing in while it works on a chunk, which is seconds on a
/// machine that is busy. A second word to stop does not wait for it.
const FAREWELL: Duration = Duration::from_secs(10);

/// Match two lists with a peer: learn which requested people it holds, and let it learn the same
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    home: HomeArgs,

    /// The people this side holds: CSV, XLSX or JSON lines
    #[arg(long, value_name = "FILE", required_unless_present = "finish")]
    held: Option<PathBuf>,

    /// The people this side asks about
    #[arg(long, value_name = "FILE", required_unless_present = "finish")]
    requested: Option<PathBuf>,

    /// The peer's id, checked with it over the telephone
    #[arg(long, value_name = "ID", required_unless_present = "finish")]
    peer: Option<NodeId>,

    #[command(flatten)]
    route: RouteArgs,

    /// Finish what was signed and cut off, by what the peer still sent or by the mediator's verdict, and
    /// show the answers; with --peer, of the sessions with that peer alone
    #[arg(
        long,
        conflicts_with_all = ["held", "requested", "listen", "connect", "mediator", "ceiling", "wide", "columns", "schema", "skip_bad_rows", "stall"]
    )]
    finish: bool,

    /// Give up what cannot be finished now: it is kept, sealed, as evidence, and never asked about again
    #[arg(long, requires = "finish")]
    set_aside: bool,

    /// How long the peer may make no progress before the session ends
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    stall: u64,

    #[command(flatten)]
    terms: TermsArgs,

    #[command(flatten)]
    lists: ListArgs,

    /// Run even though some rows have errors, and leave those rows out
    #[arg(long)]
    skip_bad_rows: bool,

    /// Write the answers here; the ending says how: .csv, .xlsx or .json
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Overwrite the output file if it is there
    #[arg(long, requires = "output")]
    force: bool,

    /// Print the answers as JSON instead of a table
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  Through a relay, which is also the mediator (both sides run the same, each with the other's id):
    tacit match --held held.csv --requested requested.csv --peer tacit1… --mediator tacitm1…
  Without one: one side waits, the other connects:
    tacit match --held held.csv --requested requested.csv --peer tacit1… --listen 0.0.0.0:7447
    tacit match --held held.csv --requested requested.csv --peer tacit1… --connect 192.0.2.7:7447 \\
        --output results.csv
  After a crash, or Ctrl-C, of a session that was signed:
    tacit match --finish

Exit code: 0 done, also where the mediator settled; 1 this machine failed; 2 bad input; 3 refused \
(the two sides differ, the key is another one, or a relay or mediator refuses); 4 the peer misbehaved; \
5 the peer or the mediator is unreachable or went away, or nobody settled in time; 130 stopped.";

/// Runs the subcommand.
///
/// # Errors
/// Bad input, or a session that ended without answers; nothing was written then.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let progress = Progress::new(false);
    // First, so that a file which is in the way is said before any work is done for it.
    let output = match &args.output {
        Some(path) => Some(ResultsFile::at(path, args.force)?),
        None => None,
    };
    let key = Arc::new(
        args.home
            .load_key()
            .map_err(|error| Failure::home(&error))?,
    );
    let home = store::home_dir(args.home.home.clone()).map_err(|error| Failure::store(&error))?;
    match (&args.held, &args.requested, args.peer) {
        (Some(held), Some(requested), Some(peer)) if !args.finish => {
            let side = Side {
                args,
                home: &home,
                key,
                peer,
                progress: &progress,
            };
            side.run((held, requested), output)
        }
        _ => {
            let options = Options {
                peer: args.peer,
                route: &args.route,
                output: args.output.as_deref(),
                force: args.force,
                json: args.json,
                set_aside: args.set_aside,
            };
            finish::run(&home, &key, &options, &progress)
        }
    }
}

/// This side of a session that is to run.
struct Side<'a> {
    args: &'a Args,
    home: &'a Path,
    key: Arc<NodeKey>,
    peer: NodeId,
    progress: &'a Progress,
}

impl Side<'_> {
    fn run(
        &self,
        (held, requested): (&Path, &Path),
        output: Option<ResultsFile>,
    ) -> Result<Exit, Failure> {
        let meeting = self.meeting()?;
        let asking = match &meeting.mediator {
            Some(mediator) => Some(Asking::of(
                mediator,
                &self.key,
                self.progress,
                SETTLING_WAIT,
            )?),
            None => None,
        };
        let runtime = runtime()?;
        // Once for the whole run: a word that came while nobody listened would be lost.
        let stop = StopWord::listen(&runtime)?;
        // Before the work, so that a bad address or a relay that refuses is said at once; the peer is let in
        // only after it.
        let listener = runtime.block_on(listener(&meeting.point))?;
        let route = &self.args.route;
        let ahead = look_ahead(&meeting, asking.as_ref(), &self.key, route, self.progress);
        runtime.block_on(stop.unless_said(ahead))?;

        let reading = Reading {
            lists: &self.args.lists,
            wide: self.args.terms.wide,
            skip_bad_rows: self.args.skip_bad_rows,
            progress: self.progress,
        };
        let ready = stop.during(|| {
            let held = reading.read(held, ListKind::Held)?;
            let requested = reading.read(requested, ListKind::Requested)?;
            // What is personal in the held list goes with this block: its tags are in the table.
            let session = self.prepared(&meeting, &held, &requested)?;
            Ok((session, requested))
        });
        let (session, requested) = ready??;
        let mut draft = self.draft(&meeting, &requested)?;
        let (asking_of, places) = (asking.as_ref(), (&meeting, listener));
        let exchanged = self.exchanged(session, places, asking_of, &mut draft, &stop);
        match runtime.block_on(exchanged)? {
            Ok(outcome) => {
                let role = meeting.point.role(&self.key.id(), &self.peer);
                self.deliver(&outcome, role, &requested, draft, output)
            }
            Err(ended) => {
                let asking = asking.as_ref();
                Err(without_answers(&ended, draft, asking, &meeting, &self.key))
            }
        }
    }

    /// Where to meet the peer, and with which mediator; no session with it may be unfinished.
    fn meeting(&self) -> Result<Meeting, Failure> {
        let own = self.key.id();
        if own == self.peer {
            return Err(Failure::bad_input(
                "--peer is this node's own id",
                "give the other side's id: they get it from tacit id",
            ));
        }
        let meeting = self.args.route.meeting(&own, &self.peer)?;
        finish::refuse_while_unfinished(self.home, &self.key, &self.peer, self.progress)?;
        Ok(meeting)
    }

    /// The session with its table, before anything is sent.
    fn prepared(
        &self,
        meeting: &Meeting,
        held: &List,
        requested: &List,
    ) -> Result<Session, Failure> {
        let args = self.args;
        let mediator = match &meeting.mediator {
            Some((descriptor, _)) => descriptor.terms().map_err(|error| {
                Failure::bad_input(
                    format!("--mediator: {error}"),
                    "ask the mediator for its descriptor again",
                )
            })?,
            None => {
                self.progress.say("Note: without a mediator the two sides do not learn at the same moment: one opens its table first, and the other could then leave with its answers.");
                Mediator::None
            }
        };
        let terms = args.terms.terms(args.lists.schema(), mediator);
        let role = meeting.point.role(&self.key.id(), &self.peer);
        let key = self.key.clone();
        prepare(role, key, self.peer, &terms, held, requested, self.progress)
    }

    /// Where what is signed will be kept; on disk already all else that it takes to finish the session after
    /// a crash, as nothing that takes as long as a list is may come after the peer is called.
    fn draft(&self, meeting: &Meeting, requested: &List) -> Result<Draft, Failure> {
        let args = self.args;
        let output = args.output.as_ref();
        let about = About {
            peer: self.peer,
            begun: jiff::Timestamp::now(),
            mediator: meeting.mediator.clone(),
            wide: args.terms.wide,
            peer_people: args.terms.people(),
            // It may be finished from another folder.
            output: output.and_then(|path| std::path::absolute(path).ok()),
            force: args.force,
            json: args.json,
        };
        let mut rng = UnwrapErr(SysRng);
        let draft = Unfinished::of(self.home, &self.key).draft(&about, requested, &mut rng);
        draft.map_err(|error| Failure::store(&error))
    }

    /// Meets the peer and runs the session, until it ends or is stopped.
    async fn exchanged(
        &self,
        session: Session,
        (meeting, listener): (&Meeting, Option<Listener>),
        asking: Option<&Asking<'_>>,
        draft: &mut Draft,
        stop: &StopWord,
    ) -> Result<Result<Outcome, Ended>, Failure> {
        let (route, progress) = (&self.args.route, self.progress);
        let nodes = (&*self.key, &self.peer);
        let opening = open(&meeting.point, listener, nodes, route, progress);
        let channel = stop.unless_said(opening).await?;
        progress.say("The peer is there and has proved its key.");

        let patience = Patience {
            stall: Duration::from_secs(self.args.stall.max(1)),
            farewell: FAREWELL,
            ..Patience::default()
        };
        let mut rng = UnwrapErr(SysRng);
        let keep = |state| draft.keep(&state, &mut rng).map_err(std::io::Error::other);
        let stopped = async {
            match asking {
                Some(asking) => tokio::select! {
                    () = stop.said() => {}
                    () = asking.gave_up() => {}
                },
                None => stop.said().await,
            }
        };
        let ended = exchange(session, channel, &patience, progress, keep, asking, stopped);
        Ok(ended.await)
    }

    /// Shows and writes the answers; then the session is finished, and what was kept of it goes.
    fn deliver(
        &self,
        outcome: &Outcome,
        role: Role,
        requested: &List,
        mut draft: Draft,
        output: Option<ResultsFile>,
    ) -> Result<Exit, Failure> {
        let args = self.args;
        let answers = graded(requested, &outcome.matches, args.terms.people());
        let results = Results::new(requested, &answers);
        let settled = outcome.receipt.settled.is_some();
        let delivery = Delivery {
            peer: self.peer,
            output: args.output.clone(),
            json: args.json,
        };
        let session = &outcome.session;
        if let Err(mut failure) =
            delivery.deliver(output, &results, session, settled, self.progress)
        {
            if keep_release(&mut draft, outcome, role) {
                failure.hint = Some(
                    "the answers are kept: tacit match --finish --output FILE writes them elsewhere"
                        .into(),
                );
            }
            return Err(failure);
        }
        draft.erase().map_err(|error| Failure::store(&error))?;
        Ok(Exit::Clean)
    }
}

/// Listens, where the peer is to come to this side.
async fn listener(point: &MeetingPoint) -> Result<Option<Listener>, Failure> {
    let MeetingPoint::Listen(address) = point else {
        return Ok(None);
    };
    let bound = Listener::bind(address).await;
    bound.map(Some).map_err(|error| channel_failure(&error))
}

/// Has on disk what the answers come from, so that they can be delivered again. The peer's release came last
/// and may be in memory alone; a settled session is asked for again.
fn keep_release(draft: &mut Draft, outcome: &Outcome, role: Role) -> bool {
    let release = match role.other() {
        Role::Initiator => outcome.receipt.initiator_release.clone(),
        Role::Responder => outcome.receipt.responder_release.clone(),
    };
    let Some(release) = release else { return true };
    let released = Persist::PeerReleased(outcome.session, Box::new(release));
    draft.keep(&released, &mut UnwrapErr(SysRng)).is_ok()
}

/// What becomes of a session that gave no answers.
fn without_answers(
    ended: &Ended,
    draft: Draft,
    asking: Option<&Asking<'_>>,
    meeting: &Meeting,
    key: &NodeKey,
) -> Failure {
    let recourse = Recourse::now(meeting.mediator.is_some() && draft.is_kept());
    let next = ended.cause.disposition(ended.standing, recourse).next;
    let mut failure = session_failure(ended, recourse);
    if let (Some(asking), Some((_, address)), Cause::Cancelled) =
        (asking, &meeting.mediator, &ended.cause)
        && let Some(fault) = asking.fault()
        && next == Next::Later
    {
        let away = relay_failure(&fault, address, &key.id());
        failure.message =
            failure
                .message
                .replacen("stopped before there were answers", &away.message, 1);
        failure.exit = away.exit;
    }
    let put_away = match next {
        Next::Over(_) => draft.erase(),
        Next::KeepAsEvidence(_) => draft
            .set_aside(ended.cause.proof(), &mut UnwrapErr(SysRng))
            .map(|directory| failure.hint = Some(evidence_hint(&directory))),
        Next::AskMediator | Next::Later => Ok(()),
    };
    if let Err(error) = put_away {
        failure.message.push_str(&format!(".\n       {error}"));
    }
    failure
}
