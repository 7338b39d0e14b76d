//! Waits at a relay for one peer, and gives the daemon's worker the channels on which it comes.
//!
//! It is handed whom to await and where; it ends when its task is aborted, and tells each failure where
//! people see how things stand with the peer.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::handle::Handle;
use admin::PeerNumber;
use pairing::NodeId;
use transport::{Channel, Limits, PinnedTls, listen_through, serve_over};

/// How long a node waits at a relay before it asks again.
const RELAY_WAIT: Duration = Duration::from_secs(3600);
/// After a connection through a relay came to nothing.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// After a relay has turned this node away for a reason that another try will not mend soon.
const RELAY_PAUSE: Duration = Duration::from_secs(30);

/// Waits at a relay for one peer, again and again.
pub(super) struct Awaiting {
    pub(super) handle: Handle,
    pub(super) number: PeerNumber,
    pub(super) peer: NodeId,
    pub(super) relay: NodeId,
    pub(super) address: String,
    pub(super) limits: Limits,
    pub(super) incoming: mpsc::Sender<Channel>,
}

impl Awaiting {
    /// Works until its task is aborted.
    pub(super) async fn run(self) {
        loop {
            if let Err(error) = self.once().await {
                tracing::info!(peer = self.number.number(), %error, "at the relay");
                self.handle.set(self.number, |pair| {
                    pair.trouble = Some((Timestamp::now(), format!("at the relay: {error}")));
                });
                let pause = if error.may_pass() {
                    RETRY_PAUSE
                } else {
                    RELAY_PAUSE
                };
                sleep(pause).await;
            }
        }
    }

    async fn once(&self) -> Result<(), transport::Error> {
        let key = self.handle.store().key();
        let relay = PinnedTls::new(key.seed(), *self.relay.as_bytes())?;
        let tls = PinnedTls::new(key.seed(), *self.peer.as_bytes())?;
        let limits = Limits {
            wait: RELAY_WAIT,
            ..self.limits.clone()
        };
        let tunnel = match listen_through(&self.address, &relay, &self.peer, &limits).await {
            Err(transport::Error::NobodyCame { .. }) => return Ok(()),
            tunnel => tunnel?,
        };
        let channel = serve_over(tunnel, &tls, &self.limits).await?;
        if self.incoming.try_send(channel).is_err() {
            tracing::info!(
                peer = self.number.number(),
                "a visitor too many was dropped"
            );
        }
        Ok(())
    }
}
