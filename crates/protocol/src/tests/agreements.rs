//! The check that nodes and mediator share, and the deadlines of a session with a mediator.

use super::*;
use pairing::Signature;

/// A settled session's agreement, as a mediator would be shown it.
fn signed(mediator: Mediator) -> SignedAgreement {
    let (initiator, responder) = started(&Terms {
        mediator,
        ..terms(64)
    });
    let (a, b) = run(initiator, responder, pass);
    assert!(b.result.is_ok());
    a.result
        .unwrap_or_else(|error| panic!("{error}"))
        .receipt
        .agreement
}

/// Both sides sign whatever text they are given: the fault must be found in the text.
fn resigned(agreement: Agreement) -> SignedAgreement {
    let text = agreement.encode();
    let sign = |role| Side::key(role).sign(&text);
    SignedAgreement {
        initiator_signature: sign(Role::Initiator),
        responder_signature: sign(Role::Responder),
        agreement,
    }
}

const NOW: MediatorTime = MediatorTime(1_000_000);

#[test]
fn an_honest_agreement_holds_for_both_parties_before_its_deadline() {
    let mediator = settling(1);
    let agreement = signed(mediator);
    assert_eq!(agreement.agreement.deadline, MediatorTime(1_003_600));
    for role in [Role::Initiator, Role::Responder] {
        assert_eq!(
            agreement
                .verify(mediator.encoded(), &Side::key(role).id(), Some(NOW))
                .map(drop),
            Ok(())
        );
    }
    let stranger = NodeKey::from_seed(&[9; 32]).id();
    assert_eq!(
        agreement
            .verify(mediator.encoded(), &stranger, Some(NOW))
            .map(drop),
        Err(AgreementFault::NotAParty)
    );
    let id = Side::key(Role::Initiator).id();
    assert_eq!(
        agreement
            .verify(mediator.encoded(), &id, Some(MediatorTime(1_003_600)))
            .map(drop),
        Err(AgreementFault::DeadlinePast)
    );
    assert_eq!(
        agreement
            .verify(settling(2).encoded(), &id, Some(NOW))
            .map(drop),
        Err(AgreementFault::OtherMediator)
    );
}

#[test]
fn an_agreement_that_names_one_id_twice_is_refused() {
    let mediator = settling(1);
    let honest = signed(mediator).agreement;
    let id = honest.initiator;
    let twice = Agreement {
        responder: id,
        ..honest
    };
    let text = twice.encode();
    let signature = Side::key(Role::Initiator).sign(&text);
    let forged = SignedAgreement {
        initiator_signature: signature,
        responder_signature: signature,
        agreement: twice,
    };
    assert_eq!(
        forged.verify(mediator.encoded(), &id, Some(NOW)).map(drop),
        Err(AgreementFault::OneIdTwice)
    );
}

#[test]
fn an_agreement_moved_to_another_session_or_mediator_is_refused() {
    let mediator = settling(1);
    let honest = signed(mediator).agreement;
    let id = honest.initiator;
    let check = |agreement| {
        resigned(agreement)
            .verify(mediator.encoded(), &id, Some(NOW))
            .map(drop)
    };
    assert_eq!(check(honest.clone()), Ok(()));
    // Another session: the proofs are bound to the one whose offers these are.
    assert_eq!(
        check(Agreement {
            offer_digest: [1; 32],
            ..honest.clone()
        }),
        Err(AgreementFault::NotProven(Role::Initiator))
    );
    assert_eq!(
        check(Agreement {
            mediator: *settling(2).encoded(),
            ..honest.clone()
        }),
        Err(AgreementFault::OtherMediator)
    );
    // Roles exchanged.
    let exchanged = Agreement {
        initiator_commitment: honest.responder_commitment.clone(),
        responder_commitment: honest.initiator_commitment.clone(),
        ..honest.clone()
    };
    assert_eq!(
        check(exchanged),
        Err(AgreementFault::NotProven(Role::Initiator))
    );
    // One side's commitment copied from another session: its release point would make the mediator an oracle.
    let (initiator, responder) = started(&Terms {
        mediator,
        window: SettlingWindow::from_seconds(600).unwrap(),
        ..terms(64)
    });
    let (other, _) = run(initiator, responder, pass);
    let other = other
        .result
        .unwrap_or_else(|error| panic!("{error}"))
        .receipt
        .agreement
        .agreement;
    let copied = Agreement {
        responder_commitment: other.responder_commitment,
        ..honest.clone()
    };
    assert_eq!(
        check(copied),
        Err(AgreementFault::NotProven(Role::Responder))
    );
    let same = Agreement {
        responder_commitment: honest.initiator_commitment.clone(),
        ..honest
    };
    assert_eq!(check(same), Err(AgreementFault::KeyShared));
}

#[test]
fn an_agreement_with_a_later_deadline_or_a_missing_signature_is_refused() {
    let mediator = settling(1);
    let honest = signed(mediator);
    let id = honest.agreement.initiator;
    let mut later = honest.clone();
    later.agreement.deadline = MediatorTime(u64::MAX);
    assert_eq!(
        later.verify(mediator.encoded(), &id, Some(NOW)).map(drop),
        Err(AgreementFault::Signature(Role::Initiator))
    );
    let mut half = honest.clone();
    half.responder_signature = half.initiator_signature;
    assert_eq!(
        half.verify(mediator.encoded(), &id, Some(NOW)).map(drop),
        Err(AgreementFault::Signature(Role::Responder))
    );
    let mut empty = honest;
    empty.initiator_signature = Signature::from_bytes([0; 64]);
    assert_eq!(
        empty.verify(mediator.encoded(), &id, Some(NOW)).map(drop),
        Err(AgreementFault::Signature(Role::Initiator))
    );
}

#[test]
fn the_text_of_an_agreement_decodes_to_itself_and_to_nothing_else() {
    let honest = signed(settling(1)).agreement;
    let text = honest.encode();
    assert!(Agreement::decode(&text).unwrap() == honest);
    for length in 0..text.len() {
        assert!(Agreement::decode(&text[..length]).is_err());
    }
    let longer = [text.as_slice(), &[0]].concat();
    assert!(Agreement::decode(&longer).is_err());
    for position in 0..text.len() {
        let mut altered = text.clone();
        altered[position] ^= 1;
        if let Ok(read) = Agreement::decode(&altered) {
            assert!(read.encode() == altered, "byte {position}");
        }
    }
}

/// Runs a session in which the mediator's clock shows `times`, in the order in which it is asked:
/// initiator to propose, responder to sign, responder to release.
fn at(times: [u64; 3]) -> (End, End) {
    let (initiator, responder) = started(&Terms {
        mediator: settling(1),
        ..terms(64)
    });
    run_at(
        initiator,
        responder,
        |asked| MediatorTime(times[asked]),
        pass,
    )
}

#[test]
fn nobody_signs_with_less_than_half_the_window_or_releases_with_less_than_a_quarter_left() {
    let (a, b) = at([0, 1800, 2700]);
    assert!(
        a.result.is_ok() && b.result.is_ok(),
        "exactly half, exactly a quarter"
    );
    let (a, b) = at([0, 1801, 0]);
    assert_eq!(
        b.error(),
        Error::TooLate {
            left_s: 1799,
            needed_s: 1800
        }
    );
    assert_eq!(
        (a.standing, b.standing),
        (Standing::Signed, Standing::Unsigned)
    );
    let (a, b) = at([0, 0, 2701]);
    assert_eq!(
        b.error(),
        Error::TooLate {
            left_s: 899,
            needed_s: 900
        }
    );
    assert_eq!(
        (a.standing, b.standing),
        (Standing::Signed, Standing::Signed)
    );
    assert!(a.session.signed().is_some() && b.session.signed().is_some());
}

#[test]
fn a_deadline_later_than_the_window_allows_is_the_initiators_cheating() {
    let (_, b) = at([5000, 1000, 1000]);
    assert_eq!(
        b.error(),
        Error::PeerMisbehaved(PeerMisbehaved::Deadline {
            found: 8600,
            earliest: 2800,
            latest: 4600
        })
    );
    assert_eq!(b.standing, Standing::Unsigned);
}

#[test]
fn a_deadline_in_an_agreement_without_a_mediator_is_refused() {
    let (initiator, responder) = started(&terms(64));
    let (_, b) = run(initiator, responder, |role, message| match message {
        Message::Agreement(mut bytes) if role == Role::Initiator => {
            bytes[7] = 9;
            vec![Message::Agreement(bytes)]
        }
        message => vec![message],
    });
    let expected = PeerMisbehaved::Deadline {
        found: 9,
        earliest: 0,
        latest: 0,
    };
    assert_eq!(b.error(), Error::PeerMisbehaved(expected));
}

#[test]
fn a_responder_too_late_to_release_still_has_the_agreement_that_the_mediator_settles_on() {
    let (_, b) = at([0, 0, 2701]);
    assert!(matches!(b.error(), Error::TooLate { .. }));
    assert!(b.session.receipt().is_some());
}
