//! What is ready for sessions with one peer, and from when on it serves.
//!
//! A peer sees when this side runs a session and when it does not. So that neither tells what has become of a
//! list, or how long that took to work in, what is prepared takes the place of what serves at ticks alone:
//! every so often from a random moment on, and never before a delay has passed that follows from the
//! ceilings. Until then what was prepared before goes on serving. After a session nothing serves before the
//! next such tick, so that what its answers took to work in does not show either.
//!
//! Handed the time and what was prepared; it reads no clock, prepares nothing and knows no list.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use admin::{QuestionsNumber, TableNumber};
use protocol::{ByClass, Ceiling, Mediator};
use store::prepared::Ready;
use store::queries::Asks;

/// The least time from a change to the tick at which it serves.
const DELAY_LEAST: Duration = Duration::from_millis(100);
/// For each element of the ceilings and each session prepared for: four times what one takes on two cores,
/// and time to read the lists. A machine that is slower serves a tick later.
const DELAY_ELEMENT: Duration = Duration::from_micros(100);

/// The moments at which what serves may change, in the time of the schedule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticks {
    /// From one to the next. Not zero.
    pub every: Duration,
    /// The first. Random, so that a tick does not tell when the node was started.
    pub first: Duration,
}

/// The sessions that something prepared serves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Fit {
    pub mediator: Mediator,
    pub held: ByClass<Ceiling>,
    pub requested: ByClass<Ceiling>,
}

/// What something is prepared for, and from what.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Basis {
    pub fit: Fit,
    /// The version of the held list.
    pub held: i64,
    /// What is asked of the peer.
    pub asks: Asks,
}

/// A question set in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Questions {
    pub number: QuestionsNumber,
    /// When the lists were read that it asks.
    pub read: Timestamp,
    /// The version of the requested list that it asks.
    pub list: i64,
}

/// Tables and question sets, one of each for a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Prepared {
    pub tables: VecDeque<TableNumber>,
    pub questions: VecDeque<Questions>,
}

/// What is to be prepared.
pub(super) struct Plan {
    pub basis: Basis,
    /// Sessions to be ready for.
    pub sessions: usize,
    /// What serves now and fits: tables are kept where the held list is the same, question sets are brought
    /// to what is asked now.
    pub before: Prepared,
    /// Whether the tables before are of the same held list.
    pub same_held: bool,
    /// Whether the sets before ask the same.
    pub same_asks: bool,
}

/// What a session takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub ready: Ready,
    /// When the lists were read that it asks.
    pub read: Timestamp,
    /// The version of the requested list that it asks.
    pub list: i64,
}

/// How far what is asked had changed when something was prepared: a later change has a higher number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change(u64);

/// What is ready, and what is to come.
pub(super) struct Stock {
    ticks: Ticks,
    sessions: usize,
    seen: Option<(Basis, Change)>,
    /// The last change that was seen.
    change: Change,
    serving: Option<Serving>,
    coming: Option<Coming>,
    /// Nothing serves before this.
    closed_until: Duration,
    /// When the last session ended, for what is prepared after it.
    ended: Option<Duration>,
}

struct Serving {
    basis: Basis,
    change: Change,
    prepared: Prepared,
}

/// What is being prepared, or is and waits for its tick.
struct Coming {
    basis: Basis,
    change: Change,
    from: Duration,
    state: ComingState,
}

enum ComingState {
    Making,
    /// What it is made from was used meanwhile, or does not fit any more: nothing of it may serve.
    Outdated,
    Made(Prepared),
    Failed,
}

impl Ticks {
    fn at_or_after(&self, moment: Duration) -> Duration {
        let past = moment.saturating_sub(self.first).as_nanos();
        let every = self.every.as_nanos().max(1);
        let ticks = u32::try_from(past.div_ceil(every)).unwrap_or(u32::MAX);
        self.first + self.every.saturating_mul(ticks)
    }
}

impl Fit {
    /// The time between a change and its tick.
    fn delay(&self, sessions: usize) -> Duration {
        let elements = |ceilings: &ByClass<Ceiling>| -> usize {
            ceilings.iter().map(|(_, ceiling)| ceiling.elements()).sum()
        };
        let all = (elements(&self.held) + elements(&self.requested)).saturating_mul(sessions);
        DELAY_LEAST + DELAY_ELEMENT.saturating_mul(u32::try_from(all).unwrap_or(u32::MAX))
    }
}

impl Stock {
    /// An empty stock, to be ready for so many sessions.
    pub(super) fn new(ticks: Ticks, sessions: usize) -> Self {
        Self {
            ticks,
            sessions: sessions.max(1),
            seen: None,
            change: Change(0),
            serving: None,
            coming: None,
            closed_until: Duration::ZERO,
            ended: None,
        }
    }

    /// Takes in what the store has now. What does not fit any more, because an officer changed what was agreed
    /// with the peer, serves no longer; what is from another list goes on.
    pub(super) fn look(&mut self, basis: Basis) {
        let same = self
            .seen
            .is_some_and(|(before, _)| before.asks == basis.asks);
        if !same {
            self.change.0 += 1;
        }
        self.seen = Some((basis, self.change));
        if self
            .serving
            .as_ref()
            .is_some_and(|s| s.basis.fit != basis.fit)
        {
            self.serving = None;
        }
        if self
            .coming
            .as_ref()
            .is_some_and(|c| c.basis.fit != basis.fit)
        {
            self.outdate_coming();
        }
    }

    /// Nothing can be prepared, for want of a list, say: nothing serves any longer.
    pub(super) fn clear(&mut self) {
        (self.seen, self.serving) = (None, None);
        self.outdate_coming();
    }

    /// What is to be prepared now, if anything; [`made`](Self::made) hears what came of it.
    pub(super) fn plan(&mut self, now: Duration) -> Option<Plan> {
        let (basis, change) = self.seen?;
        let as_seen = self.serving.as_ref().is_some_and(|serving| {
            serving.basis == basis && serving.prepared.sessions() >= self.sessions
        });
        if as_seen || self.coming.is_some() {
            return None;
        }
        let serving = self.serving.as_ref();
        let same = |of: fn(&Basis) -> i64| serving.is_some_and(|s| of(&s.basis) == of(&basis));
        let plan = Plan {
            basis,
            sessions: self.sessions,
            before: serving.map(|s| s.prepared.clone()).unwrap_or_default(),
            same_held: same(|basis| basis.held),
            same_asks: serving.is_some_and(|s| s.basis.asks == basis.asks),
        };
        // To fill up what a session has used takes less than to work in a change.
        let left = serving.map_or(0, |serving| serving.prepared.sessions());
        let missing = match plan.same_held && plan.same_asks {
            true => self.sessions - left.min(self.sessions),
            false => self.sessions,
        };
        // What a session's answers took to work in must not move the tick.
        let since = self.ended.take().unwrap_or(now);
        self.coming = Some(Coming {
            basis,
            change,
            from: self.tick_after(since, &basis, missing),
            state: ComingState::Making,
        });
        Some(plan)
    }

    /// Takes in what was prepared by the last plan; `None` when that failed.
    pub(super) fn made(&mut self, now: Duration, prepared: Option<Prepared>) {
        let Some(coming) = &mut self.coming else {
            return;
        };
        match (&coming.state, prepared) {
            (ComingState::Making, Some(prepared)) => coming.state = ComingState::Made(prepared),
            (ComingState::Making, None) => coming.state = ComingState::Failed,
            // Of use to nobody; the next plan begins anew.
            _ => self.coming = None,
        }
        if let Some(coming) = &mut self.coming
            && coming.from < now
        {
            coming.from = self.ticks.at_or_after(now);
        }
    }

    /// What was being prepared came to nothing, and says nothing about what serves.
    pub(super) fn drop_made(&mut self) {
        self.coming = None;
    }

    /// At its tick, puts what was prepared in the place of what serves. Whether it did.
    pub(super) fn turn(&mut self, now: Duration) -> bool {
        let due = |coming: &Coming| {
            let done = matches!(coming.state, ComingState::Made(_) | ComingState::Failed);
            done && coming.from <= now
        };
        let Some(coming) = self.coming.take_if(|coming| due(coming)) else {
            return false;
        };
        match coming.state {
            ComingState::Made(prepared) => {
                self.serving = Some(Serving {
                    basis: coming.basis,
                    change: coming.change,
                    prepared,
                });
            }
            // Nobody is answered from a list that was replaced, though the new one cannot serve.
            _ => {
                self.serving
                    .take_if(|serving| serving.basis != coming.basis);
            }
        }
        true
    }

    /// Whether a session can begin now.
    pub(super) fn is_open(&self, now: Duration) -> bool {
        let serving = self.serving.as_ref();
        now >= self.closed_until && serving.is_some_and(|s| s.prepared.sessions() > 0)
    }

    /// Takes out what a session needs.
    pub(super) fn take(&mut self, now: Duration) -> Option<Taken> {
        if !self.is_open(now) {
            return None;
        }
        let prepared = &mut self.serving.as_mut()?.prepared;
        let (table, questions) = (
            prepared.tables.pop_front()?,
            prepared.questions.pop_front()?,
        );
        Some(Taken {
            ready: Ready {
                table,
                questions: questions.number,
            },
            read: questions.read,
            list: questions.list,
        })
    }

    /// Takes back what a session had taken that ended before its commitment.
    pub(super) fn put_back(&mut self, taken: Taken) {
        // Nothing turns while a session runs, so that what serves is what it was taken from.
        if let Some(serving) = &mut self.serving {
            serving.prepared.tables.push_front(taken.ready.table);
            serving.prepared.questions.push_front(Questions {
                number: taken.ready.questions,
                read: taken.read,
                list: taken.list,
            });
        }
    }

    /// What a session took is not there any more: nothing that serves is to be trusted to be.
    pub(super) fn lost(&mut self) {
        self.serving = None;
        self.outdate_coming();
    }

    /// A session has used what it took, and had sent its last byte at `ended`.
    pub(super) fn spent(&mut self, ended: Duration) {
        if let Some((basis, _)) = self.seen {
            self.closed_until = self.tick_after(ended, &basis, 1);
        }
        self.ended = Some(ended);
        // What is coming may have been made from the set that was used, with the same blinds.
        self.outdate_coming();
    }

    /// The latest change of what is asked.
    pub(super) fn latest(&self) -> Option<Change> {
        self.seen.map(|(_, change)| change)
    }

    /// Whether what serves asks what was asked at that change.
    pub(super) fn serves(&self, change: Change) -> bool {
        self.serving.as_ref().is_some_and(|s| s.change >= change)
    }

    #[cfg(test)]
    fn kept(&self) -> Prepared {
        let serving = self.serving.as_ref();
        serving.map(|s| s.prepared.clone()).unwrap_or_default()
    }

    /// Whether something is being prepared.
    pub(super) fn is_making(&self) -> bool {
        let making = |coming: &Coming| matches!(coming.state, ComingState::Making);
        self.coming.as_ref().is_some_and(making)
    }

    /// Whether what serves is of the lists as they were last seen, and all that is to be ready.
    pub(super) fn is_settled(&self) -> bool {
        let served = self.serving.as_ref().map(|serving| serving.basis);
        self.coming.is_none() && served == self.seen.map(|(basis, _)| basis)
    }

    /// When something will change here by itself.
    pub(super) fn next_change(&self, now: Duration) -> Option<Duration> {
        let coming = self
            .coming
            .as_ref()
            .filter(|coming| matches!(coming.state, ComingState::Made(_) | ComingState::Failed));
        let opens = (self.closed_until > now).then_some(self.closed_until);
        [coming.map(|coming| coming.from), opens]
            .into_iter()
            .flatten()
            .min()
    }

    fn outdate_coming(&mut self) {
        if let Some(coming) = &mut self.coming {
            // Whoever makes it will still say so, and only then may another begin.
            match coming.state {
                ComingState::Making | ComingState::Outdated => coming.state = ComingState::Outdated,
                ComingState::Made(_) | ComingState::Failed => self.coming = None,
            }
        }
    }

    fn tick_after(&self, now: Duration, basis: &Basis, sessions: usize) -> Duration {
        self.ticks.at_or_after(now + basis.fit.delay(sessions))
    }
}

impl Prepared {
    fn sessions(&self) -> usize {
        self.tables.len().min(self.questions.len())
    }
}

#[cfg(test)]
mod tests;
