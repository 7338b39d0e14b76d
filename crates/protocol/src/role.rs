//! The two sides of a session: who opened it, and who answered.

/// Which side of the session a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The side that sends the Offer, and signs first.
    Initiator,
    /// The side that sends the Answer, and signs second.
    Responder,
}

impl Role {
    /// Both roles, in the order in which layouts name them.
    pub const BOTH: [Self; 2] = [Self::Initiator, Self::Responder];

    /// The peer's role.
    pub fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }

    /// The byte that stands for the role in every hash and layout: 1 or 2. `docs/protocol.md` §1.
    pub fn byte(self) -> u8 {
        match self {
            Self::Initiator => 1,
            Self::Responder => 2,
        }
    }

    /// Reads [`byte`](Self::byte); `None` for any other.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::BOTH.into_iter().find(|role| role.byte() == byte)
    }
}
