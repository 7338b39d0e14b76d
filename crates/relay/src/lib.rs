//! The mediator's daemon: joins nodes that cannot reach each other, and settles sessions that one side
//! broke off.
//!
//! From the bottom up:
//!
//! - `limits`, `refusal`, `counters`, `usage`, `enrolment`: what one node may use and has used, and who is
//!   let in;
//! - `tunnel`: frames from one node to the other and back;
//! - `rooms`: who waits for whom, and which tunnels there are;
//! - [`mediator`]: settling, and claims of what was settled;
//! - `host`: one relay with all of that;
//! - `service`: the calls of `relay.proto`; `server`: connections, from the handshake to the end;
//! - `snapshot`, `monitoring`: what an operator can see, which is ids and counts.
//!
//! It knows every caller by a key that was proven and enrolled, handles ciphertext only, and writes
//! ids and byte counts to its log and nothing else. `docs/operating.md`.

#![warn(unreachable_pub)]

mod counters;
mod enrolment;
mod error;
mod host;
mod limits;
pub mod mediator;
mod monitoring;
mod refusal;
mod rooms;
mod server;
mod service;
mod snapshot;
mod tunnel;
mod usage;

pub use counters::Counters;
pub use error::Error;
pub use host::Relay;
pub use limits::Limits;
pub use mediator::Mediator;
pub use monitoring::Monitoring;
pub use refusal::Refusal;
pub use rooms::{Rooms, TunnelView};
pub use server::serve;
