//! `tacit status`: how a running node stands with its peers.

use serde_json::json;

use super::node_link::NodeArgs;
use super::{Exit, Failure, output, table};
use admin::status::{PeerStatus, PeopleOnLists};
use admin::{Activity, Left, NodeStatus, PairStatus};
use jiff::Timestamp;
use protocol::{ByClass, KeyClass};

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
    let status = node.ask(node.client().status())?;
    if args.json {
        output::print(&to_json(&status).to_string())?;
        return Ok(Exit::Clean);
    }
    let people = |of: fn(PeopleOnLists) -> Option<u64>| match status.people.map(of) {
        Some(Some(people)) => format!("{people} people"),
        Some(None) => "none".into(),
        None => "-".into(),
    };
    output::print(&format!(
        "Node {}\nheld list: {}; requested list: {}",
        status.id,
        people(|people| people.held),
        people(|people| people.requested)
    ))?;
    if let Some(newest) = status.log_ahead {
        output::print(&format!(
            "The node's clock is wrong, or was: its audit log goes on to {}. Set the clock right.",
            table::time(newest)
        ))?;
    }
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
        shown.add_row([
            table::printable(&peer.name),
            standing(&peer.pair),
            table::time_or(peer.pair.answered, "not since the node started"),
            budget(&peer.theirs),
            budget(&peer.ours),
        ]);
    }
    output::print(&shown.to_string())?;
    Ok(Exit::Clean)
}

/// What the node does about a peer, and why nothing has come of it, in words.
pub fn standing(pair: &PairStatus) -> String {
    let mut text = match pair.activity {
        Activity::Preparing => "prepares the next session".to_owned(),
        Activity::AwaitingApproval(number) => {
            format!("waits for an officer: tacit approve {number}")
        }
        Activity::AwaitingPeer => "waits for the peer".into(),
        Activity::Running { done, all } if all > 0 => {
            format!("in a session, {}%", done * 100 / all)
        }
        Activity::Running { .. } => "in a session".into(),
        Activity::Settling => "waits for the mediator".into(),
        Activity::Nothing => match pair.next {
            Some(next) => format!("next session at {}", table::time(next)),
            None => "no session is due".into(),
        },
    };
    if pair.changing && pair.activity != Activity::Preparing {
        text.push_str("; changes of lists and queries serve from the next tick on");
    }
    if let Some((at, trouble)) = &pair.trouble {
        text.push_str(&format!(
            "; last attempt {}: {}",
            table::time(*at),
            table::printable(trouble)
        ));
    }
    text
}

fn budget(left: &ByClass<Left>) -> String {
    let class = |(class, left): (KeyClass, &Left)| {
        let more = match left.more_at {
            Some(at) => format!(", more at {}", table::time(at)),
            None => String::new(),
        };
        format!(
            "{}: {} keys, {} sessions{more}",
            class.name(),
            left.elements,
            left.sessions
        )
    };
    left.iter().map(class).collect::<Vec<_>>().join("\n")
}

fn to_json(status: &NodeStatus) -> serde_json::Value {
    let at = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let left = |(class, left): (KeyClass, &Left)| {
        json!({
            "class": class.name(), "elements": left.elements, "sessions": left.sessions,
            "more_at": at(left.more_at),
        })
    };
    let budget = |all: &ByClass<Left>| all.iter().map(left).collect::<Vec<_>>();
    let peer = |peer: &PeerStatus| {
        let pair = &peer.pair;
        let approval = match pair.activity {
            Activity::AwaitingApproval(approval) => Some(approval),
            _ => None,
        };
        let (done, all) = match pair.activity {
            Activity::Running { done, all } => (Some(done), Some(all)),
            _ => (None, None),
        };
        let trouble = pair.trouble.as_ref();
        json!({
            "number": peer.peer, "name": peer.name, "doing": pair.activity.name(),
            "approval": approval, "done": done, "of": all, "next": at(pair.next),
            "trouble": trouble.map(|(_, trouble)| trouble),
            "trouble_at": at(trouble.map(|(at, _)| *at)),
            "answered": at(pair.answered), "changing": pair.changing,
            "they_may_ask": budget(&peer.theirs), "we_may_ask": budget(&peer.ours),
        })
    };
    json!({
        "id": status.id.to_string(),
        "held_people": status.people.and_then(|people| people.held),
        "requested_people": status.people.and_then(|people| people.requested),
        "log_ahead": at(status.log_ahead),
        "peers": status.peers.iter().map(peer).collect::<Vec<_>>(),
    })
}
