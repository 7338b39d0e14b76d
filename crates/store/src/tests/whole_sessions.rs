//! Sessions with the real protocol: what they spend, keep and leave.

use super::*;
use crate::answers::{Answers, MatchedRecord};
use crate::budget::Direction;
use crate::sessions::{End, Start};
use admin::policy::Budget;
use admin::{Blame, ClientRole, Credential, Outcome, PeerNumber, SessionNumber, Stage};
use identity::Answer;
use protocol::{
    Ceilings, Persist, QuestionSet, Receipt, Role, Session, SettlingWindow, Setup, SignedState,
    Step, Terms,
};

const ELEMENTS: u32 = 4;

fn four() -> ByClass<Ceiling> {
    narrow(ELEMENTS)
}

fn narrow(elements: u32) -> ByClass<Ceiling> {
    ByClass {
        narrow: Ceiling::new(elements).unwrap(),
        wide: None,
    }
}

fn terms(ceilings: ByClass<Ceiling>) -> Terms {
    Terms {
        schema_name: "test-v1".into(),
        schema_digest: [7; 32],
        mediator: Mediator::None,
        ceilings: ceilings.map(|_, ceiling| Ceilings::all(ceiling)),
        window: SettlingWindow::DEFAULT,
        reference: String::new(),
    }
}

/// Runs both sides; gives what the initiator, who asks for what the other holds, kept and got.
pub(super) fn played(table: PreparedTable) -> (Arc<SignedState>, Receipt, Vec<HashedIdentity>) {
    played_at(ELEMENTS, &[HashedIdentity::from_bytes([7; 32])], table)
}

/// The same with what both sides ask for, under a ceiling of so many elements.
pub(super) fn played_at(
    elements: u32,
    asked: &[HashedIdentity],
    table: PreparedTable,
) -> (Arc<SignedState>, Receipt, Vec<HashedIdentity>) {
    let ceilings = narrow(elements);
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let keys = [1, 101].map(|seed| Arc::new(NodeKey::from_seed(&[seed; 32])));
    let mut other_rng = ChaCha20Rng::from_seed([4; 32]);
    let held = ByClass {
        narrow: vec![HashedIdentity::from_bytes([7; 32])],
        wide: None,
    };
    let other =
        PreparedTable::prepare(held, ceilings, Mediator::None, &mut other_rng, |_| ()).unwrap();
    let mut side = |role: Role, own: usize, table| {
        let requested = ByClass {
            narrow: asked.to_vec(),
            wide: None,
        };
        let setup = Setup {
            role,
            key: Arc::clone(&keys[own]),
            peer: keys[1 - own].id(),
            terms: terms(ceilings),
            questions: QuestionSet::prepare(requested, ceilings, &mut rng).unwrap(),
            table,
        };
        Session::new(setup, &mut rng).unwrap()
    };
    let mut sides = [
        side(Role::Initiator, 0, table),
        side(Role::Responder, 1, other),
    ];
    let (mut kept, mut outcome) = (None, None);
    let mut done = 0;
    while done < 2 {
        for own in 0..2 {
            loop {
                match sides[own].advance(&mut rng) {
                    Ok(Step::Send(message)) => sides[1 - own].receive(message).unwrap(),
                    Ok(Step::Persist(Persist::Signed(state))) if own == 0 => kept = Some(state),
                    Ok(Step::Persist(_)) => {}
                    Ok(Step::Done(came)) => {
                        done += 1;
                        if own == 0 {
                            outcome = Some(came);
                        }
                        break;
                    }
                    Ok(Step::Wait | Step::AskTime) | Err(_) => break,
                }
            }
        }
    }
    let outcome = outcome.unwrap();
    (kept.unwrap(), outcome.receipt, outcome.matches.narrow)
}

struct Ready {
    place: TestHome,
    store: Store,
    peer: PeerNumber,
}

impl Ready {
    fn new() -> Self {
        let place = TestHome::new();
        let store = place.create();
        let mut entry = peer_entry(1);
        entry.policy.narrow.budget = Budget {
            elements: 8,
            sessions: 48,
        };
        let peer = store.add_peer(&entry, now()).unwrap();
        Self { place, store, peer }
    }

    fn peer(&self) -> PeerNumber {
        self.peer
    }

    fn start(&self) -> Result<(SessionNumber, PreparedTable), Error> {
        let ready = super::ready(&self.store, self.peer);
        let start = Start {
            peer: self.peer(),
            role: Role::Initiator,
            ready,
            answered: four(),
            asked: four(),
            approval: None,
            mediator: None,
            policy: self.store.peer(self.peer())?.entry.policy,
            asked_at: now(),
            asked_list: 1,
        };
        let session = self.store.start_session(&start, now());
        self.store.put_back(ready)?;
        Ok((session?, prepared(ELEMENTS)))
    }

    fn sign(&self, session: SessionNumber, state: &Arc<SignedState>) -> Result<(), Error> {
        let policy = self.store.peer(self.peer())?.entry.policy;
        self.store.keep_signed(session, state, &policy, now())
    }
}

fn cut_off() -> End<'static> {
    End {
        outcome: Outcome::CutOff,
        blame: Some(Blame::Peer),
        receipt: None,
        asked_at: now(),
        answers: &[],
    }
}

#[test]
fn a_session_from_its_commitment_to_its_answers_survives_restarts_in_between() {
    let ready = Ready::new();
    let (session, table) = ready.start().unwrap();
    let (state, receipt, held) = played(table);
    assert_eq!(held.len(), 1);
    assert_eq!(ready.store.sessions(9).unwrap()[0].stage, Stage::Committed);
    assert!(ready.store.signed_state(session).unwrap().is_none());
    ready.sign(session, &state).unwrap();
    assert!(ready.sign(session, &state).is_err());
    let Ready { place, store, peer } = ready;
    drop(store);

    // After a crash, the peer's release opens what was kept.
    let store = place.open();
    let signed = store.signed_sessions().unwrap();
    assert_eq!((signed.len(), signed[0].id), (1, Some(state.session)));
    let back = store.signed_state(session).unwrap().unwrap();
    let release = receipt.responder_release.clone().unwrap();
    assert!(
        back.open(&back.verify_release(&release).unwrap())
            .unwrap()
            .narrow
            == held
    );

    let client = store
        .enrol("clerk", ClientRole::Clerk, Credential::User(1), now())
        .unwrap();
    let other = store
        .enrol("clerk", ClientRole::Clerk, Credential::User(2), now())
        .unwrap();
    let query = store.submit(client, &[person(1, 0)], now()).unwrap();
    let answers = Answers {
        asked: 1,
        list: None,
        wide: false,
        found: vec![MatchedRecord {
            record_id: "id-1".into(),
            answer: Answer::Strong,
            kinds: vec![KeyKind::N1, KeyKind::N4],
        }],
    };
    let nothing = Answers {
        asked: 20,
        list: None,
        wide: false,
        found: Vec::new(),
    };
    let end = End {
        outcome: Outcome::Answered,
        blame: None,
        receipt: Some(&receipt),
        asked_at: now(),
        answers: &[(Some(query), answers.clone()), (None, nothing.clone())],
    };
    store.end_session(session, &end, now()).unwrap();
    assert!(store.end_session(session, &end, now()).is_err());
    drop(store);

    let store = place.open();
    assert!(store.signed_sessions().unwrap().is_empty());
    assert!(store.signed_state(session).unwrap().is_none());
    let mine = store.answers(query, client).unwrap();
    assert_eq!((mine.len(), &mine[0].answers), (1, &answers));
    assert!(matches!(
        store.answers(query, other),
        Err(Error::NoSuch { .. })
    ));
    assert_eq!(store.standing_answers().unwrap()[0].answers, nothing);
    assert!(store.receipt(session).unwrap().unwrap() == receipt);
    let left = store.budget_left(peer, Direction::Asked, now()).unwrap();
    assert_eq!(left.narrow.elements, 4);
    assert!(store.verify_audit(None).unwrap().is_ok());
}

#[test]
fn the_budget_bounds_sessions_and_a_refused_one_spends_nothing() {
    let ready = Ready::new();
    for _ in 0..2 {
        let (session, _) = ready.start().unwrap();
        ready.store.end_session(session, &cut_off(), now()).unwrap();
    }
    for _ in 0..5 {
        assert!(matches!(ready.start(), Err(Error::OverBudget(over)) if over.elements_left == 0));
    }
    assert_eq!(ready.store.sessions(9).unwrap().len(), 2);
    assert_eq!(ready.store.unused(ready.peer).unwrap().0.len(), 5);
}

/// The other peer's sessions, those that run, and those that came to nothing do not count.
#[test]
fn the_last_session_that_a_peer_answered_is_found_for_that_peer_alone() {
    let ready = Ready::new();
    let store = &ready.store;
    let other = store.add_peer(&peer_entry(2), now()).unwrap();
    let at = |second: i64| Timestamp::from_second(now().as_second() + second).unwrap();
    let run = |second, ended: Option<Outcome>| {
        let policy = store.peer(ready.peer()).unwrap().entry.policy;
        let start = Start {
            peer: ready.peer(),
            role: Role::Initiator,
            ready: super::ready(store, ready.peer),
            answered: four(),
            asked: four(),
            approval: None,
            mediator: None,
            policy,
            asked_at: now(),
            asked_list: 1,
        };
        let session = store.start_session(&start, at(second)).unwrap();
        if let Some(outcome) = ended {
            let end = End {
                outcome,
                blame: None,
                ..cut_off()
            };
            store.end_session(session, &end, at(second + 1)).unwrap();
        }
        session
    };
    let mut entry = store.peer(ready.peer()).unwrap().entry;
    entry.policy.narrow.budget.elements = 1000;
    store.change_peer(ready.peer(), &entry, now()).unwrap();
    let last = || store.last_answered(ready.peer()).unwrap();
    assert_eq!(last(), None);
    run(0, Some(Outcome::CutOff));
    assert_eq!(last(), None);
    let answered = run(10, Some(Outcome::Answered));
    assert_eq!(last().map(|info| info.number), Some(answered));
    let settled = run(20, Some(Outcome::Settled));
    run(30, Some(Outcome::Refused));
    run(40, None);
    let found = last().unwrap();
    assert_eq!((found.number, found.started), (settled, at(20)));
    assert_eq!(store.last_answered(other).unwrap(), None);
}

#[test]
fn a_session_that_was_not_signed_is_cut_off_by_a_restart() {
    let ready = Ready::new();
    let (session, _) = ready.start().unwrap();
    let Ready { place, store, .. } = ready;
    drop(store);
    let store = place.open();
    let found = &store.sessions(1).unwrap()[0];
    assert_eq!(found.number, session);
    let blame = Some(Blame::Own);
    assert!(
        matches!(found.stage, Stage::Ended { outcome: Outcome::CutOff, blame: b, .. } if b == blame)
    );
    let last = store.last_entries(1).unwrap();
    assert!(last[0].contains("\"event\":\"session_ended\""));
}

#[test]
fn nothing_is_signed_under_a_policy_that_is_no_longer_the_peers() {
    let ready = Ready::new();
    let (session, table) = ready.start().unwrap();
    let (state, ..) = played(table);
    let before = ready.store.peer(ready.peer()).unwrap().entry;
    ready.store.require_approval(ready.peer(), now()).unwrap();
    let sign = || {
        ready
            .store
            .keep_signed(session, &state, &before.policy, now())
    };
    assert!(matches!(sign(), Err(Error::WrongState { .. })));
    ready.store.remove_peer(ready.peer(), now()).unwrap();
    assert!(matches!(sign(), Err(Error::NoSuch { .. })));
    assert_eq!(ready.store.sessions(9).unwrap()[0].stage, Stage::Committed);
    ready.store.add_peer(&before, now()).unwrap();
    sign().unwrap();
}

#[test]
fn an_approval_is_used_up_by_one_session() {
    let ready = Ready::new();
    let store = &ready.store;
    let approval = store.ask_approval(ready.peer(), now()).unwrap();
    let start = || {
        let taken = super::ready(store, ready.peer);
        let start = Start {
            peer: ready.peer(),
            role: Role::Responder,
            ready: taken,
            answered: four(),
            asked: four(),
            approval: Some(approval),
            mediator: None,
            policy: store.peer(ready.peer()).unwrap().entry.policy,
            asked_at: now(),
            asked_list: 1,
        };
        let started = store.start_session(&start, now());
        store.put_back(taken).unwrap();
        started
    };
    assert!(
        matches!(start(), Err(Error::WrongState { .. })),
        "not decided yet"
    );
    store.decide(approval, true, None, now()).unwrap();
    start().unwrap();
    assert!(matches!(start(), Err(Error::WrongState { .. })), "used");
}

#[test]
fn a_signed_session_made_an_ended_one_on_the_disk_is_noticed() {
    let ready = Ready::new();
    let (session, table) = ready.start().unwrap();
    let (state, ..) = played(table);
    ready.sign(session, &state).unwrap();
    ready
        .store
        .connection()
        .execute_batch("UPDATE session SET state = 3, ended_ms = 0")
        .unwrap();
    let read = ready.store.sessions(1);
    assert!(matches!(read, Err(Error::Altered { table: "session" })));
}
