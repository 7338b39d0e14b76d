//! One side of a session between two lists of numbers, for the benches.

use std::sync::Arc;

use identity::HashedIdentity;
use node::{Journal, Patience, run_session};
use pairing::NodeKey;
use protocol::{
    ByClass, Ceiling, Ceilings, Mediator, Outcome, Persist, PreparedTable, Progress, QuestionSet,
    Role, Session, SettlingWindow, Setup, Terms,
};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;

/// Terms at a ceiling that both lists fill.
pub fn terms(elements: u32) -> Terms {
    let ceiling = Ceiling::new(elements).expect("a ceiling");
    Terms {
        schema_name: "bench".into(),
        schema_digest: [0; 32],
        mediator: Mediator::None,
        ceilings: ByClass {
            narrow: Ceilings::all(ceiling),
            wide: None,
        },
        window: SettlingWindow::DEFAULT,
        reference: String::new(),
    }
}

pub fn side(
    role: Role,
    terms: &Terms,
    key: &Arc<NodeKey>,
    peer: &NodeKey,
    from: u32,
    elements: u32,
) -> Session {
    let list = |from: u32| {
        let identity = |n: u32| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            HashedIdentity::from_bytes(bytes)
        };
        ByClass {
            narrow: (from..from + elements).map(identity).collect(),
            wide: None,
        }
    };
    let rng = &mut UnwrapErr(SysRng);
    let ceilings = terms.ceilings.map(|_, ceilings| ceilings.of(role).held);
    let table =
        PreparedTable::prepare(list(from), ceilings, terms.mediator, rng, |_| ()).expect("fits");
    let ceilings = terms
        .ceilings
        .map(|_, ceilings| ceilings.of(role).requested);
    let questions = QuestionSet::prepare(list(from), ceilings, rng).expect("fits");
    let setup = Setup {
        role,
        key: key.clone(),
        peer: peer.id(),
        terms: terms.clone(),
        questions,
        table,
    };
    Session::new(setup, rng).expect("fits")
}

pub async fn exchange(session: Session, channel: transport::Channel) -> Outcome {
    struct Nobody;
    impl Journal for Nobody {
        fn keep(&mut self, _: Persist) -> std::io::Result<()> {
            Ok(())
        }
        fn progress(&mut self, _: Progress) {}
    }
    let rng = &mut UnwrapErr(SysRng);
    run_session(
        session,
        channel,
        rng,
        &Patience::default(),
        &mut Nobody,
        std::future::pending(),
    )
    .await
    .expect("an honest session")
}
