//! `tacit client`: who may use a node, as what.

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::node_link::NodeArgs;
use super::{Exit, Failure, output, table};
use admin::{Client, ClientNumber, ClientRole, Credential, NewClient, RoleChange};
use pairing::NodeId;

/// Say who may use a running node, as clerk, officer or auditor
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tacit client enrol desk-3 --role clerk --key tacit1…    a key: what tacit id prints there
  tacit client enrol records --role auditor --user 1003   a user of the node's machine
  tacit client role 2 officer
  tacit client list

Exit code: 0 done; 2 bad input; 3 refused; 5 the node cannot be reached.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Let somebody use the node
    #[command(after_help = "Example:\n  tacit client enrol desk-3 --role clerk --key tacit1…")]
    Enrol(EnrolArgs),
    /// List who may
    #[command(after_help = "Example:\n  tacit client list --json")]
    List(ListArgs),
    /// Give a client another role
    #[command(after_help = "Example:\n  tacit client role 2 officer")]
    Role(RoleArgs),
    /// Shut a client out; its queries and answers stay
    #[command(after_help = "Example:\n  tacit client remove 2")]
    Remove(RemoveArgs),
}

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum As {
    /// Submits queries and reads its own answers
    Clerk,
    /// Keeps lists, peers, clients and approvals; may ask as well
    Officer,
    /// Reads the audit log and receipts, and nothing else
    Auditor,
}

impl From<As> for ClientRole {
    fn from(role: As) -> Self {
        match role {
            As::Clerk => Self::Clerk,
            As::Officer => Self::Officer,
            As::Auditor => Self::Auditor,
        }
    }
}

#[derive(clap::Args, Debug)]
struct EnrolArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// What you call it
    name: String,

    /// What it may do
    #[arg(long, value_enum)]
    role: As,

    /// A key, as the id that tacit id prints on the client's machine
    #[arg(
        long,
        value_name = "ID",
        required_unless_present = "user",
        conflicts_with = "user"
    )]
    key: Option<NodeId>,

    /// A user of the node's machine, by name or number
    #[arg(long, value_name = "USER", value_parser = user)]
    user: Option<u32>,
}

#[derive(clap::Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
struct RoleArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// Its number
    number: i64,

    /// What it may do from now on
    #[arg(value_enum)]
    role: As,
}

#[derive(clap::Args, Debug)]
struct RemoveArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// Its number
    number: i64,
}

/// Runs the subcommand.
///
/// # Errors
/// Bad input, or a node that is not there or refuses.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Command::Enrol(args) => enrol(args),
        Command::List(args) => list(args),
        Command::Role(args) => {
            let node = args.node.connect()?;
            let change = RoleChange {
                client: ClientNumber::new(args.number),
                role: args.role.into(),
            };
            node.ask(node.client().change_role(change))?;
            let role = ClientRole::from(args.role).name();
            output::print(&format!("Client {} is {role} now.", args.number))?;
            Ok(Exit::Clean)
        }
        Command::Remove(args) => {
            let node = args.node.connect()?;
            let number = args.number;
            node.ask(node.client().remove_client(ClientNumber::new(number)))?;
            output::print(&format!("Client {number} is shut out."))?;
            Ok(Exit::Clean)
        }
    }
}

fn enrol(args: &EnrolArgs) -> Result<Exit, Failure> {
    let credential = match (args.key, args.user) {
        (Some(key), _) => Credential::Key(key),
        (None, Some(user)) => Credential::User(user),
        (None, None) => {
            return Err(Failure::bad_input("who is it?", "give --key or --user"));
        }
    };
    let node = args.node.connect()?;
    let new = NewClient {
        name: args.name.clone(),
        role: args.role.into(),
        credential,
    };
    let number = node.ask(node.client().enrol_client(new))?;
    let role = ClientRole::from(args.role).name();
    output::print(&format!(
        "{} is enrolled as {role}, number {number}.",
        args.name
    ))?;
    Ok(Exit::Clean)
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let node = args.node.connect()?;
    let clients = node.ask(node.client().clients())?;
    let known_by = |client: &Client| match client.credential {
        Credential::User(user) => format!("user {user}"),
        Credential::Key(key) => key.to_string(),
    };
    if args.json {
        let client = |client: &Client| {
            json!({
                "number": client.number.number(), "name": client.name,
                "role": client.role.name(), "credential": known_by(client),
            })
        };
        let clients: Vec<_> = clients.iter().map(client).collect();
        output::print(&json!(clients).to_string())?;
        return Ok(Exit::Clean);
    }
    let mut shown = table::with_header(["", "client", "role", "known by"]);
    for client in &clients {
        shown.add_row([
            client.number.to_string(),
            table::printable(&client.name),
            client.role.name().to_owned(),
            known_by(client),
        ]);
    }
    output::print(&shown.to_string())?;
    Ok(Exit::Clean)
}

/// A user's number, also by its name in this machine's list of users.
fn user(text: &str) -> Result<u32, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut fields = users.lines().map(|line| line.split(':'));
    let number = fields.find_map(|mut fields| {
        (fields.next() == Some(text)).then(|| fields.nth(1)?.parse().ok())?
    });
    number.ok_or_else(|| "no such user; give the number, which id -u prints".to_owned())
}
