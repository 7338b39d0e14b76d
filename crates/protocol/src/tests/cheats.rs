//! One check, one cheating peer: the responder plays the protocol with the real crypto and changes one
//! thing. Both sides end, the honest one says what happened, and no table is opened.

use super::*;
use curve25519_dalek::scalar::Scalar;
use oprf::{self, SecretKey};
use table::{PreparedClass, ReleaseSecret, TableKey};

/// Runs a session in which the responder's messages go through `tamper`; gives what the initiator makes of it.
fn cheated(ceiling: u32, mut tamper: impl FnMut(Message) -> Vec<Message>) -> End {
    let (initiator, responder) = started(&terms(ceiling));
    let (a, b) = run(initiator, responder, |role, message| match role {
        Role::Responder => tamper(message),
        Role::Initiator => vec![message],
    });
    assert!(
        a.result.is_err() && !a.waiting,
        "the honest side must notice"
    );
    assert!(
        b.result.is_err() && !b.waiting,
        "the cheat must not get its answers, and must hear of it"
    );
    a
}

fn misbehaviour(end: &End) -> PeerMisbehaved {
    match end.error() {
        Error::PeerMisbehaved(misbehaved) => misbehaved,
        other => panic!("blamed nobody: {other}"),
    }
}

/// Applies `change` to the responder's first message of the kind it returns `Some` for.
fn once(
    mut change: impl FnMut(&Message) -> Option<Vec<Message>>,
) -> impl FnMut(Message) -> Vec<Message> {
    let mut done = false;
    move |message| match (done, change(&message)) {
        (false, Some(changed)) => {
            done = true;
            changed
        }
        _ => vec![message],
    }
}

fn evaluated(
    change: impl Fn(EvaluatedChunk) -> Vec<Message>,
) -> impl FnMut(Message) -> Vec<Message> {
    once(move |message| match message {
        Message::Evaluated(chunk) => Some(change(chunk.clone())),
        _ => None,
    })
}

fn table(change: impl Fn(TableChunk) -> Vec<Message>) -> impl FnMut(Message) -> Vec<Message> {
    once(move |message| match message {
        Message::Table(chunk) => Some(change(chunk.clone())),
        _ => None,
    })
}

#[test]
fn an_evaluation_under_another_key_is_caught_even_with_a_proof_of_its_own() {
    let mut session = None;
    let (initiator, responder) = started(&terms(64));
    let (mut offer_digest, mut blinded) = ([0; 32], Vec::new());
    let (a, b) = run(initiator, responder, |role, message| {
        match (role, message) {
            (Role::Initiator, Message::Offer(bytes)) => {
                offer_digest = digest::sha256(&bytes);
                vec![Message::Offer(bytes)]
            }
            (Role::Responder, Message::Answer(bytes)) => {
                let (a, b) = (
                    Side::key(Role::Initiator).id(),
                    Side::key(Role::Responder).id(),
                );
                let answer_digest = digest::sha256(&bytes);
                session = Some(session_id(
                    &a,
                    &b,
                    Mediator::None.encoded(),
                    &offer_digest,
                    &answer_digest,
                ));
                vec![Message::Answer(bytes)]
            }
            (Role::Initiator, Message::Blinded(chunk)) => {
                blinded = chunk.elements.clone();
                vec![Message::Blinded(chunk)]
            }
            (Role::Responder, Message::Evaluated(chunk)) => {
                let leg = Leg {
                    session: session.unwrap(),
                    holder: Role::Responder,
                    class: KeyClass::Narrow,
                };
                let other = SecretKey::generate(&mut rng(77));
                let (elements, proof) = other
                    .evaluate(&leg.context(0), &blinded, 64, &mut rng(78))
                    .unwrap();
                vec![Message::Evaluated(EvaluatedChunk {
                    elements,
                    proof: proof.encode().to_vec(),
                    ..chunk
                })]
            }
            (_, message) => vec![message],
        }
    });
    let fault = oprf::Error::WrongProof;
    let what = leg::EVALUATIONS;
    assert_eq!(
        a.error(),
        Error::PeerMisbehaved(PeerMisbehaved::Elements {
            what,
            chunk: 0,
            fault
        })
    );
    assert_eq!(b.error(), Error::PeerAborted(AbortReason::Misbehaved));
    assert_eq!(a.standing, Standing::Unsigned);
}

/// The cheap way to learn more or less than agreed: one true evaluation replaced by another group element.
#[test]
fn one_exchanged_evaluation_is_caught() {
    let end = cheated(
        5000,
        evaluated(|mut chunk| {
            chunk.elements.copy_within(32..64, 0);
            vec![Message::Evaluated(chunk)]
        }),
    );
    assert!(matches!(
        misbehaviour(&end),
        PeerMisbehaved::Elements {
            fault: oprf::Error::WrongProof,
            ..
        }
    ));
}

#[test]
fn bad_encodings_among_the_evaluations_are_caught() {
    for (bytes, expected) in [
        ([0u8; 32], oprf::Error::Identity { position: 3 }),
        ([0xff; 32], oprf::Error::NotCanonical { position: 3 }),
    ] {
        let end = cheated(
            64,
            evaluated(move |mut chunk| {
                chunk.elements[96..128].copy_from_slice(&bytes);
                vec![Message::Evaluated(chunk)]
            }),
        );
        assert!(
            matches!(misbehaviour(&end), PeerMisbehaved::Elements { fault, .. } if fault == expected)
        );
    }
}

#[test]
fn bad_encodings_among_the_blinded_elements_are_caught() {
    for (bytes, expected) in [
        ([0u8; 32], oprf::Error::Identity { position: 3 }),
        ([0xff; 32], oprf::Error::NotCanonical { position: 3 }),
    ] {
        let end = cheated(
            64,
            once(move |message| match message {
                Message::Blinded(chunk) => {
                    let mut elements = chunk.elements.clone();
                    elements[96..128].copy_from_slice(&bytes);
                    Some(vec![Message::Blinded(BlindedChunk {
                        elements,
                        ..chunk.clone()
                    })])
                }
                _ => None,
            }),
        );
        assert!(
            matches!(misbehaviour(&end), PeerMisbehaved::Elements { fault, .. } if fault == expected)
        );
    }
}

#[test]
fn fewer_or_more_elements_than_agreed_are_caught_in_both_directions() {
    for (length, found) in [
        (63 * 32, 63 * 32),
        (65 * 32, 65 * 32),
        (0, 0),
        (64 * 32 - 1, 64 * 32 - 1),
    ] {
        let fault = oprf::Error::Length {
            found,
            expected: 64 * 32,
        };
        let asked = cheated(
            64,
            once(move |message| match message {
                Message::Blinded(chunk) => {
                    let mut elements = chunk.elements.clone();
                    elements.resize(length, 0);
                    Some(vec![Message::Blinded(BlindedChunk {
                        elements,
                        ..chunk.clone()
                    })])
                }
                _ => None,
            }),
        );
        assert_eq!(
            misbehaviour(&asked),
            PeerMisbehaved::Elements {
                what: leg::BLINDED,
                chunk: 0,
                fault
            }
        );
        let answered = cheated(
            64,
            evaluated(move |mut chunk| {
                chunk.elements.resize(length, 0);
                vec![Message::Evaluated(chunk)]
            }),
        );
        assert_eq!(
            misbehaviour(&answered),
            PeerMisbehaved::Elements {
                what: leg::EVALUATIONS,
                chunk: 0,
                fault
            }
        );
    }
}

#[test]
fn one_chunk_more_than_agreed_is_caught() {
    let (initiator, responder) = started(&terms(64));
    let (a, b) = run(initiator, responder, |role, message| match message {
        Message::Blinded(chunk) if role == Role::Responder => {
            let more = BlindedChunk {
                index: 1,
                ..chunk.clone()
            };
            vec![Message::Blinded(chunk), Message::Blinded(more)]
        }
        message => vec![message],
    });
    assert_eq!(
        a.error(),
        Error::PeerMisbehaved(PeerMisbehaved::ChunkOutOfOrder {
            what: leg::BLINDED,
            expected: 1,
            found: 1
        })
    );
    assert!(b.result.is_err());
}

#[test]
fn a_replayed_or_reordered_chunk_is_caught() {
    let replayed = cheated(
        9000,
        evaluated(|chunk| vec![Message::Evaluated(chunk.clone()), Message::Evaluated(chunk)]),
    );
    assert!(matches!(
        misbehaviour(&replayed),
        PeerMisbehaved::ChunkOutOfOrder { .. }
    ));

    let mut first = None;
    let reordered = cheated(9000, move |message| match message {
        Message::Blinded(chunk) if chunk.index == 0 => {
            first = Some(chunk);
            Vec::new()
        }
        Message::Blinded(chunk) if chunk.index == 1 => {
            vec![
                Message::Blinded(chunk),
                Message::Blinded(first.take().unwrap()),
            ]
        }
        message => vec![message],
    });
    assert!(matches!(
        misbehaviour(&reordered),
        PeerMisbehaved::ChunkOutOfOrder {
            expected: 0,
            found: 1,
            ..
        }
    ));

    let replayed = cheated(
        9000,
        table(|chunk| vec![Message::Table(chunk.clone()), Message::Table(chunk)]),
    );
    assert!(matches!(
        misbehaviour(&replayed),
        PeerMisbehaved::ChunkOutOfOrder {
            expected: 1,
            found: 0,
            ..
        }
    ));
}

#[test]
fn a_message_of_another_phase_or_a_repeated_one_is_caught() {
    let offer = Message::Offer(offer::Offer::new(terms(64), &mut rng(5)).encode());
    let release = Message::Release(vec![0; release::RELEASE_BYTES]);
    let agreement = Message::Agreement(vec![0; agreement::AGREEMENT_BYTES]);
    for (extra, found) in [
        (offer, "an offer"),
        (release, "a release"),
        (agreement, "an agreement"),
    ] {
        for before in ["answer", "commitment", "evaluated"] {
            let mut done = false;
            let end = cheated(64, |message| {
                let due = !done && describe(&message).0 == before;
                done |= due;
                if due {
                    vec![extra.clone(), message]
                } else {
                    vec![message]
                }
            });
            assert!(
                matches!(misbehaviour(&end), PeerMisbehaved::OutOfOrder { found: f, .. } if f == found),
                "{found} before {before}: {}",
                end.error()
            );
        }
    }
    let repeated = cheated(
        64,
        once(|message| match message {
            Message::Commitment(_) => Some(vec![message.clone(), message.clone()]),
            _ => None,
        }),
    );
    assert!(matches!(
        misbehaviour(&repeated),
        PeerMisbehaved::OutOfOrder {
            found: "a commitment",
            ..
        }
    ));
}

#[test]
fn a_peer_that_runs_ahead_of_the_answers_is_cut_off() {
    let (initiator, _) = started(&terms(1 << 16));
    let mut session = initiator;
    let chunk = |index| {
        Message::Blinded(BlindedChunk {
            class: KeyClass::Narrow,
            index,
            elements: Vec::new(),
        })
    };
    for index in 0..CHUNKS_IN_FLIGHT_MAX as u32 {
        session.receive(chunk(index)).unwrap();
    }
    let refused = session.receive(chunk(9)).err();
    assert_eq!(
        refused,
        Some(Error::PeerMisbehaved(PeerMisbehaved::TooManyInFlight {
            max: CHUNKS_IN_FLIGHT_MAX
        }))
    );
    assert_eq!(
        session.advance(&mut rng(1)).err(),
        Some(Error::Over),
        "after an error the session is over"
    );
    assert_eq!(session.receive(chunk(10)).err(), Some(Error::Over));
}

#[test]
fn a_commitment_that_repeats_our_own_keys_is_caught() {
    let (initiator, responder) = started(&terms(64));
    // The initiator's commitment does not depend on the responder's, so a first run gives it away.
    let mut ours = Vec::new();
    run(initiator, responder, |role, message| {
        if let (Role::Initiator, Message::Commitment(bytes)) = (role, &message) {
            ours = bytes.clone();
        }
        vec![message]
    });
    // All of it, its release point alone, its OPRF key alone: each is refused before any proof is looked at.
    for part in [0..ours.len(), 0..32, 96..128] {
        let (initiator, responder) = started(&terms(64));
        let (a, _) = run(initiator, responder, |role, message| {
            match (role, message) {
                (Role::Responder, Message::Commitment(mut theirs)) => {
                    theirs[part.clone()].copy_from_slice(&ours[part.clone()]);
                    vec![Message::Commitment(theirs)]
                }
                (_, message) => vec![message],
            }
        });
        assert_eq!(
            a.error(),
            Error::PeerMisbehaved(PeerMisbehaved::KeyRepeated)
        );
    }
}

#[test]
fn a_commitment_of_another_session_or_altered_anywhere_is_caught() {
    let mut other = Vec::new();
    let terms = terms(64);
    let (initiator, responder) = started(&terms);
    run(initiator, responder, |role, message| {
        if let (Role::Responder, Message::Commitment(bytes)) = (role, &message) {
            other = bytes.clone();
        }
        vec![message]
    });
    // The same responder in a session with another nonce.
    let (initiator, responder) = small(&terms);
    let initiator = {
        let table = initiator.prepare();
        let ceilings = initiator.terms.ceilings;
        let ceilings = ceilings.map(|_, ceilings| ceilings.of(Role::Initiator).requested);
        let questions =
            QuestionSet::prepare(initiator.requested.clone(), ceilings, &mut rng(999)).unwrap();
        let setup = Setup {
            role: Role::Initiator,
            key: Side::key(Role::Initiator),
            peer: Side::key(Role::Responder).id(),
            terms: initiator.terms.clone(),
            questions,
            table,
        };
        Session::new(setup, &mut rng(999)).unwrap()
    };
    let (a, _) = run(
        initiator,
        responder.start().unwrap(),
        |role, message| match (role, message) {
            (Role::Responder, Message::Commitment(_)) => vec![Message::Commitment(other.clone())],
            (_, message) => vec![message],
        },
    );
    assert_eq!(
        a.error(),
        Error::PeerMisbehaved(PeerMisbehaved::CommitmentNotProven)
    );

    for position in (0..other.len()).step_by(7) {
        let end = cheated(
            64,
            once(|message| match message {
                Message::Commitment(bytes) => {
                    let mut bytes = bytes.clone();
                    bytes[position] ^= 1;
                    Some(vec![Message::Commitment(bytes)])
                }
                _ => None,
            }),
        );
        misbehaviour(&end);
    }
}

#[test]
fn a_commitment_to_a_table_of_another_length_is_caught() {
    let end = cheated(
        64,
        once(|message| match message {
            Message::Commitment(bytes) => {
                let mut bytes = bytes.clone();
                let length = bytes.len();
                bytes[length - 8..].copy_from_slice(&u64::MAX.to_be_bytes());
                Some(vec![Message::Commitment(bytes)])
            }
            _ => None,
        }),
    );
    assert_eq!(
        misbehaviour(&end),
        PeerMisbehaved::TableLength {
            found: u64::MAX,
            expected: 64 * 16 + 16
        }
    );
}

#[test]
fn a_table_other_than_the_one_committed_to_is_caught_before_signing() {
    let end = cheated(
        9000,
        table(|mut chunk| {
            chunk.sealed[5] ^= 1;
            vec![Message::Table(chunk)]
        }),
    );
    assert_eq!(misbehaviour(&end), PeerMisbehaved::TableDigestDiffers);
    assert_eq!(end.standing, Standing::Unsigned);
    let end = cheated(
        9000,
        table(|mut chunk| {
            chunk.sealed.pop();
            vec![Message::Table(chunk)]
        }),
    );
    assert!(matches!(
        misbehaviour(&end),
        PeerMisbehaved::TableLength { .. }
    ));
}

#[test]
fn a_table_chunk_before_the_last_answer_is_caught() {
    let (mut session, _) = started(&terms(64));
    let chunk = TableChunk {
        class: KeyClass::Narrow,
        index: 0,
        sealed: vec![0; 64 * 16 + 16],
    };
    let refused = session.receive(Message::Table(chunk.clone())).err();
    assert!(matches!(
        refused,
        Some(Error::PeerMisbehaved(PeerMisbehaved::OutOfOrder { .. }))
    ));

    let end = cheated(
        9000,
        evaluated(move |answer| vec![Message::Table(chunk.clone()), Message::Evaluated(answer)]),
    );
    assert!(matches!(
        misbehaviour(&end),
        PeerMisbehaved::OutOfOrder {
            found: "a table chunk",
            ..
        }
    ));
}

/// Runs a session against a responder whose table was made by `forge`.
fn forged_table(forge: impl FnOnce(PreparedTable) -> PreparedTable) -> (End, End) {
    let (initiator, responder) = small(&terms(64));
    let table = forge(responder.prepare());
    run(
        initiator.start().unwrap(),
        responder.start_with(table).unwrap(),
        pass,
    )
}

#[test]
fn a_table_that_does_not_open_under_the_proven_secret_is_caught_and_the_receipt_shows_it() {
    let (a, b) = forged_table(|table| PreparedTable {
        release: ReleaseSecret::generate(&mut rng(5)),
        ..table
    });
    assert_eq!(
        a.error(),
        Error::PeerMisbehaved(PeerMisbehaved::TableDoesNotOpen)
    );
    assert!(b.result.is_ok(), "the honest side had released by then");
    let receipt = a.session.receipt().expect("evidence");
    assert!(
        receipt.responder_release.is_some(),
        "the release that should have opened it"
    );
    let id = Side::key(Role::Initiator).id();
    assert_eq!(
        receipt
            .agreement
            .verify(Mediator::None.encoded(), &id, None)
            .map(drop),
        Ok(())
    );
}

#[test]
fn a_table_that_is_not_sorted_or_repeats_a_tag_is_caught() {
    for change in [
        |tags: &mut Vec<oprf::Tag>| tags.reverse(),
        |tags: &mut Vec<oprf::Tag>| tags[1] = tags[0],
    ] {
        let (a, _) = forged_table(|table| {
            let held = identities(100..164);
            let mut tags = table.classes.narrow.key.tags(&held);
            tags.sort_unstable();
            change(&mut tags);
            let escrowed = table.release.escrowed(&table.mediator);
            let key = TableKey::derive(
                &escrowed,
                &table.release.public(),
                &table.mediator,
                KeyClass::Narrow,
            );
            let narrow = PreparedClass {
                sealed: key.seal(&tags),
                ..table.classes.narrow
            };
            PreparedTable {
                classes: ByClass { narrow, wide: None },
                ..table
            }
        });
        assert_eq!(
            a.error(),
            Error::PeerMisbehaved(PeerMisbehaved::TableNotSorted)
        );
    }
}

#[test]
fn a_release_of_another_secret_is_caught_with_the_table_shut() {
    let (initiator, responder) = started(&Terms {
        mediator: settling(1),
        ..terms(64)
    });
    let (a, b) = run(initiator, responder, |role, message| match message {
        Message::Release(_) if role == Role::Responder => {
            // Proven with the real crypto, for a secret that was not committed to.
            let other = ReleaseSecret::generate(&mut rng(6));
            let session = SessionId([0; 32]);
            vec![Message::Release(
                Release::of(&other, &session, role, &settling(1), &mut rng(7)).encode(),
            )]
        }
        message => vec![message],
    });
    assert_eq!(
        a.error(),
        Error::PeerMisbehaved(PeerMisbehaved::WrongRelease)
    );
    assert_eq!(
        a.standing,
        Standing::Signed,
        "nothing was released for a bad release"
    );
    assert!(b.result.is_err());
    assert!(
        a.session.signed().is_some(),
        "the mediator can still settle"
    );
}

#[test]
fn a_release_with_a_proof_bent_in_any_byte_is_caught() {
    for position in (0..release::RELEASE_BYTES).step_by(5) {
        let (initiator, responder) = started(&Terms {
            mediator: settling(1),
            ..terms(64)
        });
        let (a, _) = run(initiator, responder, |role, message| match message {
            Message::Release(mut bytes) if role == Role::Responder => {
                bytes[position] ^= 2;
                vec![Message::Release(bytes)]
            }
            message => vec![message],
        });
        let error = a.error();
        assert!(matches!(
            error,
            Error::PeerMisbehaved(PeerMisbehaved::WrongRelease | PeerMisbehaved::Malformed { .. })
        ));
    }
}

#[test]
fn a_signature_under_another_text_is_caught_before_anything_is_released() {
    // By the peer's own key, over an agreement that differs in one transcript digest or in nothing but the signer.
    let end = cheated(
        64,
        once(|message| match message {
            Message::Agreement(_) => {
                let signature =
                    Side::key(Role::Responder).sign(b"tacit/v1/agreement of another session");
                Some(vec![Message::Agreement(agreement::encode_message(
                    MediatorTime(0),
                    &signature,
                ))])
            }
            _ => None,
        }),
    );
    assert_eq!(
        misbehaviour(&end),
        PeerMisbehaved::Agreement(AgreementFault::Signature(Role::Responder))
    );
    assert_eq!(end.standing, Standing::Signed);
    let end = cheated(
        64,
        once(|message| match message {
            Message::Agreement(bytes) => {
                let mut bytes = bytes.clone();
                bytes[7] ^= 1;
                Some(vec![Message::Agreement(bytes)])
            }
            _ => None,
        }),
    );
    assert!(matches!(
        misbehaviour(&end),
        PeerMisbehaved::Deadline { found: 1, .. }
    ));
}

#[test]
fn a_blinded_element_exchanged_on_the_way_is_caught_by_the_proof() {
    let (initiator, responder) = started(&terms(64));
    let (a, b) = run(initiator, responder, |role, message| {
        match (role, message) {
            (Role::Initiator, Message::Blinded(mut chunk)) => {
                let other = RistrettoPoint::mul_base(&Scalar::from(5u8))
                    .compress()
                    .to_bytes();
                chunk.elements[..32].copy_from_slice(&other);
                vec![Message::Blinded(chunk)]
            }
            (_, message) => vec![message],
        }
    });
    assert!(matches!(
        a.error(),
        Error::PeerMisbehaved(PeerMisbehaved::Elements {
            fault: oprf::Error::WrongProof,
            ..
        })
    ));
    assert_eq!(b.error(), Error::PeerAborted(AbortReason::Misbehaved));
}

/// A release that is right but for the session, the role or the secret it is for.
#[test]
fn a_release_for_another_session_role_or_secret_opens_nothing() {
    let mediator = settling(1);
    let (initiator, responder) = started(&Terms {
        mediator,
        ..terms(64)
    });
    let (a, _) = run(initiator, responder, pass);
    let state = a.session.signed().expect("signed").clone();
    let secret = Side::narrow(
        Role::Responder,
        Terms {
            mediator,
            ..terms(64)
        },
        identities(100..120),
        Vec::new(),
    )
    .prepare()
    .release;
    let other = ReleaseSecret::generate(&mut rng(6));
    let made = |secret: &ReleaseSecret, session, role| {
        Release::of(secret, session, role, &mediator, &mut rng(7))
    };
    assert!(
        state
            .verify_release(&made(&secret, &state.session, Role::Responder))
            .and_then(|release| state.open(&release))
            .is_ok()
    );
    for wrong in [
        made(&secret, &SessionId([0; 32]), Role::Responder),
        made(&secret, &state.session, Role::Initiator),
        made(&other, &state.session, Role::Responder),
    ] {
        let refused = state.verify_release(&wrong).map(drop);
        assert_eq!(refused, Err(PeerMisbehaved::WrongRelease));
    }
}

#[test]
fn the_initiators_signature_is_checked_before_the_responder_signs() {
    let (initiator, responder) = started(&terms(64));
    let (_, b) = run(initiator, responder, |role, message| match message {
        Message::Agreement(mut bytes) if role == Role::Initiator => {
            bytes[8] ^= 1;
            vec![Message::Agreement(bytes)]
        }
        message => vec![message],
    });
    assert_eq!(
        b.error(),
        Error::PeerMisbehaved(AgreementFault::Signature(Role::Initiator).into())
    );
    assert_eq!(b.standing, Standing::Unsigned);
}

#[test]
fn an_unproven_key_of_the_wide_class_is_caught() {
    let mut wide = terms(64);
    wide.ceilings.wide = Some(wide.ceilings.narrow);
    let (mut initiator, mut responder) = small(&wide);
    for side in [&mut initiator, &mut responder] {
        (side.held.wide, side.requested.wide) = (Some(Vec::new()), Some(Vec::new()));
    }
    let (a, _) = run(
        initiator.start().unwrap(),
        responder.start().unwrap(),
        |role, message| match message {
            Message::Commitment(mut bytes) if role == Role::Responder => {
                // The response scalar of the wide key's proof, after s·G, its proof and the narrow class.
                bytes[96 + 136 + 32 + 32] ^= 1;
                vec![Message::Commitment(bytes)]
            }
            message => vec![message],
        },
    );
    assert_eq!(
        a.error(),
        Error::PeerMisbehaved(PeerMisbehaved::CommitmentNotProven)
    );
}

#[test]
fn one_byte_after_the_agreed_elements_or_after_a_commitment_is_caught() {
    let end = cheated(
        64,
        once(|message| match message {
            Message::Blinded(chunk) => {
                let mut chunk = chunk.clone();
                chunk.elements.push(0);
                Some(vec![Message::Blinded(chunk)])
            }
            _ => None,
        }),
    );
    let fault = oprf::Error::Length {
        found: 64 * 32 + 1,
        expected: 64 * 32,
    };
    assert_eq!(
        misbehaviour(&end),
        PeerMisbehaved::Elements {
            what: leg::BLINDED,
            chunk: 0,
            fault
        }
    );
    let end = cheated(
        64,
        once(|message| match message {
            Message::Commitment(bytes) => {
                Some(vec![Message::Commitment([bytes.as_slice(), &[0]].concat())])
            }
            _ => None,
        }),
    );
    assert_eq!(
        misbehaviour(&end),
        PeerMisbehaved::Malformed {
            message: "the commitment"
        }
    );
}

#[test]
fn a_table_chunk_after_the_whole_table_is_caught() {
    let end = cheated(
        64,
        table(|chunk| {
            let more = TableChunk {
                index: 1,
                ..chunk.clone()
            };
            vec![Message::Table(chunk), Message::Table(more)]
        }),
    );
    assert!(matches!(
        misbehaviour(&end),
        PeerMisbehaved::ChunkOutOfOrder {
            expected: 1,
            found: 1,
            ..
        } | PeerMisbehaved::OutOfOrder { .. }
    ));
}

/// More blinded chunks than may be in flight: the responder could send its table too early, but must not.
#[test]
fn no_table_leaves_while_a_blinded_chunk_is_still_to_come() {
    let (initiator, responder) = started(&terms(6 * 4096));
    let (mut left, mut answered) = (6, 0);
    let (a, b) = run(initiator, responder, |role, message| {
        match (&message, role) {
            (Message::Blinded(_), Role::Initiator) => left -= 1,
            (Message::Evaluated(_), Role::Responder) => answered += 1,
            (Message::Table(_), Role::Responder) => assert_eq!((left, answered), (0, 6)),
            _ => {}
        }
        vec![message]
    });
    assert!(a.result.is_ok() && b.result.is_ok());
}

#[test]
fn a_class_that_was_not_agreed_is_caught() {
    let end = cheated(
        64,
        once(|message| match message {
            Message::Evaluated(chunk) => Some(vec![Message::Evaluated(EvaluatedChunk {
                class: KeyClass::Wide,
                ..chunk.clone()
            })]),
            _ => None,
        }),
    );
    assert_eq!(misbehaviour(&end), PeerMisbehaved::ClassNotAgreed);
}

#[test]
fn an_abort_ends_the_other_side_with_its_reason() {
    for reason in [
        AbortReason::Cancelled,
        AbortReason::Stalled,
        AbortReason::Failed,
    ] {
        let (_, mut session) = started(&terms(64));
        session.receive(Message::Abort(reason)).unwrap();
        assert_eq!(
            session.advance(&mut rng(1)).err(),
            Some(Error::PeerAborted(reason))
        );
        assert_eq!(session.advance(&mut rng(1)).err(), Some(Error::Over));
    }
}
