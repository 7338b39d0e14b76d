//! `tacit demo`: two invented delegations match on this machine, over the real stack.

use std::io::{Cursor, Write};
use std::sync::Arc;

use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use super::list_file::today;
use super::progress::Progress;
use super::session::{channel_failure, exchange, graded, prepare, session_failure};
use super::table;
use super::terms::TermsArgs;
use super::{Exit, Failure};
use crate::exchange::Role;
use crate::exchange::offer::Mediator;
use crate::exchange::session::Outcome;
use crate::identity;
use crate::identity::grade::PersonAnswer;
use crate::identity::{Answer, Field, List, ListOptions, Person, Schema, list};
use crate::node::Patience;
use crate::pairing::NodeKey;
use crate::transport::{Direction, Kind, Limits, Listener, PinnedTls, Traffic, connect};

/// See two invented delegations match on this machine: both sides' answers, and what an eavesdropper saw
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Also match the wide key class, which finds more people and confuses more
    #[arg(long)]
    wide: bool,
}

const EXAMPLES: &str = "\
Examples:
  tacit demo
  tacit demo --wide

The people are invented. The lists are samples/*.csv of the source; nothing is written to disk.";

/// One invented delegation.
struct Delegation {
    name: &'static str,
    held: &'static [u8],
    requested: &'static [u8],
}

static A: Delegation = Delegation {
    name: "Delegation A",
    held: include_bytes!("../../samples/held-a.csv"),
    requested: include_bytes!("../../samples/requested-a.csv"),
};

static B: Delegation = Delegation {
    name: "Delegation B",
    held: include_bytes!("../../samples/held-b.csv"),
    requested: include_bytes!("../../samples/requested-b.csv"),
};

/// A delegation with one person on each list, to compare the traffic with.
static NOBODY: Delegation = Delegation {
    name: "Nobody",
    held: ONE_PERSON,
    requested: ONE_PERSON,
};

const ONE_PERSON: &[u8] = b"id,surname,name,dob\n1,Nobody,Ivan,1990-01-02\n";

/// What one side came to.
struct Side {
    held: List,
    requested: List,
    answers: Vec<PersonAnswer>,
    traffic: Arc<Traffic>,
}

/// Runs the subcommand.
///
/// # Errors
/// The demonstration did not work on this machine.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure {
        message: error.to_string(),
        hint: None,
        exit: Exit::Failed,
    })?;
    let terms = TermsArgs {
        ceiling: 1024,
        wide: args.wide,
    };
    let (a, b) = runtime.block_on(run_session_between(&A, &B, &terms))?;
    let (quiet, _) = runtime.block_on(run_session_between(&NOBODY, &NOBODY, &terms))?;

    let mut out = std::io::stdout().lock();
    let written = show_side(&mut out, (&A, &a), (&B, &b))
        .and_then(|()| show_side(&mut out, (&B, &b), (&A, &a)))
        .and_then(|()| show_eavesdropper(&mut out, &a, &b, &quiet));
    written.map_err(|error| Failure {
        message: error.to_string(),
        hint: None,
        exit: Exit::Failed,
    })?;
    Ok(Exit::Clean)
}

/// Two nodes with fresh keys on loopback, each in a task of its own, with TCP, TLS and gRPC between them.
async fn run_session_between(
    a: &'static Delegation,
    b: &'static Delegation,
    terms: &TermsArgs,
) -> Result<(Side, Side), Failure> {
    let mut rng = UnwrapErr(SysRng);
    let (key_a, key_b) = (NodeKey::generate(&mut rng), NodeKey::generate(&mut rng));
    let (id_a, id_b) = (key_a.id(), key_b.id());
    let listener = Listener::bind("127.0.0.1:0")
        .await
        .map_err(|error| channel_failure(&error))?;
    let address = listener.address().to_string();
    let responder = tokio::spawn(run_side(
        a,
        key_a,
        id_b,
        terms.clone(),
        Door::Listen(listener),
    ));
    let initiator = tokio::spawn(run_side(
        b,
        key_b,
        id_a,
        terms.clone(),
        Door::Connect(address),
    ));
    let died = |_| Failure {
        message: "a node of the demonstration died".into(),
        hint: None,
        exit: Exit::Failed,
    };
    Ok((
        responder.await.map_err(died)??,
        initiator.await.map_err(died)??,
    ))
}

enum Door {
    Listen(Listener),
    Connect(String),
}

async fn run_side(
    delegation: &'static Delegation,
    key: NodeKey,
    peer: crate::pairing::NodeId,
    terms_args: TermsArgs,
    door: Door,
) -> Result<Side, Failure> {
    let progress = Progress::new(true);
    let schema = Schema::default();
    let (held, requested) = (
        read(delegation.held, identity::Role::Held, schema)?,
        read(delegation.requested, identity::Role::Requested, schema)?,
    );
    let terms = terms_args.terms(schema, Mediator::None);
    let role = if matches!(door, Door::Listen(_)) {
        Role::Responder
    } else {
        Role::Initiator
    };
    let tls =
        PinnedTls::new(key.seed(), *peer.as_bytes()).map_err(|error| channel_failure(&error))?;
    let session = prepare(
        role,
        Arc::new(key),
        peer,
        &terms,
        &held,
        &requested,
        &progress,
    )?;
    let limits = Limits::default();
    let channel = match door {
        Door::Listen(listener) => listener.accept(&tls, &limits, |_, _| ()).await,
        Door::Connect(address) => connect(&address, &tls, &limits).await,
    }
    .map_err(|error| channel_failure(&error))?;
    let traffic = channel.traffic();
    let outcome: Outcome = exchange(
        session,
        channel,
        &Patience::default(),
        &progress,
        |_| Ok(()),
        None,
        std::future::pending(),
    )
    .await
    .map_err(|ended| session_failure(&ended, false))?;
    let answers = graded(&requested, &outcome.held, terms_args.people());
    Ok(Side {
        held,
        requested,
        answers,
        traffic,
    })
}

fn read(bytes: &'static [u8], list_role: identity::Role, schema: Schema) -> Result<List, Failure> {
    let options = ListOptions {
        carry_columns: true,
        ..ListOptions::new(list_role, today())
    };
    list::read(Cursor::new(bytes), schema, &options, |_| ()).map_err(|error| Failure {
        message: error.to_string(),
        hint: None,
        exit: Exit::Failed,
    })
}

/// A side's answers, with how the other side wrote the same person: only a demonstration can know both.
fn show_side(
    out: &mut impl Write,
    own: (&Delegation, &Side),
    other: (&Delegation, &Side),
) -> std::io::Result<()> {
    let ((delegation, side), (holder, holding)) = (own, other);
    writeln!(
        out,
        "\n{} asks {} about {} people:",
        delegation.name,
        holder.name,
        side.requested.people.len()
    )?;
    let mut table = table::with_header([
        "record",
        "as the asking side wrote it",
        "answer",
        "by",
        "as the other side wrote it",
    ]);
    let mut rows: Vec<_> = side.requested.people.iter().zip(&side.answers).collect();
    rows.sort_by_key(|(_, answer)| answer.answer);
    for (person, answer) in rows {
        let by: Vec<&str> = answer.kinds.iter().map(|kind| kind.label()).collect();
        let theirs = holding.held.people.iter().find(|held| {
            held.keys.iter().any(|(kind, key)| {
                answer.kinds.contains(kind) && person.keys.contains(&(*kind, *key))
            })
        });
        table.add_row([
            person.record_id.to_string(),
            shown(&side.requested, person),
            answer.answer.name().to_owned(),
            by.join(" "),
            theirs
                .map(|theirs| shown(&holding.held, theirs))
                .unwrap_or_default(),
        ]);
    }
    writeln!(out, "{table}")?;
    let held = side
        .answers
        .iter()
        .filter(|answer| answer.answer != Answer::None)
        .count();
    writeln!(
        out,
        "{} learns: of {} people it asks about, {} holds {held}.",
        delegation.name,
        side.answers.len(),
        holder.name
    )
}

fn shown(list: &List, person: &Person) -> String {
    let cell = |field| {
        let place = list.columns.place(field)?;
        person.columns.as_ref()?.cell(place)
    };
    let fields = [
        Field::FamilyName,
        Field::GivenName,
        Field::Patronymic,
        Field::DateOfBirth,
    ];
    fields
        .into_iter()
        .filter_map(cell)
        .filter(|cell| !cell.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// What somebody who records every byte between the two can tell, beside a session of one person a list.
fn show_eavesdropper(
    out: &mut impl Write,
    a: &Side,
    b: &Side,
    quiet: &Side,
) -> std::io::Result<()> {
    writeln!(
        out,
        "\nWhat an eavesdropper saw: two nodes, this many messages and bytes, and ciphertext.\n"
    )?;
    let mut table = table::with_header(["", "these lists", "one person a list"]);
    let people = |side: &Side| side.held.people.len() + side.requested.people.len();
    table.add_row([
        "people on both sides' lists (not seen)",
        &(people(a) + people(b)).to_string(),
        &(2 * people(quiet)).to_string(),
    ]);
    for kind in Kind::ALL {
        let row = |side: &Side| {
            let (sent, received) = (
                side.traffic.messages(Direction::Sent, kind),
                side.traffic.messages(Direction::Received, kind),
            );
            (
                sent.messages + received.messages,
                sent.bytes + received.bytes,
            )
        };
        let (ours, theirs) = (row(a), row(quiet));
        if ours.0 + theirs.0 > 0 {
            let cell = |(messages, bytes): (u64, u64)| {
                format!("{messages} × {} bytes", bytes / messages.max(1))
            };
            table.add_row([format!("{kind:?} messages"), cell(ours), cell(theirs)]);
        }
    }
    writeln!(out, "{table}")?;
    writeln!(
        out,
        "The sizes follow the agreed ceiling and nothing else.\nNames, keys, tags, answers: none of it passed in the clear."
    )
}
