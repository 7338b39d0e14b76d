//! The command line: one file a subcommand.

mod advice;
pub mod answers;
mod asking;
pub mod audit;
pub mod bench_matching;
pub mod check;
pub mod client;
pub mod completions;
mod delivery;
pub mod demo;
pub mod explain;
pub mod failure;
mod finish;
pub mod home;
pub mod id;
pub mod list;
pub mod list_file;
pub mod match_lists;
pub mod node;
pub mod node_link;
pub mod output;
pub mod passphrase;
pub mod peer;
mod progress;
pub mod query;
pub mod relay;
pub mod results;
pub mod route;
mod row_errors;
mod runtime;
pub mod schema;
mod session;
pub mod sessions;
pub mod status;
mod stops;
pub mod table;
mod terms;

use clap::{CommandFactory, Parser, Subcommand};

pub use failure::{Exit, Failure};

/// Match two delegations' lists of people: each side learns which of those it asks about the other
/// holds, both at the same moment, and nothing beyond that
#[derive(Parser)]
#[command(name = "tacit", version, about, max_term_width = 100, after_help = TOUR)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const TOUR: &str = "\
To begin with:
  tacit demo                    see two invented delegations match, on this machine
  tacit id                      make this node's key; send the id, read the words over the telephone
  tacit check held.csv          see how each row of a list is read
  tacit match --help            match with a peer, once
  tacit relay --help            host a relay with its mediator

With a node that runs:
  tacit node --help                  run it
  tacit list import held held.csv    give it the lists
  tacit peer add --help              pair it with a peer
  tacit query --help                 ask about a person
  tacit status                       see how it stands with its peers";

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Id(id::IdArgs),
    Check(check::Args),
    Explain(explain::Args),
    Match(Box<match_lists::Args>),
    Node(node::Args),
    Relay(relay::Args),
    List(list::Args),
    Peer(peer::Args),
    Query(query::Args),
    Results(answers::Args),
    Sessions(sessions::Args),
    Approve(sessions::ApproveArgs),
    Refuse(sessions::RefuseArgs),
    Status(status::Args),
    Audit(audit::Args),
    Client(client::Args),
    Passphrase(passphrase::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    /// Measure how well people are found, on lists whose truth is known
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Subcommand)]
enum Bench {
    Matching(bench_matching::Args),
}

/// Runs what was asked for.
///
/// # Errors
/// What went wrong, with a hint and the exit code.
pub fn run(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Id(args) => id::run(&args, &mut std::io::stdout().lock())
            .map(|()| Exit::Clean)
            .map_err(|error| Failure::id(&error)),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Match(args) => match_lists::run(&args),
        Command::Node(args) => node::run(&args),
        Command::Relay(args) => relay::run(&args),
        Command::List(args) => list::run(&args),
        Command::Peer(args) => peer::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Results(args) => answers::run(&args),
        Command::Sessions(args) => sessions::run(&args),
        Command::Approve(args) => sessions::approve(&args),
        Command::Refuse(args) => sessions::refuse(&args),
        Command::Status(args) => status::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Client(args) => client::run(&args),
        Command::Passphrase(args) => passphrase::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args, &mut Cli::command()),
        Command::Bench(Bench::Matching(args)) => bench_matching::run(&args),
    }
}
