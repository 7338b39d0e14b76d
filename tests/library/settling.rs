//! The mediator: what it settles, what it refuses, and that no session leaves one side alone with
//! its answers.

use std::sync::Barrier;
use std::time::Duration;

use crate::sides::*;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
use curve25519_dalek::ristretto::CompressedRistretto;
use node::settle::{MediatorClient, MediatorFault, by_verdict};
use node::{Cause, Patience};
use oprf::PublicKey;
use pairing::{NodeId, NodeKey, Signature};
use protocol::limits::{RETENTION_SECONDS, WINDOW_SECONDS_MAX};
use protocol::{
    Agreement, AgreementFault, Decision, MediatorTime, Refusal, Role, SessionId, SignedAgreement,
    SignedState, SignedVerdict, Verdict, VerdictFault, VerifiedVerdict,
};
use relay::Mediator;
use relay::mediator::EPOCH_SECONDS;

/// A mediator with a home of its own, and its clock.
fn fresh() -> (tempfile::TempDir, Mediator, Clock) {
    let (home, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let settling = mediator(home.path(), &clock);
    (home, settling, clock)
}

fn id(role: Role) -> NodeId {
    key(role).id()
}

fn fault(refused: Result<SignedVerdict, Refusal>) -> AgreementFault {
    match refused {
        Err(Refusal::Agreement(fault)) => fault,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("settled"),
    }
}

/// Both sides sign whatever text they are given, as two that collude would.
fn signed_by(agreement: Agreement, initiator: &NodeKey, responder: &NodeKey) -> SignedAgreement {
    let text = agreement.encode();
    SignedAgreement {
        initiator_signature: initiator.sign(&text),
        responder_signature: responder.sign(&text),
        agreement,
    }
}

fn resigned(agreement: Agreement) -> SignedAgreement {
    signed_by(agreement, &key(Role::Initiator), &key(Role::Responder))
}

fn opened(state: &SignedState, verdict: &SignedVerdict) -> Vec<[u8; 32]> {
    let VerifiedVerdict::Settled { release, receipt } =
        state.verify_verdict(verdict, &mediator_key().id()).unwrap()
    else {
        panic!("not settled");
    };
    assert!(receipt.settled.is_some());
    bytes(state.open(&release).unwrap().narrow)
}

#[test]
fn what_one_side_has_settled_gives_both_their_answers_from_what_they_kept() {
    let (_home, settling, _) = fresh();
    let (both, signed) = agreed(&settling, 1);
    let verdict = settling.settle(&id(Role::Responder), &signed).unwrap();
    for side in &both {
        let state = side.disk.state().unwrap();
        assert_eq!(opened(&state, &verdict), answers(side.role));
    }
    let claimed = settling
        .claim(
            &id(Role::Initiator),
            &signed.agreement.session_id(),
            signed.agreement.deadline,
        )
        .unwrap();
    assert!(claimed == Decision::Verdict(verdict.clone()));
    assert!(SignedVerdict::decode(&verdict.encode()).unwrap() == verdict);
    let encoded = verdict.encode();
    assert!(encoded.len() <= protocol::verdict::VERDICT_BYTES_MAX);
    for length in 0..encoded.len() {
        assert!(SignedVerdict::decode(&encoded[..length]).is_err());
    }
}

#[test]
fn a_settlement_survives_the_mediators_death_right_after_the_answer() {
    let (home, settling, clock) = fresh();
    let (_, signed) = agreed(&settling, 1);
    let verdict = settling.settle(&id(Role::Initiator), &signed).unwrap();
    // No farewell: what a killed process leaves is what is on the disk when the answer leaves.
    let copy = tempfile::tempdir().unwrap();
    copy_dir(home.path(), copy.path());
    drop(settling);
    let again = mediator(copy.path(), &clock);
    let session = signed.agreement.session_id();
    clock.set(signed.agreement.deadline.0 + RETENTION_SECONDS - 1);
    let claimed = again.claim(&id(Role::Responder), &session, signed.agreement.deadline);
    assert!(claimed.unwrap() == Decision::Verdict(verdict));
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
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

#[test]
fn two_settle_calls_at_the_same_instant_get_the_same_verdict() {
    let (_home, settling, _) = fresh();
    for seed in 0..8 {
        let (_, signed) = agreed(&settling, seed);
        let start = Barrier::new(2);
        let settle = |role: Role| {
            start.wait();
            settling.settle(&id(role), &signed).unwrap()
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(|| settle(Role::Initiator));
            let one = settle(Role::Responder);
            assert!(one == other.join().unwrap());
        });
    }
}

#[test]
fn a_missing_or_wrong_signature_is_refused() {
    let (_home, settling, _) = fresh();
    let (_, signed) = agreed(&settling, 1);
    let mut missing = signed.clone();
    missing.responder_signature = Signature::from_bytes([0; 64]);
    let mut swapped = signed.clone();
    swapped.initiator_signature = signed.responder_signature;
    let later = Agreement {
        deadline: MediatorTime(signed.agreement.deadline.0 + 1),
        ..signed.agreement.clone()
    };
    let stranger = NodeKey::from_seed(&[9; 32]);
    let half_stranger = signed_by(signed.agreement.clone(), &key(Role::Initiator), &stranger);
    let moved = SignedAgreement {
        agreement: later,
        ..signed.clone()
    };
    for (bad, whose) in [
        (missing, Role::Responder),
        (swapped, Role::Initiator),
        (half_stranger, Role::Responder),
        (moved, Role::Initiator),
    ] {
        let refused = settling.settle(&id(Role::Initiator), &bad);
        assert_eq!(fault(refused), AgreementFault::Signature(whose));
    }
    assert!(settling.settle(&id(Role::Initiator), &signed).is_ok());
}

#[test]
fn a_caller_that_is_neither_party_gets_nothing_before_and_after() {
    let (_home, settling, _) = fresh();
    let (_, signed) = agreed(&settling, 1);
    let stranger = NodeKey::from_seed(&[9; 32]).id();
    let refused = settling.settle(&stranger, &signed);
    assert_eq!(fault(refused), AgreementFault::NotAParty);
    settling.settle(&id(Role::Initiator), &signed).unwrap();
    assert!(settling.settle(&stranger, &signed) == Err(Refusal::NotAParty));
    let session = signed.agreement.session_id();
    let claimed = settling.claim(&stranger, &session, signed.agreement.deadline);
    assert!(claimed == Err(Refusal::NotAParty));
}

#[test]
fn another_mediators_point_and_a_spent_epoch_are_refused() {
    let (_home, settling, clock) = fresh();
    let elsewhere = tempfile::tempdir().unwrap();
    let other = mediator(elsewhere.path(), &clock);
    let (_, signed) = agreed(&other, 1);
    let refused = settling.settle(&id(Role::Initiator), &signed);
    assert_eq!(fault(refused), AgreementFault::OtherMediator);

    let (_, signed) = agreed(&settling, 2);
    clock.set(START + EPOCH_SECONDS + WINDOW_SECONDS_MAX + 1);
    let refused = settling.settle(&id(Role::Initiator), &signed);
    assert_eq!(fault(refused), AgreementFault::OtherMediator);
}

#[test]
fn settling_keys_are_erased_after_their_last_deadline_and_a_new_epoch_begins() {
    let (home, settling, clock) = fresh();
    let first = settling.descriptor("relay.example:7448").unwrap();
    assert_eq!(first.until.0 - first.from.0, EPOCH_SECONDS);
    let keys = || {
        std::fs::read_dir(home.path().join("settling"))
            .unwrap()
            .count()
    };
    clock.set(START + EPOCH_SECONDS + 1);
    settling.sweep().unwrap();
    assert_eq!(keys(), 2, "sessions of the last day can still be settled");
    assert_ne!(settling.descriptor("").unwrap().point, first.point);
    clock.set(START + EPOCH_SECONDS + WINDOW_SECONDS_MAX + 1);
    settling.sweep().unwrap();
    assert_eq!(keys(), 1);
}

#[test]
fn after_the_deadline_nothing_is_settled_anew_and_the_mediator_says_so_for_good() {
    let (_home, settling, clock) = fresh();
    let (both, signed) = agreed(&settling, 1);
    let (session, deadline) = (signed.agreement.session_id(), signed.agreement.deadline);
    clock.set(deadline.0 - 1);
    let open = settling.claim(&id(Role::Initiator), &session, deadline);
    assert!(open == Ok(Decision::Open(MediatorTime(deadline.0 - 1))));
    clock.set(deadline.0);
    let refused = settling.settle(&id(Role::Initiator), &signed);
    assert_eq!(fault(refused), AgreementFault::DeadlinePast);
    let Ok(Decision::Verdict(verdict)) = settling.claim(&id(Role::Initiator), &session, deadline)
    else {
        panic!("no verdict");
    };
    let state = both[0].disk.state().unwrap();
    let checked = state.verify_verdict(&verdict, &mediator_key().id());
    assert!(matches!(checked, Ok(VerifiedVerdict::NeverSettled)));
    // A clock put back afterwards does not undo what was said.
    clock.set(START);
    let refused = settling.settle(&id(Role::Responder), &signed);
    assert_eq!(fault(refused), AgreementFault::DeadlinePast);
}

#[test]
fn what_is_longer_past_than_the_retention_is_not_called_never_settled() {
    let (_home, settling, clock) = fresh();
    let (_, signed) = agreed(&settling, 1);
    let (session, deadline) = (signed.agreement.session_id(), signed.agreement.deadline);
    settling.settle(&id(Role::Initiator), &signed).unwrap();
    clock.set(deadline.0 + RETENTION_SECONDS + WINDOW_SECONDS_MAX + 1);
    settling.sweep().unwrap();
    let claimed = settling.claim(&id(Role::Responder), &session, deadline);
    assert!(claimed == Err(Refusal::Forgotten));
}

#[test]
fn one_id_twice_and_a_deadline_beyond_every_window_are_refused_even_signed() {
    let (_home, settling, _) = fresh();
    let (_, signed) = agreed(&settling, 1);
    let honest = signed.agreement;
    let twice = Agreement {
        responder: honest.initiator,
        ..honest.clone()
    };
    let own = key(Role::Initiator);
    let refused = settling.settle(&own.id(), &signed_by(twice, &own, &own));
    assert_eq!(fault(refused), AgreementFault::OneIdTwice);
    let late = Agreement {
        deadline: MediatorTime(START + WINDOW_SECONDS_MAX + 61),
        ..honest.clone()
    };
    let refused = settling.settle(&own.id(), &resigned(late));
    assert_eq!(fault(refused), AgreementFault::DeadlineTooFar);
    let other_deadline = Agreement {
        deadline: MediatorTime(honest.deadline.0 - 1),
        ..honest.clone()
    };
    settling.settle(&own.id(), &resigned(honest)).unwrap();
    let refused = settling.settle(&own.id(), &resigned(other_deadline));
    assert!(refused == Err(Refusal::OtherAgreement));
}

/// Two that collude show the mediator an agreement of their own in which a victim's release point
/// stands, copied or offset by a known multiple of G: m·(s·G) of it would open the victim's table.
#[test]
fn the_mediator_is_no_oracle_for_a_point_of_another_session() {
    let (_home, settling, _) = fresh();
    let (_, victims) = agreed(&settling, 1);
    let victim = victims.agreement.initiator_commitment.clone();
    let (_, own) = agreed(&settling, 2);
    let own = own.agreement;
    let caller = id(Role::Initiator);
    let offset = |point: &PublicKey| {
        let point = CompressedRistretto(*point.encoded()).decompress().unwrap();
        let moved = (point + RISTRETTO_BASEPOINT_POINT).compress().to_bytes();
        PublicKey::decode(&moved).unwrap()
    };
    let mut copied = own.clone();
    copied.initiator_commitment = victim.clone();
    let mut only_point = own.clone();
    only_point.initiator_commitment.release = victim.release;
    let mut with_proof = only_point.clone();
    with_proof.initiator_commitment.release_proof = victim.release_proof.clone();
    let mut moved = own.clone();
    moved.initiator_commitment.release = offset(&victim.release);
    let mut moved_with_proof = moved.clone();
    moved_with_proof.initiator_commitment.release_proof = victim.release_proof.clone();
    for attempt in [copied, only_point, with_proof, moved, moved_with_proof] {
        let refused = settling.settle(&caller, &resigned(attempt));
        assert_eq!(fault(refused), AgreementFault::NotProven(Role::Initiator));
    }
    // As the responder's, where the two differ.
    let mut as_responder = own;
    as_responder.responder_commitment = victim;
    let refused = settling.settle(&caller, &resigned(as_responder));
    assert_eq!(fault(refused), AgreementFault::NotProven(Role::Responder));
}

#[test]
fn another_pairs_ids_under_a_victims_session_are_another_session() {
    let (_home, settling, _) = fresh();
    let (_, victims) = agreed(&settling, 1);
    let [one, two] = [8, 9].map(|seed| NodeKey::from_seed(&[seed; 32]));
    let theirs = Agreement {
        initiator: one.id(),
        responder: two.id(),
        ..victims.agreement.clone()
    };
    let refused = settling.settle(&one.id(), &signed_by(theirs, &one, &two));
    assert_eq!(fault(refused), AgreementFault::NotProven(Role::Initiator));
    // One of the victims with a partner of the attacker's.
    let half = Agreement {
        responder: two.id(),
        ..victims.agreement.clone()
    };
    let half = signed_by(half, &key(Role::Initiator), &two);
    let refused = settling.settle(&two.id(), &half);
    assert_eq!(fault(refused), AgreementFault::NotProven(Role::Initiator));
}

#[test]
fn a_verdict_that_is_not_the_mediators_or_not_about_this_session_is_not_taken() {
    let (_home, settling, clock) = fresh();
    let (both, signed) = agreed(&settling, 1);
    let (_, other) = agreed(&settling, 2);
    let state = both[0].disk.state().unwrap();
    let mediator = mediator_key().id();
    let verdict = settling.settle(&id(Role::Initiator), &signed).unwrap();
    let check = |verdict: &SignedVerdict| state.verify_verdict(verdict, &mediator).map(drop);
    assert_eq!(check(&verdict), Ok(()));
    let mut altered = verdict.clone();
    altered.signature = Signature::from_bytes([1; 64]);
    assert_eq!(check(&altered), Err(VerdictFault::Signature));
    let of_another = settling.settle(&id(Role::Initiator), &other).unwrap();
    assert_eq!(check(&of_another), Err(VerdictFault::OtherSession));
    // A mediator that swaps the two releases, and signs that.
    let Verdict::Settled(mut settlement) = verdict.verdict.clone() else {
        panic!("not settled");
    };
    std::mem::swap(
        &mut settlement.initiator_release,
        &mut settlement.responder_release,
    );
    let swapped = Verdict::Settled(settlement).sign(&mediator_key());
    assert_eq!(check(&swapped), Err(VerdictFault::Release(Role::Initiator)));
    // "Never settled" about another deadline, and before the deadline.
    let never = |at, deadline| {
        let (at, deadline) = (MediatorTime(at), MediatorTime(deadline));
        let session = state.session;
        Verdict::NeverSettled {
            session,
            at,
            deadline,
        }
        .sign(&mediator_key())
    };
    let deadline = state.agreement.deadline.0;
    assert_eq!(check(&never(deadline, deadline)), Ok(()));
    assert_eq!(
        check(&never(deadline - 1, deadline)),
        Err(VerdictFault::Deadline)
    );
    assert_eq!(
        check(&never(deadline, deadline - 1)),
        Err(VerdictFault::Deadline)
    );
    clock.set(START);
}

#[test]
fn a_kept_state_decodes_to_itself_and_no_altered_one_panics() {
    let (_home, settling, _) = fresh();
    let (both, _) = agreed(&settling, 1);
    for side in &both {
        let kept = side.disk.signed.clone().unwrap();
        assert_eq!(encoded(&SignedState::decode(&kept).unwrap()), kept);
        for length in 0..kept.len() {
            assert!(SignedState::decode(&kept[..length]).is_none());
        }
        for at in 0..kept.len() {
            let mut altered = kept.clone();
            altered[at] ^= 0x81;
            if let Some(state) = SignedState::decode(&altered) {
                assert_eq!(encoded(&state), altered, "byte {at}");
            }
        }
    }
}

#[test]
fn near_the_deadline_nobody_signs_or_releases() {
    let (_home, settling, clock) = fresh();
    let terms = terms(settling.descriptor("").unwrap().terms().unwrap(), 32);
    // (seconds that pass after the initiator's signature, responder signs, responder releases)
    for (passed, signs, releases) in [(WINDOW / 2, true, true), (WINDOW / 2 + 1, false, false)] {
        let mut both = sides(&terms, 3);
        let sent = run(&mut both, MediatorTime(START), usize::MAX, true);
        let place = sent
            .iter()
            .position(|sent| *sent == (Role::Initiator, "agreement"));
        let mut both = sides(&terms, 3);
        run(&mut both, MediatorTime(START), place.unwrap() + 1, true);
        clock.set(START + passed);
        let rest = run(&mut both, settling.time(), usize::MAX, true);
        assert_eq!(rest.contains(&(Role::Responder, "agreement")), signs);
        assert_eq!(rest.contains(&(Role::Responder, "release")), releases);
    }
    // Signed in time, but then held up below W/4: no release; the responder has both signatures and settles.
    let mut both = sides(&terms, 4);
    let sent = run(&mut both, MediatorTime(START), usize::MAX, true);
    let place = sent
        .iter()
        .position(|sent| *sent == (Role::Responder, "agreement"));
    let mut both = sides(&terms, 4);
    clock.set(START);
    run(&mut both, MediatorTime(START), place.unwrap() + 1, false);
    clock.set(START + WINDOW * 3 / 4 + 1);
    let rest = run(&mut both, settling.time(), usize::MAX, true);
    assert!(!rest.contains(&(Role::Responder, "release")));
    let signed = both[1].disk.both().unwrap();
    assert!(settling.settle(&id(Role::Responder), &signed).is_ok());
}

/// A node's way to a mediator in the same process; time passes with every question.
struct Beside<'a> {
    settling: &'a Mediator,
    caller: NodeId,
    clock: Clock,
}

impl MediatorClient for Beside<'_> {
    fn id(&self) -> NodeId {
        mediator_key().id()
    }

    fn last_deadline(&self) -> MediatorTime {
        MediatorTime(u64::MAX)
    }

    async fn time(&self) -> Result<MediatorTime, MediatorFault> {
        Ok(self.settling.time())
    }

    async fn settle(&self, signed: &SignedAgreement) -> Result<Decision, MediatorFault> {
        Ok(self
            .settling
            .settle(&self.caller, signed)
            .map(Decision::Verdict)?)
    }

    async fn claim(
        &self,
        session: &SessionId,
        deadline: MediatorTime,
    ) -> Result<Decision, MediatorFault> {
        let answer = self.settling.claim(&self.caller, session, deadline)?;
        self.clock.set(self.settling.time().0 + WINDOW / 8);
        Ok(answer)
    }
}

/// How a side came to its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Release,
    Settled,
    Nothing,
}

/// What a side comes to from what is on its disk, as after a restart.
async fn end(side: &Side, settling: &Mediator, clock: &Clock) -> End {
    if let Some(outcome) = &side.done {
        assert_eq!(bytes(outcome.matches.narrow.clone()), answers(side.role));
        return End::Release;
    }
    if let Some(held) = side.disk.opened() {
        assert_eq!(bytes(held.narrow), answers(side.role));
        return End::Release;
    }
    let Some(state) = side.disk.state() else {
        return End::Nothing;
    };
    let beside = Beside {
        settling,
        caller: id(side.role),
        clock: clock.clone(),
    };
    let patience = Patience {
        claim: Duration::ZERO,
        ..Patience::default()
    };
    match by_verdict(&state, side.disk.both(), &beside, &patience).await {
        Ok(outcome) => {
            assert_eq!(bytes(outcome.matches.narrow), answers(side.role));
            End::Settled
        }
        Err(Cause::NeverSettled) => End::Nothing,
        Err(cause) => panic!("{cause}"),
    }
}

/// For every message of the protocol, cut after it was sent, whether it arrives or not, both ends
/// only from what they kept: both get their answers, or neither does, whichever of them turns to the
/// mediator first, and also when the one that sent last never comes back until the other is done.
#[tokio::test]
async fn wherever_a_session_is_cut_off_both_sides_get_their_answers_or_neither_does() {
    let (_home, settling, clock) = fresh();
    let terms = terms(settling.descriptor("").unwrap().terms().unwrap(), 32);
    let all = run(&mut sides(&terms, 0), MediatorTime(START), usize::MAX, true);
    let mut table =
        String::from("cut after          sent by    arrives  first to ask  initiator  responder\n");
    let mut ends = Vec::new();
    for (number, (sender, message)) in all.iter().enumerate() {
        for delivered in [true, false] {
            for first in [0, 1] {
                clock.set(settling.time().0 + 10);
                let now = settling.time();
                let seed = 100 + (number * 4 + usize::from(delivered) * 2 + first) as u64;
                let mut both = sides(&terms, seed);
                run(&mut both, now, number + 1, delivered);
                // The one the message reaches still does what it can by itself.
                for side in &mut both {
                    while side.work(now).is_some() {}
                }
                let mut came_to = [End::Nothing; 2];
                // In parallel, as both poll: who asks first is asked first, and both to their end.
                let (one, two) = (first, 1 - first);
                (came_to[one], came_to[two]) = tokio::join!(
                    end(&both[one], &settling, &clock),
                    end(&both[two], &settling, &clock),
                );
                let [i, r] = came_to;
                table += &format!(
                    "{message:<18} {:<10} {:<8} {:<13} {:<10} {:<10}\n",
                    format!("{sender:?}"),
                    if delivered { "yes" } else { "no" },
                    format!("{:?}", both[first].role),
                    format!("{i:?}"),
                    format!("{r:?}"),
                );
                assert_eq!(i == End::Nothing, r == End::Nothing, "\n{table}");
                ends.push((*message, i, r));
            }
        }
    }
    println!("{table}");
    assert!(
        ends.iter()
            .any(|(m, i, r)| *m == "agreement" && *i == End::Settled && *r == End::Settled)
    );
    assert!(
        ends.iter()
            .any(|(m, i, r)| *m == "release" && *i == End::Release && *r == End::Settled)
    );
    assert!(
        ends.iter()
            .all(|(m, i, _)| *m != "table chunk" || *i == End::Nothing)
    );
}
