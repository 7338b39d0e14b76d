//! How a command hears that it is to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Exit, Failure};

/// A person's or the system's word to stop, heard from the moment this is made.
pub struct Stops {
    interrupt: Signal,
    terminate: Signal,
}

impl Stops {
    /// Listens from now on, inside a runtime.
    ///
    /// # Errors
    /// The operating system does not let it.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Resolves with the next word.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Resolves when a person or the system asks the program to stop; never where that cannot be heard.
pub async fn interrupted() {
    match Stops::new() {
        Ok(mut stops) => stops.next().await,
        Err(_) => std::future::pending().await,
    }
}

/// Does `work` of the time before the peer is there, until it is done or the program is to stop.
///
/// # Errors
/// Those of `work`, or that it was stopped.
pub async fn unless_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        () = interrupted() => Err(Failure {
            message: "stopped before the peer was there".into(),
            hint: None,
            exit: Exit::Cancelled,
        }),
    }
}
