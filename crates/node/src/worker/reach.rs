//! The ways out: to the peer, directly or through its relay, and to the mediator.

use tokio::time::timeout;

use super::context::Context;
use super::no_session::NoSession;
use crate::handle::Handle;
use crate::settle::{MediatorClient, RelayMediatorClient};
use admin::Peer;
use transport::{self, Channel, Limits, PinnedTls, call_over, connect, dial_through};

/// Opens a channel to the peer, once.
pub(super) async fn dial(
    handle: Handle,
    limits: Limits,
    peer: Peer,
) -> Result<Channel, transport::Error> {
    let key = handle.store().key();
    let tls = PinnedTls::new(key.seed(), *peer.entry.id.as_bytes())?;
    let limits = Limits {
        wait: limits.attempt,
        ..limits
    };
    let descriptor = peer
        .entry
        .policy
        .descriptor()
        .filter(|_| peer.entry.by_relay);
    match (descriptor, &peer.entry.address) {
        (Some(descriptor), _) => {
            let relay = PinnedTls::new(key.seed(), *descriptor.mediator.as_bytes())?;
            let tunnel = dial_through(&descriptor.address, &relay, &peer.entry.id, &limits).await?;
            call_over(tunnel, &tls, &limits).await
        }
        (None, Some(address)) => connect(address, &tls, &limits).await,
        (None, None) => Err(transport::Error::AddressMalformed),
    }
}

/// Whether this side knows a way to the peer; else the peer comes to it.
pub(super) fn can_call(peer: &Peer) -> bool {
    peer.entry.address.is_some() || peer.entry.by_relay
}

/// Whom to ask about a session under this descriptor.
pub(super) fn mediator_of(
    handle: &Handle,
    descriptor: Option<&str>,
    limits: &Limits,
) -> Result<Option<RelayMediatorClient>, NoSession> {
    let Some(text) = descriptor else {
        return Ok(None);
    };
    let descriptor = text
        .parse()
        .map_err(|error: protocol::descriptor::InvalidDescriptor| {
            NoSession::because(error.to_string())
        })?;
    let limits = Limits {
        wait: limits.attempt,
        ..limits.clone()
    };
    RelayMediatorClient::new(&descriptor, handle.store().key(), limits)
        .map(Some)
        .map_err(NoSession::from)
}

/// The mediator of the sessions with this peer, if there is one: asked for the time first, so that nothing
/// is spent on a session that could not be signed.
pub(super) async fn mediator_at_hand(
    context: &Context,
    peer: &Peer,
) -> Result<Option<RelayMediatorClient>, NoSession> {
    let (policy, settings) = (&peer.entry.policy, &context.settings);
    let mediator = mediator_of(
        &context.handle,
        policy.mediator.as_deref(),
        &settings.limits,
    )?;
    let (Some(mediator), Some(descriptor)) = (mediator, policy.descriptor()) else {
        return Ok(None);
    };
    match timeout(settings.patience.mediator, mediator.time()).await {
        Ok(Ok(now)) if now > descriptor.until => Err(NoSession::because(
            "the mediator's descriptor is out of date: tacit peer change --mediator takes the new one",
        )),
        Ok(Ok(_)) => Ok(Some(mediator)),
        Ok(Err(fault)) => Err(NoSession::because(fault.to_string())),
        Err(_) => Err(NoSession::because("the mediator does not answer")),
    }
}
