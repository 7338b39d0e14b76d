use std::collections::BTreeSet;
use std::io;

use super::*;
use crate::settle::MediatorFault;
use ExitClass::{BadInput, Failed, Misbehaved, Refused, Stopped, Unreachable};
use Next::{AskMediator, KeepAsEvidence, Later, Over};
use Outcome::{CutOff, NeverSettled, TableShut, Unanswered};
use identity::KeyClass;
use pairing::NodeKey;
use protocol::{
    AgreementFault, Difference, ListKind, MediatorTime, Refusal, SessionId, Verdict, VerdictFault,
};
use transport::Misbehaviour;

/// What a failure means: whose doing, as what a command exits, and what becomes of a session that is not
/// signed, that is and has no mediator, that has one, and whose mediator has forgotten it.
type Meaning = (Blame, ExitClass, [Next; 4]);

const RECOURSES: [Recourse; 3] = [
    Recourse::Nobody,
    Recourse::Mediator,
    Recourse::MediatorForgot,
];

fn asks(blame: Blame, exit: ExitClass) -> Meaning {
    let next = [Over(CutOff), Over(Unanswered), AskMediator, AskMediator];
    (blame, exit, next)
}

fn waits(blame: Blame, exit: ExitClass) -> Meaning {
    let next = [Over(CutOff), Over(Unanswered), Later, Later];
    (blame, exit, next)
}

fn always(blame: Blame, exit: ExitClass, next: Next) -> Meaning {
    (blame, exit, [next; 4])
}

fn table() -> Vec<(Cause, Meaning)> {
    let mut table = vec![
        (
            Cause::Stalled { seconds: 60 },
            asks(Blame::Channel, Unreachable),
        ),
        (
            Cause::TooSlow { seconds: 600 },
            asks(Blame::Channel, Unreachable),
        ),
        (
            Cause::ReleaseLate { seconds: 60 },
            asks(Blame::Channel, Unreachable),
        ),
        (Cause::Cancelled, waits(Blame::Own, Stopped)),
        (
            Cause::NotKept(io::ErrorKind::StorageFull.into()),
            waits(Blame::Own, Failed),
        ),
        (Cause::NoMediator, waits(Blame::Own, Failed)),
        (
            Cause::ReleaseLost,
            always(Blame::Own, Unreachable, Over(Unanswered)),
        ),
        (
            Cause::NoTime(MediatorFault::Refused(Refusal::NotKept)),
            asks(Blame::Mediator, Unreachable),
        ),
        (Cause::EpochOver, asks(Blame::Mediator, Refused)),
        (
            Cause::NeverSettled,
            always(Blame::Nobody, Unreachable, Over(NeverSettled)),
        ),
        (
            Cause::MediatorRefused(Refusal::Forgotten),
            (
                Blame::Mediator,
                Refused,
                [Over(CutOff), Over(Unanswered), Later, Over(Unanswered)],
            ),
        ),
        (
            misjudged(),
            always(Blame::Mediator, Refused, KeepAsEvidence(Unanswered)),
        ),
    ];
    table.extend(
        exchange_errors()
            .into_iter()
            .map(|(error, means)| (error.into(), means)),
    );
    table.extend(
        channel_errors()
            .into_iter()
            .map(|(error, means)| (error.into(), means)),
    );
    table
}

fn exchange_errors() -> Vec<(protocol::Error, Meaning)> {
    use protocol::Error;
    let mut errors: Vec<(Error, Meaning)> = vec![
        (
            Difference::Version { ours: 1, theirs: 2 }.into(),
            always(Blame::Nobody, Refused, Over(Outcome::Refused)),
        ),
        (
            Error::PeerAborted(AbortReason::Misbehaved),
            asks(Blame::Channel, Misbehaved),
        ),
        (
            Error::TooLate {
                left_s: 1,
                needed_s: 2,
            },
            asks(Blame::Channel, Unreachable),
        ),
        (
            Error::AboveCeiling {
                list: ListKind::Held,
                class: KeyClass::Narrow,
                elements: 2,
                ceiling: 1,
            },
            asks(Blame::Own, BadInput),
        ),
        (Error::TableDoesNotFit, asks(Blame::Own, Failed)),
        (Error::QuestionsDoNotFit, asks(Blame::Own, Failed)),
        (Error::TermsUnusable { what: "" }, asks(Blame::Own, Failed)),
        (Error::OwnPeer, asks(Blame::Own, Failed)),
        (Error::Over, asks(Blame::Own, Failed)),
    ];
    let aborts = [
        AbortReason::Stalled,
        AbortReason::Cancelled,
        AbortReason::Failed,
        AbortReason::NotNow,
    ];
    errors.extend(aborts.map(|reason| {
        (
            Error::PeerAborted(reason),
            asks(Blame::Channel, Unreachable),
        )
    }));
    let shut = [
        PeerMisbehaved::TableDoesNotOpen,
        PeerMisbehaved::TableNotSorted,
    ];
    errors.extend(shut.map(|how| {
        (
            how.into(),
            always(Blame::Peer, Misbehaved, KeepAsEvidence(TableShut)),
        )
    }));
    let broken = [
        PeerMisbehaved::OutOfOrder {
            expected: "",
            found: "",
        },
        PeerMisbehaved::Malformed { message: "" },
        PeerMisbehaved::TooManyInFlight { max: 4 },
        PeerMisbehaved::ChunkOutOfOrder {
            what: "",
            expected: 0,
            found: 1,
        },
        PeerMisbehaved::ClassNotAgreed,
        PeerMisbehaved::KeyRepeated,
        PeerMisbehaved::CommitmentNotProven,
        PeerMisbehaved::TableLength {
            found: 0,
            expected: 1,
        },
        PeerMisbehaved::Elements {
            what: "",
            chunk: 0,
            fault: oprf::Error::WrongProof,
        },
        PeerMisbehaved::TableDigestDiffers,
        PeerMisbehaved::Deadline {
            found: 0,
            earliest: 1,
            latest: 2,
        },
        PeerMisbehaved::Agreement(AgreementFault::OneIdTwice),
        PeerMisbehaved::WrongRelease,
    ];
    errors.extend(broken.map(|how| (how.into(), asks(Blame::Peer, Misbehaved))));
    errors
}

fn channel_errors() -> Vec<(transport::Error, Meaning)> {
    use transport::Error;
    let presented = [0; 32];
    let kind = io::ErrorKind::TimedOut;
    vec![
        (Error::AddressMalformed, asks(Blame::Own, BadInput)),
        (Error::NameUnknown, asks(Blame::Own, BadInput)),
        (Error::CannotListen(kind), asks(Blame::Own, BadInput)),
        (Error::KeyUnusable, asks(Blame::Own, Failed)),
        (Error::MessageTooLong { bytes: 1 }, asks(Blame::Own, Failed)),
        (Error::Unreachable(kind), asks(Blame::Channel, Unreachable)),
        (
            Error::NobodyCame { turned_away: 0 },
            asks(Blame::Channel, Unreachable),
        ),
        (Error::HandshakeTimedOut, asks(Blame::Channel, Unreachable)),
        (Error::Displaced, asks(Blame::Channel, Unreachable)),
        (Error::Gone, asks(Blame::Channel, Unreachable)),
        (Error::Unfinished, asks(Blame::Channel, Unreachable)),
        (Error::NotTls, asks(Blame::Channel, Unreachable)),
        (Error::Incompatible, asks(Blame::Channel, Unreachable)),
        (
            Error::OnlyWrongKeysCame { presented },
            asks(Blame::Channel, Refused),
        ),
        (Error::WrongKey { presented }, asks(Blame::Channel, Refused)),
        (Error::KeyRefused, asks(Blame::Channel, Refused)),
        (Error::Refused { code: 8 }, asks(Blame::Channel, Refused)),
        (
            Error::Misbehaved(Misbehaviour::Tls),
            asks(Blame::Peer, Misbehaved),
        ),
    ]
}

fn misjudged() -> Cause {
    let (session, deadline) = (SessionId([1; 32]), MediatorTime(2));
    let verdict = Verdict::NeverSettled {
        session,
        at: MediatorTime(1),
        deadline,
    };
    Cause::MediatorMisbehaved {
        fault: VerdictFault::Deadline,
        verdict: Box::new(verdict.sign(&NodeKey::from_seed(&[7; 32]))),
    }
}

/// A cause that is added must be given a row.
fn name(cause: &Cause) -> &'static str {
    match cause {
        Cause::Exchange(_) => "exchange",
        Cause::Channel(_) => "channel",
        Cause::Stalled { .. } => "stalled",
        Cause::TooSlow { .. } => "too slow",
        Cause::Cancelled => "cancelled",
        Cause::NoMediator => "no mediator",
        Cause::NoTime(_) => "no time",
        Cause::EpochOver => "epoch over",
        Cause::ReleaseLate { .. } => "release late",
        Cause::NeverSettled => "never settled",
        Cause::MediatorRefused(_) => "mediator refused",
        Cause::MediatorMisbehaved { .. } => "mediator misbehaved",
        Cause::ReleaseLost => "release lost",
        Cause::NotKept(_) => "not kept",
    }
}

#[test]
fn every_failure_means_one_thing_in_every_standing() {
    let table = table();
    let named: BTreeSet<_> = table.iter().map(|(cause, _)| name(cause)).collect();
    assert_eq!((named.len(), table.len()), (14, 12 + 28 + 18));
    for (cause, (blame, exit, [unsigned, alone, mediated, forgotten])) in &table {
        assert_eq!(cause.exit_class(), *exit, "{cause}");
        for recourse in RECOURSES {
            let signed = match recourse {
                Recourse::Nobody => alone,
                Recourse::Mediator => mediated,
                Recourse::MediatorForgot => forgotten,
            };
            for (standing, next) in [
                (Standing::Unsigned, unsigned),
                (Standing::Signed, signed),
                (Standing::Released, signed),
            ] {
                let means = cause.disposition(standing, recourse);
                let found = (means.blame, means.exit, means.next);
                assert_eq!(
                    found,
                    (*blame, *exit, *next),
                    "{cause}, {standing:?}, {recourse:?}"
                );
            }
        }
    }
}

#[test]
fn an_officer_decides_where_the_peer_may_have_answers_and_where_evidence_was_kept() {
    for (cause, _) in table() {
        for recourse in RECOURSES {
            for standing in [Standing::Unsigned, Standing::Signed, Standing::Released] {
                let means = cause.disposition(standing, recourse);
                let expected = match means.next {
                    AskMediator | Later | Over(NeverSettled) => false,
                    KeepAsEvidence(_) => true,
                    Over(_) if standing == Standing::Released => true,
                    Over(outcome) => outcome == Unanswered && recourse == Recourse::MediatorForgot,
                };
                assert_eq!(
                    means.officer, expected,
                    "{cause}, {standing:?}, {recourse:?}"
                );
            }
        }
    }
}

#[test]
fn only_a_verdict_that_does_not_hold_is_proof_against_the_mediator() {
    for (cause, _) in table() {
        let misjudged = matches!(cause, Cause::MediatorMisbehaved { .. });
        assert_eq!(cause.proof().is_some(), misjudged, "{cause}");
    }
}

#[test]
fn a_mediator_has_forgotten_a_session_after_33_days_and_not_before() {
    let day = SignedDuration::from_hours(24);
    assert_eq!(Recourse::after(day * 33, true), Recourse::Mediator);
    assert_eq!(Recourse::after(day * 34, true), Recourse::MediatorForgot);
    assert_eq!(Recourse::after(day * 34, false), Recourse::Nobody);
}
