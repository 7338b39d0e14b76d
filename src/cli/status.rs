//! `tacit status`: how a running node stands with its peers.

use serde_json::json;

use super::node_link::NodeArgs;
use super::{Exit, Failure, output, table};
use node::control::forms;
use wire::control::{self as pb, BudgetLeft, Doing, PairStatus};

/// Show a running node's lists, and how it stands with each peer: what it does, what is next, what went
/// wrong, what is left of the budgets
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    node: NodeArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Example:
  tacit status

Exit code: 0 done; 3 refused; 5 the node cannot be reached.";

/// Runs the subcommand.
///
/// # Errors
/// A node that is not there or refuses.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let node = args.node.connect()?;
    let status = node.ask(node.calls().get_status(pb::GetStatusRequest {}))?;
    if args.json {
        output::print(&to_json(&status).to_string())?;
        return Ok(Exit::Clean);
    }
    let people = |people: Option<u64>| match people {
        Some(people) => format!("{people} people"),
        None => "none".into(),
    };
    output::print(&format!(
        "Node {}\nheld list: {}; requested list: {}",
        status.id,
        people(status.held_people),
        people(status.requested_people)
    ))?;
    if status.peers.is_empty() {
        output::print("No peers; tacit peer add pairs with one.")?;
        return Ok(Exit::Clean);
    }
    let mut shown = table::with_header([
        "peer",
        "now",
        "last answers",
        "it may still ask",
        "we may still ask",
    ]);
    for peer in status.peers {
        let pair = peer.pair.unwrap_or_default();
        shown.add_row([
            table::printable(&peer.name),
            standing(&pair),
            table::time_or(pair.answered_ms, "not since the node started"),
            budget(&peer.theirs),
            budget(&peer.ours),
        ]);
    }
    output::print(&shown.to_string())?;
    Ok(Exit::Clean)
}

/// What the node does about a peer, and why nothing has come of it, in words.
pub fn standing(pair: &PairStatus) -> String {
    let mut text = match pair.doing() {
        Doing::Preparing => "prepares the next session".to_owned(),
        Doing::AwaitingApproval => match pair.approval {
            Some(number) => format!("waits for an officer: tacit approve {number}"),
            None => "waits for an officer".into(),
        },
        Doing::AwaitingPeer => "waits for the peer".into(),
        Doing::Running => match (pair.done, pair.of) {
            (Some(done), Some(of)) if of > 0 => format!("in a session, {}%", done * 100 / of),
            _ => "in a session".into(),
        },
        Doing::Settling => "waits for the mediator".into(),
        Doing::Nothing | Doing::Unspecified => match pair.next_ms {
            Some(next) => format!("next session at {}", table::time(next)),
            None => "no session is due".into(),
        },
    };
    if let Some(trouble) = &pair.trouble {
        let at = table::time_or(pair.trouble_ms, "some time ago");
        text.push_str(&format!(
            "; last attempt {at}: {}",
            table::printable(trouble)
        ));
    }
    text
}

fn budget(left: &[BudgetLeft]) -> String {
    let class = |left: &BudgetLeft| {
        let more = match left.more_at_ms {
            Some(at) => format!(", more at {}", table::time(at)),
            None => String::new(),
        };
        format!(
            "{}: {} keys, {} sessions{more}",
            left.class, left.elements, left.sessions
        )
    };
    left.iter().map(class).collect::<Vec<_>>().join("\n")
}

fn to_json(status: &pb::GetStatusReply) -> serde_json::Value {
    let at = |ms: Option<i64>| ms.and_then(forms::time).map(|at| at.to_string());
    let left = |left: &BudgetLeft| {
        json!({
            "class": left.class, "elements": left.elements, "sessions": left.sessions,
            "more_at": at(left.more_at_ms),
        })
    };
    let budget = |all: &[BudgetLeft]| all.iter().map(left).collect::<Vec<_>>();
    let peer = |peer: &pb::PeerStatus| {
        let pair = peer.pair.clone().unwrap_or_default();
        json!({
            "number": peer.peer, "name": peer.name, "doing": doing_name(pair.doing()),
            "approval": pair.approval, "done": pair.done, "of": pair.of, "next": at(pair.next_ms),
            "trouble": pair.trouble, "trouble_at": at(pair.trouble_ms),
            "answered": at(pair.answered_ms),
            "they_may_ask": budget(&peer.theirs), "we_may_ask": budget(&peer.ours),
        })
    };
    json!({
        "id": status.id, "held_people": status.held_people,
        "requested_people": status.requested_people,
        "peers": status.peers.iter().map(peer).collect::<Vec<_>>(),
    })
}

const fn doing_name(doing: Doing) -> &'static str {
    match doing {
        Doing::Nothing | Doing::Unspecified => "nothing",
        Doing::Preparing => "preparing",
        Doing::AwaitingApproval => "awaiting_approval",
        Doing::AwaitingPeer => "awaiting_peer",
        Doing::Running => "running",
        Doing::Settling => "settling",
    }
}
