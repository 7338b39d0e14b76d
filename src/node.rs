//! What a node does. So far: run one session with its peer over an open channel.
//!
//! A thin shell around [`exchange::Session`]: it moves messages, gives the work to all cores without
//! holding up the channel, judges liveness, and says how the session ended and what that means for
//! this side. It decides nothing of the protocol.

use std::future::Future;
use std::time::Duration;

use rand_core::CryptoRng;
use tokio::task::block_in_place;
use tokio::time::timeout;

use crate::exchange::message::{AbortReason, Message};
use crate::exchange::release::Receipt;
use crate::exchange::session::{Outcome, Persist, Progress, Session, Standing, Step};
use crate::exchange::{self};
use crate::transport::{self, Direction, Duplex, Turn};

/// Bytes that must move within [`Patience::stall`] for the peer to count as alive: more than pings alone make.
const PROGRESS_BYTES_MIN: u64 = 1000;

/// How long to bear with a peer.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Time in which something must move: a message, or at least 1,000 bytes of one. 60 s.
    pub stall: Duration,
    /// To tell the peer why the session ends. 2 s.
    pub farewell: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(60),
            farewell: Duration::from_secs(2),
        }
    }
}

/// Why a session gave no answers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    #[error(transparent)]
    Exchange(#[from] exchange::Error),
    #[error(transparent)]
    Channel(#[from] transport::Error),
    #[error("the peer made no progress for {seconds} s")]
    Stalled { seconds: u64 },
    #[error("stopped here")]
    Cancelled,
    /// The session needs a mediator's clock, and this node has none to ask.
    #[error("no mediator to ask for the time")]
    NoMediator,
    /// What must be kept before the next message could not be kept.
    #[error("the state of the session cannot be kept: {0}")]
    NotKept(std::io::Error),
}

/// How a session ended that gave no answers.
#[derive(Debug)]
pub struct Ended {
    pub cause: Cause,
    /// What this side had bound itself to by then.
    pub standing: Standing,
    /// The agreement and releases so far: evidence of what the peer is bound to.
    pub receipt: Option<Box<Receipt>>,
}

/// What the session's owner does while it runs.
pub trait Owner {
    /// Keeps what must be kept before the next message leaves.
    ///
    /// # Errors
    /// It could not be kept: the session ends before that message.
    fn keep(&mut self, state: Persist) -> std::io::Result<()>;

    /// Hears how far the session is.
    fn progress(&mut self, progress: Progress);
}

/// Runs a session to its end over `channel`. On success the peer has everything that this side sent,
/// or has had [`transport::Limits::finish`] to take it.
///
/// # Errors
/// The session ended without answers; the peer was told, where it could be.
pub async fn run_session(
    mut session: Session,
    mut channel: Duplex,
    rng: &mut impl CryptoRng,
    patience: &Patience,
    owner: &mut impl Owner,
    cancelled: impl Future<Output = ()>,
) -> Result<Outcome, Ended> {
    tokio::pin!(cancelled);
    let mut stopped = false;
    let ended = {
        let run = drive(&mut session, &mut channel, rng, patience, owner);
        tokio::select! {
            biased;
            ended = run => ended,
            () = &mut cancelled => {
                stopped = true;
                Err(Cause::Cancelled)
            }
        }
    };
    // Whatever stopped it, what has already come may be enough for answers.
    let ended = match ended {
        Err(cause @ (Cause::Channel(_) | Cause::Stalled { .. } | Cause::Cancelled)) => {
            match block_in_place(|| session.wind_up(rng)) {
                Ok(Some(outcome)) => Ok(outcome),
                Ok(None) => Err(cause),
                Err(told) => Err(told.into()),
            }
        }
        ended => ended,
    };
    match ended {
        Ok(outcome) => {
            // Both have released by now. Whether the peer's last bytes arrive changes nothing here.
            tokio::select! {
                _ = channel.finish() => {}
                () = &mut cancelled, if !stopped => {}
            }
            Ok(outcome)
        }
        Err(cause) => {
            take_leave(channel, &cause, patience).await;
            let receipt = session.receipt().cloned().map(Box::new);
            Err(Ended {
                cause,
                standing: session.standing(),
                receipt,
            })
        }
    }
}

async fn drive(
    session: &mut Session,
    channel: &mut Duplex,
    rng: &mut impl CryptoRng,
    patience: &Patience,
    owner: &mut impl Owner,
) -> Result<Outcome, Cause> {
    let liveness = Liveness::new(channel, patience.stall);
    loop {
        let step = block_in_place(|| session.advance(rng))?;
        owner.progress(session.progress());
        match step {
            Step::Send(message) => {
                // While there is no room to send, what the peer sends is still taken in: neither
                // side can block the other.
                let mut message = Some(message);
                while let Some(waiting) = message.take() {
                    match liveness.turn(channel, true).await? {
                        Turn::Free(slot) => slot.send(waiting)?,
                        Turn::Received(received) => {
                            session.receive(received)?;
                            message = Some(waiting);
                        }
                        Turn::Ended => return Err(transport::Error::Gone.into()),
                    }
                }
            }
            Step::Wait => match liveness.turn(channel, false).await? {
                Turn::Received(received) => session.receive(received)?,
                Turn::Free(_) | Turn::Ended => return Err(transport::Error::Gone.into()),
            },
            Step::Persist(state) => block_in_place(|| owner.keep(state)).map_err(Cause::NotKept)?,
            Step::AskTime => return Err(Cause::NoMediator),
            Step::Done(outcome) => return Ok(*outcome),
        }
    }
}

/// Judges by what moves whether the peer is still at it.
struct Liveness {
    stall: Duration,
    traffic: std::sync::Arc<transport::Traffic>,
}

impl Liveness {
    fn new(channel: &Duplex, stall: Duration) -> Self {
        Self {
            stall,
            traffic: channel.traffic(),
        }
    }

    /// The channel's next turn, unless nothing moves for too long.
    async fn turn<'a>(&self, channel: &'a mut Duplex, sending: bool) -> Result<Turn<'a>, Cause> {
        let mut before = self.bytes();
        let turn = channel.turn(sending);
        tokio::pin!(turn);
        loop {
            match timeout(self.stall, &mut turn).await {
                Ok(turned) => return Ok(turned?),
                Err(_) => {
                    let now = self.bytes();
                    if now - before < PROGRESS_BYTES_MIN {
                        return Err(Cause::Stalled {
                            seconds: self.stall.as_secs(),
                        });
                    }
                    before = now;
                }
            }
        }
    }

    fn bytes(&self) -> u64 {
        self.traffic.bytes(Direction::Sent) + self.traffic.bytes(Direction::Received)
    }
}

/// Tells the peer why, where that may still reach it.
async fn take_leave(mut channel: Duplex, cause: &Cause, patience: &Patience) {
    let reason = match cause {
        Cause::Exchange(error) => error.abort_reason(),
        Cause::Channel(transport::Error::Misbehaved(_)) => Some(AbortReason::Misbehaved),
        Cause::Channel(_) => return,
        Cause::Stalled { .. } => Some(AbortReason::Stalled),
        Cause::Cancelled => Some(AbortReason::Cancelled),
        Cause::NoMediator | Cause::NotKept(_) => Some(AbortReason::Failed),
    };
    let farewell = async move {
        if let Some(reason) = reason {
            channel.send(Message::Abort(reason)).await?;
        }
        channel.finish().await
    };
    let _ = timeout(patience.farewell, farewell).await;
}
