//! `tacit query`: ask all peers about a few people, and wait for the answers or not.

use std::path::{Path, PathBuf};

use super::answers;
use super::list_file::ListArgs;
use super::node_link::{NodeArgs, NodeLink, refusal};
use super::progress::Progress;
use super::row_errors::row_errors;
use super::status::standing;
use super::{Exit, Failure, output, table};
use admin::query::QueryAtPeer;
use admin::{Activity, QueryNumber};
use client::{Header, NewQuery};
use identity::list::{self, ListOptions};
use identity::{Field, List, ListKind};
use wire::control::convert::records::person_bytes;
use wire::control::{BATCH_PEOPLE_MAX, CONTROL_MESSAGE_BYTES_MAX};

/// Row errors shown before the rest is only counted.
const ERRORS_SHOWN_MAX: usize = 20;

/// Ask all peers of a running node about a person, or about the people of a short list
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    node: NodeArgs,

    /// At most 1000 people: CSV, XLSX or JSON lines
    #[arg(
        value_name = "FILE",
        required_unless_present_any = ["family", "withdraw", "wait"],
        conflicts_with = "family"
    )]
    file: Option<PathBuf>,

    #[command(flatten)]
    person: PersonArgs,

    #[command(flatten)]
    list: ListArgs,

    /// Ask even though some rows have errors, and leave those rows out
    #[arg(long)]
    skip_bad_rows: bool,

    /// Do not wait for the answers: tacit results shows them later
    #[arg(long)]
    detach: bool,

    /// Have sessions run at once, where policy allows it; the peers can then tell when somebody asked
    #[arg(long)]
    now: bool,

    /// Stop asking a query; the answers that came stay
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["file", "family", "detach"])]
    withdraw: Option<i64>,

    /// Wait for the answers to a query that was submitted before
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["file", "family", "detach", "withdraw"])]
    wait: Option<i64>,
}

/// One person, on the command line.
#[derive(clap::Args, Debug)]
struct PersonArgs {
    /// Family name
    #[arg(long, value_name = "NAME")]
    family: Option<String>,

    /// Given name
    #[arg(long, value_name = "NAME", requires = "family")]
    given: Option<String>,

    /// Patronymic
    #[arg(long, value_name = "NAME", requires = "family")]
    patronymic: Option<String>,

    /// Date of birth, as in 1990-02-03
    #[arg(long, value_name = "DATE", requires = "family")]
    born: Option<String>,

    /// Document number
    #[arg(long, value_name = "NUMBER", requires = "family")]
    document: Option<String>,

    /// Service number
    #[arg(long, value_name = "NUMBER", requires = "family")]
    service: Option<String>,

    /// Tax number
    #[arg(long, value_name = "NUMBER", requires = "family")]
    tax: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  tacit query --family Шевченко --given Тарас --born 1990-03-09
  tacit query asked.csv --detach        prints the query's number
  tacit query --wait 12                 waits for it again
  tacit query --withdraw 12

A query is asked in the sessions that run anyway, so that nobody outside can tell when it came. Others of
this machine can see a command line while it runs: give a file where that matters.

Exit code: 0 answered by every peer, or detached; 2 bad input; 3 refused; 5 the node cannot be reached;
130 stopped waiting (the query goes on).";

/// Runs the subcommand.
///
/// # Errors
/// Bad input, or a node that is not there or refuses.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let progress = Progress::new(false);
    if let Some(number) = args.withdraw {
        let node = args.node.connect()?;
        node.ask(node.client().withdraw_query(QueryNumber::new(number)))?;
        output::print(&format!("Query {number} is no longer asked."))?;
        return Ok(Exit::Clean);
    }
    if let Some(number) = args.wait {
        let node = args.node.connect()?;
        if args.now {
            run_now(&node, &progress);
        }
        return wait(&node, number, &progress);
    }
    let request = asked(args, &progress)?;
    let node = args.node.connect()?;
    let people = request.people.len();
    let number = node.ask(node.client().submit_query(request))?.number();
    if args.now {
        run_now(&node, &progress);
    }
    if args.detach {
        progress.say(format!(
            "Query {number} asks about {people} people; tacit results {number} shows the answers."
        ));
        output::print(&number.to_string())?;
        return Ok(Exit::Clean);
    }
    progress.say(format!("Query {number} asks about {people} people."));
    wait(&node, number, &progress)
}

fn run_now(node: &NodeLink, progress: &Progress) {
    match node.ask(node.client().run_now(None)) {
        Ok(peers) => progress.say(match peers {
            0 => "No peer's policy lets a session run at once. The query waits for the schedule.".to_owned(),
            1 => "A session runs at once. The peer can tell that somebody here asked at this moment.".to_owned(),
            peers => format!(
                "Sessions run at once with {peers} peers. They can tell that somebody here asked at this moment."
            ),
        }),
        Err(failure) => progress.say(format!(
            "Not at once: {}. The query waits for the schedule.",
            failure.message
        )),
    }
}

/// Reads whom the query is about.
fn asked(args: &Args, progress: &Progress) -> Result<NewQuery, Failure> {
    let options = args.list.options(ListKind::Requested, true);
    let (path, list) = match &args.file {
        Some(path) => (path.as_path(), args.list.read(path, &options, |_| ())?),
        None => (Path::new("the query"), one(args, &options)?),
    };
    let report = &list.report;
    for line in row_errors(path, &list, ERRORS_SHOWN_MAX) {
        progress.say(line);
    }
    if report.rows_with_errors > 0 && !args.skip_bad_rows {
        return Err(Failure::bad_input(
            format!(
                "{}: {} of {} rows have errors; nothing was asked",
                path.display(),
                report.rows_with_errors,
                report.rows
            ),
            "mend them, or leave them out with --skip-bad-rows",
        ));
    }
    if list.people.is_empty() || list.people.len() > BATCH_PEOPLE_MAX {
        return Err(Failure::bad_input(
            format!(
                "{}: a query is about 1 to {BATCH_PEOPLE_MAX} people, not {}",
                path.display(),
                list.people.len()
            ),
            "an officer imports longer lists: tacit list import requested FILE",
        ));
    }
    let header = Header {
        columns: list.header().to_vec(),
        schema: list.schema,
    };
    let people = list.people;
    let bytes: usize = people.iter().map(|person| person_bytes(person) + 8).sum();
    if bytes + 65_536 > CONTROL_MESSAGE_BYTES_MAX {
        return Err(Failure::bad_input(
            format!("{}: too much text for one query", path.display()),
            "leave out columns that the results do not need, or ask in several queries",
        ));
    }
    Ok(NewQuery { header, people })
}

/// The person of the command line, as a list of one.
fn one(args: &Args, options: &ListOptions) -> Result<List, Failure> {
    let person = &args.person;
    let fields = [
        (Field::FamilyName, &person.family),
        (Field::GivenName, &person.given),
        (Field::Patronymic, &person.patronymic),
        (Field::DateOfBirth, &person.born),
        (Field::DocumentNumber, &person.document),
        (Field::ServiceNumber, &person.service),
        (Field::TaxId, &person.tax),
    ];
    let mut row = vec![(Field::RecordId.name(), "1")];
    // A list has both names as columns, also where a cell is empty.
    for (field, value) in fields {
        if value.is_some() || field == Field::GivenName {
            row.push((field.name(), value.as_deref().unwrap_or("")));
        }
    }
    let options = ListOptions {
        // Of a file's columns; these have the fields' own names.
        columns: Vec::new(),
        ..options.clone()
    };
    list::read_row(&row, args.list.schema(), &options).map_err(|error| {
        Failure::bad_input(
            error.to_string(),
            "give --family and --given with --born, or a number: --document, --service, --tax",
        )
    })
}

/// Waits until every peer has answered, and shows the answers.
fn wait(node: &NodeLink, number: i64, progress: &Progress) -> Result<Exit, Failure> {
    let spinner = progress.spinner("waiting for the peers");
    let waited = node.block_on(async {
        let watching = watch(node, number, progress);
        tokio::select! {
            watched = watching => watched.map(|()| true),
            _ = tokio::signal::ctrl_c() => Ok(false),
        }
    });
    spinner.finish_and_clear();
    match waited {
        Ok(true) => answers::fetch(node, Some(number), false)?.show(),
        Ok(false) => {
            progress.say(format!(
                "Stopped waiting. Query {number} goes on: tacit results {number} shows its answers, \
                 tacit query --wait {number} waits again, tacit query --withdraw {number} ends it."
            ));
            Ok(Exit::Cancelled)
        }
        Err(mut failure) => {
            if failure.exit == Exit::Unreachable {
                failure.message = format!(
                    "{}; query {number} is kept and goes on when the node runs",
                    failure.message
                );
            }
            Err(failure)
        }
    }
}

async fn watch(node: &NodeLink, number: i64, progress: &Progress) -> Result<(), Failure> {
    let updates = node.client().watch_query(QueryNumber::new(number)).await;
    let mut updates = updates.map_err(|error| refusal(&error))?;
    let mut said: Vec<(i64, String)> = Vec::new();
    while let Some(peers) = updates.next().await.map_err(|error| refusal(&error))? {
        if peers.is_empty() && said.is_empty() {
            progress.say("No peer is paired yet: an officer does that with tacit peer add.");
            said.push((0, String::new()));
        }
        for peer in &peers {
            let line = told(peer);
            let known = said
                .iter_mut()
                .find(|(number, _)| *number == peer.peer.number());
            match known {
                Some((_, known)) if *known == line => {}
                Some((_, known)) => {
                    progress.say(&line);
                    *known = line;
                }
                None => {
                    progress.say(&line);
                    said.push((peer.peer.number(), line));
                }
            }
        }
    }
    Ok(())
}

/// How a query stands with a peer, in words. Without how far a session is: that changes all the time.
fn told(peer: &QueryAtPeer) -> String {
    let name = table::printable(&peer.name);
    if let Some(at) = peer.answered {
        return format!("{name}: answered at {}", table::time(at));
    }
    let mut pair = peer.pair.clone();
    if let Activity::Running { done, all } = &mut pair.activity {
        (*done, *all) = (0, 0);
    }
    format!("{name}: not yet; {}", standing(&pair))
}
