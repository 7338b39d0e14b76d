//! When the next session with one peer is due: what was agreed with the peer, pauses after failures, the
//! budget's end, and an officer's word.
//!
//! It is handed the time and what has happened ([`Event`]), and says what is next ([`Step`]). It reads no
//! clock and no store and does nothing itself, so that a clock that is set back, a pause of hours and an
//! officer's refusal are lines of a test. Pauses run by the clock that nobody can set; the wall clock counts
//! only for what is shared with the store.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use admin::ApprovalNumber;

/// Between two looks at the clock and the store, where nothing is due: the clock may be set meanwhile.
const LOOK: Duration = Duration::from_secs(60);
/// How much later than the peer the node with the higher id calls: a part of the schedule, and at most this.
const GRACE_PART: u32 = 4;
const GRACE_MAX: Duration = Duration::from_secs(60);
/// For how long an officer's refusal holds where there is no schedule.
const REFUSED_PAUSE: Duration = Duration::from_secs(3600);
/// Between two entries in the audit log about one peer's sessions that never began: a peer must not fill it.
const NOTE_PAUSE: Duration = Duration::from_secs(60);
/// A failure puts the next attempt off by up to this part of the pause more.
const CHANCE_PART: u32 = 512;
/// Doubling stops here, long after any pause has reached its maximum.
const DOUBLINGS_MAX: u32 = 16;

/// One moment, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// Time since the schedule began. Never goes back.
    pub elapsed: Duration,
    /// What the machine takes for the time. May be set.
    pub wall: Timestamp,
}

/// The first pause after a failure, and the longest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pauses {
    pub first: Duration,
    pub max: Duration,
}

/// What was agreed with the peer, as far as it says when sessions run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// From the start of one session to that of the next.
    pub every: Option<Duration>,
    pub on_demand: bool,
    /// An officer approves each session.
    pub by_hand: bool,
    /// This side knows a way to the peer; else the peer comes to it.
    pub can_call: bool,
    /// This side has the higher id, and leaves the first call to the peer.
    pub calls_second: bool,
}

/// What has happened.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// What the process before left: when the last session with answers began, and whether one is wanted.
    Restored {
        last: Option<Timestamp>,
        wanted: bool,
    },
    /// The store was looked at, and says this.
    Looked(Rules),
    /// What the store says of the peer is not what it said at the last look.
    Changed,
    /// Whether there is a table for a session.
    Stocked(bool),
    /// Somebody asked for a session at once.
    Wanted,
    /// An officer said no to the session that waited.
    Refused,
    /// The session that waited for an officer need not wait any more.
    Approved,
    /// A session that began then ended with answers.
    Answered { began: Timestamp },
    /// An attempt at a session failed. `chance` lengthens the pause by up to a half, so that two nodes do
    /// not miss each other for ever.
    Failed {
        chance: u8,
        /// The peer's budget is used up until then.
        budget_until: Option<Timestamp>,
    },
    /// A table could not be computed.
    TableFailed { chance: u8 },
    /// The peer opened a session and did not begin it.
    NotBegun,
    /// The audit log has heard of a session that never began.
    Noted,
}

/// What is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A session is due now.
    Call,
    /// Nothing is to be done before the next look, in `pause` at the latest.
    Wait {
        /// When a session will be due, as far as is known.
        due: Option<Timestamp>,
        pause: Duration,
    },
}

/// What the officers have to say about the next session, by the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clearance {
    /// Sessions with this peer run by themselves.
    ByItself,
    Approved(ApprovalNumber),
    Waits(ApprovalNumber),
}

/// Lets one session run. Neither cloned nor copied: one approval serves one session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Permit(Option<ApprovalNumber>);

/// When sessions with one peer run.
#[derive(Debug)]
pub(super) struct Schedule {
    pauses: Pauses,
    rules: Rules,
    last: Option<Last>,
    wanted: bool,
    officers: Officers,
    failures: u32,
    /// Not before this, because an attempt failed.
    retry_at: Option<Duration>,
    /// No table is computed before this, because the last attempt failed.
    prepare_at: Option<Duration>,
    /// Not before the budget resets. By the wall clock, as the store counts budgets.
    budget_until: Option<Timestamp>,
    /// The peer is turned away without any work until then.
    shut_until: Option<Duration>,
    noted: Option<Duration>,
    stocked: bool,
}

/// The last session that ended with answers, or was refused.
#[derive(Debug, Clone, Copy)]
struct Last {
    began: Timestamp,
    /// When it was heard of.
    heard: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Officers {
    Unasked,
    Asked(ApprovalNumber),
    /// They are not asked again before this.
    Refused {
        until: Duration,
    },
}

impl Now {
    /// The wall clock's time when `elapsed` will be this, if nobody sets it; now, if that has passed.
    fn wall_at(&self, elapsed: Duration) -> Timestamp {
        after(self.wall, elapsed.saturating_sub(self.elapsed))
    }

    fn is_before(&self, elapsed: Option<Duration>) -> bool {
        elapsed.is_some_and(|at| self.elapsed < at)
    }
}

impl Rules {
    fn grace(&self, every: Duration) -> Duration {
        if self.calls_second {
            (every / GRACE_PART).min(GRACE_MAX)
        } else {
            Duration::ZERO
        }
    }
}

impl Permit {
    /// The approval that the session uses up.
    pub(super) fn into_approval(self) -> Option<ApprovalNumber> {
        self.0
    }
}

impl Schedule {
    /// A schedule under which nothing is due before the first [`Event::Looked`].
    pub(super) fn new(pauses: Pauses) -> Self {
        Self {
            pauses,
            rules: Rules {
                every: None,
                on_demand: false,
                by_hand: true,
                can_call: false,
                calls_second: false,
            },
            last: None,
            wanted: false,
            officers: Officers::Unasked,
            failures: 0,
            retry_at: None,
            prepare_at: None,
            budget_until: None,
            shut_until: None,
            noted: None,
            stocked: false,
        }
    }

    /// Takes in what has happened.
    pub(super) fn hear(&mut self, now: Now, event: Event) {
        match event {
            Event::Restored { last, wanted } => {
                self.last = last.map(|began| Last::new(began, now));
                self.wanted = wanted;
            }
            Event::Looked(rules) => self.looked(rules),
            Event::Changed => self.changed(),
            Event::Stocked(stocked) => self.stocked = stocked,
            Event::Wanted => {
                // An officer may have forbidden it since it was asked for.
                self.wanted = self.rules.on_demand;
                self.lift_refusal();
            }
            Event::Refused => self.refused(now),
            Event::Approved => self.stop_asking(),
            Event::Answered { began } => self.answered(began, now),
            Event::Failed {
                chance,
                budget_until,
            } => {
                self.back_off(now, chance);
                self.budget_until = budget_until.or(self.budget_until);
            }
            Event::TableFailed { chance } => {
                self.back_off(now, chance);
                self.prepare_at = self.retry_at;
            }
            Event::NotBegun => self.shut_until = Some(now.elapsed + self.pauses.first),
            Event::Noted => self.noted = Some(now.elapsed),
        }
    }

    /// What is next, if nothing happens meanwhile.
    pub(super) fn next(&self, now: Now) -> Step {
        match self.due(now) {
            Some(due) if due <= now.wall => Step::Call,
            due => Step::Wait {
                due,
                pause: due.map_or(LOOK, |due| between(now.wall, due).min(LOOK)),
            },
        }
    }

    /// Whether a peer that comes now is to be met, as far as this side has to say.
    pub(super) fn admits(&self, now: Now) -> bool {
        self.stocked && !now.is_before(self.shut_until)
    }

    /// Whether the officers are not to be asked now, because they have refused.
    pub(super) fn refuses(&self, now: Now) -> bool {
        matches!(self.officers, Officers::Refused { until } if now.elapsed < until)
            && self.rules.by_hand
    }

    /// Takes in what the store says of the next session; a permit, if it may run now.
    pub(super) fn clear(&mut self, clearance: Clearance) -> Option<Permit> {
        match clearance {
            Clearance::ByItself => Some(Permit(None)),
            Clearance::Approved(approval) => {
                self.officers = Officers::Unasked;
                Some(Permit(Some(approval)))
            }
            Clearance::Waits(approval) => {
                self.officers = Officers::Asked(approval);
                None
            }
        }
    }

    /// The approval that the next session waits for.
    pub(super) fn awaited(&self) -> Option<ApprovalNumber> {
        match self.officers {
            Officers::Asked(approval) => Some(approval),
            Officers::Unasked | Officers::Refused { .. } => None,
        }
    }

    /// Whether a table may be computed now.
    pub(super) fn may_prepare(&self, now: Now) -> bool {
        !now.is_before(self.prepare_at)
    }

    /// Whether the audit log may hear now of a session that never began.
    pub(super) fn may_note(&self, now: Now) -> bool {
        !now.is_before(self.noted.map(|at| at + NOTE_PAUSE))
    }

    fn looked(&mut self, rules: Rules) {
        self.rules = rules;
        self.wanted &= rules.on_demand;
        if !rules.by_hand {
            self.stop_asking();
        }
    }

    /// What stood in the way may be mended.
    fn changed(&mut self) {
        (self.failures, self.retry_at, self.prepare_at) = (0, None, None);
        self.budget_until = None;
        self.lift_refusal();
    }

    /// The session that was refused counts as one that ran: the next is due a schedule later.
    fn refused(&mut self, now: Now) {
        let pause = self.rules.every.unwrap_or(REFUSED_PAUSE);
        self.last = Some(Last::new(now.wall, now));
        self.wanted = false;
        self.officers = Officers::Refused {
            until: now.elapsed + pause,
        };
    }

    fn answered(&mut self, began: Timestamp, now: Now) {
        self.last = Some(Last::new(began, now));
        self.wanted = false;
        (self.failures, self.retry_at, self.budget_until) = (0, None, None);
        self.stop_asking();
    }

    fn stop_asking(&mut self) {
        if self.awaited().is_some() {
            self.officers = Officers::Unasked;
        }
    }

    fn lift_refusal(&mut self) {
        if matches!(self.officers, Officers::Refused { .. }) {
            self.officers = Officers::Unasked;
        }
    }

    fn back_off(&mut self, now: Now, chance: u8) {
        let Pauses { first, max } = self.pauses;
        let doubled = first.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX));
        let pause = doubled.min(max);
        self.failures = self.failures.saturating_add(1);
        let longer = pause.saturating_mul(chance.into()) / CHANCE_PART;
        self.retry_at = Some(now.elapsed + pause + longer);
    }

    /// When this side is to call; `None` if it cannot, or waits for an officer.
    fn due(&self, now: Now) -> Option<Timestamp> {
        if !self.stocked || !self.rules.can_call || self.awaited().is_some() {
            return None;
        }
        let wanted = self.wanted.then_some(now.wall);
        let due = [self.scheduled(now), wanted].into_iter().flatten().min()?;
        let refused = match self.officers {
            Officers::Refused { until } => Some(now.wall_at(until)),
            Officers::Unasked | Officers::Asked(_) => None,
        };
        let retry = self.retry_at.map(|at| now.wall_at(at));
        let waits = [retry, self.budget_until, refused];
        Some(waits.into_iter().flatten().fold(due, Timestamp::max))
    }

    fn scheduled(&self, now: Now) -> Option<Timestamp> {
        let every = self.rules.every?;
        let grace = self.rules.grace(every);
        let Some(last) = self.last else {
            return Some(now.wall_at(grace));
        };
        let by_wall = after(last.began, every + grace);
        // A wall clock that was set back makes nothing wait longer than a schedule.
        Some(by_wall.min(now.wall_at(last.heard + every + grace)))
    }
}

impl Last {
    fn new(began: Timestamp, now: Now) -> Self {
        Self {
            began,
            heard: now.elapsed,
        }
    }
}

fn after(at: Timestamp, pause: Duration) -> Timestamp {
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
    at.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests;
