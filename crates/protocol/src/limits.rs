//! What the protocol fixes in numbers: sizes, counts and times that both sides, and the mediator,
//! must hold to alike.
//!
//! Everything that counts, waits or allocates by one of these takes it from here, so that no two
//! places can come to differ. Lengths of messages are beside their layouts. Changing a number here
//! is a new protocol version unless its comment says that it is this program's own.

use std::ops::RangeInclusive;

/// Elements in one chunk of blinded or evaluated elements, and tags in one sealed table chunk.
///
/// A blinded chunk is 128 KiB, far below what a message may be. `docs/protocol.md` §1, §6.
pub const CHUNK_ELEMENTS_MAX: usize = 4096;

/// Blinded chunks of one leg, both classes together, that may be unanswered at once.
///
/// Bounds what a peer can make a holder keep in memory. `docs/protocol.md` §1, §7.
pub const CHUNKS_IN_FLIGHT_MAX: usize = 4;

/// Elements that a ceiling can be at most: 4,194,304. `docs/protocol.md` §1.
pub const CEILING_MAX: u32 = 1 << 22;

/// Bytes of ASCII in the name of a match schema. `docs/protocol.md` §5.1.
pub const SCHEMA_NAME_BYTES_MAX: usize = 31;

/// Bytes of UTF-8 in a session's reference. `docs/protocol.md` §5.1.
pub const REFERENCE_BYTES_MAX: usize = 200;

/// Bytes of the address in a mediator's descriptor: `host:port`, and a host name has at most 253.
pub const ADDRESS_BYTES_MAX: usize = 260;

/// Settling windows that can be agreed on, in seconds: ten minutes to a day. `docs/protocol.md` §5.1.
pub const SETTLING_WINDOW_SECONDS: RangeInclusive<u32> = 600..=86_400;

/// The longest settling window, in seconds: how long after an epoch's last second an agreement
/// under its point may still be settled. `docs/protocol.md` §11.1.
pub const WINDOW_SECONDS_MAX: u64 = *SETTLING_WINDOW_SECONDS.end() as u64;

/// The longest epoch of a settling key, in seconds: 31 days. `docs/protocol.md` §11.
pub const EPOCH_SECONDS_MAX: u64 = 31 * DAY_SECONDS;

/// How long after its deadline a settled session can be claimed, in seconds: 30 days.
///
/// `docs/protocol.md` §11.4.
pub const RETENTION_SECONDS: u64 = 30 * DAY_SECONDS;

/// Age of a signed session, in seconds since it began by the node's own clock, from which the
/// mediator is sure to have erased what it settled: a refusal is final then.
///
/// The deadline is at most a window after the beginning, and what was settled can be claimed for
/// [`RETENTION_SECONDS`] after it. Two days more, because the two clocks may differ by some hours
/// and a session may take hours before anything is signed.
pub const FORGOTTEN_AFTER_SECONDS: u64 = RETENTION_SECONDS + WINDOW_SECONDS_MAX + 2 * DAY_SECONDS;

/// By how much the initiator's deadline may be later than the responder's reading of the mediator's
/// clock allows, in seconds.
///
/// The initiator asked first, so its deadline is earlier, unless the mediator's clock was set back
/// by a little between the two questions. Smaller than
/// [`MEDIATOR_CLOCK_SET_BACK_SECONDS`], so that what nodes accept a mediator accepts.
pub const DEADLINE_LEAD_SECONDS: u64 = 5;

/// By how much the mediator's clock may have been set back between telling a node the time and
/// being asked to settle, in seconds, without the agreement being refused. `docs/protocol.md` §11.3.
pub const MEDIATOR_CLOCK_SET_BACK_SECONDS: u64 = 60;
const _: () = assert!(DEADLINE_LEAD_SECONDS < MEDIATOR_CLOCK_SET_BACK_SECONDS);

/// Match keys of the narrow class that ten people have, as lists come: for telling an operator how
/// many people fit a ceiling. This program's own estimate; nothing is decided by it.
pub const NARROW_KEYS_PER_TEN_PEOPLE: u64 = 31;

const DAY_SECONDS: u64 = 86_400;
