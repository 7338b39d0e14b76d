//! The protocol of one session, sans-IO: from the offer to both sides' answers.
//!
//! It is handed hashed identities, the node's key, randomness, the mediator's time and the peer's
//! messages; it gives back messages to send, state to keep and, at the end, which of the requested
//! identities the peer holds. It touches no socket, file, clock or runtime, so a whole session runs
//! inside one unit test. `docs/protocol.md` §5–§9 is its specification.
//!
//! - [`limits`]: what the protocol fixes in numbers;
//! - [`terms`], [`offer`]: what the two must agree on, and the session id;
//! - [`table`]: the holder's answers for its whole held list, sealed until release;
//! - [`commitment`]: what each side is bound to before anything is asked;
//! - [`requester`], [`holder`]: the two ends of one leg, for one key class;
//! - [`agreement`]: what both sign, and the check that nodes and the mediator share;
//! - [`signed`]: what a side keeps when it signs, and what a release or verdict then gives;
//! - [`release`], [`receipt`]: what opens the tables, and the evidence that is left;
//! - [`descriptor`], [`settling_key`], [`verdict`]: the mediator's part when a release does not come;
//! - [`session`]: the state machine that ties them together;
//! - `at_rest`: the layouts of what outlives the process that made it.
#![warn(unreachable_pub)]

pub mod agreement;
mod at_rest;
pub mod ceiling;
pub mod commitment;
pub mod descriptor;
mod difference;
mod digest;
mod error;
pub mod holder;
mod leg;
pub mod limits;
pub mod mediator;
pub mod message;
pub mod offer;
mod questions;
pub mod receipt;
pub mod release;
pub mod requester;
mod role;
pub mod session;
mod session_id;
pub mod settling_key;
pub mod signed;
pub mod table;
pub mod terms;
mod transcript;
pub mod verdict;

pub use agreement::{Agreement, SignedAgreement, VerifiedAgreement};
pub use ceiling::{Ceiling, Ceilings, SideCeilings};
pub use descriptor::Descriptor;
pub use difference::Difference;
pub use element::{ByClass, HashedIdentity, KeyClass, ListKind, class_byte};
pub use error::{AgreementFault, Error, PeerMisbehaved, VerdictFault};
pub use leg::Leg;
pub use mediator::{Mediator, MediatorTime, SettlingPoint};
pub use message::{AbortReason, Message};
pub use questions::QuestionSet;
pub use receipt::Receipt;
pub use release::{Release, SettledRelease, VerifiedRelease};
pub use role::Role;
pub use session::{Outcome, Persist, Progress, Session, Setup, Standing, Step, WoundUp};
pub use session_id::{SessionId, session_id};
pub use settling_key::SettlingKey;
pub use signed::{Matches, SignedState, VerifiedVerdict};
pub use table::PreparedTable;
pub use terms::{SettlingWindow, Terms};
pub use transcript::{TranscriptDigests, Transcripts};
pub use verdict::{Decision, Refusal, SignedVerdict, Verdict};

#[cfg(test)]
mod tests;
