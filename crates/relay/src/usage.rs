//! What one node has used of a relay. Handed the time; the bounds are the caller's.

use std::time::{Duration, Instant};

use super::refusal::Refusal;

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

/// Counts of one node. A day and a minute begin with the first use after the one before is over.
pub(super) struct Usage {
    /// Connections at the moment.
    pub(super) connections: usize,
    day: Instant,
    bytes: u64,
    minute: Instant,
    questions: u32,
}

impl Usage {
    /// Nothing used yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            connections: 0,
            day: now,
            bytes: 0,
            minute: now,
            questions: 0,
        }
    }

    /// Counts a question to the mediator.
    ///
    /// # Errors
    /// [`Refusal::OverQuota`]: there were `max` within a minute, and this one is not counted.
    pub(super) fn ask(&mut self, max: u32, now: Instant) -> Result<(), Refusal> {
        if now.duration_since(self.minute) >= MINUTE {
            (self.minute, self.questions) = (now, 0);
        }
        if self.questions >= max {
            return Err(Refusal::OverQuota);
        }
        self.questions += 1;
        Ok(())
    }

    /// Counts `length` bytes that pass through a tunnel of the node.
    ///
    /// # Errors
    /// [`Refusal::OverQuota`]: with these there are more than `max` within a day. They are counted, so
    /// that every tunnel of the node ends, and none begins, until the day is over.
    pub(super) fn pass(&mut self, length: u64, max: u64, now: Instant) -> Result<(), Refusal> {
        if now.duration_since(self.day) >= DAY {
            (self.day, self.bytes) = (now, 0);
        }
        // Counted even if refused: the node's other tunnels end with their next frame.
        self.bytes = self.bytes.saturating_add(length);
        match self.is_over(max) {
            true => Err(Refusal::OverQuota),
            false => Ok(()),
        }
    }

    /// Whether more than `max` bytes passed in the day that was counted last.
    pub(super) fn is_over(&self, max: u64) -> bool {
        self.bytes > max
    }

    /// Whether nothing is lost when this is forgotten.
    pub(super) fn is_past(&self, now: Instant) -> bool {
        self.connections == 0 && now.duration_since(self.day) >= DAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_may_ask_again_once_its_minute_is_over() {
        let start = Instant::now();
        let mut usage = Usage::new(start);
        assert_eq!(usage.ask(2, start), Ok(()));
        assert_eq!(usage.ask(2, start), Ok(()));
        let late = start + MINUTE - Duration::from_millis(1);
        assert_eq!(usage.ask(2, late), Err(Refusal::OverQuota));
        assert_eq!(usage.ask(2, start + MINUTE), Ok(()));
    }

    #[test]
    fn bytes_count_for_a_day_and_those_beyond_the_quota_too() {
        let start = Instant::now();
        let mut usage = Usage::new(start);
        assert_eq!(usage.pass(10, 10, start), Ok(()));
        assert!(!usage.is_over(10));
        assert_eq!(usage.pass(1, 10, start), Err(Refusal::OverQuota));
        assert!(usage.is_over(10));
        assert!(!usage.is_past(start));
        assert_eq!(usage.pass(10, 10, start + DAY), Ok(()));
        assert!(usage.is_past(start + DAY + DAY));
        usage.connections = 1;
        assert!(!usage.is_past(start + DAY + DAY));
    }
}
