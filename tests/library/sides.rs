//! Two sides of a session with a mediator, message by message, for tests from the outside.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use identity::HashedIdentity;
use pairing::NodeKey;
use protocol::{
    ByClass, Ceiling, Ceilings, Matches, Mediator, MediatorTime, Message, Outcome, Persist,
    PreparedTable, QuestionSet, Release, Role, Session, SettlingWindow, Setup, SignedAgreement,
    SignedState, Step, Terms,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

pub const START: u64 = 1_800_000_000;
pub const WINDOW: u64 = 3600;

/// A clock that tests put forward.
#[derive(Clone)]
pub struct Clock(pub Arc<AtomicU64>);

impl Clock {
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START)))
    }

    pub fn set(&self, seconds: u64) {
        self.0.store(seconds, SeqCst);
    }
}

pub fn mediator_key() -> Arc<NodeKey> {
    Arc::new(NodeKey::from_seed(&[77; 32]))
}

pub fn mediator(home: &Path, clock: &Clock) -> relay::Mediator {
    let clock = clock.0.clone();
    relay::Mediator::open(home, mediator_key(), Arc::new(move || clock.load(SeqCst))).unwrap()
}

pub fn key(role: Role) -> Arc<NodeKey> {
    Arc::new(NodeKey::from_seed(&[role.byte(); 32]))
}

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub fn identities(range: impl IntoIterator<Item = u32>) -> Vec<HashedIdentity> {
    range
        .into_iter()
        .map(|n| {
            let mut bytes = [0u8; 32];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            HashedIdentity::from_bytes(bytes)
        })
        .collect()
}

pub fn terms(mediator: Mediator, ceiling: u32) -> Terms {
    Terms {
        schema_name: "test-v1".into(),
        schema_digest: [7; 32],
        mediator,
        ceilings: ByClass {
            narrow: Ceilings::all(Ceiling::new(ceiling).unwrap()),
            wide: None,
        },
        window: SettlingWindow::from_seconds(WINDOW as u32).unwrap(),
        reference: String::new(),
    }
}

/// The initiator holds 0..20 and asks for 90..110; the responder holds 100..120 and asks for 10..30.
pub fn session(role: Role, own: Arc<NodeKey>, peer: &NodeKey, terms: &Terms, seed: u64) -> Session {
    let (held, requested) = match role {
        Role::Initiator => (identities(0..20), identities(90..110)),
        Role::Responder => (identities(100..120), identities(10..30)),
    };
    let narrow = |list| ByClass {
        narrow: list,
        wide: None,
    };
    let mut rng = rng(seed * 10 + u64::from(role.byte()));
    let ceilings = terms.ceilings.map(|_, c| c.of(role).held);
    let table =
        PreparedTable::prepare(narrow(held), ceilings, terms.mediator, &mut rng, |_| ()).unwrap();
    let asked = terms.ceilings.map(|_, c| c.of(role).requested);
    let setup = Setup {
        role,
        key: own,
        peer: peer.id(),
        terms: terms.clone(),
        questions: QuestionSet::prepare(narrow(requested), asked, &mut rng).unwrap(),
        table,
    };
    Session::new(setup, &mut rng).unwrap()
}

/// The right answers of a side.
pub fn answers(role: Role) -> Vec<[u8; 32]> {
    bytes(match role {
        Role::Initiator => identities(100..110),
        Role::Responder => identities(10..20),
    })
}

pub fn bytes(mut list: Vec<HashedIdentity>) -> Vec<[u8; 32]> {
    list.sort();
    list.iter()
        .map(|id| id.as_ref().try_into().unwrap())
        .collect()
}

/// What a side keeps on disk, as bytes where it has an encoding.
#[derive(Default)]
pub struct Disk {
    pub signed: Option<Vec<u8>>,
    pub agreed: Option<SignedAgreement>,
    pub release: Option<Vec<u8>>,
}

impl Disk {
    pub fn keep(&mut self, state: Persist) {
        match state {
            Persist::TableUsed => {}
            Persist::Signed(state) => self.signed = Some(encoded(&state)),
            Persist::Agreed(_, signed) => self.agreed = Some(signed.into_signed()),
            Persist::PeerReleased(_, release) => self.release = Some(release.encode()),
        }
    }

    pub fn state(&self) -> Option<SignedState> {
        let bytes = self.signed.as_deref()?;
        Some(SignedState::decode(bytes).expect("what was kept decodes"))
    }

    pub fn opened(&self) -> Option<Matches> {
        let release = Release::decode(self.release.as_deref()?).unwrap();
        let state = self.state()?;
        let release = state.verify_release(&release).unwrap();
        Some(state.open(&release).unwrap())
    }

    /// Both signatures, as far as they are on this disk.
    pub fn both(&self) -> Option<SignedAgreement> {
        let own = self.state()?.both_signed();
        self.agreed.clone().or(own)
    }
}

/// A signed state as it is kept.
pub fn encoded(state: &SignedState) -> Vec<u8> {
    let mut out = Vec::new();
    let kept = state.encode(|part| {
        out.extend_from_slice(part);
        Ok::<_, ()>(())
    });
    kept.unwrap();
    out
}

/// One side, run message by message.
pub struct Side {
    pub role: Role,
    pub session: Session,
    pub incoming: VecDeque<Message>,
    pub disk: Disk,
    pub done: Option<Outcome>,
    pub failed: bool,
    rng: ChaCha20Rng,
}

impl Side {
    pub fn new(session: Session, role: Role) -> Self {
        Self {
            role,
            session,
            incoming: VecDeque::new(),
            disk: Disk::default(),
            done: None,
            failed: false,
            rng: rng(500 + u64::from(role.byte())),
        }
    }

    /// Works until it has one message to send, or waits, or ends.
    pub fn work(&mut self, now: MediatorTime) -> Option<Message> {
        while self.done.is_none() && !self.failed {
            while let Some(message) = self.incoming.pop_front() {
                self.failed |= self.session.receive(message).is_err();
            }
            match self.session.advance(&mut self.rng) {
                Ok(Step::Send(message)) => return Some(message),
                Ok(Step::Persist(state)) => self.disk.keep(state),
                Ok(Step::AskTime) => {
                    self.failed |= self.session.time(now, &mut self.rng).is_err();
                }
                Ok(Step::Wait) => return None,
                Ok(Step::Done(outcome)) => self.done = Some(*outcome),
                Err(_) => self.failed = true,
            }
        }
        None
    }
}

pub fn sides(terms: &Terms, seed: u64) -> [Side; 2] {
    let (i, r) = (key(Role::Initiator), key(Role::Responder));
    [
        Side::new(
            session(Role::Initiator, i.clone(), &r, terms, seed),
            Role::Initiator,
        ),
        Side::new(
            session(Role::Responder, r, &i, terms, seed),
            Role::Responder,
        ),
    ]
}

pub fn name(message: &Message) -> &'static str {
    match message {
        Message::Offer(_) => "offer",
        Message::Answer(_) => "answer",
        Message::Commitment(_) => "commitment",
        Message::Blinded(_) => "blinded chunk",
        Message::Evaluated(_) => "evaluated chunk",
        Message::Table(_) => "table chunk",
        Message::Agreement(_) => "agreement",
        Message::Release(_) => "release",
        Message::Abort(_) => "abort",
    }
}

/// Runs both sides until nothing moves; stops for good after `last` messages were sent, the last of
/// which arrives if `delivered`. Gives the sent messages' names with their senders.
pub fn run(
    sides: &mut [Side; 2],
    now: MediatorTime,
    last: usize,
    delivered: bool,
) -> Vec<(Role, &'static str)> {
    let mut sent = Vec::new();
    loop {
        let mut moved = false;
        for i in 0..2 {
            if let Some(message) = sides[i].work(now) {
                moved = true;
                sent.push((sides[i].role, name(&message)));
                let is_last = sent.len() == last;
                if !is_last || delivered {
                    sides[1 - i].incoming.push_back(message);
                }
                if is_last {
                    return sent;
                }
            }
        }
        if !moved {
            return sent;
        }
    }
}

/// An agreement that both signed, of an honest session with this mediator.
pub fn agreed(settling: &relay::Mediator, seed: u64) -> ([Side; 2], SignedAgreement) {
    let terms = terms(settling.descriptor("").unwrap().terms().unwrap(), 32);
    let mut sides = sides(&terms, seed);
    run(&mut sides, settling.time(), usize::MAX, true);
    let signed = sides[0].disk.both().expect("the session ran to its end");
    (sides, signed)
}
