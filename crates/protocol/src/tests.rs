//! Whole sessions in one thread: honest ones, and a cheating peer with the real crypto for each check.

mod agreements;
mod cheats;
mod honest;
mod terms;

use super::limits::*;
use super::message::{BlindedChunk, EvaluatedChunk, TableChunk};
use super::*;
use curve25519_dalek::RistrettoPoint;
use element::HashedIdentity;
use pairing::NodeKey;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::VecDeque;
use std::sync::Arc;

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn identity(n: u32) -> HashedIdentity {
    let mut bytes = [0u8; 32];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    HashedIdentity::from_bytes(bytes)
}

pub(crate) fn identities(range: impl IntoIterator<Item = u32>) -> Vec<HashedIdentity> {
    range.into_iter().map(identity).collect()
}

fn sorted(mut list: Vec<HashedIdentity>) -> Vec<[u8; 32]> {
    list.sort_unstable();
    list.iter()
        .map(|identity| identity.as_ref().try_into().unwrap())
        .collect()
}

/// A mediator's point for tests.
fn settling(seed: u64) -> Mediator {
    let point = RistrettoPoint::random(&mut rng(seed)).compress().to_bytes();
    Mediator::Settling(SettlingPoint::decode(&point).unwrap())
}

fn terms(ceiling: u32) -> Terms {
    Terms {
        schema_name: "test-v1".into(),
        schema_digest: [7; 32],
        mediator: Mediator::None,
        ceilings: ByClass {
            narrow: Ceilings::all(Ceiling::new(ceiling).unwrap()),
            wide: None,
        },
        window: SettlingWindow::DEFAULT,
        reference: String::new(),
    }
}

/// One side's lists and terms, before its table is prepared.
struct Side {
    role: Role,
    terms: Terms,
    held: ByClass<Vec<HashedIdentity>>,
    requested: ByClass<Vec<HashedIdentity>>,
}

impl Side {
    fn narrow(
        role: Role,
        terms: Terms,
        held: Vec<HashedIdentity>,
        requested: Vec<HashedIdentity>,
    ) -> Self {
        Self {
            role,
            terms,
            held: ByClass {
                narrow: held,
                wide: None,
            },
            requested: ByClass {
                narrow: requested,
                wide: None,
            },
        }
    }

    fn key(role: Role) -> Arc<NodeKey> {
        Arc::new(NodeKey::from_seed(&[role.byte(); 32]))
    }

    fn prepare(&self) -> PreparedTable {
        let ceilings = self.terms.ceilings.map(|_, c| c.of(self.role).held);
        let seed = u64::from(self.role.byte());
        PreparedTable::prepare(
            self.held.clone(),
            ceilings,
            self.terms.mediator,
            &mut rng(seed),
            |_| (),
        )
        .unwrap()
    }

    fn start(self) -> Result<Session, Error> {
        let table = self.prepare();
        self.start_with(table)
    }

    fn start_with(self, table: PreparedTable) -> Result<Session, Error> {
        let rng = &mut rng(100 + u64::from(self.role.byte()));
        let ceilings = self.terms.ceilings;
        let ceilings = ceilings.map(|_, ceilings| ceilings.of(self.role).requested);
        let setup = Setup {
            role: self.role,
            key: Self::key(self.role),
            peer: Self::key(self.role.other()).id(),
            terms: self.terms,
            questions: QuestionSet::prepare(self.requested, ceilings, rng)?,
            table,
        };
        Session::new(setup, rng)
    }
}

/// What one side did and came to.
struct End {
    result: Result<Outcome, Error>,
    /// It neither ended nor failed: it still waits for a message that does not come.
    waiting: bool,
    /// Sent messages as (kind, bytes), kept states as ("persist …", 0), in order.
    log: Vec<(&'static str, usize)>,
    standing: Standing,
    session: Session,
}

impl End {
    fn error(&self) -> Error {
        self.result.as_ref().expect_err("an error").clone()
    }

    fn narrow(self) -> Vec<[u8; 32]> {
        sorted(
            self.result
                .unwrap_or_else(|error| panic!("{error}"))
                .matches
                .narrow,
        )
    }
}

/// Runs two sessions against each other; `tamper` may replace every message on its way.
fn run(
    initiator: Session,
    responder: Session,
    mut tamper: impl FnMut(Role, Message) -> Vec<Message>,
) -> (End, End) {
    run_at(
        initiator,
        responder,
        |_| MediatorTime(1_000_000),
        &mut tamper,
    )
}

/// The same, with the mediator's clock: `clock` is handed the number of times it was asked before.
fn run_at(
    initiator: Session,
    responder: Session,
    mut clock: impl FnMut(usize) -> MediatorTime,
    mut tamper: impl FnMut(Role, Message) -> Vec<Message>,
) -> (End, End) {
    struct Runner {
        role: Role,
        session: Session,
        incoming: VecDeque<Message>,
        log: Vec<(&'static str, usize)>,
        result: Option<Result<Outcome, Error>>,
        rng: ChaCha20Rng,
    }
    let runner = |role: Role, session| Runner {
        role,
        session,
        incoming: VecDeque::new(),
        log: Vec::new(),
        result: None,
        rng: rng(200 + u64::from(role.byte())),
    };
    let mut sides = [
        runner(Role::Initiator, initiator),
        runner(Role::Responder, responder),
    ];
    let mut asked = 0;
    loop {
        let mut idle = 0;
        for i in 0..2 {
            let mut outgoing = Vec::new();
            let side = &mut sides[i];
            if side.result.is_some() {
                idle += 1;
                continue;
            }
            while let Some(message) = side.incoming.pop_front() {
                if let Err(error) = side.session.receive(message) {
                    side.result = Some(Err(error));
                    break;
                }
            }
            while side.result.is_none() {
                match side.session.advance(&mut side.rng) {
                    Ok(Step::Send(message)) => {
                        side.log.push(describe(&message));
                        outgoing.push(message);
                        if outgoing.len() == 2 {
                            break;
                        }
                    }
                    Ok(Step::Persist(Persist::TableUsed)) => {
                        side.log.push(("persist table used", 0))
                    }
                    Ok(Step::Persist(Persist::Signed(_))) => side.log.push(("persist signed", 0)),
                    Ok(Step::Persist(Persist::Agreed(..))) => side.log.push(("persist agreed", 0)),
                    Ok(Step::Persist(Persist::PeerReleased(..))) => {
                        side.log.push(("persist the peer's release", 0))
                    }
                    Ok(Step::AskTime) => {
                        let now = clock(asked);
                        asked += 1;
                        if let Err(error) = side.session.time(now, &mut side.rng) {
                            side.result = Some(Err(error));
                        }
                    }
                    Ok(Step::Wait) => {
                        idle += usize::from(outgoing.is_empty());
                        break;
                    }
                    Ok(Step::Done(outcome)) => side.result = Some(Ok(*outcome)),
                    Err(error) => side.result = Some(Err(error)),
                }
            }
            if let Some(Err(error)) = &side.result {
                outgoing.extend(error.abort_reason().map(Message::Abort));
            }
            let role = side.role;
            let delivered: Vec<_> = outgoing
                .into_iter()
                .flat_map(|message| match message {
                    Message::Abort(reason) => vec![Message::Abort(reason)],
                    message => tamper(role, message),
                })
                .collect();
            sides[1 - i].incoming.extend(delivered);
        }
        if idle == 2
            && sides
                .iter()
                .all(|side| side.incoming.is_empty() || side.result.is_some())
        {
            break;
        }
    }
    let [a, b] = sides.map(|side| End {
        waiting: side.result.is_none(),
        result: side.result.unwrap_or(Err(Error::Over)),
        log: side.log,
        standing: side.session.standing(),
        session: side.session,
    });
    (a, b)
}

fn pass(_: Role, message: Message) -> Vec<Message> {
    vec![message]
}

fn describe(message: &Message) -> (&'static str, usize) {
    match message {
        Message::Offer(bytes) => ("offer", bytes.len()),
        Message::Answer(bytes) => ("answer", bytes.len()),
        Message::Commitment(bytes) => ("commitment", bytes.len()),
        Message::Blinded(chunk) => ("blinded", chunk.elements.len()),
        Message::Evaluated(chunk) => ("evaluated", chunk.elements.len() + chunk.proof.len()),
        Message::Table(chunk) => ("table", chunk.sealed.len()),
        Message::Agreement(bytes) => ("agreement", bytes.len()),
        Message::Release(bytes) => ("release", bytes.len()),
        Message::Abort(_) => ("abort", 0),
    }
}

/// Two small sides: the initiator holds 0..20 and asks for 90..110, the responder holds 100..120 and asks for 10..30.
fn small(terms: &Terms) -> (Side, Side) {
    (
        Side::narrow(
            Role::Initiator,
            terms.clone(),
            identities(0..20),
            identities(90..110),
        ),
        Side::narrow(
            Role::Responder,
            terms.clone(),
            identities(100..120),
            identities(10..30),
        ),
    )
}

fn started(terms: &Terms) -> (Session, Session) {
    let (initiator, responder) = small(terms);
    (initiator.start().unwrap(), responder.start().unwrap())
}
