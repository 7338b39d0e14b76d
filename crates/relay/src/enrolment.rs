//! The nodes that a relay lets in, as its operator lists them in a file that may change at any time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::SystemTime;

use pairing::NodeId;
use store::{self, enrolled};
use transport::PublicKey;

/// The list as it was last read.
pub(super) struct Enrolment {
    home: PathBuf,
    list: RwLock<List>,
}

#[derive(Default)]
struct List {
    nodes: BTreeSet<NodeId>,
    /// When the file was last changed that these nodes are from.
    changed: Option<SystemTime>,
}

impl Enrolment {
    /// Reads the list of the relay in `home`.
    ///
    /// # Errors
    /// The list cannot be read.
    pub(super) fn open(home: &Path) -> Result<Self, store::Error> {
        let enrolment = Self {
            home: home.to_owned(),
            list: RwLock::default(),
        };
        enrolment.reread()?;
        Ok(enrolment)
    }

    /// Whether a node with this key is enrolled.
    pub(super) fn admits(&self, key: &PublicKey) -> bool {
        NodeId::from_bytes(*key).is_ok_and(|id| self.list().nodes.contains(&id))
    }

    /// Nodes that are enrolled.
    pub(super) fn count(&self) -> usize {
        self.list().nodes.len()
    }

    /// Reads the list again if its file has changed; tells whether it had.
    ///
    /// # Errors
    /// The list cannot be read; the one before stays.
    pub(super) fn reread(&self) -> Result<bool, store::Error> {
        // Looked at before the file is read: a change in between is seen at the next look.
        let file = std::fs::metadata(enrolled::path(&self.home));
        let changed = file.and_then(|file| file.modified()).ok();
        if changed.is_some() && self.list().changed == changed {
            return Ok(false);
        }
        let nodes = enrolled::load(&self.home)?;
        let list = self.list.write();
        *list.unwrap_or_else(PoisonError::into_inner) = List { nodes, changed };
        Ok(true)
    }

    fn list(&self) -> RwLockReadGuard<'_, List> {
        self.list.read().unwrap_or_else(PoisonError::into_inner)
    }
}
