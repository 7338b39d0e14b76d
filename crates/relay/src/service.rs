//! The calls of `relay.proto`, for one caller whose key was proven: translates and nothing else.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::host::Relay;
use super::mediator::Mediator;
use super::refusal::Refusal;
use super::tunnel::{Ends, FRAMES_WAITING_MAX};
use pairing::NodeId;
use protocol::{Decision, SignedAgreement};
use transport::server::{CallGoingOn, CallsGoingOn};
use wire::relay::{
    self, ClaimRequest, Frame, Piece, Reply, SettleRequest, TimeReply, TimeRequest, VerdictReply,
};

/// The calls of one caller.
#[derive(Clone)]
pub(super) struct RelayService {
    pub(super) relay: Arc<Relay>,
    pub(super) caller: NodeId,
    /// Counts the connection's calls, so that an idle one is known.
    pub(super) going_on: CallsGoingOn,
}

type Frames = mpsc::Sender<Result<Frame, Status>>;

#[tonic::async_trait]
impl relay::Relay for RelayService {
    type ListenStream = BoxStream<Frame>;
    type DialStream = BoxStream<Frame>;

    async fn listen(
        &self,
        request: Request<Streaming<Frame>>,
    ) -> Result<Response<Self::ListenStream>, Status> {
        let (peer, mut incoming, outgoing, frames) = self.open_call(request).await?;
        let (wait, joined) = self.relay.rooms().wait(self.caller, peer)?;
        // Answered at once: until the peer dials, hours may pass.
        let (service, going_on) = (self.clone(), self.going_on.begin());
        tokio::spawn(async move {
            let _going_on = going_on;
            let joining = tokio::select! {
                joining = joined => joining.map_err(|_| service.why_dismissed()),
                // Nothing may come before the two are joined.
                _ = incoming.message() => Err(Refusal::Malformed),
                () = outgoing.closed() => Err(Refusal::OtherEndGone),
            };
            // Given up first: the tunnel is counted by itself.
            drop(wait);
            match joining {
                Ok(other) => {
                    let own = Ends {
                        node: service.caller,
                        incoming,
                        outgoing,
                    };
                    service.relay.rooms().clone().tunnel(other, own).await;
                }
                Err(refusal) => {
                    let _ = outgoing.try_send(Err(refusal.into()));
                }
            }
        });
        Ok(Response::new(frames))
    }

    async fn dial(
        &self,
        request: Request<Streaming<Frame>>,
    ) -> Result<Response<Self::DialStream>, Status> {
        let (peer, incoming, outgoing, frames) = self.open_call(request).await?;
        let ends = Ends {
            node: self.caller,
            incoming,
            outgoing,
        };
        self.relay.rooms().dial(ends, peer).inspect_err(|_| {
            self.relay.counters().dials_refused.fetch_add(1, Relaxed);
        })?;
        Ok(Response::new(frames))
    }

    async fn time(&self, _: Request<TimeRequest>) -> Result<Response<TimeReply>, Status> {
        self.relay.rooms().ask(self.caller)?;
        let seconds = self.relay.mediator().time().0;
        Ok(Response::new(TimeReply { seconds }))
    }

    async fn settle(
        &self,
        request: Request<SettleRequest>,
    ) -> Result<Response<VerdictReply>, Status> {
        let caller = self.caller;
        let request = request.into_inner();
        self.decide("settle", move |mediator| {
            let signed = SignedAgreement::try_from(request)?;
            mediator.settle(&caller, &signed).map(Decision::Verdict)
        })
        .await
    }

    async fn claim(
        &self,
        request: Request<ClaimRequest>,
    ) -> Result<Response<VerdictReply>, Status> {
        let caller = self.caller;
        let (session, deadline) =
            relay::claimed(request.get_ref()).map_err(|_| Refusal::Malformed)?;
        self.decide("claim", move |mediator| {
            mediator.claim(&caller, &session, deadline)
        })
        .await
    }
}

impl RelayService {
    /// Reads whom the caller wants, and makes the way back to it.
    async fn open_call(
        &self,
        request: Request<Streaming<Frame>>,
    ) -> Result<(NodeId, Streaming<Frame>, Frames, BoxStream<Frame>), Status> {
        let mut incoming = request.into_inner();
        // A call that names nobody must not hold a place among its connection's calls.
        let first = timeout(self.relay.limits.first_frame, incoming.message()).await;
        let first = first.map_err(|_| Refusal::NoPeerNamed)??;
        let piece = first.ok_or(Refusal::NoPeerNamed)?.try_into();
        let Ok(Piece::Peer(peer)) = piece else {
            return Err(Refusal::NoPeerNamed.into());
        };
        let (outgoing, frames) = mpsc::channel(FRAMES_WAITING_MAX);
        let frames = CountedFrames {
            frames: ReceiverStream::new(frames),
            _going_on: self.going_on.begin(),
        };
        Ok((peer, incoming, outgoing, Box::pin(frames)))
    }

    /// Has the mediator decide, off the threads that move bytes: it waits for the disk.
    async fn decide(
        &self,
        what: &'static str,
        decide: impl FnOnce(&Mediator) -> Reply + Send + 'static,
    ) -> Result<Response<VerdictReply>, Status> {
        self.relay.rooms().ask(self.caller)?;
        let (relay, going_on) = (self.relay.clone(), self.going_on.begin());
        let decided = tokio::task::spawn_blocking(move || {
            // It goes on when its caller is gone, and its connection with it.
            let _going_on = going_on;
            decide(relay.mediator())
        });
        let reply = decided
            .await
            .map_err(|_| Status::internal("the mediator failed"))?;
        self.relay.counters().count_reply(&reply);
        let caller = self.caller;
        match &reply {
            Ok(Decision::Verdict(_)) => tracing::info!(%caller, what, "verdict"),
            Ok(Decision::Open(_)) => tracing::debug!(%caller, what, "open"),
            Err(refusal) => tracing::warn!(%caller, what, %refusal, "refused"),
        }
        Ok(Response::new(relay::reply(&reply)))
    }

    /// Why a wait ended that nobody took.
    fn why_dismissed(&self) -> Refusal {
        // First: a relay that stops ends every wait, whoever is enrolled.
        if self.relay.rooms().is_draining() {
            Refusal::Draining
        } else if !self.relay.admits(self.caller.as_bytes()) {
            Refusal::NotEnrolled
        } else {
            Refusal::Replaced
        }
    }
}

/// Frames on their way to a caller, which keep its connection from counting as idle.
struct CountedFrames {
    frames: ReceiverStream<Result<Frame, Status>>,
    _going_on: CallGoingOn,
}

impl tokio_stream::Stream for CountedFrames {
    type Item = Result<Frame, Status>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        Pin::new(&mut self.frames).poll_next(cx)
    }
}
