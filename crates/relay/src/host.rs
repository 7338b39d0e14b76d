//! One relay: its limits, rooms and mediator, who is let in, and what it counts. Opened from a home;
//! serves nothing by itself.

use std::path::Path;
use std::sync::Arc;

use pairing::{NodeId, NodeKey};
use transport::{EnrolledTls, PublicKey};

use super::counters::Counters;
use super::enrolment::Enrolment;
use super::error::Error;
use super::limits::Limits;
use super::mediator::{Clock, Mediator};
use super::rooms::Rooms;

/// A relay and its mediator.
pub struct Relay {
    pub(super) limits: Limits,
    pub(super) tls: EnrolledTls,
    id: NodeId,
    rooms: Arc<Rooms>,
    mediator: Mediator,
    counters: Arc<Counters>,
    enrolment: Arc<Enrolment>,
}

impl Relay {
    /// Opens the relay in `home` with its key.
    ///
    /// # Errors
    /// What is in `home` cannot be read or written.
    pub fn open(
        home: &Path,
        key: Arc<NodeKey>,
        clock: Clock,
        limits: Limits,
    ) -> Result<Arc<Self>, Error> {
        let enrolment = Arc::new(Enrolment::open(home)?);
        let list = enrolment.clone();
        let admits = Arc::new(move |key: &PublicKey| list.admits(key));
        let counters = Arc::new(Counters::default());
        Ok(Arc::new(Self {
            rooms: Rooms::new(limits.clone(), counters.clone()),
            tls: EnrolledTls::new(key.seed(), admits)?,
            id: key.id(),
            mediator: Mediator::open(home, key, clock)?,
            limits,
            counters,
            enrolment,
        }))
    }

    /// The relay's own id, which its descriptor carries.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Who settles.
    pub fn mediator(&self) -> &Mediator {
        &self.mediator
    }

    /// Who waits, and the tunnels.
    pub fn rooms(&self) -> &Arc<Rooms> {
        &self.rooms
    }

    /// What has happened since the relay was opened.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether a node with this key is enrolled.
    pub fn admits(&self, key: &PublicKey) -> bool {
        self.enrolment.admits(key)
    }

    /// Returns once `node` is no longer enrolled.
    pub(super) async fn dismissed(&self, node: NodeId) {
        self.enrolment.removed(node.as_bytes()).await;
    }

    /// Nodes that are enrolled.
    pub fn enrolled(&self) -> usize {
        self.enrolment.count()
    }

    /// Reads the list of enrolled nodes again if it has changed, and parts with those that are gone.
    ///
    /// # Errors
    /// The list cannot be read; the one before stays.
    pub fn reread_enrolled(&self) -> Result<(), store::Error> {
        if self.enrolment.reread()? {
            // After the list has changed, so that nobody who is parted with can come back in between.
            self.rooms.keep_only(|node| self.admits(node.as_bytes()));
        }
        Ok(())
    }
}
