//! Our types as messages and back, for the node and for its clients.

use jiff::Timestamp;

use crate::handle::{Doing, Pair};
use admin::client::CLIENT_NAME_BYTES_MAX;
use admin::peer::PEER_TEXT_BYTES_MAX;
use admin::policy::{self, Budget, Sizes};
use admin::{
    ApprovalNumber, Blame, ClientNumber, Left, ListChange, Outcome, PeerNumber, Stage,
    client as clients, peer as peers,
};
use protocol::{ByClass, KeyClass};
use store::lists::ListInfo;
use store::sessions;
use wire::control as pb;
use wire::control::Malformed;

/// Milliseconds since 1970.
pub fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// The time of so many milliseconds since 1970; `None` outside of history.
pub fn time(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok()
}

/// A policy as a message.
pub fn policy_form(policy: &policy::Policy) -> pb::Policy {
    pb::Policy {
        narrow: Some(class_form(&policy.narrow)),
        wide: policy.wide.as_ref().map(class_form),
        budget_window_s: policy.budget_window_s,
        approval: match policy.approval {
            policy::Approval::ByHand => pb::Approval::ByHand.into(),
            policy::Approval::ByItself => pb::Approval::ByItself.into(),
        },
        mediator: policy.mediator.clone(),
        settling_window_s: policy.settling_window_s,
        schedule_s: policy.schedule_s,
        on_demand: policy.on_demand,
    }
}

/// A policy of a message; its bounds the store checks.
///
/// # Errors
/// [`Malformed`].
pub fn policy(form: pb::Policy) -> Result<policy::Policy, Malformed> {
    Ok(policy::Policy {
        narrow: class(form.narrow.ok_or(Malformed::Missing("the narrow class"))?),
        wide: form.wide.map(class),
        budget_window_s: form.budget_window_s,
        approval: match pb::Approval::try_from(form.approval) {
            Ok(pb::Approval::ByHand) => policy::Approval::ByHand,
            Ok(pb::Approval::ByItself) => policy::Approval::ByItself,
            Ok(pb::Approval::Unspecified) | Err(_) => {
                return Err(Malformed::Unknown("the approval"));
            }
        },
        mediator: form.mediator,
        settling_window_s: form.settling_window_s,
        schedule_s: form.schedule_s,
        on_demand: form.on_demand,
    })
}

fn class_form(class: &policy::ClassPolicy) -> pb::ClassPolicy {
    pb::ClassPolicy {
        own_held: class.own.held,
        own_requested: class.own.requested,
        peer_held: class.peer.held,
        peer_requested: class.peer.requested,
        budget_elements: class.budget.elements,
        budget_sessions: class.budget.sessions,
    }
}

fn class(form: pb::ClassPolicy) -> policy::ClassPolicy {
    policy::ClassPolicy {
        own: Sizes {
            held: form.own_held,
            requested: form.own_requested,
        },
        peer: Sizes {
            held: form.peer_held,
            requested: form.peer_requested,
        },
        budget: Budget {
            elements: form.budget_elements,
            sessions: form.budget_sessions,
        },
    }
}

/// A peer's entry as a message.
pub fn peer_entry_form(entry: &peers::PeerEntry) -> pb::PeerEntry {
    pb::PeerEntry {
        name: entry.name.clone(),
        id: entry.id.to_string(),
        address: entry.address.clone(),
        by_relay: entry.by_relay,
        policy: Some(policy_form(&entry.policy)),
    }
}

/// A peer's entry of a message.
///
/// # Errors
/// [`Malformed`].
pub fn peer_entry(form: Option<pb::PeerEntry>) -> Result<peers::PeerEntry, Malformed> {
    let form = form.ok_or(Malformed::Missing("the peer"))?;
    check_name(&form.name, PEER_TEXT_BYTES_MAX, "the name of a peer")?;
    if form.address.as_ref().is_some_and(String::is_empty) {
        return Err(Malformed::Missing("the address of a peer"));
    }
    Ok(peers::PeerEntry {
        name: form.name,
        id: form
            .id
            .parse()
            .map_err(|_| Malformed::Unknown("the id of a peer"))?,
        address: form.address,
        by_relay: form.by_relay,
        policy: policy(form.policy.ok_or(Malformed::Missing("the policy"))?)?,
    })
}

/// A peer as a message, with its eight words.
pub fn peer_form(peer: &peers::Peer) -> pb::PairedPeer {
    pb::PairedPeer {
        number: peer.number.number(),
        entry: Some(peer_entry_form(&peer.entry)),
        words: peer.entry.id.words().map(str::to_owned).to_vec(),
    }
}

/// The number of a role.
pub fn role_number(role: clients::Role) -> i32 {
    match role {
        clients::Role::Clerk => pb::Role::Clerk.into(),
        clients::Role::Officer => pb::Role::Officer.into(),
        clients::Role::Auditor => pb::Role::Auditor.into(),
    }
}

/// The role of that number.
///
/// # Errors
/// [`Malformed::Unknown`].
pub fn role(number: i32) -> Result<clients::Role, Malformed> {
    match pb::Role::try_from(number) {
        Ok(pb::Role::Clerk) => Ok(clients::Role::Clerk),
        Ok(pb::Role::Officer) => Ok(clients::Role::Officer),
        Ok(pb::Role::Auditor) => Ok(clients::Role::Auditor),
        Ok(pb::Role::Unspecified) | Err(_) => Err(Malformed::Unknown("the role")),
    }
}

/// A credential as a message.
pub fn credential_form(credential: clients::Credential) -> pb::Credential {
    use pb::credential::Credential as Form;
    pb::Credential {
        credential: Some(match credential {
            clients::Credential::User(user) => Form::User(user),
            clients::Credential::Key(id) => Form::Key(id.to_string()),
        }),
    }
}

/// A credential of a message.
///
/// # Errors
/// [`Malformed`].
pub fn credential(form: Option<pb::Credential>) -> Result<clients::Credential, Malformed> {
    use pb::credential::Credential as Form;
    match form.and_then(|form| form.credential) {
        Some(Form::User(user)) => Ok(clients::Credential::User(user)),
        Some(Form::Key(id)) => {
            let id = id.parse();
            let id = id.map_err(|_| Malformed::Unknown("the key of a client"))?;
            Ok(clients::Credential::Key(id))
        }
        None => Err(Malformed::Missing("the credential")),
    }
}

/// A client as a message.
pub fn client_form(client: &clients::Client) -> pb::Client {
    pb::Client {
        number: client.number.number(),
        name: client.name.clone(),
        role: role_number(client.role),
        credential: Some(credential_form(client.credential)),
    }
}

/// A client of a message.
///
/// # Errors
/// [`Malformed`].
pub fn client(form: pb::Client) -> Result<clients::Client, Malformed> {
    Ok(clients::Client {
        number: ClientNumber::new(form.number),
        role: role(form.role)?,
        credential: credential(form.credential)?,
        name: form.name,
    })
}

/// A client's name, if it may be one.
///
/// # Errors
/// [`Malformed`].
pub fn client_name(name: String) -> Result<String, Malformed> {
    check_name(&name, CLIENT_NAME_BYTES_MAX, "the name of a client").map(|()| name)
}

/// What an import did, as a message; `elements` of the narrow and of the wide class.
pub fn change_form(change: ListChange, elements: (u64, u64)) -> pb::ImportListReply {
    pb::ImportListReply {
        people: change.people,
        added: change.added,
        changed: change.changed,
        removed: change.removed,
        unchanged: change.unchanged,
        narrow_elements: elements.0,
        wide_elements: elements.1,
    }
}

/// A list as a message.
pub fn list_form(list: ListInfo) -> pb::StoredList {
    pb::StoredList {
        people: list.people,
        imported_ms: ms(list.imported),
        columns: list.header.header,
        schema: list.header.schema,
    }
}

/// How a pair stands, as a message.
pub fn pair_form(pair: &Pair) -> pb::PairStatus {
    let mut form = pb::PairStatus {
        next_ms: pair.next.map(ms),
        answered_ms: pair.answered.map(ms),
        ..pb::PairStatus::default()
    };
    if let Some((at, trouble)) = &pair.trouble {
        (form.trouble, form.trouble_ms) = (Some(trouble.clone()), Some(ms(*at)));
    }
    let doing = match pair.doing {
        Doing::Nothing => pb::Doing::Nothing,
        Doing::Preparing => pb::Doing::Preparing,
        Doing::AwaitingApproval(approval) => {
            form.approval = Some(approval.number());
            pb::Doing::AwaitingApproval
        }
        Doing::AwaitingPeer => pb::Doing::AwaitingPeer,
        Doing::Running(progress) => {
            form.done = Some((progress.answered + progress.evaluated) as u64);
            form.of = Some((progress.to_answer + progress.to_evaluate) as u64);
            pb::Doing::Running
        }
        Doing::Settling => pb::Doing::Settling,
    };
    form.doing = doing.into();
    form
}

/// What is left of a budget, class by class, as messages.
pub fn budget_forms(left: &ByClass<Left>) -> Vec<pb::BudgetLeft> {
    let form = |(class, left): (KeyClass, &Left)| pb::BudgetLeft {
        class: class.name().to_owned(),
        elements: left.elements,
        sessions: left.sessions,
        more_at_ms: left.more_at.map(ms),
    };
    left.iter().map(form).collect()
}

/// A session as a message.
pub fn session_form(session: &sessions::SessionInfo, peer_name: String) -> pb::SessionInfo {
    let (stage, ended) = match session.stage {
        Stage::Committed => ("committed", None),
        Stage::Signed => ("signed", None),
        Stage::Ended { at, outcome, blame } => ("ended", Some((at, outcome, blame))),
    };
    pb::SessionInfo {
        number: session.number.number(),
        peer: session.peer.number(),
        peer_name,
        started_ms: ms(session.started),
        id: session.id.as_ref().map(|id| id.0.to_vec()),
        stage: stage.to_owned(),
        ended_ms: ended.map(|(at, _, _)| ms(at)),
        outcome: ended.map(|(_, outcome, _)| outcome_name(outcome).to_owned()),
        blame: ended.and_then(|(_, _, blame)| blame.map(|blame| blame_name(blame).to_owned())),
    }
}

/// The number of a peer in a message.
pub fn peer_number(number: i64) -> PeerNumber {
    PeerNumber::new(number)
}

/// The number of an approval in a message.
pub fn approval_number(number: i64) -> ApprovalNumber {
    ApprovalNumber::new(number)
}

const fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "answered",
        Outcome::Settled => "settled",
        Outcome::CutOff => "cut_off",
        Outcome::NeverSettled => "never_settled",
        Outcome::Unanswered => "unanswered",
        Outcome::TableShut => "table_shut",
        Outcome::Refused => "refused",
    }
}

const fn blame_name(blame: Blame) -> &'static str {
    match blame {
        Blame::Peer => "peer",
        Blame::Own => "own",
        Blame::Channel => "channel",
        Blame::Mediator => "mediator",
        Blame::Nobody => "nobody",
    }
}

fn check_name(name: &str, max: usize, what: &'static str) -> Result<(), Malformed> {
    match name.len() {
        0 => Err(Malformed::Missing(what)),
        length if length > max => Err(Malformed::Length(what)),
        _ if name.chars().any(char::is_control) => Err(Malformed::Unknown(what)),
        _ => Ok(()),
    }
}
