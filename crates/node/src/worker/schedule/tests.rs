//! Each rule of the schedule, and what holds whatever happens and however the wall clock is set.

use proptest::prelude::*;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const PAUSES: Pauses = Pauses {
    first: Duration::from_secs(5),
    max: Duration::from_secs(300),
};
const FAILED: Event = Event::Failed {
    chance: 0,
    budget_until: None,
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// This long after the schedule began, by both clocks.
fn at(elapsed: Duration) -> Now {
    Now {
        elapsed,
        wall: after(start(), elapsed),
    }
}

fn start() -> Timestamp {
    "2026-03-01T08:00:00Z".parse().unwrap()
}

fn hourly() -> Rules {
    Rules {
        every: Some(HOUR),
        on_demand: true,
        by_hand: false,
        can_call: true,
        calls_second: false,
    }
}

fn by_hand() -> Rules {
    Rules {
        by_hand: true,
        ..hourly()
    }
}

/// A schedule of a peer for which a table is ready.
fn ready(rules: Rules) -> Schedule {
    let mut schedule = Schedule::new(PAUSES);
    schedule.hear(at(Duration::ZERO), Event::Looked(rules));
    schedule.hear(at(Duration::ZERO), Event::Stocked(true));
    schedule
}

fn answered(schedule: &mut Schedule, now: Now) {
    schedule.hear(now, Event::Answered { began: now.wall });
}

fn due(schedule: &Schedule, now: Now) -> Option<Timestamp> {
    match schedule.next(now) {
        Step::Call => Some(now.wall),
        Step::Wait { due, .. } => due,
    }
}

#[test]
fn without_a_session_before_one_is_due_at_once_and_then_a_schedule_after_the_last_began() {
    let mut schedule = ready(hourly());
    assert_eq!(schedule.next(at(Duration::ZERO)), Step::Call);

    let event = Event::Answered { began: start() };
    schedule.hear(at(seconds(600)), event);
    let wait = Step::Wait {
        due: Some(after(start(), HOUR)),
        pause: LOOK,
    };
    assert_eq!(schedule.next(at(seconds(600))), wait);
    assert_eq!(schedule.next(at(HOUR)), Step::Call);
}

#[test]
fn what_the_process_before_left_counts_as_the_last_session() {
    let mut schedule = ready(hourly());
    let restored = Event::Restored {
        last: Some(after(start(), seconds(0))),
        wanted: false,
    };
    let later = Now {
        elapsed: Duration::ZERO,
        wall: after(start(), seconds(3000)),
    };
    schedule.hear(later, restored);
    assert_eq!(due(&schedule, later), Some(after(start(), HOUR)));
}

#[test]
fn nothing_is_due_without_a_table_a_way_to_the_peer_or_a_schedule() {
    let mut schedule = Schedule::new(PAUSES);
    assert_eq!(due(&schedule, at(HOUR)), None);
    schedule.hear(at(HOUR), Event::Looked(hourly()));
    assert_eq!(due(&schedule, at(HOUR)), None);
    assert!(!schedule.admits(at(HOUR)));
    schedule.hear(at(HOUR), Event::Stocked(true));
    assert_eq!(schedule.next(at(HOUR)), Step::Call);
    assert!(schedule.admits(at(HOUR)));

    for rules in [
        Rules {
            can_call: false,
            ..hourly()
        },
        Rules {
            every: None,
            ..hourly()
        },
    ] {
        assert_eq!(due(&ready(rules), at(HOUR)), None);
    }
}

#[test]
fn a_wanted_session_is_due_at_once_where_policy_allows_it_and_is_wanted_once() {
    let mut schedule = ready(hourly());
    answered(&mut schedule, at(Duration::ZERO));
    schedule.hear(at(seconds(9)), Event::Wanted);
    assert_eq!(schedule.next(at(seconds(9))), Step::Call);
    answered(&mut schedule, at(seconds(10)));
    assert_ne!(schedule.next(at(seconds(10))), Step::Call);

    schedule.hear(at(seconds(11)), Event::Wanted);
    let scheduled_only = Rules {
        on_demand: false,
        ..hourly()
    };
    schedule.hear(at(seconds(11)), Event::Looked(scheduled_only));
    assert_ne!(schedule.next(at(seconds(11))), Step::Call);
}

#[test]
fn the_higher_id_calls_a_quarter_of_the_schedule_later_and_at_most_a_minute() {
    for (every, grace) in [(HOUR, seconds(60)), (seconds(40), seconds(10))] {
        let first = Rules {
            every: Some(every),
            ..hourly()
        };
        let second = Rules {
            calls_second: true,
            ..first
        };
        let (mut first, mut second) = (ready(first), ready(second));
        assert_eq!(first.next(at(Duration::ZERO)), Step::Call);
        assert_eq!(
            due(&second, at(Duration::ZERO)),
            Some(after(start(), grace))
        );
        answered(&mut first, at(seconds(100)));
        answered(&mut second, at(seconds(100)));
        let (first, second) = (
            due(&first, at(seconds(101))).unwrap(),
            due(&second, at(seconds(101))).unwrap(),
        );
        assert_eq!(second, after(first, grace));
    }
}

#[test]
fn pauses_after_failures_double_up_to_the_longest_and_begin_anew_after_answers_or_a_change() {
    let pauses = |schedule: &mut Schedule, from: Duration| -> Vec<u64> {
        let mut now = from;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            schedule.hear(at(now), FAILED);
            let due = due(schedule, at(now)).unwrap();
            let pause = between(at(now).wall, due);
            pauses.push(pause.as_secs());
            now += pause;
            assert_eq!(schedule.next(at(now)), Step::Call);
        }
        pauses
    };
    let doubling = [5, 10, 20, 40, 80, 160, 300, 300];
    let mut schedule = ready(hourly());
    assert_eq!(pauses(&mut schedule, Duration::ZERO), doubling);
    answered(&mut schedule, at(HOUR));
    assert_eq!(pauses(&mut schedule, HOUR * 2), doubling);
    schedule.hear(at(HOUR * 3), Event::Changed);
    assert_eq!(schedule.next(at(HOUR * 3)), Step::Call);
    assert_eq!(pauses(&mut schedule, HOUR * 3), doubling);
}

#[test]
fn a_used_up_budget_holds_until_it_resets_whatever_else_fails() {
    let mut schedule = ready(hourly());
    let resets = after(start(), seconds(900));
    let over = Event::Failed {
        chance: 0,
        budget_until: Some(resets),
    };
    schedule.hear(at(seconds(1)), over);
    assert_eq!(due(&schedule, at(seconds(2))), Some(resets));
    schedule.hear(at(seconds(3)), FAILED);
    schedule.hear(at(seconds(4)), Event::Wanted);
    assert_eq!(due(&schedule, at(seconds(400))), Some(resets));
    assert_eq!(schedule.next(at(seconds(900))), Step::Call);

    schedule.hear(at(seconds(901)), over);
    schedule.hear(at(seconds(902)), Event::Changed);
    assert_eq!(schedule.next(at(seconds(902))), Step::Call);
}

#[test]
fn a_table_that_failed_puts_off_the_next_table_and_another_failure_does_not() {
    let mut schedule = ready(hourly());
    schedule.hear(at(seconds(0)), FAILED);
    assert!(schedule.may_prepare(at(seconds(0))));
    schedule.hear(at(seconds(1)), Event::TableFailed { chance: 0 });
    assert!(!schedule.may_prepare(at(seconds(10))));
    assert!(schedule.may_prepare(at(seconds(11))));
    schedule.hear(at(seconds(12)), Event::TableFailed { chance: 0 });
    schedule.hear(at(seconds(13)), Event::Changed);
    assert!(schedule.may_prepare(at(seconds(13))));
}

#[test]
fn a_session_waits_for_its_officer_and_runs_once_when_approved() {
    let mut schedule = ready(by_hand());
    let (first, second) = (ApprovalNumber::new(1), ApprovalNumber::new(2));
    assert_eq!(schedule.next(at(seconds(1))), Step::Call);
    assert_eq!(schedule.clear(Clearance::Waits(first)), None);
    assert_eq!(schedule.awaited(), Some(first));
    assert_eq!(due(&schedule, at(HOUR)), None);

    schedule.hear(at(HOUR), Event::Approved);
    assert_eq!(schedule.next(at(HOUR)), Step::Call);
    let permit = schedule.clear(Clearance::Approved(first)).unwrap();
    assert_eq!(permit.into_approval(), Some(first));
    answered(&mut schedule, at(HOUR));

    assert_eq!(schedule.next(at(HOUR * 2)), Step::Call);
    assert_eq!(schedule.clear(Clearance::Waits(second)), None);
    assert_eq!(due(&schedule, at(HOUR * 3)), None);
}

#[test]
fn a_peer_whose_sessions_run_by_themselves_waits_for_nobody() {
    let mut schedule = ready(by_hand());
    schedule.clear(Clearance::Waits(ApprovalNumber::new(1)));
    schedule.hear(at(seconds(1)), Event::Looked(hourly()));
    assert_eq!(schedule.awaited(), None);
    assert_eq!(schedule.next(at(seconds(1))), Step::Call);
    let permit = schedule.clear(Clearance::ByItself).unwrap();
    assert_eq!(permit.into_approval(), None);
}

#[test]
fn a_refusal_holds_for_a_schedule_or_until_somebody_asks_or_policy_changes() {
    let refused = |rules| {
        let mut schedule = ready(rules);
        schedule.clear(Clearance::Waits(ApprovalNumber::new(1)));
        schedule.hear(at(seconds(10)), Event::Refused);
        assert!(schedule.refuses(at(seconds(10))));
        schedule
    };
    let schedule = refused(by_hand());
    let ends = HOUR + seconds(10);
    assert!(schedule.refuses(at(ends - seconds(1))));
    assert_eq!(due(&schedule, at(seconds(11))), Some(after(start(), ends)));
    assert!(!schedule.refuses(at(ends)));
    assert_eq!(schedule.next(at(ends)), Step::Call);

    let on_demand_only = Rules {
        every: None,
        ..by_hand()
    };
    let schedule = refused(on_demand_only);
    assert!(schedule.refuses(at(REFUSED_PAUSE)));
    assert!(!schedule.refuses(at(REFUSED_PAUSE + seconds(10))));

    for event in [Event::Wanted, Event::Changed] {
        let mut schedule = refused(by_hand());
        schedule.hear(at(seconds(11)), event);
        assert!(!schedule.refuses(at(seconds(11))));
    }
}

#[test]
fn a_peer_that_did_not_begin_is_turned_away_for_the_first_pause() {
    let mut schedule = ready(hourly());
    schedule.hear(at(seconds(1)), Event::NotBegun);
    assert!(!schedule.admits(at(seconds(5))));
    assert!(schedule.admits(at(seconds(6))));
}

#[test]
fn the_audit_log_hears_of_a_peers_failed_beginnings_once_a_minute() {
    let mut schedule = ready(hourly());
    assert!(schedule.may_note(at(seconds(1))));
    schedule.hear(at(seconds(1)), Event::Noted);
    assert!(!schedule.may_note(at(seconds(60))));
    assert!(schedule.may_note(at(seconds(61))));
}

#[test]
fn a_wall_clock_that_was_set_back_a_year_is_borne_with_for_a_schedule() {
    let mut schedule = ready(hourly());
    answered(&mut schedule, at(seconds(0)));
    let set_back = |elapsed| Now {
        elapsed,
        wall: after("2025-03-01T08:00:00Z".parse().unwrap(), elapsed),
    };
    // Looked at again and again, it comes nearer all the same.
    for minute in 1..60 {
        let Step::Wait { due, pause } = schedule.next(set_back(seconds(minute * 60))) else {
            panic!("due too early");
        };
        assert_eq!(due, Some(set_back(HOUR).wall));
        assert!(pause <= LOOK);
    }
    assert_eq!(schedule.next(set_back(HOUR)), Step::Call);
}

/// What may happen, and how far each clock goes before it.
fn happening() -> impl Strategy<Value = (u64, i64, Event)> {
    let wall = start().as_second();
    let event = prop_oneof![
        (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(on_demand, by_hand, calls_second, scheduled)| {
                Event::Looked(Rules {
                    every: scheduled.then_some(HOUR),
                    on_demand,
                    by_hand,
                    can_call: true,
                    calls_second,
                })
            }
        ),
        Just(Event::Changed),
        any::<bool>().prop_map(Event::Stocked),
        Just(Event::Wanted),
        Just(Event::Refused),
        Just(Event::Approved),
        (-9000..9000i64).prop_map(move |by| Event::Answered {
            began: Timestamp::from_second(wall + by).unwrap()
        }),
        (any::<u8>(), proptest::option::of(-9000..9000i64)).prop_map(move |(chance, until)| {
            let budget_until = until.map(|by| Timestamp::from_second(wall + by).unwrap());
            Event::Failed {
                chance,
                budget_until,
            }
        }),
        any::<u8>().prop_map(|chance| Event::TableFailed { chance }),
        Just(Event::NotBegun),
        Just(Event::Noted),
    ];
    (0..7200u64, -100_000..100_000i64, event)
}

/// Lets all of it happen; gives the moment after the last.
fn after_all(schedule: &mut Schedule, happenings: &[(u64, i64, Event)]) -> Now {
    let mut now = at(Duration::ZERO);
    for (passed, set, event) in happenings {
        now.elapsed += seconds(*passed);
        now.wall = now
            .wall
            .saturating_add(SignedDuration::from_secs(*set))
            .unwrap();
        schedule.hear(now, *event);
    }
    now
}

proptest! {
    #[test]
    fn a_session_is_never_due_before_anything_it_has_to_wait_for(
        happenings in prop::collection::vec(happening(), 0..40),
    ) {
        let mut schedule = ready(hourly());
        let now = after_all(&mut schedule, &happenings);
        if schedule.next(now) == Step::Call {
            prop_assert!(schedule.stocked && schedule.awaited().is_none());
            prop_assert!(!now.is_before(schedule.retry_at));
            prop_assert!(schedule.budget_until.is_none_or(|until| until <= now.wall));
            prop_assert!(!schedule.refuses(now));
            prop_assert!(schedule.wanted || schedule.rules.every.is_some());
        }
    }

    #[test]
    fn whatever_the_wall_clock_is_set_to_nothing_waits_longer_than_a_schedule_and_its_pauses(
        happenings in prop::collection::vec(happening(), 0..40),
        set in -1_000_000..1_000_000i64,
    ) {
        let mut schedule = ready(hourly());
        let mut now = after_all(&mut schedule, &happenings);
        schedule.hear(now, Event::Stocked(true));
        schedule.hear(now, Event::Looked(hourly()));
        // The budget is the store's, and goes by the wall clock there.
        schedule.budget_until = None;
        now.elapsed += HOUR + GRACE_MAX;
        now.wall = now.wall.saturating_add(SignedDuration::from_secs(set)).unwrap();
        prop_assert_eq!(schedule.next(now), Step::Call);
    }

    #[test]
    fn a_pause_after_failures_is_at_most_half_longer_than_the_longest(
        chances in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let mut schedule = ready(hourly());
        for chance in &chances {
            schedule.hear(at(HOUR), Event::Failed { chance: *chance, budget_until: None });
        }
        let doubled = PAUSES.first * (1 << (chances.len() - 1).min(16));
        let least = doubled.min(PAUSES.max);
        let pause = schedule.retry_at.unwrap() - HOUR;
        prop_assert!(least <= pause && pause < least * 3 / 2);
    }

    #[test]
    fn a_look_is_never_put_off_for_longer_than_a_minute(
        happenings in prop::collection::vec(happening(), 0..40),
    ) {
        let mut schedule = ready(hourly());
        let now = after_all(&mut schedule, &happenings);
        if let Step::Wait { due, pause } = schedule.next(now) {
            prop_assert!(pause <= LOOK);
            prop_assert!(due.is_none_or(|due| now.wall < due));
        }
    }

    #[test]
    fn one_approval_lets_at_most_one_session_run(
        given in prop::collection::vec((any::<bool>(), any::<bool>()), 1..40),
    ) {
        // The store's side of it: an approval that a session used up is never told again.
        let (mut schedule, mut open, mut used) = (ready(by_hand()), 1, Vec::new());
        for (approves, uses) in given {
            let approval = ApprovalNumber::new(open);
            let clearance = if approves { Clearance::Approved(approval) } else { Clearance::Waits(approval) };
            let permit = schedule.clear(clearance);
            prop_assert_eq!(permit.is_some(), approves);
            if let (Some(permit), true) = (permit, uses) {
                let approval = permit.into_approval().unwrap();
                prop_assert!(!used.contains(&approval));
                used.push(approval);
                open += 1;
                answered(&mut schedule, at(HOUR));
                prop_assert_eq!(schedule.awaited(), None);
            }
        }
    }
}
