//! The nodes that a relay lets in, as its operator lists them in a file that may change at any time.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::SystemTime;

use tokio::sync::watch;

use pairing::NodeId;
use store::{self, enrolled};
use transport::PublicKey;

/// The list as it was last read.
pub(super) struct Enrolment {
    home: PathBuf,
    list: RwLock<List>,
    /// Told each time the list was read anew.
    reread: watch::Sender<()>,
}

#[derive(Default)]
struct List {
    nodes: BTreeSet<NodeId>,
    /// Of the file that these nodes are from: when it was last changed, and its inode. Each change puts
    /// another file in its place, and two may come within one tick of the file system's clock.
    file: Option<(SystemTime, u64)>,
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
            reread: watch::Sender::default(),
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
        let file = file
            .and_then(|file| Ok((file.modified()?, file.ino())))
            .ok();
        if file.is_some() && self.list().file == file {
            return Ok(false);
        }
        let nodes = enrolled::load(&self.home)?;
        let list = self.list.write();
        *list.unwrap_or_else(PoisonError::into_inner) = List { nodes, file };
        self.reread.send_replace(());
        Ok(true)
    }

    /// Returns once no node with this key is enrolled.
    pub(super) async fn removed(&self, key: &PublicKey) {
        // Before the first look: a change after it is told.
        let mut reread = self.reread.subscribe();
        while self.admits(key) {
            // The sender lives as long as this.
            let _ = reread.changed().await;
        }
    }

    fn list(&self) -> RwLockReadGuard<'_, List> {
        self.list.read().unwrap_or_else(PoisonError::into_inner)
    }
}
