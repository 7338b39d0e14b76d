//! What the demonstration prints.

use std::io::Write;

use super::delegation::{Delegation, Side};
use crate::cli::table;
use identity::{Answer, Field, List, Person};
use pairing::NodeId;
use transport::{Direction, MessageKind};

/// A side's answers, with how the other side wrote the same person: only a demonstration can know both.
pub fn side(
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
    writeln!(out, "{}", learnt(own, holder))
}

/// One line of what a side learnt.
pub fn learnt((delegation, side): (&Delegation, &Side), holder: &Delegation) -> String {
    let held = side
        .answers
        .iter()
        .filter(|answer| answer.answer != Answer::None);
    format!(
        "{} learns: of {} people it asks about, {} holds {}.",
        delegation.name,
        side.answers.len(),
        holder.name,
        held.count()
    )
}

fn shown(list: &List, person: &Person) -> String {
    let cell = |field| {
        let place = list.columns.index_of(field)?;
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
pub fn eavesdropper(out: &mut impl Write, a: &Side, b: &Side, quiet: &Side) -> std::io::Result<()> {
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
    for kind in MessageKind::ALL {
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

/// What a relay knows of the sessions that went through it.
pub fn relay(
    out: &mut impl Write,
    nodes: [NodeId; 2],
    (bytes, bytes_quiet): (u64, u64),
) -> std::io::Result<()> {
    writeln!(
        out,
        "\nBoth dialled out to a relay; nothing listens at either. What the relay saw:\n"
    )?;
    for node in nodes {
        writeln!(out, "  the node {node}")?;
    }
    writeln!(
        out,
        "  one tunnel between them, {bytes} bytes of ciphertext\n  (with one person a list: {bytes_quiet} bytes)"
    )
}

/// The second scene: how a session ended that one side left after the agreement.
pub fn settled(
    out: &mut impl Write,
    killed: (&Delegation, &Side),
    left: (&Delegation, &Side),
    sessions: u64,
) -> std::io::Result<()> {
    let (dead, alive) = (killed.0.name, left.0.name);
    writeln!(
        out,
        "\nAgain, and {dead} is killed after both have signed, before either opens its table.\n"
    )?;
    writeln!(
        out,
        "  {alive} is left alone, and shows the mediator what both signed."
    )?;
    writeln!(out, "  {}", learnt(left, killed.0))?;
    writeln!(
        out,
        "  {dead} starts again with nothing but what it kept before it signed, and asks the mediator."
    )?;
    writeln!(out, "  {}", learnt(killed, left.0))?;
    writeln!(
        out,
        "\nThe mediator, which is the relay, has settled {sessions} session: it gave each side what opens the other's table,\nand saw no table, no list and no answer."
    )
}
