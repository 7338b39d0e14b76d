//! `tacit results`: the answers to a query, or about the standing requested list.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use serde_json::json;

use super::node_link::{NodeArgs, NodeLink, refusal, strange};
use super::results::{ResultRow, Results, ResultsFile};
use super::{Exit, Failure, output, table};
use admin::QueryNumber;
use admin::answer::{AnsweringPeer, RecordAnswers, ResultsHeader};
use admin::query::QuerySummary;
use client::{FoundOnly, ResultsPart};
use identity::list::Cells;
use identity::{Answer, KeyKind, Person};

/// Rows of the table on a terminal; elsewhere it has all.
const TABLE_ROWS_MAX: usize = 200;

/// Show the answers to a query of yours, or about the standing requested list
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    node: NodeArgs,

    /// The query's number; without one the answers about the standing requested list
    #[arg(value_name = "NUMBER")]
    query: Option<i64>,

    /// List your queries instead
    #[arg(long, conflicts_with_all = ["query", "output", "csv", "found"])]
    queries: bool,

    /// Only records that a peer was found to hold
    #[arg(long)]
    found: bool,

    /// Print JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,

    /// Print CSV
    #[arg(long)]
    csv: bool,

    /// Write the answers here; the ending says how: .csv, .xlsx or .json
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Overwrite the output file if it is there
    #[arg(long, requires = "output")]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  tacit results 12                     of query 12
  tacit results --found --output found.xlsx    of the standing list
  tacit results --queries

Exit code: 0 done; 2 bad input; 3 refused; 5 the node cannot be reached.";

/// Answers as the node sent them.
pub struct Answers {
    header: ResultsHeader,
    people: Vec<Person>,
    /// Of each person one answer of each peer.
    answers: Vec<Vec<(Option<Answer>, Vec<KeyKind>)>>,
}

/// Runs the subcommand.
///
/// # Errors
/// A node that is not there or refuses, or output that cannot be written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let file = match &args.output {
        Some(path) => Some(ResultsFile::at(path, args.force)?),
        None => None,
    };
    let node = args.node.connect()?;
    if args.queries {
        return queries(&node, args.json);
    }
    let mut answers = fetch(&node, args.query, args.found)?;
    if args.found {
        answers.keep_found();
    }
    let results = answers.results();
    if let (Some(file), Some(path)) = (&file, &args.output) {
        results.write(file)?;
        eprintln!("The answers are in {}.", path.display());
    }
    let mut out = std::io::stdout().lock();
    let printed = if args.json {
        let mut json = results.to_json();
        json["query"] = json!(args.query);
        json["peers"] = answers.peers_json();
        serde_json::to_writer_pretty(&mut out, &json)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(out))
    } else if args.csv {
        results.write_csv(&mut out)
    } else if file.is_some() {
        writeln!(out, "{}", results.count_line())
    } else {
        return answers.show();
    };
    match printed {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::bad_input(
            format!("stdout: {error}"),
            "is the disk full?",
        )),
        _ => Ok(Exit::Clean),
    }
}

/// Fetches the answers to a query, or about the standing list.
///
/// # Errors
/// What the node refuses.
pub fn fetch(node: &NodeLink, query: Option<i64>, found_only: bool) -> Result<Answers, Failure> {
    node.block_on(async {
        let parts = match query {
            Some(number) => node.client().query_results(QueryNumber::new(number)).await,
            None => node.client().standing_results(FoundOnly(found_only)).await,
        };
        let mut parts = parts.map_err(|error| refusal(&error))?;
        let mut next = async || parts.next().await.map_err(|error| refusal(&error));
        let Some(ResultsPart::Header(header)) = next().await? else {
            return Err(strange());
        };
        let mut answers = Answers {
            header,
            people: Vec::new(),
            answers: Vec::new(),
        };
        while let Some(part) = next().await? {
            let ResultsPart::Records(records) = part else {
                return Err(strange());
            };
            for record in records {
                answers.add(record).ok_or_else(strange)?;
            }
        }
        answers.sort();
        Ok(answers)
    })
}

impl Answers {
    fn add(&mut self, record: RecordAnswers) -> Option<()> {
        if record.answers.len() != self.header.peers.len() {
            return None;
        }
        self.people.push(Person {
            line: record.line,
            record_id: record.record_id.into(),
            columns: Some(Cells::new(record.cells.iter().map(String::as_str))),
            keys: Vec::new(),
        });
        let answers = record.answers.into_iter();
        let answers = answers.map(|answer| (answer.answer, answer.kinds));
        self.answers.push(answers.collect());
        Some(())
    }

    /// The order of the file.
    fn sort(&mut self) {
        let people = std::mem::take(&mut self.people);
        let answers = std::mem::take(&mut self.answers);
        let mut both: Vec<_> = people.into_iter().zip(answers).collect();
        both.sort_by_key(|(person, _)| person.line);
        (self.people, self.answers) = both.into_iter().unzip();
    }

    fn keep_found(&mut self) {
        let people = std::mem::take(&mut self.people);
        let answers = std::mem::take(&mut self.answers);
        let found = |answers: &[(Option<Answer>, _)]| {
            let mut answers = answers.iter();
            answers.any(|(answer, _)| answer.is_some_and(|answer| answer != Answer::None))
        };
        let both = people.into_iter().zip(answers);
        let both = both.filter(|(_, answers)| found(answers));
        (self.people, self.answers) = both.unzip();
    }

    /// One row for each record and peer.
    fn results(&self) -> Results<'_> {
        let mut rows = Vec::with_capacity(self.people.len() * self.header.peers.len());
        for (person, answers) in self.people.iter().zip(&self.answers) {
            for (peer, (answer, kinds)) in self.header.peers.iter().zip(answers) {
                rows.push(ResultRow {
                    person,
                    answer: *answer,
                    kinds,
                    peer: Some(&peer.name),
                });
            }
        }
        Results::of_peers(&self.header.columns, rows)
    }

    fn peers_json(&self) -> serde_json::Value {
        let peer = |peer: &AnsweringPeer| json!({"name": peer.name, "answered": peer.answered.to_string(), "asked": peer.asked});
        self.header.peers.iter().map(peer).collect()
    }

    /// Prints a table for eyes.
    ///
    /// # Errors
    /// Output that fails.
    pub fn show(&self) -> Result<Exit, Failure> {
        if self.header.peers.is_empty() {
            output::print("No peer has answered yet.")?;
            return Ok(Exit::Clean);
        }
        let results = self.results();
        let rows_max = match std::io::stdout().is_terminal() {
            true => TABLE_ROWS_MAX,
            false => usize::MAX,
        };
        output::print(&results.table(rows_max))?;
        output::print(&results.count_line())?;
        for peer in &self.header.peers {
            let (name, at) = (table::printable(&peer.name), table::time(peer.answered));
            output::print(&format!("{name} answered at {at}."))?;
        }
        Ok(Exit::Clean)
    }
}

fn queries(node: &NodeLink, json: bool) -> Result<Exit, Failure> {
    let queries = node.ask(node.client().queries())?;
    if json {
        let query = |query: &QuerySummary| json!({"number": query.number, "submitted": query.submitted.to_string(), "open": query.open});
        let queries: Vec<_> = queries.iter().map(query).collect();
        output::print(&json!(queries).to_string())?;
        return Ok(Exit::Clean);
    }
    if queries.is_empty() {
        output::print("You have asked nothing yet; tacit query asks.")?;
        return Ok(Exit::Clean);
    }
    let mut shown = table::with_header(["query", "submitted", ""]);
    for query in queries {
        let state = if query.open { "is asked" } else { "withdrawn" };
        shown.add_row([
            query.number.to_string(),
            table::time(query.submitted),
            state.to_owned(),
        ]);
    }
    output::print(&shown.to_string())?;
    Ok(Exit::Clean)
}
