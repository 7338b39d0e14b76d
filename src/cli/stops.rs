//! How a command hears that it is to stop.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

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

/// The word to stop for a command that ends by itself: heard from the moment this is made until the program
/// ends, whether anybody waits for it or not. A second word ends the program at once.
pub struct StopWord(Arc<watch::Sender<Heard>>);

/// What was heard, and what the command is at.
#[derive(Default)]
struct Heard {
    said: bool,
    /// Work that waits for nothing is going on, and nobody outside would miss the program.
    busy: bool,
}

impl StopWord {
    /// Listens from now on, in a task of `runtime`.
    ///
    /// # Errors
    /// The operating system does not let it.
    pub fn listen(runtime: &Runtime) -> Result<Self, Failure> {
        let _inside = runtime.enter();
        // Here and not in the task: from now on a signal no longer ends the program by itself.
        let stops = Stops::new().map_err(Failure::failed)?;
        let heard = Arc::new(watch::Sender::new(Heard::default()));
        runtime.spawn(hear(stops, heard.clone()));
        Ok(Self(heard))
    }

    /// Resolves once the word was said, also if that was before this call.
    pub async fn said(&self) {
        // The sender is held here, so that waiting ends in no other way.
        let _ = self.0.subscribe().wait_for(|heard| heard.said).await;
    }

    /// Does work that waits for nothing, before anything was sent to anybody: a word that comes meanwhile
    /// ends the program on the spot.
    ///
    /// # Errors
    /// The word was said before.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> Result<T, Failure> {
        let mut said = false;
        // In one step: a word is either seen here, or sees that there is work.
        self.0.send_modify(|heard| {
            said = heard.said;
            heard.busy = true;
        });
        if said {
            return Err(stopped_before_the_peer());
        }
        let done = work();
        self.0.send_modify(|heard| heard.busy = false);
        Ok(done)
    }

    /// Does `work` of the time before the peer is there, until it is done or the program is to stop.
    ///
    /// # Errors
    /// Those of `work`, or that it was stopped.
    pub async fn unless_said<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            done = work => done,
            () = self.said() => Err(stopped_before_the_peer()),
        }
    }
}

/// Notes the first word, and ends the program with the first during work, with the second at any time.
async fn hear(mut stops: Stops, heard: Arc<watch::Sender<Heard>>) {
    stops.next().await;
    let mut busy = false;
    heard.send_modify(|heard| {
        heard.said = true;
        busy = heard.busy;
    });
    if busy {
        end_now(&stopped_before_the_peer());
    }
    stops.next().await;
    end_now(&Failure {
        message: "stopped at once, without a word to the peer".into(),
        hint: Some("tacit match --finish ends the session, if this side had signed".into()),
        exit: Exit::Cancelled,
    });
}

fn end_now(failure: &Failure) -> ! {
    eprintln!("{failure}");
    std::process::exit(failure.exit as i32)
}

fn stopped_before_the_peer() -> Failure {
    Failure {
        message: "stopped before the peer was there".into(),
        hint: None,
        exit: Exit::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn a_word_that_is_said_while_nobody_waits_is_heard_by_all_who_wait_later() {
        let runtime = Runtime::new().unwrap();
        let word = StopWord::listen(&runtime).unwrap();
        assert!(word.during(|| ()).is_ok());
        kill_process(getpid(), Signal::TERM).unwrap();
        let heard = async {
            let in_time = Duration::from_secs(60);
            timeout(in_time, word.said()).await.unwrap();
            timeout(in_time, word.said()).await.unwrap();
            word.unless_said(std::future::pending::<Result<(), Failure>>())
                .await
        };
        assert_eq!(runtime.block_on(heard).unwrap_err().exit, Exit::Cancelled);
        let refused = word.during(|| panic!("there is no work after the word"));
        assert_eq!(refused.unwrap_err().exit, Exit::Cancelled);
    }
}
