//! `tacit peer`: the peers that a node is paired with, and what is agreed with each.

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::node_link::{NodeArgs, NodeLink};
use super::terms::ceiling;
use super::{Exit, Failure, output, table};
use admin::policy::{Approval, Budget, ClassPolicy, Sizes};
use admin::{Peer, PeerEntry, PeerNumber, Policy};
use pairing::NodeId;
use protocol::limits::CEILING_MAX;

/// The wide class has about two and a half times as many keys a person as the narrow one; sizes are powers of four.
const WIDE_PER_NARROW: u32 = 4;

/// Pair a running node with peers, and say what is agreed with each
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tacit peer add north tacit1… --address 192.0.2.7:7447      prints eight words to compare by telephone
  tacit peer add south tacit1… --by-relay --mediator tacitm1…
  tacit peer change north --ceiling 262144 --schedule 7200   both sides must set sizes alike
  tacit peer list

Exit code: 0 done; 2 bad input; 3 refused; 5 the node cannot be reached.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Pair with a peer
    #[command(after_help = "Example:\n  tacit peer add north tacit1… --address 192.0.2.7:7447")]
    Add(AddArgs),
    /// Change what is agreed with a peer; what is not named stays
    #[command(after_help = "Example:\n  tacit peer change north --approval by-hand")]
    Change(ChangeArgs),
    /// List the peers, what is agreed with each, and the eight words of their ids
    #[command(after_help = "Example:\n  tacit peer list --json")]
    List(ListArgs),
    /// End a pairing
    #[command(after_help = "Example:\n  tacit peer remove north")]
    Remove(RemoveArgs),
}

#[derive(clap::Args, Debug)]
struct AddArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// What you call it; your own business
    name: String,

    /// Its id, as its people sent it
    #[arg(value_name = "ID")]
    id: NodeId,

    #[command(flatten)]
    agreed: AgreedArgs,
}

#[derive(clap::Args, Debug)]
struct ChangeArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// Its name, number or id
    peer: String,

    /// Call it something else
    #[arg(long, value_name = "NAME")]
    rename: Option<String>,

    #[command(flatten)]
    agreed: AgreedArgs,
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
struct RemoveArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// Its name, number or id
    peer: String,
}

/// What is agreed with a peer, as far as it is said.
#[derive(clap::Args, Debug, Default)]
struct AgreedArgs {
    /// Dial the peer here; "none" waits for it to dial this node
    #[arg(long, value_name = "HOST:PORT|none", conflicts_with = "by_relay")]
    address: Option<String>,

    /// Meet it at the relay of the mediator; both nodes dial out
    #[arg(long)]
    by_relay: bool,

    /// The mediator that settles what one side breaks off: its descriptor, or "none"; both sides
    /// must give the same
    #[arg(long, value_name = "tacitm1…|none")]
    mediator: Option<String>,

    /// Pad each of the four lists to this many match keys, about 3 a person; both sides must give the
    /// same [default: 65536]
    #[arg(long, value_name = "KEYS", value_parser = ceiling)]
    ceiling: Option<u32>,

    /// Also match the wide key class (keys that several people may share), at four times the ceiling;
    /// both sides must give it
    #[arg(long)]
    wide: bool,

    /// Match the narrow class alone
    #[arg(long, conflicts_with = "wide")]
    no_wide: bool,

    /// Who lets a session run: an officer each time, or policy alone [default: by-itself]
    #[arg(long, value_enum)]
    approval: Option<Who>,

    /// Seconds from one session to the next, or "none" [default: 3600]
    #[arg(long, value_name = "SECONDS|none", value_parser = seconds_or_none)]
    schedule: Option<Seconds>,

    /// Let sessions run at once when a clerk asks; the peer can then tell when somebody asked
    #[arg(long)]
    on_demand: bool,

    /// Let sessions run on the schedule alone
    #[arg(long, conflicts_with = "on_demand")]
    no_on_demand: bool,

    /// Match keys that the peer may have evaluated in a window [default: the ceiling for each session]
    #[arg(long, value_name = "KEYS")]
    budget_elements: Option<u64>,

    /// Sessions that the peer may have in a window [default: 48]
    #[arg(long, value_name = "COUNT")]
    budget_sessions: Option<u32>,

    /// The budget's window [default: 86400]
    #[arg(long, value_name = "SECONDS")]
    budget_window: Option<u32>,

    /// How long the mediator may settle a session after it began; both sides must give the same
    /// [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    settling_window: Option<u32>,
}

/// Who lets a session run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Who {
    /// Each session waits for an officer: tacit approve
    ByHand,
    /// Sessions run by themselves, within the budget
    ByItself,
}

/// A time, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seconds(Option<u32>);

fn seconds_or_none(text: &str) -> Result<Seconds, String> {
    match text {
        "none" => Ok(Seconds(None)),
        text => match text.parse() {
            Ok(seconds) => Ok(Seconds(Some(seconds))),
            Err(_) => Err("write a number of seconds, or none".into()),
        },
    }
}

impl AgreedArgs {
    /// Puts what is said in the place of what was agreed.
    fn apply(&self, entry: &mut PeerEntry) -> Result<(), Failure> {
        let none = |text: &String| (text != "none").then(|| text.clone());
        if let Some(address) = &self.address {
            (entry.address, entry.by_relay) = (none(address), false);
        }
        if self.by_relay {
            (entry.address, entry.by_relay) = (None, true);
        }
        let policy = &mut entry.policy;
        if let Some(mediator) = &self.mediator {
            policy.mediator = none(mediator);
        }
        let before = policy.narrow.own.held;
        let ceiling = self.ceiling.unwrap_or(before);
        if self.ceiling.is_some() {
            policy.narrow = self.class(policy.narrow, ceiling);
        }
        let is_wide = self.wide || policy.wide.is_some() && !self.no_wide;
        policy.wide = is_wide.then(|| match policy.wide {
            Some(wide) if self.ceiling.is_none() => wide,
            wide => {
                let elements = ceiling.saturating_mul(WIDE_PER_NARROW).min(CEILING_MAX);
                self.class(wide.unwrap_or(policy.narrow), elements)
            }
        });
        for class in std::iter::once(&mut policy.narrow).chain(&mut policy.wide) {
            if let Some(elements) = self.budget_elements {
                class.budget.elements = elements;
            }
            if let Some(sessions) = self.budget_sessions {
                if self.budget_elements.is_none() {
                    class.budget.elements = u64::from(class.peer.requested) * u64::from(sessions);
                }
                class.budget.sessions = sessions;
            }
        }
        if let Some(who) = self.approval {
            policy.approval = match who {
                Who::ByHand => Approval::ByHand,
                Who::ByItself => Approval::ByItself,
            };
        }
        if let Some(Seconds(schedule)) = self.schedule {
            policy.schedule_s = schedule;
        }
        policy.on_demand = (policy.on_demand || self.on_demand) && !self.no_on_demand;
        policy.budget_window_s = self.budget_window.unwrap_or(policy.budget_window_s);
        policy.settling_window_s = self.settling_window.unwrap_or(policy.settling_window_s);
        policy.check().map_err(|fault| {
            Failure::bad_input(fault.to_string(), "tacit peer add --help lists the options")
        })
    }

    /// A class at one ceiling for all lists, with the budget for as many sessions as before.
    fn class(&self, before: ClassPolicy, elements: u32) -> ClassPolicy {
        let sizes = Sizes {
            held: elements,
            requested: elements,
        };
        let sessions = before.budget.sessions;
        ClassPolicy {
            own: sizes,
            peer: sizes,
            budget: Budget {
                elements: u64::from(elements) * u64::from(sessions),
                sessions,
            },
        }
    }
}

/// Runs the subcommand.
///
/// # Errors
/// Bad input, or a node that is not there or refuses.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Command::Add(args) => add(args),
        Command::Change(args) => change(args),
        Command::List(args) => list(args),
        Command::Remove(args) => {
            let node = args.node.connect()?;
            let peer = find(&node, &args.peer)?;
            node.ask(node.client().remove_peer(peer.number))?;
            output::print(&format!("The pairing with {} has ended.", args.peer))?;
            Ok(Exit::Clean)
        }
    }
}

fn add(args: &AddArgs) -> Result<Exit, Failure> {
    let mut entry = PeerEntry {
        name: args.name.clone(),
        id: args.id,
        address: None,
        by_relay: false,
        policy: Policy::default(),
    };
    args.agreed.apply(&mut entry)?;
    let node = args.node.connect()?;
    let waits_for_it = entry.address.is_none() && !entry.by_relay;
    let peer = node.ask(node.client().add_peer(entry))?;
    output::print(&format!(
        "{} is paired as number {}. Read these words to each other over the telephone; if theirs differ, \
         remove it:\n\n  {}\n",
        args.name,
        peer.number,
        peer.entry.id.words().join(" ")
    ))?;
    if waits_for_it {
        eprintln!("It has no address: this node waits for it to dial.");
    }
    Ok(Exit::Clean)
}

fn change(args: &ChangeArgs) -> Result<Exit, Failure> {
    let node = args.node.connect()?;
    let peer = find(&node, &args.peer)?;
    let (number, mut entry) = (peer.number, peer.entry);
    if let Some(name) = &args.rename {
        entry.name.clone_from(name);
    }
    args.agreed.apply(&mut entry)?;
    let said = format!("{} is changed: {}.", entry.name, agreed(&entry.policy));
    node.ask(node.client().change_peer(Peer { number, entry }))?;
    output::print(&said)?;
    Ok(Exit::Clean)
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let node = args.node.connect()?;
    let peers = node.ask(node.client().peers())?;
    if args.json {
        let peer = |Peer { number, entry }: &Peer| {
            json!({
                "number": number, "name": entry.name, "id": entry.id.to_string(), "words": entry.id.words(),
                "address": entry.address, "by_relay": entry.by_relay, "policy": entry.policy,
            })
        };
        let peers: Vec<_> = peers.iter().map(peer).collect();
        output::print(&json!(peers).to_string())?;
        return Ok(Exit::Clean);
    }
    if peers.is_empty() {
        output::print("No peers; tacit peer add pairs with one.")?;
        return Ok(Exit::Clean);
    }
    let mut shown = table::with_header(["", "peer", "where", "agreed", "words of its id"]);
    for Peer { number, entry } in peers {
        let place = match (&entry.address, entry.by_relay) {
            (_, true) => "at the relay".to_owned(),
            (Some(address), false) => address.clone(),
            (None, false) => "it dials".into(),
        };
        shown.add_row([
            number.to_string(),
            table::printable(&entry.name),
            table::printable(&place),
            agreed(&entry.policy),
            entry.id.words().join(" "),
        ]);
    }
    output::print(&shown.to_string())?;
    Ok(Exit::Clean)
}

/// The peer that a person means by its name, number or id.
fn find(node: &NodeLink, wanted: &str) -> Result<Peer, Failure> {
    let peers = node.ask(node.client().peers())?;
    let is_it = |peer: &Peer| peer.entry.name == wanted || peer.entry.id.to_string() == wanted;
    let number = wanted.parse().ok().map(PeerNumber::new);
    // A peer may be called by another's number: the name counts first.
    let place = peers.iter().position(is_it);
    let place = place.or_else(|| peers.iter().position(|peer| Some(peer.number) == number));
    match place.and_then(|place| peers.into_iter().nth(place)) {
        Some(peer) => Ok(peer),
        None => Err(Failure::bad_input(
            format!("there is no peer {wanted:?}"),
            "tacit peer list shows them",
        )),
    }
}

/// A policy in a line.
fn agreed(policy: &Policy) -> String {
    let mut parts = vec![format!("{} keys", policy.narrow.own.held)];
    if let Some(wide) = &policy.wide {
        parts.push(format!("{} wide", wide.own.held));
    }
    parts.push(match policy.schedule_s {
        Some(seconds) => format!("every {seconds} s"),
        None => "no schedule".into(),
    });
    if policy.on_demand {
        parts.push("on demand".into());
    }
    parts.push(match policy.approval {
        Approval::ByHand => "approved by hand".into(),
        Approval::ByItself => "by itself".into(),
    });
    let budget = policy.narrow.budget;
    parts.push(format!(
        "{} keys and {} sessions in {} s",
        budget.elements, budget.sessions, policy.budget_window_s
    ));
    if policy.mediator.is_none() {
        parts.push("no mediator".into());
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pairing::NodeKey;

    fn applied(args: &AgreedArgs) -> PeerEntry {
        let mut entry = PeerEntry {
            name: "north".into(),
            id: NodeKey::from_seed(&[1; 32]).id(),
            address: None,
            by_relay: false,
            policy: Policy::default(),
        };
        args.apply(&mut entry).unwrap();
        entry
    }

    #[test]
    fn what_is_not_said_stays_as_it_was() {
        assert_eq!(applied(&AgreedArgs::default()).policy, Policy::default());
    }

    #[test]
    fn a_ceiling_counts_for_all_lists_and_the_budget_follows_it() {
        let policy = applied(&AgreedArgs {
            ceiling: Some(1024),
            wide: true,
            budget_sessions: Some(3),
            ..AgreedArgs::default()
        })
        .policy;
        assert_eq!(policy.narrow.peer.requested, 1024);
        assert_eq!(policy.narrow.budget.elements, 3 * 1024);
        let wide = policy.wide.unwrap();
        assert_eq!((wide.own.held, wide.budget.elements), (4096, 3 * 4096));
    }

    #[test]
    fn an_address_and_a_schedule_can_be_taken_back() {
        let entry = applied(&AgreedArgs {
            address: Some("none".into()),
            schedule: Some(Seconds(None)),
            no_wide: true,
            ..AgreedArgs::default()
        });
        assert_eq!((entry.address, entry.policy.schedule_s), (None, None));
    }
}
