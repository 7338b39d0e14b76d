use proptest::prelude::*;

use super::*;

const TICK: Duration = Duration::from_secs(60);
const FIRST: Duration = Duration::from_secs(7);

fn ceilings(elements: u32) -> ByClass<Ceiling> {
    ByClass {
        narrow: Ceiling::new(elements).unwrap(),
        wide: None,
    }
}

fn basis(held: i64, asks: i64) -> Basis {
    Basis {
        fit: Fit {
            mediator: Mediator::None,
            held: ceilings(1024),
            requested: ceilings(1024),
        },
        held,
        asks: Asks::of_list(asks),
    }
}

fn stock(sessions: usize) -> Stock {
    let ticks = Ticks {
        every: TICK,
        first: FIRST,
    };
    Stock::new(ticks, sessions)
}

fn prepared(numbers: std::ops::Range<i64>) -> Prepared {
    let questions = |number| Questions {
        number: QuestionsNumber::new(number),
        read: Timestamp::UNIX_EPOCH,
        list: 1,
    };
    Prepared {
        tables: numbers.clone().map(TableNumber::new).collect(),
        questions: numbers.map(questions).collect(),
    }
}

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// A stock that serves table and set 1 of the basis (1, 1) from the tick at 7 s on.
fn serving() -> Stock {
    let mut stock = stock(1);
    stock.look(basis(1, 1));
    stock.plan(seconds(1)).unwrap();
    stock.made(seconds(2), Some(prepared(1..2)));
    assert!(stock.turn(FIRST) && stock.is_open(FIRST));
    stock
}

#[test]
fn what_is_prepared_serves_from_a_tick_on_and_not_when_it_is_ready() {
    let mut stock = stock(1);
    stock.look(basis(1, 1));
    assert!(stock.plan(seconds(1)).is_some());
    assert!(stock.plan(seconds(1)).is_none(), "one at a time");
    stock.made(seconds(2), Some(prepared(1..2)));
    for too_early in [seconds(2), FIRST - Duration::from_nanos(1)] {
        assert!(!stock.turn(too_early) && !stock.is_open(too_early));
    }
    assert_eq!(stock.next_change(seconds(2)), Some(FIRST));
    assert!(stock.turn(FIRST) && stock.is_open(FIRST));
    assert!(stock.plan(FIRST).is_none(), "there is nothing to do");
}

#[test]
fn a_change_leaves_what_serves_in_its_place_until_the_tick_after_the_delay() {
    let mut stock = serving();
    let delay = basis(1, 1).fit.delay(1);
    // The tick at 67 s is too near for it.
    let at = FIRST + TICK - delay + Duration::from_nanos(1);
    stock.look(basis(2, 1));
    let plan = stock.plan(at).unwrap();
    assert!(!plan.same_held && plan.same_asks);
    assert!(plan.before == prepared(1..2));
    stock.made(at, Some(prepared(2..3)));
    assert!(!stock.turn(FIRST + TICK));
    assert!(stock.is_open(FIRST + TICK) && stock.kept() == prepared(1..2));
    assert!(stock.turn(FIRST + 2 * TICK));
    assert!(stock.kept() == prepared(2..3));
}

#[test]
fn what_took_longer_than_the_delay_serves_from_a_later_tick_on() {
    let mut stock = stock(1);
    stock.look(basis(1, 1));
    stock.plan(seconds(1)).unwrap();
    assert!(!stock.turn(FIRST));
    stock.made(seconds(8), Some(prepared(1..2)));
    assert!(!stock.turn(seconds(66)) && stock.turn(seconds(67)));
}

#[test]
fn after_a_session_nothing_serves_before_a_tick_though_more_is_ready() {
    let mut stock = stock(2);
    stock.look(basis(1, 1));
    stock.plan(seconds(1)).unwrap();
    stock.made(seconds(2), Some(prepared(1..3)));
    stock.turn(FIRST);
    stock.take(seconds(10)).unwrap();
    stock.spent(seconds(12));
    assert!(!stock.is_open(seconds(66)) && stock.take(seconds(66)).is_none());
    assert_eq!(stock.next_change(seconds(12)), Some(seconds(67)));
    assert!(stock.is_open(seconds(67)));
}

#[test]
fn what_a_sessions_answers_take_to_work_in_does_not_move_the_tick_after_it() {
    for work in [0, 50] {
        let mut stock = serving();
        stock.take(seconds(8)).unwrap();
        stock.spent(seconds(9));
        stock.look(basis(1, 2));
        stock.plan(seconds(9 + work)).unwrap();
        stock.made(seconds(10 + work), Some(prepared(2..3)));
        assert!(stock.turn(seconds(67)) && stock.is_open(seconds(67)));
    }
}

#[test]
fn a_session_that_did_not_commit_gives_back_what_it_took() {
    let mut stock = serving();
    let taken = stock.take(seconds(10)).unwrap();
    assert!(!stock.is_open(seconds(10)));
    stock.put_back(taken);
    assert_eq!(stock.take(seconds(10)), Some(taken));
}

/// Sets made from the one that was used share its blinds.
#[test]
fn nothing_serves_that_was_made_from_what_a_session_has_used_meanwhile() {
    for made_before in [true, false] {
        let mut stock = serving();
        stock.look(basis(1, 2));
        stock.plan(seconds(8)).unwrap();
        if made_before {
            stock.made(seconds(9), Some(prepared(2..3)));
        }
        stock.take(seconds(10)).unwrap();
        stock.spent(seconds(12));
        if !made_before {
            assert!(stock.plan(seconds(13)).is_none(), "it is still made");
            stock.made(seconds(14), Some(prepared(2..3)));
        }
        assert!(!stock.turn(seconds(1000)) && !stock.is_open(seconds(1000)));
        let plan = stock.plan(seconds(1000)).unwrap();
        assert!(plan.before == Prepared::default() || plan.before.sessions() == 0);
    }
}

#[test]
fn what_does_not_fit_what_was_agreed_serves_no_longer_at_once() {
    let mut stock = serving();
    let mut other = basis(1, 1);
    other.fit.held = ceilings(2048);
    stock.look(other);
    assert!(!stock.is_open(seconds(10)));
    let mut stock = serving();
    stock.clear();
    assert!(!stock.is_open(seconds(10)) && stock.plan(seconds(10)).is_none());
}

/// A list above its ceiling, say: to answer from the old one would be an answer about other people.
#[test]
fn a_list_that_cannot_serve_ends_the_old_one_at_its_tick_and_a_failed_refill_does_not() {
    let mut stock = serving();
    stock.look(basis(2, 1));
    stock.plan(seconds(8)).unwrap();
    stock.made(seconds(9), None);
    assert!(stock.is_open(seconds(10)));
    assert!(stock.turn(seconds(67)) && !stock.is_open(seconds(67)));

    let mut stock = stock_of_two_with_one_left();
    stock.plan(seconds(68)).unwrap();
    stock.made(seconds(69), None);
    assert!(stock.turn(seconds(127)) && stock.is_open(seconds(127)));
}

fn stock_of_two_with_one_left() -> Stock {
    let mut stock = stock(2);
    stock.look(basis(1, 1));
    stock.plan(seconds(1)).unwrap();
    stock.made(seconds(2), Some(prepared(1..3)));
    stock.turn(FIRST);
    stock.take(seconds(10)).unwrap();
    stock.spent(seconds(12));
    stock
}

#[test]
fn a_wanted_session_waits_for_what_asks_it_and_not_for_what_is_asked_later() {
    let mut stock = serving();
    stock.look(basis(1, 2));
    let wanted = stock.latest().unwrap();
    assert!(!stock.serves(wanted));
    stock.plan(seconds(8)).unwrap();
    // Somebody asks more while it is prepared.
    stock.look(basis(1, 3));
    stock.made(seconds(9), Some(prepared(2..3)));
    stock.turn(seconds(67));
    assert!(stock.serves(wanted) && !stock.serves(stock.latest().unwrap()));
}

proptest! {
    /// Whatever work took and whatever the lists were: what serves changes, and a stock opens, at ticks alone, and
    /// what is planned serves no sooner than the delay after.
    #[test]
    fn the_stock_opens_at_ticks_alone(
        steps in prop::collection::vec((0u64..40_000, 0u64..90_000, 1i64..4, any::<bool>()), 1..30)
    ) {
        let mut stock = stock(1);
        let ticks = Ticks { every: TICK, first: FIRST };
        let (mut now, mut number, mut earliest) = (Duration::ZERO, 0, Duration::ZERO);
        let mut seen = (stock.is_open(now), stock.kept());
        // Time passes in steps of a tick's part, and at each the stock may turn, as often as it likes.
        let pass = |stock: &mut Stock, now: &mut Duration, until: Duration, seen: &mut (bool, Prepared), earliest: Duration| {
            while *now < until {
                let tick = ticks.at_or_after(*now + Duration::from_nanos(1));
                *now = until.min(tick);
                let before = (stock.is_open(*now - Duration::from_nanos(1)), stock.kept());
                prop_assert!(before == *seen, "nothing changes between two ticks");
                stock.turn(*now);
                let after = (stock.is_open(*now), stock.kept());
                if after != before {
                    prop_assert_eq!(*now, tick, "only at a tick");
                    prop_assert!(after.1 == before.1 || *now >= earliest, "not before the delay");
                }
                *seen = after;
            }
            Ok(())
        };
        for (pause, work, list, session) in steps {
            let until = now + Duration::from_millis(pause);
            pass(&mut stock, &mut now, until, &mut seen, earliest)?;
            stock.look(basis(list, list));
            if stock.plan(now).is_some() {
                earliest = now + basis(list, list).fit.delay(1);
                let until = now + Duration::from_millis(work);
                pass(&mut stock, &mut now, until, &mut seen, earliest)?;
                number += 1;
                stock.made(now, Some(prepared(number..number + 1)));
            }
            prop_assert!((stock.is_open(now), stock.kept()) == seen, "neither is a look or work done");
            if session && stock.take(now).is_some() {
                stock.spent(now);
                // What it took is gone at once, and that is the peer's own doing.
                seen = (stock.is_open(now), stock.kept());
                earliest = now;
            }
        }
    }
}

/// A pending wish must be met though nothing could be seen for a moment.
#[test]
fn a_wanted_session_is_met_after_a_moment_in_which_nothing_could_be_prepared() {
    let mut stock = serving();
    stock.look(basis(1, 2));
    let wanted = stock.latest().unwrap();
    stock.clear();
    stock.look(basis(1, 2));
    stock.plan(seconds(8)).unwrap();
    stock.made(seconds(9), Some(prepared(2..3)));
    stock.turn(seconds(67));
    assert!(stock.serves(wanted));
}
