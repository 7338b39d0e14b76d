//! Runs one session over an open channel: moves messages, gives the work to all cores without holding up
//! the channel, judges liveness, and says how the session ended. It decides nothing of the protocol.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rand_core::CryptoRng;
use tokio::task::{block_in_place, yield_now};
use tokio::time::{Instant, sleep, timeout};

use protocol::limits::WINDOW_SECONDS_MAX;
use protocol::{
    AbortReason, MediatorTime, Message, Outcome, Persist, Progress, Session, Standing, Step,
    WoundUp,
};
use transport::{self, Channel, Direction, Readiness};

use crate::cause::{Cause, Ended};
use crate::disposition::{Next, Recourse};
use crate::patience::Patience;
use crate::settle::{self, MediatorClient, WithoutMediator};

/// Bytes that must move within [`Patience::stall`] for the peer to count as alive: more than pings alone make.
const PROGRESS_BYTES_MIN: u64 = 1000;

/// Persists before it sends; hears of progress.
pub trait Journal {
    /// Keeps what must be kept before the next message leaves.
    ///
    /// # Errors
    /// It could not be kept: the session ends before that message.
    fn keep(&mut self, state: Persist) -> std::io::Result<()>;

    /// Hears how far the session is.
    fn progress(&mut self, progress: Progress);

    /// Hears that this side has signed, met with `cause`, and now waits for the mediator's word.
    fn left_to_the_mediator(&mut self, _cause: &Cause) {}
}

/// Runs a session without a mediator to its end over `channel`. On success the peer has everything
/// that this side sent, or has had [`transport::Limits::finish`] to take it.
///
/// # Errors
/// The session ended without answers; the peer was told, where it could be.
pub async fn run_session(
    session: Session,
    channel: Channel,
    rng: &mut impl CryptoRng,
    patience: &Patience,
    journal: &mut impl Journal,
    cancelled: impl Future<Output = ()>,
) -> Result<Outcome, Ended> {
    let nobody = None::<&WithoutMediator>;
    run_mediated_session(session, channel, rng, patience, journal, nobody, cancelled).await
}

/// The same with a mediator, where there is one to ask: a session that this side has signed then ends by
/// the peer's release or by the mediator's verdict, and by nothing else but `cancelled`.
///
/// # Errors
/// The session ended without answers; the peer was told, where it could be.
pub async fn run_mediated_session(
    mut session: Session,
    mut channel: Channel,
    rng: &mut impl CryptoRng,
    patience: &Patience,
    journal: &mut impl Journal,
    mediator: Option<&impl MediatorClient>,
    cancelled: impl Future<Output = ()>,
) -> Result<Outcome, Ended> {
    tokio::pin!(cancelled);
    let mut stopped = false;
    let ended = {
        let run = drive(&mut session, &mut channel, rng, patience, journal, mediator);
        tokio::select! {
            // First, so that a session whose next step is always ready cannot outrun it.
            biased;
            () = &mut cancelled => {
                stopped = true;
                Err(Cause::Cancelled)
            }
            ended = run => ended,
        }
    };
    // Whatever stopped it, what has already come may be enough for answers.
    let ended = match ended {
        Err(
            cause @ (Cause::Channel(_)
            | Cause::Stalled { .. }
            | Cause::TooSlow { .. }
            | Cause::Cancelled),
        ) => {
            let WoundUp { persist, ended } = block_in_place(|| session.wind_up(rng));
            let kept = block_in_place(|| persist.into_iter().try_for_each(|it| journal.keep(it)));
            if let Err(error) = kept {
                // The session has ended: that a copy is missing takes no answer away.
                tracing::error!(%error, "the peer's last messages were not kept");
            }
            match ended {
                Ok(Some(outcome)) => Ok(outcome),
                Ok(None) => Err(cause),
                Err(told) => Err(told.into()),
            }
        }
        ended => ended,
    };
    let cause = match ended {
        Ok(outcome) => {
            // Both have released or settled by now. Whether the peer's last bytes arrive changes nothing here.
            tokio::select! {
                _ = channel.finish() => {}
                () = &mut cancelled, if !stopped => {}
            }
            return Ok(outcome);
        }
        Err(cause) => cause,
    };
    take_leave(channel, &cause, patience).await;
    let next = cause
        .disposition(session.standing(), Recourse::now(mediator.is_some()))
        .next;
    let cause = match (session.signed(), mediator) {
        (Some(state), Some(mediator)) if !stopped && next == Next::AskMediator => {
            journal.left_to_the_mediator(&cause);
            let agreed = session.receipt().map(|receipt| receipt.agreement.clone());
            let agreed = agreed.or_else(|| state.both_signed());
            tokio::select! {
                ended = settle::by_verdict(state, agreed, mediator, patience) => match ended {
                    Ok(outcome) => return Ok(outcome),
                    Err(cause) => cause,
                },
                () = &mut cancelled => Cause::Cancelled,
            }
        }
        _ => cause,
    };
    let receipt = session.receipt().cloned().map(Box::new);
    Err(Ended {
        cause,
        standing: session.standing(),
        receipt,
    })
}

async fn drive(
    session: &mut Session,
    channel: &mut Channel,
    rng: &mut impl CryptoRng,
    patience: &Patience,
    journal: &mut impl Journal,
    mediator: Option<&impl MediatorClient>,
) -> Result<Outcome, Cause> {
    let liveness = Liveness::new(channel, patience, session.bytes());
    loop {
        // A peer that is always ahead leaves nothing to wait for; who cancels is heard between any two steps.
        yield_now().await;
        let step = block_in_place(|| session.advance(rng))?;
        journal.progress(session.progress());
        match step {
            Step::Send(message) => {
                // While there is no room to send, what the peer sends is still taken in: neither
                // side can block the other.
                let mut message = Some(message);
                while let Some(waiting) = message.take() {
                    match liveness.ready(channel, true, session.standing()).await? {
                        Readiness::CanSend(permit) => permit.send(waiting)?,
                        Readiness::Received(received) => {
                            session.receive(received)?;
                            message = Some(waiting);
                        }
                        Readiness::Ended => return Err(transport::Error::Gone.into()),
                    }
                }
            }
            Step::Wait => {
                let ready = liveness.ready(channel, false, session.standing());
                let readiness = match (session.signed(), mediator) {
                    (Some(state), Some(mediator)) => {
                        let state = Arc::clone(state);
                        tokio::select! {
                            readiness = ready => readiness?,
                            outcome = settle::settled(&state, mediator, patience.claim) => return outcome,
                            () = sleep(patience.release) => {
                                let seconds = patience.release.as_secs();
                                return Err(Cause::ReleaseLate { seconds });
                            }
                        }
                    }
                    _ => ready.await?,
                };
                match readiness {
                    Readiness::Received(received) => session.receive(received)?,
                    Readiness::CanSend(_) | Readiness::Ended => {
                        return Err(transport::Error::Gone.into());
                    }
                }
            }
            Step::Persist(state) => {
                block_in_place(|| journal.keep(state)).map_err(Cause::NotKept)?
            }
            Step::AskTime => {
                let mediator = mediator.ok_or(Cause::NoMediator)?;
                let now = mediator_time(mediator, patience).await?;
                let epoch_until = mediator
                    .last_deadline()
                    .0
                    .saturating_sub(WINDOW_SECONDS_MAX);
                if session.standing() == Standing::Unsigned && now.0 > epoch_until {
                    return Err(Cause::EpochOver);
                }
                block_in_place(|| session.time(now, rng))?;
            }
            Step::Done(outcome) => return Ok(*outcome),
        }
    }
}

/// The mediator's time, asked for again for a while when it does not answer.
async fn mediator_time(
    mediator: &impl MediatorClient,
    patience: &Patience,
) -> Result<MediatorTime, Cause> {
    let last = Instant::now() + patience.mediator;
    loop {
        match mediator.time().await {
            Ok(now) => return Ok(now),
            Err(fault) if Instant::now() + patience.claim >= last => {
                return Err(Cause::NoTime(fault));
            }
            Err(_) => sleep(patience.claim).await,
        }
    }
}

/// Judges by what moves whether the peer is still at it.
struct Liveness {
    stall: Duration,
    /// How long the session may be without a signature, and until when that is.
    unsigned: Duration,
    signed_by: Instant,
    traffic: std::sync::Arc<transport::Traffic>,
}

impl Liveness {
    fn new(channel: &Channel, patience: &Patience, bytes: u64) -> Self {
        let unsigned = patience.unsigned(bytes);
        Self {
            stall: patience.stall,
            unsigned,
            signed_by: Instant::now() + unsigned,
            traffic: channel.traffic(),
        }
    }

    /// What the channel can do next, unless nothing moves for too long, or too little for a session of this size.
    async fn ready<'a>(
        &self,
        channel: &'a mut Channel,
        sending: bool,
        standing: Standing,
    ) -> Result<Readiness<'a>, Cause> {
        let mut before = self.bytes();
        let ready = channel.ready(sending);
        tokio::pin!(ready);
        loop {
            // What is signed has other bounds: the release's, and the mediator's.
            if standing == Standing::Unsigned && Instant::now() >= self.signed_by {
                let seconds = self.unsigned.as_secs();
                return Err(Cause::TooSlow { seconds });
            }
            match timeout(self.stall, &mut ready).await {
                Ok(readiness) => return Ok(readiness?),
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
async fn take_leave(mut channel: Channel, cause: &Cause, patience: &Patience) {
    let reason = match cause {
        Cause::Exchange(error) => error.abort_reason(),
        Cause::Channel(transport::Error::Misbehaved(_)) => Some(AbortReason::Misbehaved),
        Cause::Channel(_) => return,
        Cause::Stalled { .. } | Cause::TooSlow { .. } => Some(AbortReason::Stalled),
        Cause::Cancelled => Some(AbortReason::Cancelled),
        Cause::ReleaseLate { .. } => Some(AbortReason::Stalled),
        Cause::NoMediator
        | Cause::NoTime(_)
        | Cause::EpochOver
        | Cause::NeverSettled
        | Cause::MediatorRefused(_)
        | Cause::MediatorMisbehaved { .. }
        | Cause::ReleaseLost
        | Cause::NotKept(_) => Some(AbortReason::Failed),
    };
    let farewell = async move {
        if let Some(reason) = reason {
            channel.send(Message::Abort(reason)).await?;
        }
        channel.finish().await
    };
    let _ = timeout(patience.farewell, farewell).await;
}
