//! One session's channel as its driver uses it: whole messages in both directions at once.
//!
//! Handed the connection, the queue that it writes from and what it reads. Keeps a bounded number of
//! messages, demands no progress, and never looks into one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::Stream;
use tonic::Streaming;

use super::checked_body::status_error;
use super::connection::Connection;
use super::error::Error;
use super::limits::Limits;
use super::traffic::{Direction, MessageKind, Traffic};
use protocol::Message;
use wire::{self, MESSAGE_BYTES_MAX};

/// Messages that wait to be written, beside the one being written: enough for the next to be ready, and
/// each may take [`MESSAGE_BYTES_MAX`] of memory.
const OUTGOING_MESSAGES_MAX: usize = 2;

/// How long to look for the cause when sending fails: it is on its way, or there is none.
const CAUSE_WAIT: Duration = Duration::from_secs(1);

/// The open channel of one session.
///
/// Dropping it breaks the connection off: the peer sees [`Error::Gone`]. [`finish`](Self::finish)
/// ends it so that everything sent arrives.
pub struct Channel {
    outgoing: mpsc::Sender<ToSend>,
    incoming: ReceiveHalf,
    connection: Connection,
    traffic: Arc<Traffic>,
    finish: Duration,
}

/// What [`Channel::ready`] found possible first.
pub enum Readiness<'a> {
    /// A message can be queued without waiting.
    CanSend(SendPermit<'a>),
    /// A message came.
    Received(Message),
    /// The peer has finished: nothing more will come.
    Ended,
}

/// Room for one message to send.
pub struct SendPermit<'a> {
    permit: mpsc::Permit<'a, ToSend>,
    traffic: &'a Traffic,
}

impl SendPermit<'_> {
    /// Queues `message`.
    ///
    /// # Errors
    /// [`Error::MessageTooLong`], with nothing queued.
    pub fn send(self, message: Message) -> Result<(), Error> {
        let bytes = wire::encoded_len(&message);
        // Before it is queued: gRPC would find it too long as well, and end the whole stream for it.
        if bytes > MESSAGE_BYTES_MAX {
            return Err(Error::MessageTooLong { bytes });
        }
        self.traffic
            .count(Direction::Sent, MessageKind::from(&message), bytes);
        self.permit.send(ToSend::Message(message));
        Ok(())
    }
}

impl Channel {
    pub(super) fn new(
        outgoing: mpsc::Sender<ToSend>,
        messages: ReceivedMessages,
        connection: Connection,
        traffic: Arc<Traffic>,
        limits: &Limits,
    ) -> Self {
        let incoming = ReceiveHalf {
            messages,
            read_ahead: None,
        };
        Self {
            outgoing,
            incoming,
            connection,
            traffic,
            finish: limits.finish,
        }
    }

    /// Waits until a message comes or, if `sending`, until there is room to send one; whichever is
    /// first. What both sides of a session call in a loop: neither can then block the other, however
    /// much there is to send.
    ///
    /// Can be dropped at any time, as in `select!`, without losing anything. If the peer has stopped
    /// to read, what it sent before is still delivered, and then the reason is.
    ///
    /// # Errors
    /// Those of [`receive`](Self::receive).
    pub async fn ready(&mut self, sending: bool) -> Result<Readiness<'_>, Error> {
        let Self {
            outgoing,
            incoming,
            traffic,
            ..
        } = self;
        let received = tokio::select! {
            // Either may be dropped: nothing is half read, and a permit not used is room again.
            received = incoming.next() => received?,
            Ok(permit) = outgoing.reserve(), if sending => {
                return Ok(Readiness::CanSend(SendPermit { permit, traffic }));
            }
        };
        Ok(received.map_or(Readiness::Ended, Readiness::Received))
    }

    /// Queues `message` as soon as there is room, which is when the peer reads.
    ///
    /// # Errors
    /// [`Error::MessageTooLong`]; or why the peer no longer reads, unless a message came that will
    /// tell better: then [`Error::Gone`], and the message is the next one received.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        match self.outgoing.reserve().await {
            Ok(permit) => SendPermit {
                permit,
                traffic: &self.traffic,
            }
            .send(message),
            Err(_) => Err(self.incoming.cause().await),
        }
    }

    /// Waits for the next message; `None` when the peer has finished.
    ///
    /// Can be dropped at any time, as in `select!`, without losing a message. Waits for as long as
    /// the peer answers pings: to demand progress is for the caller.
    ///
    /// # Errors
    /// [`Error::Gone`] if the connection broke or the peer ended without finishing;
    /// [`Error::Misbehaved`] if it sent what is no message; and the same again from then on.
    pub async fn receive(&mut self) -> Result<Option<Message>, Error> {
        self.incoming.next().await
    }

    /// Ends the session's channel: waits, for at most [`Limits::finish`], until the peer has
    /// everything that was sent and has finished too. Whatever it still sends is dropped.
    ///
    /// The side that made the connection ends first, and the other answers once it has read that
    /// end; so each knows that the other was reached, and which closes the connection is settled.
    ///
    /// # Errors
    /// [`Error::Unfinished`] if the peer did not finish in time, and those of
    /// [`receive`](Self::receive); in each case the last messages may be lost.
    pub async fn finish(self) -> Result<(), Error> {
        let Self {
            outgoing,
            mut incoming,
            mut connection,
            finish,
            ..
        } = self;
        let farewell = async move {
            if connection.is_caller() {
                // Draining meanwhile: a peer whose messages nobody takes may not take ours.
                let room = incoming.drain_until(outgoing.reserve()).await?;
                let reading = room.map(|room| room.send(ToSend::End)).is_ok();
                incoming.drain().await?;
                // Only now: the peer's end tells a fault of its own better than that it stopped to read.
                if !reading {
                    return Err(Error::Gone);
                }
                // A half of a stream that is still held would hold the connection open.
                drop(incoming);
                connection.close_when_idle();
                connection.ended().await;
                return Ok(());
            }
            // Before all else: the peer may close the moment it has read our end.
            connection.close_when_idle();
            incoming.drain().await?;
            outgoing
                .send(ToSend::End)
                .await
                .map_err(|_| connection.fault().unwrap_or(Error::Gone))?;
            connection.ended().await;
            match connection.fault() {
                // The peer closes once it has everything; a connection that broke may have lost our end.
                None if connection.was_closed() => Ok(()),
                fault => Err(fault.unwrap_or(Error::Gone)),
            }
        };
        timeout(finish, farewell)
            .await
            .unwrap_or(Err(Error::Unfinished))
    }

    /// Gives the counters of this channel, which go on counting while it lives.
    pub fn traffic(&self) -> Arc<Traffic> {
        self.traffic.clone()
    }
}

/// The receiving half, with what was read ahead.
struct ReceiveHalf {
    messages: ReceivedMessages,
    read_ahead: Option<Message>,
}

impl ReceiveHalf {
    async fn next(&mut self) -> Result<Option<Message>, Error> {
        match self.read_ahead.take() {
            Some(message) => Ok(Some(message)),
            None => self.messages.next().await,
        }
    }

    /// Finds out why the peer stopped to read.
    async fn cause(&mut self) -> Error {
        if self.read_ahead.is_none() {
            match timeout(CAUSE_WAIT, self.messages.next()).await {
                Ok(Err(error)) => return error,
                // It may be the peer's own word for why, such as an `Abort`.
                Ok(Ok(message)) => self.read_ahead = message,
                Err(_) => {}
            }
        }
        Error::Gone
    }

    /// Drops what comes until `ready`: the peer may not read before it has got rid of it.
    async fn drain_until<T>(&mut self, ready: impl Future<Output = T>) -> Result<T, Error> {
        tokio::pin!(ready);
        loop {
            tokio::select! {
                output = &mut ready => return Ok(output),
                // The end at this point is one before its time.
                received = self.next() => received?.map(drop).ok_or(Error::Gone)?,
            }
        }
    }

    async fn drain(&mut self) -> Result<(), Error> {
        while self.next().await?.is_some() {}
        Ok(())
    }
}

/// What the peer sends, message by message, until it ends in one way or the other.
pub(super) struct ReceivedMessages {
    streaming: Streaming<Message>,
    ended: Option<Result<(), Error>>,
    traffic: Arc<Traffic>,
}

impl ReceivedMessages {
    pub(super) fn new(streaming: Streaming<Message>, traffic: Arc<Traffic>) -> Self {
        Self {
            streaming,
            ended: None,
            traffic,
        }
    }

    async fn next(&mut self) -> Result<Option<Message>, Error> {
        // A stream of tonic's is not to be asked again once it has ended.
        if let Some(ended) = self.ended {
            return ended.map(|()| None);
        }
        let ended = match self.streaming.message().await {
            Ok(Some(message)) => {
                let bytes = wire::encoded_len(&message);
                self.traffic
                    .count(Direction::Received, MessageKind::from(&message), bytes);
                return Ok(Some(message));
            }
            Ok(None) => Ok(()),
            Err(status) => Err(status_error(&status)),
        };
        self.ended = Some(ended);
        ended.map(|()| None)
    }
}

/// What waits to be written.
pub(super) enum ToSend {
    Message(Message),
    /// The end of the stream. Said expressly, so that a channel dropped half way does not look like
    /// one that was finished.
    End,
}

/// Makes the queue of messages to send.
pub(super) fn send_queue() -> (mpsc::Sender<ToSend>, SendQueue) {
    let (outgoing, queue) = mpsc::channel(OUTGOING_MESSAGES_MAX);
    (
        outgoing,
        SendQueue {
            queue,
            ended: false,
        },
    )
}

/// The other end of that queue, from which gRPC takes what it writes.
pub(super) struct SendQueue {
    queue: mpsc::Receiver<ToSend>,
    ended: bool,
}

impl Stream for SendQueue {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match ready!(self.queue.poll_recv(cx)) {
            Some(ToSend::Message(message)) => Poll::Ready(Some(message)),
            Some(ToSend::End) => {
                self.ended = true;
                Poll::Ready(None)
            }
            // Dropped half way: the connection is being torn down, and this stream with it.
            None => Poll::Pending,
        }
    }
}
