//! `tacit list`: the two standing lists of a node. They are read and hashed here; the node gets record
//! ids, hashed keys, and of the requested list the cells that come back with the answers.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::list_file::{self, ListArgs};
use super::node_link::{NodeArgs, NodeLink, refusal};
use super::progress::Progress;
use super::row_errors::row_errors_in;
use super::{Exit, Failure, output, table};
use admin::list::{Imported, StoredList};
use client::{Header, ImportPart};
use identity::list::{self, ListReport};
use identity::{ListError, Person};
use protocol::ListKind;
use wire::control::BATCH_PEOPLE_MAX;
use wire::control::convert::records::person_bytes;

/// Row errors shown before the rest is only counted.
const ERRORS_SHOWN_MAX: usize = 20;
/// Bytes of records in one message; one record alone may have more.
const BATCH_BYTES: usize = 256 << 10;
/// Rows between two words about how far it is.
const ROWS_TOLD: u64 = 10_000;
/// Messages between the file and the node.
const MESSAGES_WAITING_MAX: usize = 4;

/// Import, show and withdraw the lists of a running node
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tacit list import held held.csv              puts it in the place of the held list
  tacit list import requested requested.xlsx --skip-bad-rows
  tacit list show
  tacit list withdraw requested

Exit code: 0 done; 2 bad input; 3 refused; 5 the node cannot be reached.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Put a list in the place of the one before; all of it or nothing
    #[command(after_help = "Example:\n  tacit list import held held.csv")]
    Import(ImportArgs),
    /// Show what the node has
    #[command(after_help = "Example:\n  tacit list show --json")]
    Show(ShowArgs),
    /// Take a list out with all its records
    #[command(after_help = "Example:\n  tacit list withdraw requested")]
    Withdraw(WithdrawArgs),
}

/// One of the two lists by its name, with a line of help for each.
fn list_kind() -> impl TypedValueParser<Value = ListKind> {
    let value = |kind: ListKind, help| PossibleValue::new(kind.name()).help(help);
    PossibleValuesParser::new([
        value(ListKind::Held, "The people this side holds"),
        value(
            ListKind::Requested,
            "The people it asks about in every session",
        ),
    ])
    .map(|name| match name.as_str() {
        "held" => ListKind::Held,
        _ => ListKind::Requested,
    })
}

#[derive(clap::Args, Debug)]
struct ImportArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// Which of the two lists it is
    #[arg(value_parser = list_kind())]
    which: ListKind,

    /// The list: CSV (UTF-8, UTF-16, windows-1251), XLSX or JSON lines
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    list: ListArgs,

    /// Import even though some rows have errors, and leave those rows out
    #[arg(long)]
    skip_bad_rows: bool,

    /// Print what changed as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
struct ShowArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
struct WithdrawArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// Which of the two lists
    #[arg(value_parser = list_kind())]
    which: ListKind,
}

/// Runs the subcommand.
///
/// # Errors
/// A file that is no good list, or a node that is not there or refuses.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Command::Import(args) => import(args),
        Command::Show(args) => show(args),
        Command::Withdraw(args) => {
            let node = args.node.connect()?;
            node.ask(node.client().withdraw_list(args.which))?;
            output::print(&format!("The {} list is withdrawn.", args.which.name()))?;
            Ok(Exit::Clean)
        }
    }
}

fn import(args: &ImportArgs) -> Result<Exit, Failure> {
    let progress = Progress::new(false);
    let file = list_file::open(&args.file)?;
    let node = args.node.connect()?;
    let spinner = progress.spinner(&format!("importing the {} list", args.which.name()));
    let (feed, mut fed) = mpsc::channel(MESSAGES_WAITING_MAX);
    let reading = {
        let (which, list, path) = (args.which, args.list.clone(), args.file.clone());
        let (skip, rows) = (args.skip_bad_rows, spinner.clone());
        std::thread::spawn(move || read_into(feed, file, which, &list, &path, skip, &rows))
    };
    let imported = node.block_on(async {
        // The node is asked only once there is something to send: a workbook takes its time.
        let first = fed.recv().await?;
        let messages = tokio_stream::once(first).chain(ReceiverStream::new(fed));
        Some(node.client().import_list(messages).await)
    });
    let read = reading
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    spinner.finish_and_clear();
    for line in read.notes {
        progress.say(line);
    }
    // What is wrong with the file comes before that the node did not get to its end.
    let report = read.outcome?;
    let changed = match imported {
        Some(Ok(imported)) => imported,
        Some(Err(error)) => return Err(refusal(&error)),
        None => return Err(Failure::list(&args.file, &ListError::Empty)),
    };
    tell(args, &report, &changed, &progress)?;
    warn_of_ceilings(&node, args.which, &changed, &progress);
    Ok(Exit::Clean)
}

fn tell(
    args: &ImportArgs,
    report: &ListReport,
    imported: &Imported,
    progress: &Progress,
) -> Result<(), Failure> {
    let changed = &imported.change;
    if args.json {
        return output::print(
            &json!({
                "list": args.which.name(), "people": changed.people, "added": changed.added,
                "changed": changed.changed, "removed": changed.removed,
                "unchanged": changed.unchanged, "rows_left_out": report.rows_left_out,
                "keys": {"narrow": imported.narrow_elements, "wide": imported.wide_elements},
            })
            .to_string(),
        );
    }
    output::print(&format!(
        "The {} list has {} people: {} added, {} changed, {} removed, {} unchanged.",
        args.which.name(),
        changed.people,
        changed.added,
        changed.changed,
        changed.removed,
        changed.unchanged
    ))?;
    if report.rows_left_out > 0 {
        progress.say(format!("{} rows were left out.", report.rows_left_out));
    }
    if report.people_twice > 0 {
        progress.say(format!(
            "{} records look like an earlier one's person; each keeps its own answer.",
            report.people_twice
        ));
    }
    if changed.people == 0 {
        progress.say("Note: nobody is in it, so nobody can be found in it.");
    }
    Ok(())
}

/// Says where the list may be larger than what was agreed with a peer. Only a warning, so that what
/// fails here is nobody's business.
fn warn_of_ceilings(node: &NodeLink, which: ListKind, imported: &Imported, progress: &Progress) {
    let Ok(peers) = node.ask(node.client().peers()) else {
        return;
    };
    for entry in peers.into_iter().map(|peer| peer.entry) {
        let classes = [
            (
                "narrow",
                Some(entry.policy.narrow),
                imported.narrow_elements,
            ),
            ("wide", entry.policy.wide, imported.wide_elements),
        ];
        for (name, class, elements) in classes {
            let ceiling = class.map(|class| match which {
                ListKind::Held => class.own.held,
                ListKind::Requested => class.own.requested,
            });
            if let Some(ceiling) = ceiling.filter(|ceiling| u64::from(*ceiling) < elements) {
                progress.say(format!(
                    "warning: up to {elements} {name} keys are more than the {ceiling} agreed with \
                     {}; tacit peer change raises that, on both sides",
                    entry.name
                ));
            }
        }
    }
}

/// What came of reading the file.
struct Read {
    outcome: Result<ListReport, Failure>,
    notes: Vec<String>,
}

/// Reads the file and hands it on in messages. Without the last one the node changes nothing.
fn read_into(
    feed: mpsc::Sender<ImportPart>,
    file: std::fs::File,
    which: ListKind,
    args: &ListArgs,
    path: &Path,
    skip_bad_rows: bool,
    rows: &indicatif::ProgressBar,
) -> Read {
    let carries = which == ListKind::Requested;
    let schema = args.schema();
    let sender = std::cell::RefCell::new(Sender {
        feed: Some(feed),
        batch: Vec::new(),
        bytes: 0,
        people: 0,
    });
    let mut read = 0_u64;
    let scanned = list::scan_under(
        file,
        schema,
        &args.options(which, carries),
        |columns| {
            let header = Header {
                columns: match carries {
                    true => columns.header().to_vec(),
                    false => Vec::new(),
                },
                schema,
            };
            let kind = which;
            sender.borrow_mut().send(ImportPart::Start { kind, header });
        },
        |row| {
            let mut sender = sender.borrow_mut();
            read += 1;
            if read.is_multiple_of(ROWS_TOLD) {
                rows.set_message(format!("importing the {} list: {read} rows", which.name()));
            }
            let has_errors = row
                .issues
                .iter()
                .any(|issue| issue.reason.severity() == identity::Severity::Error);
            if has_errors && !skip_bad_rows {
                // The import is over; the rest is read for its errors.
                sender.feed = None;
            }
            if row.is_used() {
                sender.add(Person {
                    line: row.line,
                    record_id: row.record_id,
                    columns: carries.then_some(row.cells),
                    keys: row.keys,
                });
            }
        },
    );
    let (columns, report) = match scanned {
        Ok(scanned) => scanned,
        Err(error) => {
            return Read {
                outcome: Err(Failure::list(path, &error)),
                notes: Vec::new(),
            };
        }
    };
    let notes = row_errors_in(path, &report, &columns, ERRORS_SHOWN_MAX);
    let outcome = if report.rows_with_errors > 0 && !skip_bad_rows {
        Err(Failure::bad_input(
            format!(
                "{}: {} of {} rows have errors; the node's list is what it was",
                path.display(),
                report.rows_with_errors,
                report.rows
            ),
            format!(
                "mend them (tacit check {} shows how each is read), or leave them out with --skip-bad-rows",
                path.display()
            ),
        ))
    } else {
        sender.into_inner().finish();
        Ok(report)
    };
    Read { outcome, notes }
}

/// Gathers records into messages. Once nobody takes them any more, they are dropped.
struct Sender {
    feed: Option<mpsc::Sender<ImportPart>>,
    batch: Vec<Person>,
    bytes: usize,
    people: u64,
}

impl Sender {
    fn add(&mut self, person: Person) {
        if self.feed.is_none() {
            return;
        }
        let bytes = person_bytes(&person);
        if self.batch.len() == BATCH_PEOPLE_MAX
            || !self.batch.is_empty() && self.bytes + bytes > BATCH_BYTES
        {
            self.flush();
        }
        self.bytes += bytes;
        self.people += 1;
        self.batch.push(person);
    }

    fn flush(&mut self) {
        if !self.batch.is_empty() {
            let people = std::mem::take(&mut self.batch);
            self.bytes = 0;
            self.send(ImportPart::Batch(people));
        }
    }

    fn finish(mut self) {
        self.flush();
        let people = self.people;
        self.send(ImportPart::End { people });
    }

    fn send(&mut self, part: ImportPart) {
        let sent = self.feed.as_ref().map(|feed| feed.blocking_send(part));
        if matches!(sent, Some(Err(_))) {
            self.feed = None;
        }
    }
}

fn show(args: &ShowArgs) -> Result<Exit, Failure> {
    let node = args.node.connect()?;
    let stored = node.ask(node.client().lists())?;
    let lists = [("held", stored.held), ("requested", stored.requested)];
    if args.json {
        let list = |list: &Option<StoredList>| {
            list.as_ref().map(|list| {
                json!({
                    "people": list.people, "schema": list.schema, "columns": list.columns,
                    "imported": list.imported.to_string(),
                })
            })
        };
        let lists = json!({"held": list(&lists[0].1), "requested": list(&lists[1].1)});
        output::print(&lists.to_string())?;
        return Ok(Exit::Clean);
    }
    let mut shown = table::with_header(["list", "people", "imported", "schema", "columns kept"]);
    for (name, list) in lists {
        let cells = match list {
            None => [
                name.to_owned(),
                "none".into(),
                String::new(),
                String::new(),
                String::new(),
            ],
            Some(list) => [
                name.to_owned(),
                list.people.to_string(),
                table::time(list.imported),
                list.schema,
                table::printable(&list.columns.join(", ")),
            ],
        };
        shown.add_row(cells);
    }
    output::print(&shown.to_string())?;
    Ok(Exit::Clean)
}
