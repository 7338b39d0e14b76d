//! What every part of one worker needs: the node, the peer's number, the settings, and who says that
//! something has changed or that the node stops. Decides nothing.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::no_session::NoSession;
use super::stop::Stop;
use crate::handle::Handle;
use crate::settings::Settings;
use admin::{Activity, PeerNumber};

#[derive(Clone)]
pub(super) struct Context {
    pub handle: Handle,
    pub peer: PeerNumber,
    pub settings: Arc<Settings>,
    /// Goes up when something in the store has changed.
    pub changed: watch::Receiver<u64>,
    pub stop: Stop,
}

impl Context {
    /// Works in the store without holding up anybody else.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(Handle, PeerNumber) -> Result<T, NoSession> + Send + 'static,
    ) -> Result<T, NoSession> {
        let (handle, peer) = (self.handle.clone(), self.peer);
        spawn_blocking(move || work(handle, peer))
            .await
            .unwrap_or_else(|_| Err(NoSession::because("this node failed by itself")))
    }

    /// Shows people what the node does about the peer now.
    pub(super) fn show(&self, activity: Activity) {
        self.handle.set(self.peer, |pair| pair.activity = activity);
    }

    /// Shows people why there is no session.
    pub(super) fn show_trouble(&self, reason: &NoSession) {
        self.handle.set(self.peer, |pair| {
            pair.trouble = Some((Timestamp::now(), reason.text.clone()));
        });
    }
}
