//! The channels on which the peer has opened a session: who comes next, and how one is turned away.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::stop::{Stop, told_to_stop};
use protocol::{AbortReason, Message};
use transport::Channel;

/// For a peer to take the word that this is not the moment.
const REFUSAL: Duration = Duration::from_secs(5);
/// Refusals that may be on their way at once; beyond that a visitor is dropped without a word.
const REFUSALS_MAX: usize = 4;

pub(super) struct Visitors {
    incoming: mpsc::Receiver<Channel>,
    refusals: Arc<Semaphore>,
}

impl Visitors {
    pub(super) fn new(incoming: mpsc::Receiver<Channel>) -> Self {
        Self {
            incoming,
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
        }
    }

    /// Who comes next; `None` when nobody can come any more.
    pub(super) async fn next(&mut self) -> Option<Channel> {
        self.incoming.recv().await
    }

    /// Tells the peer that this is not the moment, in the background.
    pub(super) fn turn_away(&self, mut channel: Channel) {
        let Ok(permit) = self.refusals.clone().try_acquire_owned() else {
            return;
        };
        tokio::spawn(async move {
            let _permit = permit;
            let telling = async move {
                channel.send(Message::Abort(AbortReason::NotNow)).await?;
                channel.finish().await
            };
            let _ = timeout(REFUSAL, telling).await;
        });
    }

    /// Turns away whoever comes while `work` goes on, which is never cut off.
    pub(super) async fn turn_away_while<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                Some(channel) = self.incoming.recv() => self.turn_away(channel),
            }
        }
    }

    /// Turns away whoever comes while `work` goes on; `None` if the node is told to stop before its end.
    pub(super) async fn turn_away_during<T>(
        &mut self,
        stop: &Stop,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let (mut work, mut stopping) = (pin!(work), pin!(told_to_stop(stop)));
        loop {
            tokio::select! {
                biased;
                () = &mut stopping => return None,
                done = &mut work => return Some(done),
                Some(channel) = self.incoming.recv() => self.turn_away(channel),
            }
        }
    }
}
