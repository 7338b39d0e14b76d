//! How long a node bears with a peer: every wait of a session has its bound here.

use std::time::Duration;

/// How long to bear with a peer.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Time in which something must move: a message, or at least 1,000 bytes of one. 60 s.
    pub stall: Duration,
    /// Bytes a second, both directions together, that a session must come to before this side has signed, beside
    /// ten times the time to stall: half of what a line of 64 kbit/s carries. 4,000.
    pub slowest: u64,
    /// To tell the peer why the session ends. 2 s.
    pub farewell: Duration,
    /// For the peer's signature or release after one's own signature; then the mediator settles. 60 s.
    pub release: Duration,
    /// Between two questions to the mediator about a session, from one's signature on. 5 s.
    pub claim: Duration,
    /// For the mediator to tell the time before one signs. 30 s.
    pub mediator: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(60),
            slowest: 4_000,
            farewell: Duration::from_secs(2),
            release: Duration::from_secs(60),
            claim: Duration::from_secs(5),
            mediator: Duration::from_secs(30),
        }
    }
}

impl Patience {
    /// How long a session of so many bytes may be without this side's signature.
    pub(crate) fn unsigned(&self, bytes: u64) -> Duration {
        self.stall * 10 + Duration::from_secs(bytes / self.slowest.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{ByClass, Ceiling, Ceilings, Mediator, SettlingWindow, Terms};

    fn bytes(ceiling: u32) -> u64 {
        let ceilings = ByClass {
            narrow: Ceilings::all(Ceiling::new(ceiling).unwrap()),
            wide: None,
        };
        Terms {
            schema_name: "test".into(),
            schema_digest: [0; 32],
            mediator: Mediator::None,
            ceilings,
            window: SettlingWindow::DEFAULT,
            reference: String::new(),
        }
        .bytes()
    }

    /// As though its 8,000 bytes a second were shared by both directions, and a quarter were lost.
    #[test]
    fn a_line_of_64_kbit_a_second_is_fast_enough_whatever_the_ceilings_are() {
        let patience = Patience::default();
        for ceiling in [1, 1024, 65_536, 1 << 22] {
            let takes = Duration::from_secs(bytes(ceiling) / 6_000);
            assert!(takes < patience.unsigned(bytes(ceiling)), "{ceiling}");
        }
    }

    #[test]
    fn a_session_at_the_default_ceiling_is_unsigned_for_an_hour_at_most() {
        let bytes = bytes(Ceiling::DEFAULT.elements() as u32);
        // 65,536 elements each way: 32 bytes asked, 32 answered and 16 in the table.
        assert_eq!(bytes, 2 * 65_536 * 80);
        assert!(Patience::default().unsigned(bytes) < Duration::from_secs(3600));
    }
}
