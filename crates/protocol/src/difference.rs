//! In what two sides differ that cannot have a session.
//!
//! Both sides hold both offers, so each says the same of the other; neither is at fault.

use element::{KeyClass, ListKind};

use crate::role::Role;

/// The first field in which two sides' terms differ, and what each has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each field stands in the message above it")]
pub enum Difference {
    /// The version of the protocol; nothing after it was read.
    #[error("protocol version: this side has {ours}, the peer {theirs}")]
    Version { ours: u16, theirs: u16 },
    /// The cryptographic suite; nothing after it was read.
    #[error("cryptographic suite: this side has {ours}, the peer {theirs}")]
    Suite { ours: u16, theirs: u16 },
    /// The match schema, by name or digest; digests are given by their first four bytes, in hex.
    #[error(
        "match schema: this side has {ours} ({ours_digest}), the peer {theirs} ({theirs_digest})"
    )]
    Schema {
        ours: String,
        ours_digest: String,
        theirs: String,
        theirs_digest: String,
    },
    /// One side uses the wide class and the other does not.
    #[error("key classes: this side has the wide class {}, the peer {}", on(*ours_wide), on(!*ours_wide))]
    KeyClasses { ours_wide: bool },
    /// The mediator, or whether there is one.
    #[error("mediator: {}", mediators(*ours_set, *theirs_set))]
    Mediator { ours_set: bool, theirs_set: bool },
    /// One ceiling, in elements.
    #[error(
        "ceiling of the {side:?}'s {list} list ({class:?} class): this side has {ours} elements, the peer {theirs}"
    )]
    Ceiling {
        side: Role,
        list: ListKind,
        class: KeyClass,
        ours: usize,
        theirs: usize,
    },
    /// How long the mediator settles, in seconds.
    #[error("settling window: this side has {ours_s} s, the peer {theirs_s} s")]
    SettlingWindow { ours_s: u64, theirs_s: u64 },
    /// The free text that names the session for people; it is not repeated here.
    #[error("reference: the two sides gave different ones")]
    Reference,
}

fn on(wide: bool) -> &'static str {
    if wide { "on" } else { "off" }
}

fn mediators(ours_set: bool, theirs_set: bool) -> &'static str {
    match (ours_set, theirs_set) {
        (true, false) => "this side has one, the peer none",
        (false, true) => "this side has none, the peer one",
        _ => "the two sides have different ones",
    }
}
