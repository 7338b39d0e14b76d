//! `tacit match`: one session with one peer, without a daemon.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::home::HomeArgs;
use super::list_file::ListArgs;
use super::progress::Progress;
use super::results::{Results, ResultsFile};
use super::session::{channel_failure, exchange, graded, prepare, row_errors};
use super::terms::TermsArgs;
use super::{Exit, Failure};
use crate::exchange::{Role, SessionId};
use crate::identity::{List, ListOptions, Role as ListRole};
use crate::node::Patience;
use crate::pairing::NodeId;
use crate::transport::{Duplex, Limits, Listener, PinnedTls, connect};

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
    #[arg(long, value_name = "FILE")]
    held: PathBuf,

    /// The people this side asks about
    #[arg(long, value_name = "FILE")]
    requested: PathBuf,

    /// The peer's id, checked with it over the telephone
    #[arg(long, value_name = "ID")]
    peer: NodeId,

    /// Wait for the peer at this address of this machine
    #[arg(
        long,
        value_name = "HOST:PORT",
        required_unless_present = "connect",
        conflicts_with = "connect"
    )]
    listen: Option<String>,

    /// Connect to the peer at this address
    #[arg(long, value_name = "HOST:PORT")]
    connect: Option<String>,

    /// How long to wait for the peer to be there [default: 600 with --listen, 60 with --connect]
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,

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
  One side waits, the other connects; each names the other's id (tacit id prints it):
    tacit match --held held.csv --requested requested.csv --peer tacit1… --listen 0.0.0.0:7447
    tacit match --held held.csv --requested requested.csv --peer tacit1… --connect 192.0.2.7:7447 --output results.csv

Exit code: 0 done; 1 this machine failed; 2 bad input; 3 refused (the two sides differ, or the key is
another one); 4 the peer misbehaved; 5 the peer is unreachable or went away; 130 stopped.";

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
    if key.id() == args.peer {
        return Err(Failure::bad_input(
            "--peer is this node's own id",
            "give the other side's id: they get it from tacit id",
        ));
    }
    let tls = PinnedTls::new(key.seed(), *args.peer.as_bytes())
        .map_err(|error| channel_failure(&error))?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure {
        message: error.to_string(),
        hint: None,
        exit: Exit::Failed,
    })?;
    // Before the work, so that a bad address is said at once; the peer is let in only after it.
    let listener = match &args.listen {
        Some(address) => Some(
            runtime
                .block_on(Listener::bind(address))
                .map_err(|error| channel_failure(&error))?,
        ),
        None => None,
    };

    let held = read_list(args, &args.held, ListRole::Held, &progress)?;
    let requested = read_list(args, &args.requested, ListRole::Requested, &progress)?;
    let terms = args.terms.terms(args.lists.schema());
    let role = if listener.is_some() {
        Role::Responder
    } else {
        Role::Initiator
    };
    let session = prepare(role, key, args.peer, &terms, &held, &requested, &progress)?;
    drop(held);

    let patience = Patience {
        stall: Duration::from_secs(args.stall.max(1)),
        ..Patience::default()
    };
    let outcome = runtime.block_on(async {
        let channel = tokio::select! {
            channel = open(args, listener, &tls, &progress) => channel?,
            () = interrupted() => return Err(Failure {
                message: "stopped before the peer was there".into(),
                hint: None,
                exit: Exit::Cancelled,
            }),
        };
        progress.say("The peer is there and has proved its key.");
        exchange(session, channel, &patience, &progress, interrupted()).await
    })?;

    let answers = graded(&requested, &outcome, &terms, args.terms.people());
    let results = Results::new(&requested, &answers);
    // What was learnt is shown even where it cannot be written.
    let written = output.map_or(Ok(()), |file| results.write(&file));
    show(args, &results, &outcome.session).map_err(|error| Failure {
        message: format!("stdout: {error}"),
        hint: None,
        exit: Exit::Failed,
    })?;
    written?;
    if let Some(path) = &args.output {
        progress.say(format!("The answers are in {}.", path.display()));
    }
    Ok(Exit::Clean)
}

fn show(args: &Args, results: &Results, session: &SessionId) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        let mut json = results.to_json();
        json["peer"] = args.peer.to_string().into();
        json["session"] = hex::encode(session.0).into();
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

async fn open(
    args: &Args,
    listener: Option<Listener>,
    tls: &PinnedTls,
    progress: &Progress,
) -> Result<Duplex, Failure> {
    let wait_s = args
        .wait
        .unwrap_or(if listener.is_some() { 600 } else { 60 });
    let limits = Limits {
        wait: Duration::from_secs(wait_s),
        ..Limits::default()
    };
    let channel = match (listener, &args.connect) {
        (Some(listener), _) => {
            progress.say(format!(
                "Waiting at {} for {}, for up to {wait_s} s.",
                listener.address(),
                args.peer
            ));
            let spinner = progress.spinner("waiting for the peer");
            let accepted = listener
                .accept(tls, &limits, |from, error| {
                    progress.say(format!(
                        "Turned away {from}: {}.",
                        channel_failure(&error).message
                    ));
                })
                .await;
            spinner.finish_and_clear();
            accepted
        }
        (None, address) => {
            let address = address.as_deref().unwrap_or_default();
            progress.say(format!(
                "Connecting to {} at {address}, for up to {wait_s} s.",
                args.peer
            ));
            let spinner = progress.spinner("connecting");
            let connected = connect(address, tls, &limits).await;
            spinner.finish_and_clear();
            connected
        }
    };
    channel.map_err(|error| channel_failure(&error))
}

fn read_list(
    args: &Args,
    path: &Path,
    role: ListRole,
    progress: &Progress,
) -> Result<List, Failure> {
    let what = match role {
        ListRole::Held => "held",
        ListRole::Requested => "requested",
    };
    let spinner = progress.spinner(&format!("reading the {what} list"));
    let options = ListOptions {
        wide: args.terms.wide,
        ..args.lists.options(role, role == ListRole::Requested)
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
        "Read the {what} list: {} people in {} rows",
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

/// Resolves when a person or the system asks the program to stop.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
