//! What a node keeps on disk, in a home directory that is its own.
//!
//! Its key ([`key_file`]), which says who the node is, and one database, the [`Store`]: peers and
//! clients, lists, queries and answers, prepared tables, sessions, budgets, and the audit log. This
//! floor touches files and nothing else: no terminal, no network, no clock; it decides nothing of the
//! protocol. Every value that is personal or secret is sealed (`cell_cipher`) under a data key that a
//! passphrase opens (`unlock`); in the open are numbers of rows, times, states, and the budget's sums.
//!
//! A home without a database has the sessions that `tacit match` left [`unfinished`].
//! A relay's home has, beside its key, who may use it ([`enrolled`]), its settling keys
//! ([`settling_keys`]) and what it settled ([`ledger`]), sealed under the key ([`file_cipher`]).
//!
//! A call that changes something has it on disk when it returns, or has changed nothing.
#![warn(unreachable_pub)]

pub mod answers;
pub mod approvals;
pub mod audit;
pub mod budget;
mod cell_cipher;
mod chunks;
pub mod clients;
pub mod database;
pub mod enrolled;
mod error;
pub mod file_cipher;
mod home;
pub mod key_file;
pub mod ledger;
pub mod list_import;
pub mod lists;
mod migrations;
mod opening;
mod owner_only;
pub mod passphrase;
mod passphrase_cipher;
pub mod peers;
pub mod prepared;
pub mod queries;
mod record_codec;
pub mod sessions;
pub mod settling_keys;
mod signed_sessions;
mod stock;
mod time;
mod turns;
pub mod unfinished;
mod unlock;

pub use cell_cipher::Tally;
pub use database::Store;
pub use error::{Error, KeyFault, OverBudget, PassphraseFault};
pub use home::home_dir;
pub use passphrase_cipher::Cost;
pub use unlock::WRONG_PASSPHRASE_DELAY;

#[cfg(test)]
mod tests;
