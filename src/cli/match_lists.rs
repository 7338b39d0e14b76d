//! `tacit match`: one session with one peer, without a daemon.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use super::asking::Asking;
use super::finish::{self, Options};
use super::home::HomeArgs;
use super::list_file::ListArgs;
use super::progress::Progress;
use super::results::{Results, ResultsFile};
use super::route::{Meeting, MeetingPoint, RouteArgs, look_ahead, open, relay_failure};
use super::session::{channel_failure, exchange, graded, prepare, row_errors, session_failure};
use super::stops::interrupted;
use super::terms::TermsArgs;
use super::{Exit, Failure};
use identity::{List, ListKind, ListOptions};
use node::disposition::{Next, Recourse};
use node::{Cause, Ended, Patience};
use pairing::{NodeId, NodeKey};
use protocol::offer::Mediator;
use protocol::session::Persist;
use protocol::{Role, SessionId};
use store::unfinished::{About, Draft, Unfinished};
use transport::Listener;

/// For a mediator to be away while a session waits for its word.
const SETTLING_WAIT: Duration = Duration::from_secs(600);

/// Row errors shown before the rest is only counted.
const ERRORS_SHOWN_MAX: usize = 20;

/// Rows of the table on a terminal; elsewhere it has all.
const TABLE_ROWS_MAX: usize = 200;

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
    let (held, requested, peer) = match (&args.held, &args.requested, args.peer) {
        (Some(held), Some(requested), Some(peer)) if !args.finish => (held, requested, peer),
        _ => {
            let options = Options {
                peer: args.peer,
                route: &args.route,
                output: args.output.as_deref(),
                force: args.force,
                json: args.json,
                set_aside: args.set_aside,
            };
            return finish::run(&home, &key, &options, &progress);
        }
    };
    if key.id() == peer {
        return Err(Failure::bad_input(
            "--peer is this node's own id",
            "give the other side's id: they get it from tacit id",
        ));
    }
    let meeting = args.route.meeting(&key.id(), &peer)?;
    finish::refuse_while_unfinished(&home, &key, &peer, &progress)?;
    let asking = match &meeting.mediator {
        Some(mediator) => Some(finish::asking(mediator, &key, &progress, SETTLING_WAIT)?),
        None => None,
    };
    let runtime = runtime()?;
    // Before the work, so that a bad address or a relay that refuses is said at once; the peer is let in
    // only after it.
    let listener = match &meeting.point {
        MeetingPoint::Listen(address) => Some(
            runtime
                .block_on(Listener::bind(address))
                .map_err(|error| channel_failure(&error))?,
        ),
        _ => None,
    };
    let ahead = look_ahead(&meeting, asking.as_ref(), &key, &args.route, &progress);
    runtime.block_on(unless_interrupted(ahead))?;

    let held = read_list(args, held, ListKind::Held, &progress)?;
    let requested = read_list(args, requested, ListKind::Requested, &progress)?;
    let mediator = match &meeting.mediator {
        Some((descriptor, _)) => descriptor.terms().map_err(|error| {
            Failure::bad_input(
                format!("--mediator: {error}"),
                "ask the mediator for its descriptor again",
            )
        })?,
        None => {
            progress.say("Note: without a mediator the two sides do not learn at the same moment: one opens its table first, and the other could then leave with its answers.");
            Mediator::None
        }
    };
    let terms = args.terms.terms(args.lists.schema(), mediator);
    let role = meeting.point.role(&key.id(), &peer);
    let session = prepare(
        role,
        key.clone(),
        peer,
        &terms,
        &held,
        &requested,
        &progress,
    )?;
    drop(held);
    let delivery = Delivery {
        peer,
        output: args.output.clone(),
        json: args.json,
    };
    let about = About {
        peer,
        begun: jiff::Timestamp::now(),
        mediator: meeting.mediator.clone(),
        wide: args.terms.wide,
        peer_people: args.terms.people(),
        output: args
            .output
            .as_ref()
            .and_then(|path| std::path::absolute(path).ok()),
        force: args.force,
        json: args.json,
    };
    let draft = Unfinished::of(&home, &key).draft(&about, &requested);
    let mut draft = draft.map_err(|error| Failure::store(&error))?;

    let patience = Patience {
        stall: Duration::from_secs(args.stall.max(1)),
        ..Patience::default()
    };
    let ended = runtime.block_on(async {
        let opening = open(
            &meeting.point,
            listener,
            (&key, &peer),
            &args.route,
            &progress,
        );
        let channel = unless_interrupted(opening).await?;
        progress.say("The peer is there and has proved its key.");
        let mut rng = UnwrapErr(SysRng);
        let keep = |state| draft.keep(&state, &mut rng).map_err(std::io::Error::other);
        let stopped = async {
            match &asking {
                Some(asking) => tokio::select! {
                    () = interrupted() => {}
                    () = asking.gave_up() => {}
                },
                None => interrupted().await,
            }
        };
        let asking = asking.as_ref();
        Ok(exchange(
            session, channel, &patience, &progress, keep, asking, stopped,
        )
        .await)
    })?;
    let outcome = match ended {
        Ok(outcome) => outcome,
        Err(ended) => {
            return Err(without_answers(
                &ended,
                draft,
                asking.as_ref(),
                &meeting,
                &key,
            ));
        }
    };

    // What came last may be in memory alone, and what cannot be delivered is asked for again.
    let keep_release = |draft: &mut Draft| {
        let release = match role.other() {
            Role::Initiator => outcome.receipt.initiator_release.clone(),
            Role::Responder => outcome.receipt.responder_release.clone(),
        };
        release.map(|release| {
            let released = Persist::PeerReleased(outcome.session, Box::new(release));
            draft.keep(&released, &mut UnwrapErr(SysRng))
        })
    };
    let answers = graded(&requested, &outcome.held, args.terms.people());
    let results = Results::new(&requested, &answers);
    let settled = outcome.receipt.settled.is_some();
    if let Err(mut failure) = deliver(
        &delivery,
        output,
        &results,
        &outcome.session,
        settled,
        &progress,
    ) {
        if matches!(keep_release(&mut draft), None | Some(Ok(()))) {
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
            .map(|directory| failure.hint = Some(finish::evidence_hint(&directory))),
        Next::AskMediator | Next::Later => Ok(()),
    };
    if let Err(error) = put_away {
        failure.message.push_str(&format!(".\n       {error}"));
    }
    failure
}

/// Where answers go.
pub(super) struct Delivery {
    pub peer: NodeId,
    pub output: Option<PathBuf>,
    pub json: bool,
}

/// Shows the answers and writes them.
///
/// # Errors
/// They could not be written; they were shown, if anybody could see them.
pub(super) fn deliver(
    delivery: &Delivery,
    file: Option<ResultsFile>,
    results: &Results,
    session: &SessionId,
    settled: bool,
    progress: &Progress,
) -> Result<(), Failure> {
    if settled {
        progress.say("Settled by the mediator: the peer left after the agreement.");
    }
    // What was learnt is shown even where it cannot be written.
    let written = file.map_or(Ok(()), |file| results.write(&file));
    show(delivery, results, session, settled).map_err(|error| Failure {
        message: format!("stdout: {error}"),
        hint: None,
        exit: Exit::Failed,
    })?;
    written?;
    if let Some(path) = &delivery.output {
        progress.say(format!("The answers are in {}.", path.display()));
    }
    Ok(())
}

fn show(
    delivery: &Delivery,
    results: &Results,
    session: &SessionId,
    settled: bool,
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if delivery.json {
        let mut json = results.to_json();
        json["peer"] = delivery.peer.to_string().into();
        json["session"] = hex::encode(session.0).into();
        json["ended"] = if settled { "settled" } else { "released" }.into();
        serde_json::to_writer_pretty(&mut out, &json)?;
        return writeln!(out);
    }
    let rows_max = if out.is_terminal() {
        TABLE_ROWS_MAX
    } else {
        usize::MAX
    };
    writeln!(out, "{}", results.table(rows_max))?;
    writeln!(out, "{}", results.count_line())
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Runtime::new().map_err(|error| Failure {
        message: error.to_string(),
        hint: None,
        exit: Exit::Failed,
    })
}

async fn unless_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        () = interrupted() => Err(Failure {
            message: "stopped before the peer was there".into(),
            hint: None,
            exit: Exit::Cancelled,
        }),
    }
}

fn read_list(
    args: &Args,
    path: &Path,
    kind: ListKind,
    progress: &Progress,
) -> Result<List, Failure> {
    let spinner = progress.spinner(&format!("reading the {kind} list"));
    let options = ListOptions {
        wide: args.terms.wide,
        ..args.lists.options(kind, kind == ListKind::Requested)
    };
    let list = args
        .lists
        .read(path, &options, |rows| spinner.set_position(u64::from(rows)));
    spinner.finish_and_clear();
    let list = list?;
    let report = &list.report;
    if report.rows_with_errors > 0 {
        for line in row_errors(path, &list, ERRORS_SHOWN_MAX) {
            progress.say(line);
        }
        if !args.skip_bad_rows {
            return Err(Failure::bad_input(
                format!(
                    "{}: {} of {} rows have errors; nothing was sent",
                    path.display(),
                    report.rows_with_errors,
                    report.rows
                ),
                format!(
                    "mend them (tacit check {} shows how each is read), or leave them out with --skip-bad-rows",
                    path.display()
                ),
            ));
        }
    }
    let mut line = format!(
        "Read the {kind} list: {} people in {} rows",
        report.people, report.rows
    );
    if report.people_twice > 0 {
        line.push_str(&format!(
            ", {} of them listed twice and folded",
            report.people_twice
        ));
    }
    if report.rows_left_out > 0 {
        line.push_str(&format!(", {} rows left out", report.rows_left_out));
    }
    progress.say(line + ".");
    if report.people == 0 {
        progress.say(format!(
            "Note: {} has no people, so nobody can be found in it.",
            path.display()
        ));
    }
    Ok(list)
}
