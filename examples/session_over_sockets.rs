//! One whole session between two nodes in one process, over loopback with TLS: each side asks for one
//! person and learns whether the other holds them.
//!
//! `cargo run --example session_over_sockets`

use std::future::pending;
use std::io::{self, Cursor};
use std::sync::Arc;

use identity::{KeyClass, List, ListKind, ListOptions, Schema, list};
use node::{Journal, Patience, run_session};
use pairing::NodeKey;
use protocol::{ByClass, Ceiling, PreparedTable, QuestionSet, Role, Terms};
use protocol::{Ceilings, Mediator, SettlingWindow};
use protocol::{Persist, Progress, Session, Setup};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use transport::{Limits, Listener, PinnedTls, connect};

/// A node would keep each state on disk here, before the message leaves that needs it.
struct InMemory;

impl Journal for InMemory {
    fn keep(&mut self, _: Persist) -> io::Result<()> {
        Ok(())
    }

    fn progress(&mut self, _: Progress) {}
}

fn read(text: &'static str, kind: ListKind) -> List {
    let options = ListOptions::new(kind, jiff::civil::date(2026, 1, 15));
    list::read(Cursor::new(text), Schema::default(), &options, |_| ()).expect("a good list")
}

/// One side, ready to meet its peer: the table of what it holds is computed, and what it asks is known.
fn side(role: Role, key: &Arc<NodeKey>, peer: &NodeKey, held: &List, requested: &List) -> Session {
    let rng = &mut UnwrapErr(SysRng);
    let narrow = |list: &List| ByClass {
        narrow: list.elements(KeyClass::Narrow),
        wide: None,
    };
    // Both pad their lists to the same ceiling: what the peer sees says nothing of how long they are.
    let ceiling = Ceiling::new(64).expect("64 is a ceiling");
    let terms = Terms {
        schema_name: Schema::default().name().into(),
        schema_digest: Schema::default().digest(),
        mediator: Mediator::None,
        ceilings: ByClass {
            narrow: Ceilings::all(ceiling),
            wide: None,
        },
        window: SettlingWindow::DEFAULT,
        reference: String::new(),
    };
    let sizes = terms.ceilings.map(|_, ceilings| ceilings.of(role).held);
    let table = PreparedTable::prepare(narrow(held), sizes, Mediator::None, rng, |_| ());
    let sizes = terms
        .ceilings
        .map(|_, ceilings| ceilings.of(role).requested);
    let questions = QuestionSet::prepare(narrow(requested), sizes, rng);
    let setup = Setup {
        role,
        key: key.clone(),
        peer: peer.id(),
        terms,
        questions: questions.expect("the list fits its ceiling"),
        table: table.expect("the list fits its ceiling"),
    };
    Session::new(setup, rng).expect("the terms hold")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let north = Arc::new(NodeKey::generate(&mut UnwrapErr(SysRng)));
    let south = Arc::new(NodeKey::generate(&mut UnwrapErr(SysRng)));
    let shcherbakov = "id,surname,name,dob\n1,Щербаков,Володимир,04.05.1990\n";
    let spelt_otherwise = "id,surname,name,dob\n7,Shcherbakov,Vladimir,1990-05-04\n";
    let bondarenko = "id,surname,name,dob\n8,Bondarenko,Ivan,1988-02-17\n";
    let first = side(
        Role::Initiator,
        &north,
        &south,
        &read(bondarenko, ListKind::Held),
        &read(spelt_otherwise, ListKind::Requested),
    );
    let second = side(
        Role::Responder,
        &south,
        &north,
        &read(shcherbakov, ListKind::Held),
        &read(spelt_otherwise, ListKind::Requested),
    );

    // Each accepts one key, the other's: the words that people compared stand for it.
    let (limits, patience) = (Limits::default(), Patience::default());
    let tls = PinnedTls::new(south.seed(), *north.id().as_bytes())?;
    let listener = Listener::bind("127.0.0.1:0").await?;
    let address = listener.address().to_string();
    let answering = tokio::spawn(async move {
        let channel = listener.accept(&tls, &limits, |_, _| ()).await?;
        let rng = &mut UnwrapErr(SysRng);
        let (patience, journal) = (Patience::default(), &mut InMemory);
        let ended = run_session(second, channel, rng, &patience, journal, pending()).await;
        Ok::<_, transport::Error>(ended.map_err(|ended| ended.cause))
    });
    let tls = PinnedTls::new(north.seed(), *south.id().as_bytes())?;
    let channel = connect(&address, &tls, &Limits::default()).await?;
    let rng = &mut UnwrapErr(SysRng);
    let ended = run_session(first, channel, rng, &patience, &mut InMemory, pending()).await;

    let asked = ended.map_err(|ended| ended.cause)?;
    let answered = answering.await???;
    let found = |outcome: &protocol::session::Outcome| {
        outcome.matches.iter().flat_map(|(_, held)| held).count()
    };
    println!(
        "The north asked for one person: {} of the keys matched",
        found(&asked)
    );
    println!(
        "The south asked for one person: {} of the keys matched",
        found(&answered)
    );
    assert!(found(&asked) > 0 && found(&answered) == 0);
    Ok(())
}
