//! What a running node offers its own clients: the calls of `control.proto`. `docs/control.md`.
//!
//! - `connections`: the Unix socket and TLS, from the accept to the end;
//! - `dispatch`: one call of a connection, through `quotas` (what may run at once), `authorizer` (who calls,
//!   and whether [`roles`] allows it; `refusals` go to the audit log) to the call itself, with `bodies` that
//!   hold its permits and its client to time;
//! - `service`: the calls; their work, by subject, is in `lists`, `peers`, `clients`, `queries`, `results`,
//!   `sessions`, `status` and `audit`; what they share is in `context` (with `store_calls`, off the threads
//!   that move bytes) and `refuse` (what a client may learn of what went wrong);
//! - `reflection`: what describes the calls to standard tools.
//!
//! A caller is known by what the operating system says of the other end of the socket, or by the key it
//! proved. Whether it is a client and what it may do is read from the store with every call. The log and
//! the errors hold numbers and counts, never what a list, a query or an answer says.

mod audit;
mod authorizer;
mod bodies;
mod clients;
mod connections;
mod context;
mod dispatch;
mod error;
mod lists;
mod owner;
mod peers;
mod queries;
mod quotas;
mod reflection;
mod refusals;
mod refuse;
mod results;
pub mod roles;
mod service;
mod sessions;
mod settings;
mod status;
mod store_calls;

pub use connections::{Control, serve};
pub use error::Error;
pub use owner::ensure_owner;
pub use settings::{ControlConfig, ControlLimits, SOCKET_FILE};
