//! The runtime that commands over the network run in.

use super::Failure;

/// Starts a runtime with a thread for each core.
///
/// # Errors
/// The operating system gives no threads or timers.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Runtime::new().map_err(Failure::failed)
}
