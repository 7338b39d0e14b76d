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
//!
//! # Example
//!
//! Two sides in one process; each holds 1 and 2 and asks about 2 and 3:
//!
//! ```
//! use std::sync::Arc;
//!
//! use pairing::NodeKey;
//! use protocol::{ByClass, Ceiling, Ceilings, HashedIdentity, Mediator, PreparedTable, QuestionSet};
//! use protocol::{Role, Session, SettlingWindow, Setup, Step, Terms};
//! # use rand_core::SeedableRng;
//!
//! // With a seed, as an example may; a session draws from the operating system.
//! let rng = &mut rand_chacha::ChaCha20Rng::from_seed([1; 32]);
//! let ceiling = ByClass { narrow: Ceiling::new(64).ok_or("no ceiling")?, wide: None };
//! let terms = Terms {
//!     schema_name: "example".into(),
//!     schema_digest: [0; 32],
//!     mediator: Mediator::None,
//!     ceilings: ceiling.map(|_, ceiling| Ceilings::all(ceiling)),
//!     window: SettlingWindow::DEFAULT,
//!     reference: String::new(),
//! };
//! let list = |numbers: [u8; 2]| ByClass {
//!     narrow: numbers.map(|number| HashedIdentity::from_bytes([number; 32])).to_vec(),
//!     wide: None,
//! };
//! let mut side = |role, key: [u8; 32], peer| {
//!     let setup = Setup {
//!         role,
//!         key: Arc::new(NodeKey::from_seed(&key)),
//!         peer: NodeKey::from_seed(&peer).id(),
//!         terms: terms.clone(),
//!         questions: QuestionSet::prepare(list([2, 3]), ceiling, rng)?,
//!         table: PreparedTable::prepare(list([1, 2]), ceiling, terms.mediator, rng, |_| ())?,
//!     };
//!     Session::new(setup, rng)
//! };
//! let mut sides = [
//!     side(Role::Initiator, [1; 32], [2; 32])?,
//!     side(Role::Responder, [2; 32], [1; 32])?,
//! ];
//!
//! let mut answers = [None, None];
//! while answers.iter().any(Option::is_none) {
//!     for (own, other) in [(0, 1), (1, 0)] {
//!         while answers[own].is_none() {
//!             match sides[own].advance(rng)? {
//!                 Step::Send(message) => sides[other].receive(message)?,
//!                 Step::Persist(_) => {} // a node: on the disk before it goes on
//!                 Step::Done(outcome) => answers[own] = Some(outcome.matches),
//!                 Step::Wait => break,
//!                 Step::AskTime => unreachable!("there is no mediator"),
//!             }
//!         }
//!     }
//! }
//! let two = ByClass { narrow: vec![HashedIdentity::from_bytes([2; 32])], wide: None };
//! assert!(answers.into_iter().flatten().all(|matches| matches == two));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs, unreachable_pub)]

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
