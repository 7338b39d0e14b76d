//! A whole session without a socket, file, clock or runtime: the protocol hands out what is to be sent, and
//! takes in what has come. Two invented sides ask each other about two people; each holds one of them.
//!
//! `cargo run --example session_in_memory`

use std::collections::HashSet;
use std::io::Cursor;
use std::sync::Arc;

use identity::{Answer, KeyClass, List, ListKind, ListOptions, ListSizes, Schema, grade, list};
use pairing::{NodeId, NodeKey};
use protocol::session::Outcome;
use protocol::{ByClass, Ceiling, Ceilings, Mediator, PreparedTable, QuestionSet, Role};
use protocol::{Session, SettlingWindow, Setup, Step, Terms};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;

fn read(rows: &str, kind: ListKind) -> List {
    let options = ListOptions::new(kind, jiff::civil::date(2026, 1, 15));
    let text = format!("id,surname,name,dob\n{rows}");
    list::read(Cursor::new(text), Schema::default(), &options, |_| ()).expect("a good list")
}

/// What is done before the two meet: the table of all answers sealed, the questions padded and blinded.
fn side(role: Role, key: Arc<NodeKey>, peer: NodeId, held: &str, requested: &List) -> Session {
    let rng = &mut UnwrapErr(SysRng);
    // 64 keys a list, whatever the lists: all that the peer learns of their lengths.
    let ceiling = ByClass {
        narrow: Ceiling::new(64).expect("64 is a ceiling"),
        wide: None,
    };
    let terms = Terms {
        schema_name: Schema::default().name().into(),
        schema_digest: Schema::default().digest(),
        mediator: Mediator::None,
        ceilings: ceiling.map(|_, ceiling| Ceilings::all(ceiling)),
        window: SettlingWindow::DEFAULT,
        reference: "a walk through the protocol".into(),
    };
    let narrow = |list: &List| ByClass {
        narrow: list.elements(KeyClass::Narrow),
        wide: None,
    };
    let held = narrow(&read(held, ListKind::Held));
    let table = PreparedTable::prepare(held, ceiling, terms.mediator, rng, |_| ());
    let questions = QuestionSet::prepare(narrow(requested), ceiling, rng);
    let setup = Setup {
        role,
        key,
        peer,
        terms,
        questions: questions.expect("the list fits its ceiling"),
        table: table.expect("the list fits its ceiling"),
    };
    Session::new(setup, rng).expect("the terms hold")
}

/// Carries messages from one side to the other until both have their answers.
fn run(mut sides: [Session; 2]) -> Result<[Outcome; 2], protocol::Error> {
    let rng = &mut UnwrapErr(SysRng);
    let mut outcomes = [None, None];
    while outcomes.iter().any(Option::is_none) {
        for (own, other) in [(0, 1), (1, 0)] {
            while outcomes[own].is_none() {
                match sides[own].advance(rng)? {
                    Step::Send(message) => sides[other].receive(message)?,
                    // A node would have this on disk before it sends anything more.
                    Step::Persist(_) => {}
                    Step::Done(outcome) => outcomes[own] = Some(*outcome),
                    Step::Wait => break,
                    Step::AskTime => unreachable!("only a mediator has a clock"),
                }
            }
        }
    }
    Ok(outcomes.map(|outcome| outcome.expect("both have ended")))
}

fn main() -> Result<(), protocol::Error> {
    let keys = [[1; 32], [2; 32]].map(|seed| Arc::new(NodeKey::from_seed(&seed)));
    let [north, south] = keys.each_ref().map(|key| key.id());
    let [first, second] = keys;
    let asked = read(
        "1,Shcherbakov,Vladimir,1990-05-04\n2,Bondarenko,Ivan,1988-02-17\n",
        ListKind::Requested,
    );
    let outcomes = run([
        side(
            Role::Initiator,
            first,
            south,
            "7,Бондаренко,Іван,17.02.1988\n",
            &asked,
        ),
        side(
            Role::Responder,
            second,
            north,
            "8,Щербаков,Володимир,04.05.1990\n",
            &asked,
        ),
    ])?;
    let told = outcomes.map(|outcome| {
        let matched: HashSet<_> = outcome.matches.narrow.into_iter().collect();
        let sizes = ListSizes {
            requested: 2,
            held: 1,
        };
        grade::answers(&asked, &matched, &[KeyClass::Narrow], sizes)
    });
    for (name, people) in ["north", "south"].into_iter().zip(&told) {
        for (person, told) in asked.people.iter().zip(people) {
            println!(
                "The {name} asked about {}: {:?}",
                person.record_id, told.answer
            );
        }
    }
    let [north, south] = told.map(|people| [people[0].answer, people[1].answer]);
    assert_eq!(north, [Answer::Strong, Answer::None]);
    assert_eq!(south, [Answer::None, Answer::Strong]);
    Ok(())
}
