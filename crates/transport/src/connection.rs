//! One HTTP/2 connection that runs: the tasks that drive it, its orderly end, and its end at once.

use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::task::JoinSet;

use super::connection_state::ConnectionState;
use super::error::Error;
use super::request_sender::RequestSender;

/// The running connection; dropping it ends the connection at once, without a farewell.
pub(super) struct Connection {
    tasks: Tasks,
    state: Arc<ConnectionState>,
    /// Of the side that made the connection: without it, HTTP/2 closes the connection when idle.
    sender: Option<RequestSender>,
}

impl Connection {
    /// Runs `connection` in the background.
    pub(super) fn start<C>(connection: C, tasks: Tasks, state: Arc<ConnectionState>) -> Self
    where
        C: Future<Output = hyper::Result<()>> + Send + 'static,
    {
        let witness = state.clone();
        tasks.spawn(async move {
            if let Err(error) = connection.await {
                witness.record(witness.blame(&error));
            }
        });
        Self {
            tasks,
            state,
            sender: None,
        }
    }

    /// Keeps `sender`, and with it the connection open, until [`close_when_idle`](Self::close_when_idle).
    pub(super) fn called_by(mut self, sender: RequestSender) -> Self {
        self.sender = Some(sender);
        self
    }

    /// Tells whether this side made the connection.
    pub(super) fn is_caller(&self) -> bool {
        self.sender.is_some()
    }

    /// From here on closing is orderly: the stream is read to its end before it is dropped.
    pub(super) fn close_when_idle(&mut self) {
        self.state.close_orderly();
        self.sender = None;
    }

    /// Waits until nothing of the connection is left.
    pub(super) async fn ended(&self) {
        poll_fn(|cx| self.tasks.poll_ended(cx)).await;
    }

    /// Tells what broke the connection, if anything has.
    pub(super) fn fault(&self) -> Option<Error> {
        self.state.fault()
    }

    /// Tells whether the peer closed the connection, rather than that it broke.
    pub(super) fn was_closed(&self) -> bool {
        self.state.was_closed()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tasks.lock().abort_all();
    }
}

/// The tasks of one connection: hyper spawns some beside the one that it is given.
#[derive(Clone, Default)]
pub(super) struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.lock();
        // What has ended is dropped here, or a long connection would keep every task it ever had.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        while ready!(self.lock().poll_join_next(cx)).is_some() {}
        Poll::Ready(())
    }

    fn lock(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        self.spawn(async move {
            task.await;
        });
    }
}
