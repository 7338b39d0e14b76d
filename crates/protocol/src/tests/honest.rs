//! Honest sessions: right answers, and nothing of the lists' sizes in what is sent.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn each_side_learns_exactly_which_of_its_requested_the_other_holds() {
    let (initiator, responder) = started(&terms(64));
    let (a, b) = run(initiator, responder, pass);
    assert_eq!(a.narrow(), sorted(identities(100..110)));
    assert_eq!(b.narrow(), sorted(identities(10..20)));
}

#[test]
fn with_a_mediator_the_responder_releases_first_and_without_one_the_initiator() {
    for (mediator, first, second) in [
        (Mediator::None, Role::Initiator, Role::Responder),
        (settling(1), Role::Responder, Role::Initiator),
    ] {
        let (initiator, responder) = started(&Terms {
            mediator,
            ..terms(64)
        });
        let mut releases = Vec::new();
        let (a, b) = run(initiator, responder, |role, message| {
            if matches!(message, Message::Release(_)) {
                releases.push(role);
            }
            vec![message]
        });
        assert_eq!(a.narrow(), sorted(identities(100..110)));
        assert_eq!(b.narrow(), sorted(identities(10..20)));
        assert_eq!(releases, [first, second]);
    }
}

#[test]
fn what_must_be_kept_is_kept_before_the_message_that_depends_on_it() {
    let (initiator, responder) = started(&terms(64));
    let (a, b) = run(initiator, responder, pass);
    for end in [a, b] {
        let place = |what| end.log.iter().position(|(kind, _)| *kind == what).unwrap();
        assert_eq!(place("persist table used") + 1, place("commitment"));
        assert_eq!(place("persist signed") + 1, place("agreement"));
        assert!(place("agreement") < place("release"));
    }
}

#[test]
fn no_blinded_element_leaves_before_the_peers_commitment_and_no_table_before_the_last_blinded_chunk()
 {
    let (initiator, responder) = small(&terms(5000));
    let mut seen = Vec::new();
    let (a, b) = run(
        initiator.start().unwrap(),
        responder.start().unwrap(),
        |role, message| {
            seen.push((role, describe(&message).0));
            vec![message]
        },
    );
    assert!(a.result.is_ok() && b.result.is_ok());
    for role in [Role::Initiator, Role::Responder] {
        let first = |what| seen.iter().position(|entry| *entry == what).unwrap();
        let last = |what| seen.iter().rposition(|entry| *entry == what).unwrap();
        assert!(first((role.other(), "commitment")) < first((role, "blinded")));
        assert!(last((role.other(), "blinded")) < first((role, "table")));
        assert!(last((role, "table")) < first((Role::Initiator, "agreement")));
    }
}

/// Sizes of 0, 1 and the whole ceiling, with and without matches: the same messages of the same lengths.
#[test]
fn the_messages_do_not_depend_on_the_lists_but_on_the_ceilings() {
    let lists = [
        (identities([]), identities([])),
        (identities([1]), identities([1])),
        (identities(0..4200), identities(0..4200)),
        (identities(0..4200), identities(5000..9200)),
        (identities([1, 1, 1]), identities([2, 2])),
    ];
    let mut logs = Vec::new();
    for (held, requested) in lists {
        let initiator = Side::narrow(
            Role::Initiator,
            terms(4200),
            held.clone(),
            requested.clone(),
        );
        let responder = Side::narrow(
            Role::Responder,
            terms(4200),
            held.clone(),
            requested.clone(),
        );
        let (a, b) = run(initiator.start().unwrap(), responder.start().unwrap(), pass);
        logs.push((a.log.clone(), b.log.clone()));
        let held: BTreeSet<_> = sorted(held).into_iter().collect();
        let expected: BTreeSet<_> = sorted(requested)
            .into_iter()
            .filter(|identity| held.contains(identity))
            .collect();
        for end in [a, b] {
            assert_eq!(end.narrow().into_iter().collect::<BTreeSet<_>>(), expected);
        }
    }
    assert_eq!(
        logs[0]
            .0
            .iter()
            .filter(|(kind, _)| *kind == "blinded")
            .count(),
        2
    );
    assert!(logs.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn sides_may_have_different_ceilings_and_both_key_classes() {
    let mut terms = terms(30);
    terms.ceilings.narrow.responder.held = Ceiling::new(9000).unwrap();
    terms.ceilings.narrow.initiator.requested = Ceiling::new(4097).unwrap();
    terms.ceilings.wide = Some(Ceilings::all(Ceiling::new(4096).unwrap()));
    let both = |narrow: std::ops::Range<u32>, wide: std::ops::Range<u32>| ByClass {
        narrow: identities(narrow),
        wide: Some(identities(wide)),
    };
    let initiator = Side {
        role: Role::Initiator,
        terms: terms.clone(),
        held: both(0..30, 500..900),
        requested: both(1000..5000, 0..9),
    };
    let responder = Side {
        role: Role::Responder,
        terms,
        held: both(4000..13000, 5..4000),
        requested: both(20..50, 600..601),
    };
    let (a, b) = run(initiator.start().unwrap(), responder.start().unwrap(), pass);
    let a = a.result.unwrap_or_else(|error| panic!("{error}")).matches;
    let b = b.result.unwrap_or_else(|error| panic!("{error}")).matches;
    assert_eq!(sorted(a.narrow), sorted(identities(4000..5000)));
    assert_eq!(sorted(a.wide.unwrap()), sorted(identities(5..9)));
    assert_eq!(sorted(b.narrow), sorted(identities(20..30)));
    assert_eq!(sorted(b.wide.unwrap()), sorted(identities(600..601)));
}

/// An identity of one class is not found in the other's table: each class has a key of its own.
#[test]
fn the_two_key_classes_do_not_mix() {
    let mut terms = terms(8);
    terms.ceilings.wide = terms.ceilings.wide.or(Some(terms.ceilings.narrow));
    let side = |role, narrow, wide| Side {
        role,
        terms: terms.clone(),
        held: ByClass {
            narrow: identities(narrow),
            wide: Some(identities(wide)),
        },
        requested: ByClass {
            narrow: identities([1, 2]),
            wide: Some(identities([1, 2])),
        },
    };
    let (a, b) = run(
        side(Role::Initiator, [1, 5], [2, 6]).start().unwrap(),
        side(Role::Responder, [1, 5], [2, 6]).start().unwrap(),
        pass,
    );
    for end in [a, b] {
        let held = end.result.unwrap_or_else(|error| panic!("{error}")).matches;
        assert_eq!(sorted(held.narrow), sorted(identities([1])));
        assert_eq!(sorted(held.wide.unwrap()), sorted(identities([2])));
    }
}

#[test]
fn a_list_above_its_ceiling_is_refused_before_anything_is_sent() {
    let ceilings = ByClass {
        narrow: Ceiling::new(9).unwrap(),
        wide: None,
    };
    let held = ByClass {
        narrow: identities(0..10),
        wide: None,
    };
    let refused = PreparedTable::prepare(held, ceilings, Mediator::None, &mut rng(1), |_| ()).err();
    let expected = |list| Error::AboveCeiling {
        list,
        class: KeyClass::Narrow,
        elements: 10,
        ceiling: 9,
    };
    assert_eq!(refused, Some(expected(ListKind::Held)));
    let side = Side::narrow(Role::Initiator, terms(9), identities([]), identities(0..10));
    assert_eq!(side.start().err(), Some(expected(ListKind::Requested)));
}

#[test]
fn preparing_reports_its_progress_up_to_the_ceiling() {
    let mut done = Vec::new();
    let ceilings = ByClass {
        narrow: Ceiling::new(5000).unwrap(),
        wide: None,
    };
    let held = ByClass {
        narrow: identities(0..10),
        wide: None,
    };
    PreparedTable::prepare(held, ceilings, Mediator::None, &mut rng(1), |elements| {
        done.push(elements)
    })
    .unwrap();
    assert_eq!(done, [4096, 904]);
}

/// What a node keeps before it signs is enough to open the peer's table later.
#[test]
fn the_signed_state_and_the_peers_release_give_the_answers() {
    let (initiator, responder) = started(&terms(64));
    let mut release = None;
    let (a, b) = run(initiator, responder, |role, message| match message {
        // The responder's release is lost on the way.
        Message::Release(bytes) if role == Role::Responder => {
            release = release::Release::decode(&bytes);
            Vec::new()
        }
        message => vec![message],
    });
    assert_eq!(b.narrow(), sorted(identities(10..20)));
    assert!(a.result.is_err());
    assert_eq!(a.standing, Standing::Released);
    let state = a.session.signed().unwrap();
    let release = state.verify_release(&release.unwrap()).unwrap();
    let held = state.open(&release).unwrap();
    assert_eq!(sorted(held.narrow), sorted(identities(100..110)));
}

#[test]
fn both_receipts_hold_for_a_third_party_and_are_the_same() {
    let (initiator, responder) = started(&terms(64));
    let (a, b) = run(initiator, responder, pass);
    let (a, b) = (
        a.result.unwrap_or_else(|e| panic!("{e}")).receipt,
        b.result.unwrap_or_else(|e| panic!("{e}")).receipt,
    );
    assert!(a == b);
    let id = Side::key(Role::Initiator).id();
    assert_eq!(
        a.agreement
            .verify(Mediator::None.encoded(), &id, None)
            .map(drop),
        Ok(())
    );
    let agreement = &a.agreement.agreement;
    for (role, release) in [
        (Role::Initiator, a.initiator_release),
        (Role::Responder, a.responder_release),
    ] {
        let public = agreement.commitment(role).release;
        assert_eq!(
            release
                .unwrap()
                .verify(&agreement.session_id(), role, &Mediator::None, &public)
                .map(drop),
            Ok(())
        );
    }
}

/// Whatever ends a session after the peer's release has come, the answers are there.
#[test]
fn a_release_that_came_gives_its_answers_even_if_the_peer_aborts_or_the_line_dies() {
    let (initiator, responder) = started(&terms(64));
    let mut release = None;
    let (_, b) = run(initiator, responder, |role, message| match message {
        Message::Release(bytes) if role == Role::Initiator => {
            release = Some(bytes);
            Vec::new()
        }
        message => vec![message],
    });
    assert!(b.waiting);
    let mut session = b.session;
    let release = release.unwrap();
    session.receive(Message::Release(release)).unwrap();
    session
        .receive(Message::Abort(AbortReason::Cancelled))
        .unwrap();
    assert!(matches!(
        session.advance(&mut rng(1)).unwrap(),
        Step::Persist(Persist::PeerReleased(..))
    ));
    // Its own release is handed out to be sent, and cannot be.
    assert!(matches!(
        session.advance(&mut rng(1)).unwrap(),
        Step::Send(Message::Release(_))
    ));
    let wound_up = session.wind_up(&mut rng(2));
    assert!(wound_up.persist.is_empty(), "it was kept before");
    let outcome = wound_up.ended.unwrap().expect("answers");
    assert_eq!(sorted(outcome.matches.narrow), sorted(identities(10..20)));
}

#[test]
fn a_release_that_is_taken_only_when_the_session_winds_up_is_handed_on_to_be_kept() {
    let (initiator, responder) = started(&terms(64));
    let mut release = None;
    let (_, b) = run(initiator, responder, |role, message| match message {
        Message::Release(bytes) if role == Role::Initiator => {
            release = Some(bytes);
            Vec::new()
        }
        message => vec![message],
    });
    let mut session = b.session;
    let release = release.unwrap();
    session.receive(Message::Release(release.clone())).unwrap();
    let WoundUp { persist, ended } = session.wind_up(&mut rng(2));
    let outcome = ended.unwrap().expect("answers");
    let [Persist::PeerReleased(of, kept)] = &persist[..] else {
        panic!("{} steps", persist.len());
    };
    assert_eq!((*of, kept.encode()), (outcome.session, release));
    assert_eq!(session.standing(), Standing::Signed, "its own never left");
}

#[test]
fn winding_up_signs_and_releases_nothing_and_tells_the_peers_reason() {
    let (mut session, _) = started(&terms(64));
    session
        .receive(Message::Abort(AbortReason::Stalled))
        .unwrap();
    let WoundUp { persist, ended } = session.wind_up(&mut rng(1));
    assert!(persist.is_empty());
    assert_eq!(ended.err(), Some(Error::PeerAborted(AbortReason::Stalled)));
    let (mut session, _) = started(&terms(64));
    assert!(session.wind_up(&mut rng(1)).ended.unwrap().is_none());
    assert_eq!(session.standing(), Standing::Unsigned);
    assert_eq!(session.advance(&mut rng(1)).err(), Some(Error::Over));
}

/// An abort right behind the peer's signature does not take the doubly signed agreement away.
#[test]
fn a_signature_that_came_before_an_abort_is_kept() {
    let mediator = settling(1);
    let (initiator, responder) = started(&Terms {
        mediator,
        ..terms(64)
    });
    let (a, _) = run(initiator, responder, |role, message| match message {
        Message::Agreement(bytes) if role == Role::Responder => {
            vec![
                Message::Agreement(bytes),
                Message::Abort(AbortReason::Cancelled),
            ]
        }
        message => vec![message],
    });
    assert_eq!(a.error(), Error::PeerAborted(AbortReason::Cancelled));
    let receipt = a.session.receipt().expect("both signatures");
    let id = Side::key(Role::Initiator).id();
    assert_eq!(
        receipt
            .agreement
            .verify(mediator.encoded(), &id, Some(MediatorTime(1_000_000)))
            .map(drop),
        Ok(())
    );
}

#[test]
fn a_table_for_other_terms_a_text_too_long_and_oneself_as_peer_are_refused_at_once() {
    let (initiator, _) = small(&terms(64));
    let table = initiator.prepare();
    let other = Side {
        terms: Terms {
            mediator: settling(1),
            ..terms(64)
        },
        ..small(&terms(64)).0
    };
    assert_eq!(other.start_with(table).err(), Some(Error::TableDoesNotFit));
    let long = Terms {
        reference: "x".repeat(201),
        ..terms(64)
    };
    assert!(matches!(
        small(&long).0.start().err(),
        Some(Error::TermsUnusable { .. })
    ));
    let (side, _) = small(&terms(64));
    let key = Side::key(Role::Initiator);
    let table = side.prepare();
    let ceilings = side.terms.ceilings.map(|_, c| c.of(side.role).requested);
    let questions = QuestionSet::prepare(side.requested, ceilings, &mut rng(1)).unwrap();
    let setup = Setup {
        role: side.role,
        peer: key.id(),
        key,
        terms: side.terms,
        questions,
        table,
    };
    assert_eq!(Session::new(setup, &mut rng(1)).err(), Some(Error::OwnPeer));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_session_is_a_plain_join(
        a_held in prop::collection::vec(0u32..60, 0..40), a_requested in prop::collection::vec(0u32..60, 0..40),
        b_held in prop::collection::vec(0u32..60, 0..40), b_requested in prop::collection::vec(0u32..60, 0..40),
        with_mediator: bool,
    ) {
        let mediator = if with_mediator { settling(3) } else { Mediator::None };
        let terms = Terms { mediator, ..terms(40) };
        let join = |requested: &[u32], held: &[u32]| {
            let both: BTreeSet<u32> = requested.iter().copied().filter(|n| held.contains(n)).collect();
            sorted(identities(both))
        };
        let (a_expected, b_expected) = (join(&a_requested, &b_held), join(&b_requested, &a_held));
        let initiator = Side::narrow(Role::Initiator, terms.clone(), identities(a_held), identities(a_requested));
        let responder = Side::narrow(Role::Responder, terms, identities(b_held), identities(b_requested));
        let (a, b) = run(initiator.start().unwrap(), responder.start().unwrap(), pass);
        prop_assert_eq!(a.narrow(), a_expected);
        prop_assert_eq!(b.narrow(), b_expected);
    }
}

/// No two chunks of any table are sealed with the same key and nonce: the same tags never look alike.
#[test]
fn the_same_tags_look_different_in_every_chunk_class_and_table() {
    use oprf::Tag;
    use table::TableKey;
    let tags = vec![Tag([7; 16]); 2 * CHUNK_ELEMENTS_MAX];
    let mut seen = std::collections::BTreeSet::new();
    for seed in 1..3 {
        let secret = table::ReleaseSecret::generate(&mut rng(seed));
        for mediator in [Mediator::None, settling(3)] {
            for class in [KeyClass::Narrow, KeyClass::Wide] {
                let key = TableKey::derive(
                    &secret.escrowed(&mediator),
                    &secret.public(),
                    &mediator,
                    class,
                );
                let sealed = key.seal(&tags);
                for chunk in 0..2 {
                    assert!(seen.insert(sealed.chunk(chunk).unwrap()[..64].to_vec()));
                }
            }
        }
    }
    assert_eq!(seen.len(), 16);
}

#[test]
fn a_sealed_table_with_chunks_exchanged_or_cut_off_does_not_open() {
    use table::{SealedTable, TableKey};
    let secret = table::ReleaseSecret::generate(&mut rng(1));
    let mediator = Mediator::None;
    let key = TableKey::derive(
        &secret.escrowed(&mediator),
        &secret.public(),
        &mediator,
        KeyClass::Narrow,
    );
    let tags: Vec<_> = (0..2 * CHUNK_ELEMENTS_MAX as u128)
        .map(|n| oprf::Tag(n.to_be_bytes()))
        .collect();
    let sealed = key.seal(&tags);
    let both = Ceiling::new(2 * CHUNK_ELEMENTS_MAX as u32).unwrap();
    assert!(key.open(&sealed, both).is_ok());
    let (first, second) = (sealed.chunk(0).unwrap(), sealed.chunk(1).unwrap());
    let exchanged = SealedTable([second, first].concat());
    assert_eq!(
        key.open(&exchanged, both).err(),
        Some(PeerMisbehaved::TableDoesNotOpen)
    );
    let cut = SealedTable(first.to_vec());
    let one = Ceiling::new(CHUNK_ELEMENTS_MAX as u32).unwrap();
    assert_eq!(
        key.open(&cut, one).err(),
        Some(PeerMisbehaved::TableDoesNotOpen)
    );
}
