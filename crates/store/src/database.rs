//! The one database of a home: its files, its lock, and reading and writing in transactions.
//!
//! `store.db` in the home directory, with `store.db-wal` beside it while it is open, and `store.lock`,
//! locked (flock) for as long as somebody has it open. Files have mode 0600 in a home of mode 0700.
//! WAL with `synchronous = FULL`: what a call has returned from is on the disk. One connection, so
//! one thread at a time, in the order in which they came; SQLite's exclusive mode keeps everybody else
//! out as well. What is long is done in pieces that each take a turn of their own.

use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use rustix::fs::FlockOperation;

use super::cell_cipher::{CellCipher, DataKey, Tally};
use super::error::Error;
use super::owner_only;
use super::turns::{Turn, Turns};
use pairing::NodeKey;

/// The database's name in the home directory.
pub const STORE_FILE: &str = "store.db";
const LOCK_FILE: &str = "store.lock";

/// Memory that SQLite may use for pages, in KiB.
const CACHE_KIB: i64 = 64 * 1024;
/// Bytes of the write-ahead log that stay on disk after a checkpoint.
const WAL_BYTES_KEPT: i64 = 16 * 1024 * 1024;

/// What a node keeps: open, unlocked, and nobody else's until it is dropped.
pub struct Store {
    turns: Turns,
    database: Mutex<Connection>,
    /// Locked by the import that goes on.
    pub(super) importing: Mutex<()>,
    pub(super) data_key: DataKey,
    pub(super) cells: CellCipher,
    /// For what must not outlive this process: prepared tables.
    process: CellCipher,
    key: Arc<NodeKey>,
    home: PathBuf,
    _lock: File,
    #[cfg(test)]
    meeting: Mutex<Option<Arc<std::sync::Barrier>>>,
}

/// The connection, for as long as a turn lasts. The connection is let go before the turn is.
pub(super) struct Connected<'a> {
    connection: MutexGuard<'a, Connection>,
    _turn: Turn<'a>,
}

/// One transaction.
pub(super) struct Tx<'a> {
    tx: rusqlite::Transaction<'a>,
    pub cells: &'a CellCipher,
    pub process: &'a CellCipher,
    pub key: &'a NodeKey,
}

impl Store {
    /// Whether `home` has a store; one cut off while it was made counts as none.
    ///
    /// # Errors
    ///
    /// When others may read or change its files or the home.
    pub fn exists(home: &Path) -> Result<bool, Error> {
        let path = home.join(STORE_FILE);
        owner_only::check_dir(home)?;
        if !owner_only::check(&path)? {
            return Ok(false);
        }
        owner_only::check_dir_closed(home)?;
        let empty = path.metadata().is_ok_and(|metadata| metadata.len() == 0);
        Ok(!empty || owner_only::check(&home.join("store.db-wal"))?)
    }

    /// Looks for damage: SQLite's own check of every page and index. Seconds for a gigabyte.
    ///
    /// # Errors
    ///
    /// [`Error::DamagedStore`].
    pub fn check_pages(&self) -> Result<(), Error> {
        let answer: String =
            self.connection()
                .pragma_query_value(None, "integrity_check", |row| row.get(0))?;
        match answer.as_str() {
            "ok" => Ok(()),
            _ => Err(Error::DamagedStore),
        }
    }

    #[cfg(test)]
    pub(super) fn data_key_for_tests(&self) -> &[u8; 32] {
        self.data_key.as_bytes()
    }

    /// From now on, `threads` threads wait for each other before each of their transactions that write.
    #[cfg(test)]
    pub(super) fn meet_before_each_write(&self, threads: usize) {
        *self.meeting.lock().unwrap() = Some(Arc::new(std::sync::Barrier::new(threads)));
    }

    #[cfg(test)]
    fn meet(&self) {
        let meeting = self.meeting.lock().unwrap().clone();
        if let Some(barrier) = meeting {
            barrier.wait();
        }
    }

    /// What was read and written of sealed cells since the store was opened: a session reads and writes as
    /// much whatever is in the lists.
    pub fn tally(&self) -> Tally {
        self.cells.tally() + self.process.tally()
    }

    /// The home directory it is in.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The node whose store it is.
    pub fn key(&self) -> &Arc<NodeKey> {
        &self.key
    }

    pub(super) fn assembled(
        home: &Path,
        database: Connection,
        lock: File,
        data_key: DataKey,
        cells: CellCipher,
        key: Arc<NodeKey>,
    ) -> Result<Self, Error> {
        Ok(Self {
            turns: Turns::default(),
            database: Mutex::new(database),
            importing: Mutex::default(),
            process: CellCipher::new(&DataKey::draw()?),
            data_key,
            cells,
            key,
            home: home.into(),
            _lock: lock,
            #[cfg(test)]
            meeting: Mutex::default(),
        })
    }

    /// Runs `work` in a transaction: on success all of it is on disk, on an error none of it.
    pub(super) fn write<T, E: From<Error>>(
        &self,
        work: impl FnOnce(&Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        #[cfg(test)]
        self.meet();
        let mut database = self.connection();
        let tx = database
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Error::from)?;
        let tx = self.tx(tx);
        let done = work(&tx)?;
        tx.tx.commit().map_err(Error::from)?;
        Ok(done)
    }

    /// Runs `work`, which only reads, on one state of the database.
    pub(super) fn read<T, E: From<Error>>(
        &self,
        work: impl FnOnce(&Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut database = self.connection();
        let tx = database.transaction().map_err(Error::from)?;
        work(&self.tx(tx))
    }

    fn tx<'a>(&'a self, tx: rusqlite::Transaction<'a>) -> Tx<'a> {
        Tx {
            tx,
            cells: &self.cells,
            process: &self.process,
            key: &self.key,
        }
    }

    /// A thread that panicked has rolled its transaction back: the connection is as good as before.
    pub(super) fn connection(&self) -> Connected<'_> {
        // The turn before the lock: a mutex may let the same thread in again and again.
        let turn = self.turns.wait();
        Connected {
            connection: self.database.lock().unwrap_or_else(PoisonError::into_inner),
            _turn: turn,
        }
    }
}

impl Deref for Connected<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Connected<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl<'a> Deref for Tx<'a> {
    type Target = rusqlite::Transaction<'a>;

    fn deref(&self) -> &Self::Target {
        &self.tx
    }
}

/// Keeps a second process out, until this one ends in whatever way.
pub(super) fn lock(home: &Path) -> Result<File, Error> {
    owner_only::check_dir_closed(home)?;
    let lock = owner_only::open_or_make(&home.join(LOCK_FILE))?;
    // Without waiting: whoever has it may be a daemon that runs for months.
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::InUse { home: home.into() }),
        Err(e) => Err(Error::Io {
            doing: "lock",
            path: home.join(LOCK_FILE),
            source: e.into(),
        }),
    }
}

pub(super) fn connect(home: &Path) -> Result<Connection, Error> {
    for name in [
        STORE_FILE,
        "store.db-wal",
        "store.db-shm",
        "store.db-journal",
    ] {
        owner_only::check(&home.join(name))?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // The home itself may be reached by a link; its files may not be links.
    let real = home.canonicalize().map_err(|source| Error::Io {
        doing: "look at",
        path: home.into(),
        source,
    })?;
    let database = Connection::open_with_flags(real.join(STORE_FILE), flags)?;
    // Before the log is touched: in this mode it needs no file of shared memory.
    database.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    Ok(database)
}

/// SQLite notices that pages are missing, but takes one that is cut short for a whole one.
pub(super) fn check_length(home: &Path, database: &Connection) -> Result<(), Error> {
    let length = |name| home.join(name).metadata().map_or(0, |file| file.len());
    let page: i64 = database.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let page = u64::try_from(page).map_err(|_| Error::DamagedStore)?;
    // With a write-ahead log beside it, a page may have been cut off in writing: the log has it whole.
    match length("store.db-wal") == 0 && !length(STORE_FILE).is_multiple_of(page.max(1)) {
        true => Err(Error::DamagedStore),
        false => Ok(()),
    }
}

pub(super) fn set_up(database: &Connection) -> Result<(), Error> {
    let mode: String =
        database.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Error::NoWal);
    }
    for (name, value) in [
        // NORMAL, which is usual with WAL, may lose the last commits with the power, and a table would serve twice.
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        // Whoever can write to the file could put functions into a view or a trigger.
        ("trusted_schema", "OFF"),
        // A damaged page is found when it is read, and not when it was already acted on.
        ("cell_size_check", "ON"),
        // Rows that were erased would stay readable in free pages.
        ("secure_delete", "ON"),
        // A large sort would leave rows outside the home.
        ("temp_store", "MEMORY"),
    ] {
        database.pragma_update(None, name, value)?;
    }
    database.pragma_update(None, "cache_size", -CACHE_KIB)?;
    database.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    Ok(())
}
