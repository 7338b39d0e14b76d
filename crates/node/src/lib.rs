//! What a node does: run one session with its peer over an open channel, and end it with the
//! mediator's word ([`settle`]) where the peer walks off after the agreement; and, as a daemon
//! ([`daemon`]), do so with every peer when it is due, and serve clients ([`control`]).
//!
//! A thin shell around [`protocol::Session`], which decides everything of the protocol: [`run_session`].
#![warn(unreachable_pub)]

mod asking;
mod awaiting;
mod cause;
pub mod config;
pub mod control;
pub mod daemon;
pub mod disposition;
pub mod handle;
pub mod monitoring;
mod patience;
mod run;
pub mod settings;
pub mod settle;
pub mod socket;
mod worker;

pub use cause::{Cause, Ended};
pub use patience::Patience;
pub use run::{Journal, run_mediated_session, run_session};
