//! A session that was signed and cut off comes to the same end in a node and with `tacit match --finish`,
//! whatever the mediator says.

use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use crate::sides::*;
use admin::policy::Approval;
use admin::{Blame, Outcome, PeerEntry, Policy, Stage};
use identity::{ListKind, ListOptions, Schema, list};
use jiff::Timestamp;
use node::Cause;
use node::daemon::Daemon;
use node::disposition::{ExitClass, Next, Recourse};
use node::handle::Handle;
use node::settings::Settings;
use protocol::{
    AgreementFault, ByClass, Ceiling, Descriptor, Persist, PreparedTable, QuestionSet, Refusal,
    Role, SignedAgreement, Standing, Verdict, VerdictFault,
};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use relay::{self, Relay, serve};
use store::file_cipher::FileCipher;
use store::key_file::{self, Protection};
use store::ledger::{Settled, SettlementLedger};
use store::passphrase::Passphrase;
use store::prepared::Ready;
use store::sessions::{SessionInfo, Start};
use store::unfinished::{About, Unfinished};
use store::{Cost, Store, enrolled};
use tokio::net::TcpListener;

/// What a test waits for at most.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whose side this test takes.
const OWN: Role = Role::Initiator;

/// What both programs made of one session.
struct Ends {
    node: SessionInfo,
    /// Why the node says that there are no answers so far.
    trouble: Option<String>,
    approval: Approval,
    /// What the node set aside: whether the signed state of this session, and whether a verdict.
    aside: Option<(bool, bool)>,
    finish: Output,
    unfinished: Vec<String>,
    evidence: Vec<String>,
}

/// Signs a session under a mediator, lets `change` do something to the mediator's home and its clock, and
/// has both programs end what was signed. `over` when it has an end.
fn ends(over: bool, change: impl FnOnce(&Path, &Clock, &Session)) -> Ends {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (home, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let ids = [Role::Initiator, Role::Responder].map(|role| key(role).id());
    enrolled::add(home.path(), &ids).unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let settling = mediator(home.path(), &clock);
    let descriptor = settling.descriptor(&address).unwrap();
    let (both, signed) = agreed(&settling, 1);
    drop(settling);
    let [own, _] = both;
    let session = Session {
        disk: own.disk,
        signed,
    };
    change(home.path(), &clock, &session);

    let now = clock.0.clone();
    let now = Arc::new(move || now.load(SeqCst));
    let relay = Relay::open(home.path(), mediator_key(), now, relay::Limits::default()).unwrap();
    runtime.spawn(serve(
        relay,
        listener,
        std::future::pending(),
        Duration::ZERO,
    ));

    let node = tempfile::tempdir().unwrap();
    let node = runtime.block_on(run_node(
        &node.path().join("home"),
        &session,
        &descriptor,
        over,
    ));
    let clerk = tempfile::tempdir().unwrap();
    let clerk = clerk.path().join("home");
    leave_unfinished(&clerk, &session, &descriptor);
    let finish = finish(&clerk);
    let (info, trouble, approval, aside) = node;
    Ends {
        node: info,
        trouble,
        approval,
        aside,
        finish,
        unfinished: endings(&clerk.join("unfinished")),
        evidence: endings(&clerk.join("evidence")),
    }
}

/// A session that both have signed, and what this side kept of it.
struct Session {
    disk: Disk,
    signed: SignedAgreement,
}

/// Has a node find the signed session in its store, and waits for what it makes of it.
async fn run_node(
    home: &Path,
    session: &Session,
    descriptor: &Descriptor,
    over: bool,
) -> (SessionInfo, Option<String>, Approval, Option<(bool, bool)>) {
    let now = Timestamp::now();
    let passphrase = Passphrase::new("correct horse battery staple").unwrap();
    let store = Store::create(home, key(OWN), &passphrase, Cost::LEAST, now).unwrap();
    let entry = PeerEntry {
        name: "theirs".into(),
        id: key(OWN.other()).id(),
        address: None,
        by_relay: false,
        policy: Policy {
            mediator: Some(descriptor.to_string()),
            ..Policy::default()
        },
    };
    let peer = store.add_peer(&entry, now).unwrap();
    let four = ByClass {
        narrow: Ceiling::new(4).unwrap(),
        wide: None,
    };
    let mediator = descriptor.terms().unwrap();
    let nothing = ByClass {
        narrow: identities(0..1),
        wide: None,
    };
    let questions = QuestionSet::prepare(nothing.clone(), four, &mut rng(6)).unwrap();
    let table = PreparedTable::prepare(nothing, four, mediator, &mut rng(5), |_| ()).unwrap();
    let ready = Ready {
        table: store.keep_prepared(peer, 0, &table).unwrap(),
        questions: store.keep_questions(peer, &questions, None).unwrap(),
    };
    store.reserve(ready).unwrap().unwrap();
    let start = Start {
        peer,
        role: OWN,
        ready,
        answered: four,
        asked: four,
        approval: None,
        mediator: entry.policy.mediator.clone(),
        policy: entry.policy,
        asked_at: now,
        asked_list: 1,
    };
    let number = store.start_session(&start, now).unwrap();
    let state = Arc::new(session.disk.state().unwrap());
    store
        .keep_signed(number, &state, &start.policy, now)
        .unwrap();
    store.keep_agreed(number, &session.signed).unwrap();

    let store = Arc::new(store);
    let handle = Handle::new(store.clone());
    let settings = Settings {
        stop: Duration::ZERO,
        ..Settings::default()
    };
    let daemon = Daemon::open(handle.clone(), settings).await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(daemon.run(async {
        let _ = stopped.await;
    }));
    let last = Instant::now() + PATIENCE;
    let trouble = loop {
        let ended = matches!(store.sessions(1).unwrap()[0].stage, Stage::Ended { .. });
        let trouble = handle.pair(peer).trouble;
        if ended == over && (over || trouble.is_some()) {
            break trouble.map(|(_, why)| why);
        }
        assert!(Instant::now() < last, "{:?}", handle.pair(peer));
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    let info = store.sessions(1).unwrap().remove(0);
    let approval = store.peer(peer).unwrap().entry.policy.approval;
    let aside = store.set_aside(number).unwrap();
    let aside = aside.map(|(kept, verdict)| {
        let same = encoded(&kept) == encoded(&state);
        (same, verdict.is_some())
    });
    (info, trouble, approval, aside)
}

/// Leaves the session in a home as `tacit match` does when it is killed.
fn leave_unfinished(home: &Path, session: &Session, descriptor: &Descriptor) {
    let own = key(OWN);
    let mut rng = UnwrapErr(SysRng);
    key_file::create(home, &own, Protection::Plain, &mut rng).unwrap();
    let today = jiff::civil::date(2026, 11, 24);
    let options = ListOptions {
        carry_columns: true,
        ..ListOptions::new(ListKind::Requested, today)
    };
    let text = "record_id,family_name,given_name,date_of_birth\n1,Шевченко,Тарас,1990-03-09\n";
    let requested = list::read(Cursor::new(text), Schema::default(), &options, |_| ()).unwrap();
    let about = About {
        peer: key(OWN.other()).id(),
        begun: Timestamp::now(),
        mediator: Some((descriptor.clone(), descriptor.address.clone())),
        wide: false,
        peer_people: 1,
        output: None,
        force: false,
        json: true,
    };
    let mut draft = Unfinished::of(home, &own)
        .draft(&about, &requested, &mut rng)
        .unwrap();
    let state = Arc::new(session.disk.state().unwrap());
    let (id, own_id) = (state.session, state.agreement.party(state.role));
    let agreed = session
        .signed
        .verify(state.mediator.encoded(), own_id, None)
        .unwrap();
    let agreed = Box::new(agreed);
    draft.keep(&Persist::Signed(state), &mut rng).unwrap();
    draft.keep(&Persist::Agreed(id, agreed), &mut rng).unwrap();
}

fn finish(home: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
    command.args(["match", "--finish", "--wait", "0", "--home"]);
    command.arg(home).stdin(Stdio::null()).output().unwrap()
}

fn endings(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let ending = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        path.extension().unwrap().to_str().unwrap().to_owned()
    };
    let mut endings: Vec<_> = entries.map(ending).collect();
    endings.sort();
    endings
}

/// That both programs did what `cause` means for a session that both signed.
fn assert_both_did_what_it_means(ends: &Ends, cause: &Cause, code: i32) {
    let means = cause.disposition(Standing::Released, Recourse::Mediator);
    match (ends.node.stage, means.next.outcome()) {
        (Stage::Ended { outcome, blame, .. }, Some(expected)) => {
            assert_eq!((outcome, blame), (expected, Some(means.blame)));
        }
        (Stage::Signed, None) => assert_eq!(ends.trouble, Some(cause.to_string())),
        (stage, _) => panic!("{stage:?}"),
    }
    assert_eq!(ends.approval == Approval::ByHand, means.officer);
    let told = String::from_utf8_lossy(&ends.finish.stderr);
    assert_eq!(ends.finish.status.code(), Some(code), "{told}");
    assert!(ends.finish.stdout.is_empty());
    let why = cause.to_string();
    assert!(told.contains(&why), "{told}");
}

#[test]
fn an_invalid_verdict_ends_the_session_as_evidence_against_the_mediator() {
    let mut forged = None;
    let ends = ends(true, |home, clock, session| {
        // The honest verdict, from a copy of the mediator; then its two releases swapped, and that signed.
        let copy = tempfile::tempdir().unwrap();
        copy_dir(home, copy.path());
        let honest = mediator(copy.path(), clock);
        let signed = &session.signed;
        let verdict = honest.settle(&key(OWN).id(), signed).unwrap();
        let Verdict::Settled(mut settlement) = verdict.verdict else {
            panic!("not settled");
        };
        std::mem::swap(
            &mut settlement.initiator_release,
            &mut settlement.responder_release,
        );
        let (at, session) = (settlement.at, settlement.session);
        let verdict = Verdict::Settled(settlement).sign(&mediator_key());
        let settled = Settled {
            initiator: signed.agreement.initiator,
            responder: signed.agreement.responder,
            verdict: verdict.encode(),
        };
        let mut ledger = SettlementLedger::open(home, FileCipher::of(&mediator_key())).unwrap();
        let added = ledger.add(&session, at, &settled, &mut UnwrapErr(SysRng));
        added.unwrap();
        forged = Some(verdict);
    });
    let cause = Cause::MediatorMisbehaved {
        fault: VerdictFault::Release(Role::Initiator),
        verdict: Box::new(forged.unwrap()),
    };
    let means = cause.disposition(Standing::Released, Recourse::Mediator);
    assert_eq!(means.next, Next::KeepAsEvidence(Outcome::Unanswered));
    assert_eq!(means.blame, Blame::Mediator);
    assert_eq!(means.exit, ExitClass::Refused);
    assert_both_did_what_it_means(&ends, &cause, 3);
    assert_eq!(ends.aside, Some((true, true)));
    assert!(ends.unfinished.is_empty(), "{:?}", ends.unfinished);
    assert_eq!(ends.evidence, ["about", "agreed", "match", "verdict"]);
}

#[test]
fn a_session_that_was_never_settled_is_over_and_nobodys_fault() {
    let ends = ends(true, |_, clock, session| {
        clock.set(session.signed.agreement.deadline.0);
    });
    let means = Cause::NeverSettled.disposition(Standing::Released, Recourse::Mediator);
    assert_eq!(means.next, Next::Over(Outcome::NeverSettled));
    assert_eq!(means.blame, Blame::Nobody);
    assert_both_did_what_it_means(&ends, &Cause::NeverSettled, 5);
    assert_eq!(ends.aside, None);
    assert!(ends.unfinished.is_empty() && ends.evidence.is_empty());
}

#[test]
fn a_session_that_the_mediator_refuses_stays_signed_for_another_day() {
    let ends = ends(false, |home, clock, _| {
        // A mediator that has lost its settling keys, and made new ones.
        let lost = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.unwrap().path();
            if path != enrolled::path(home) {
                if path.is_dir() {
                    std::fs::remove_dir_all(path).unwrap();
                } else {
                    std::fs::remove_file(path).unwrap();
                }
            }
        };
        std::fs::read_dir(home).unwrap().for_each(lost);
        drop(mediator(home, clock));
    });
    let cause = Cause::MediatorRefused(Refusal::Agreement(AgreementFault::OtherMediator));
    let means = cause.disposition(Standing::Released, Recourse::Mediator);
    assert_eq!((means.next, means.blame), (Next::Later, Blame::Mediator));
    assert_both_did_what_it_means(&ends, &cause, 3);
    assert_eq!(ends.unfinished, ["about", "agreed", "lock", "match"]);
    assert!(ends.evidence.is_empty());
    assert_eq!(ends.aside, None);
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
