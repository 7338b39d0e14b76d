//! Everything that the two sides can have set differently ends the session on both sides, by name.

use super::*;

fn differ(change: impl FnOnce(&mut Terms)) -> (Error, Error) {
    let ours = terms(64);
    let mut theirs = ours.clone();
    change(&mut theirs);
    let (initiator, _) = small(&ours);
    let (_, mut responder) = small(&theirs);
    if theirs.ceilings.wide.is_some() {
        responder.held.wide = Some(Vec::new());
        responder.requested.wide = Some(Vec::new());
    }
    let (a, b) = run(initiator.start().unwrap(), responder.start().unwrap(), pass);
    assert_eq!(
        (a.standing, b.standing),
        (Standing::Unsigned, Standing::Unsigned)
    );
    let sent = |end: &End| end.log.iter().map(|(kind, _)| *kind).collect::<Vec<_>>();
    assert_eq!(
        (sent(&a), sent(&b)),
        (vec!["offer"], vec!["answer"]),
        "nothing else may leave"
    );
    (a.error(), b.error())
}

#[test]
fn another_schema_ends_the_session_on_both_sides_and_names_both_versions() {
    let (a, b) = differ(|terms| {
        terms.schema_name = "test-v2".into();
        terms.schema_digest = [8; 32];
    });
    let text = "the two sides differ: match schema: this side has test-v1 (07070707), the peer test-v2 (08080808)";
    assert_eq!(a.to_string(), text);
    let text = "the two sides differ: match schema: this side has test-v2 (08080808), the peer test-v1 (07070707)";
    assert_eq!(b.to_string(), text);
}

#[test]
fn a_schema_of_the_same_name_and_another_digest_is_another_schema() {
    let (a, b) = differ(|terms| terms.schema_digest = [8; 32]);
    assert!(matches!(a, Error::TermsDiffer(Difference::Schema { .. })));
    assert!(matches!(b, Error::TermsDiffer(Difference::Schema { .. })));
}

#[test]
fn another_mediator_ends_the_session_on_both_sides() {
    let (a, b) = differ(|terms| terms.mediator = settling(9));
    assert_eq!(
        a,
        Error::TermsDiffer(Difference::Mediator {
            ours_set: false,
            theirs_set: true
        })
    );
    assert_eq!(
        b,
        Error::TermsDiffer(Difference::Mediator {
            ours_set: true,
            theirs_set: false
        })
    );
}

#[test]
fn another_ceiling_ends_the_session_on_both_sides() {
    let (a, b) =
        differ(|terms| terms.ceilings.narrow.initiator.requested = Ceiling::new(65).unwrap());
    let difference = |ours, theirs| {
        let (side, list, class) = (Role::Initiator, ListKind::Requested, KeyClass::Narrow);
        Error::TermsDiffer(Difference::Ceiling {
            side,
            list,
            class,
            ours,
            theirs,
        })
    };
    assert_eq!(a, difference(64, 65));
    assert_eq!(b, difference(65, 64));
}

#[test]
fn the_wide_class_on_one_side_only_ends_the_session_on_both_sides() {
    let (a, b) = differ(|terms| terms.ceilings.wide = Some(terms.ceilings.narrow));
    assert_eq!(
        a,
        Error::TermsDiffer(Difference::KeyClasses { ours_wide: false })
    );
    assert_eq!(
        b,
        Error::TermsDiffer(Difference::KeyClasses { ours_wide: true })
    );
}

#[test]
fn another_settling_window_or_reference_ends_the_session_on_both_sides() {
    let (a, _) = differ(|terms| terms.window = SettlingWindow::from_seconds(600).unwrap());
    assert_eq!(
        a,
        Error::TermsDiffer(Difference::SettlingWindow {
            ours_s: 3600,
            theirs_s: 600
        })
    );
    let (_, b) = differ(|terms| terms.reference = "exchange of 14 June".into());
    assert_eq!(b, Error::TermsDiffer(Difference::Reference));
}

#[test]
fn another_version_or_suite_is_named_before_anything_else_is_read() {
    for (offset, expected) in [
        (8, Difference::Version { ours: 1, theirs: 2 }),
        (10, Difference::Suite { ours: 1, theirs: 2 }),
    ] {
        let (initiator, responder) = started(&terms(64));
        let (_, b) = run(initiator, responder, |_, message| match message {
            Message::Offer(mut offer) => {
                offer[offset..offset + 2].copy_from_slice(&2u16.to_be_bytes());
                offer[12..].fill(0xaa);
                vec![Message::Offer(offer)]
            }
            message => vec![message],
        });
        assert_eq!(b.error(), Error::TermsDiffer(expected));
    }
}

#[test]
fn every_truncated_or_altered_offer_is_refused_and_none_panics() {
    let honest = offer::Offer::new(terms(64), &mut rng(1)).encode();
    assert_eq!(honest.len(), offer::OFFER_BYTES);
    for length in 0..honest.len() {
        assert!(offer::Offer::decode(&honest[..length], "the offer").is_err());
    }
    // Whatever still decodes is the same layout: it encodes to the bytes it was read from.
    for position in 0..honest.len() {
        for flip in [1u8, 0x80, 0xff] {
            let mut altered = honest.clone();
            altered[position] ^= flip;
            if let Ok(read) = offer::Offer::decode(&altered, "the offer") {
                assert!(read.encode() == altered, "byte {position}");
            }
        }
    }
}

#[test]
fn settling_windows_are_between_ten_minutes_and_a_day() {
    for (seconds, good) in [(599, false), (600, true), (86_400, true), (86_401, false)] {
        assert_eq!(SettlingWindow::from_seconds(seconds).is_some(), good);
    }
}

#[test]
fn every_one_of_the_eight_ceilings_is_compared() {
    let mut ours = terms(64);
    ours.ceilings.wide = Some(ours.ceilings.narrow);
    for place in 0..8 {
        let mut theirs = ours.clone();
        let class = if place < 4 {
            Some(&mut theirs.ceilings.narrow)
        } else {
            theirs.ceilings.wide.as_mut()
        };
        let class = class.unwrap();
        let side = if place % 4 < 2 {
            &mut class.initiator
        } else {
            &mut class.responder
        };
        let ceiling = if place % 2 == 0 {
            &mut side.held
        } else {
            &mut side.requested
        };
        *ceiling = Ceiling::new(65).unwrap();
        assert!(
            matches!(
                ours.compare(&theirs),
                Err(Difference::Ceiling {
                    ours: 64,
                    theirs: 65,
                    ..
                })
            ),
            "{place}"
        );
    }
}

#[test]
fn the_point_that_nobody_can_settle_under_is_no_mediator() {
    let mut offer = offer::Offer::new(terms(64), &mut rng(1)).encode();
    // The flag that says "with a mediator" before the point of "without one".
    let flag = 8 + 2 + 2 + 32 + 32;
    assert_eq!(offer[flag], 0);
    offer[flag] = 1;
    assert!(offer::Offer::decode(&offer, "the offer").is_err());
}
