//! `tacit sessions`, `tacit approve`, `tacit refuse`: what ran, what waits for an officer, and the decision.

use jiff::Timestamp;
use serde_json::json;

use super::node_link::NodeArgs;
use super::{Exit, Failure, output, table};
use admin::session::{ApprovalSummary, SessionSummary};
use admin::{ApprovalNumber, Decision, Stage};
use client::Newest;

/// Show the last sessions with their outcome, and those that wait for an officer
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    node: NodeArgs,

    /// How many, 1000 at most
    #[arg(long, value_name = "COUNT", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1000))]
    last: u32,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Example:
  tacit sessions --last 5

Exit code: 0 done; 3 refused; 5 the node cannot be reached.";

/// Let a session run that waits for an officer
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  tacit approve 3      tacit sessions shows which wait")]
pub struct ApproveArgs {
    #[command(flatten)]
    decision: DecisionArgs,
}

/// Do not let a session run that waits for an officer
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  tacit refuse 3      tacit sessions shows which wait")]
pub struct RefuseArgs {
    #[command(flatten)]
    decision: DecisionArgs,
}

#[derive(clap::Args, Debug)]
struct DecisionArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// The number of what waits
    #[arg(value_name = "ID")]
    number: i64,
}

/// Runs `tacit sessions`.
///
/// # Errors
/// A node that is not there or refuses.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let node = args.node.connect()?;
    let sessions = node.ask(node.client().sessions(Newest(args.last)))?;
    let waiting = node.ask(node.client().approvals())?;
    if args.json {
        output::print(&to_json(&sessions, &waiting).to_string())?;
        return Ok(Exit::Clean);
    }
    for approval in &waiting {
        let (number, at) = (approval.number, table::time(approval.asked));
        let peer = table::printable(&approval.peer_name);
        output::print(&match approval.approved {
            true => format!("A session with {peer} is approved and has not begun."),
            false => format!(
                "A session with {peer} waits since {at}: tacit approve {number}, or tacit refuse {number}"
            ),
        })?;
    }
    if sessions.is_empty() {
        output::print("No session yet.")?;
        return Ok(Exit::Clean);
    }
    let mut shown = table::with_header(["", "peer", "begun", "ended", "outcome", "whose doing"]);
    for session in sessions {
        let (ended, outcome, blame) = end(session.stage);
        shown.add_row([
            session.number.to_string(),
            table::printable(&session.peer_name),
            table::time(session.started),
            table::time_or(ended, ""),
            outcome.unwrap_or(session.stage.name()).replace('_', " "),
            blame.unwrap_or_default().to_owned(),
        ]);
    }
    output::print(&shown.to_string())?;
    Ok(Exit::Clean)
}

/// When a session ended, how, and whose doing that was.
fn end(
    stage: Stage,
) -> (
    Option<Timestamp>,
    Option<&'static str>,
    Option<&'static str>,
) {
    match stage {
        Stage::Committed | Stage::Signed => (None, None, None),
        Stage::Ended { at, outcome, blame } => (
            Some(at),
            Some(outcome.name()),
            blame.map(|blame| blame.name()),
        ),
    }
}

fn to_json(sessions: &[SessionSummary], waiting: &[ApprovalSummary]) -> serde_json::Value {
    let session = |session: &SessionSummary| {
        let (ended, outcome, blame) = end(session.stage);
        json!({
            "number": session.number, "peer": session.peer_name, "started": session.started.to_string(),
            "id": session.id.map(|id| hex::encode(id.0)), "stage": session.stage.name(),
            "ended": ended.map(|at| at.to_string()), "outcome": outcome, "blame": blame,
        })
    };
    let approval = |approval: &ApprovalSummary| {
        json!({
            "number": approval.number, "peer": approval.peer_name, "asked": approval.asked.to_string(),
            "approved": approval.approved,
        })
    };
    json!({
        "sessions": sessions.iter().map(session).collect::<Vec<_>>(),
        "approvals": waiting.iter().map(approval).collect::<Vec<_>>(),
    })
}

/// Runs `tacit approve`.
///
/// # Errors
/// Nothing waits under this number, or the node is not there or refuses.
pub fn approve(args: &ApproveArgs) -> Result<Exit, Failure> {
    decide(&args.decision, true)
}

/// Runs `tacit refuse`.
///
/// # Errors
/// As [`approve`].
pub fn refuse(args: &RefuseArgs) -> Result<Exit, Failure> {
    decide(&args.decision, false)
}

fn decide(args: &DecisionArgs, approved: bool) -> Result<Exit, Failure> {
    let node = args.node.connect()?;
    let approval = ApprovalNumber::new(args.number);
    node.ask(node.client().decide(Decision { approval, approved }))?;
    output::print(if approved { "Approved." } else { "Refused." })?;
    Ok(Exit::Clean)
}
