//! Ceilings: the padded, agreed sizes of lists, and the only sizes that the other side ever sees.

use crate::limits::{CEILING_MAX, CHUNK_ELEMENTS_MAX, NARROW_KEYS_PER_TEN_PEOPLE};
use crate::role::Role;

/// The padded, agreed size of a list in elements, 1 to [`CEILING_MAX`].
///
/// From policy, never from the length of a list: a ceiling that followed the list would show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ceiling(u32);

impl Ceiling {
    /// 65,536 elements: some 21,000 people in the narrow class.
    pub const DEFAULT: Self = Self(1 << 16);

    /// `None` for zero and for more than [`CEILING_MAX`].
    pub fn new(elements: u32) -> Option<Self> {
        (1..=CEILING_MAX)
            .contains(&elements)
            .then_some(Self(elements))
    }

    /// Elements of a list that is padded to this ceiling.
    #[inline]
    pub fn elements(self) -> usize {
        self.0 as usize
    }

    /// The number as layouts carry it.
    pub(crate) fn get(self) -> u32 {
        self.0
    }

    /// Chunks that this many elements come in.
    pub fn chunks(self) -> usize {
        self.elements().div_ceil(CHUNK_ELEMENTS_MAX)
    }

    /// Elements in the chunk of the given index: all but the last are full; 0 after the last.
    pub(crate) fn chunk_elements(self, index: usize) -> usize {
        self.elements()
            .saturating_sub(index * CHUNK_ELEMENTS_MAX)
            .min(CHUNK_ELEMENTS_MAX)
    }
}

/// How many people fit a narrow ceiling of that many elements, by
/// [`NARROW_KEYS_PER_TEN_PEOPLE`]: what an operator is told, rounded down.
pub fn people_within(elements: u32) -> u64 {
    u64::from(elements) * 10 / NARROW_KEYS_PER_TEN_PEOPLE
}

/// The ceilings of one key class: both lists of both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceilings {
    /// The two lists of the initiator.
    pub initiator: SideCeilings,
    /// The two lists of the responder.
    pub responder: SideCeilings,
}

/// The ceilings of one side's two lists, in one key class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SideCeilings {
    /// Of its table: the size of the list that the peer asks about.
    pub held: Ceiling,
    /// Of its asking: how many elements it has evaluated, padding among them.
    pub requested: Ceiling,
}

impl Ceilings {
    /// One ceiling for all four lists.
    pub fn all(ceiling: Ceiling) -> Self {
        let side = SideCeilings {
            held: ceiling,
            requested: ceiling,
        };
        Self {
            initiator: side,
            responder: side,
        }
    }

    /// Those of the side in `role`.
    pub fn of(&self, role: Role) -> SideCeilings {
        match role {
            Role::Initiator => self.initiator,
            Role::Responder => self.responder,
        }
    }
}
