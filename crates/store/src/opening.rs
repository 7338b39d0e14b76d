//! Making and opening a store, and what opening puts in order; changing its passphrase.
//!
//! Stands above the database and what is kept in it: what lived only with the process before, unused
//! tables and sessions that had not signed, is given up before anybody sees the store, and so are the records
//! of an import that was cut off.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::TransactionBehavior;

use super::audit::{self, Event};
use super::cell_cipher::{CellCipher, DataKey};
use super::database::{STORE_FILE, Store, check_length, connect, lock, set_up};
use super::error::Error;
use super::passphrase::Passphrase;
use super::passphrase_cipher::Cost;
use super::{key_file, migrations, owner_only, sessions, stock, unlock};
use pairing::NodeKey;
use protocol::ListKind;

impl Store {
    /// Makes the store of the node with `key` in `home`, and opens it.
    ///
    /// # Errors
    ///
    /// [`Error::StoreExists`] if there is one: it stays as it is. Those of [`Store::open`].
    pub fn create(
        home: &Path,
        key: Arc<NodeKey>,
        passphrase: &Passphrase,
        cost: Cost,
        now: Timestamp,
    ) -> Result<Self, Error> {
        owner_only::make_dir(home)?;
        let lock = lock(home)?;
        // Made by us, because SQLite would make it as the umask says.
        drop(owner_only::open_or_make(&home.join(STORE_FILE))?);
        let mut database = connect(home)?;
        if migrations::version(&database, &home.join(STORE_FILE))?.is_some() {
            return Err(Error::StoreExists { home: home.into() });
        }
        set_up(&database)?;
        let data_key = DataKey::draw()?;
        let cells = CellCipher::new(&data_key);
        let tx = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        migrations::migrate(&tx, 0)?;
        // With the tables: a store without a sealed key opens for nobody, ever.
        unlock::add_slot(&tx, &data_key, passphrase, cost)?;
        tx.commit()?;
        let store = Self::assembled(home, database, lock, data_key, cells, key)?;
        store.write(|tx| audit::begin(tx, now))?;
        Ok(store)
    }

    /// Opens the store of the node with `key` in `home`; whether there is one, [`Store::exists`] says.
    ///
    /// What only lived with the process before is given up: unused tables are discarded, and sessions
    /// that had not signed count as cut off; records that are of no list are removed.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] while another process has it open; [`Error::WrongPassphrase`], after a delay;
    /// [`Error::NewerStore`], [`Error::ForeignStore`], [`Error::DamagedStore`], [`Error::OtherNode`];
    /// and when others may read the files or the home.
    pub fn open(
        home: &Path,
        key: Arc<NodeKey>,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<Self, Error> {
        if !Self::exists(home)? {
            return Err(Error::NoStore { home: home.into() });
        }
        let lock = lock(home)?;
        let mut database = connect(home)?;
        let Some(version) = migrations::version(&database, &home.join(STORE_FILE))? else {
            return Err(Error::NoStore { home: home.into() });
        };
        check_length(home, &database)?;
        set_up(&database)?;
        // Before the migration: who does not know the passphrase changes nothing.
        let data_key = unlock::open(&database, passphrase, now)?;
        let cells = CellCipher::new(&data_key);
        let tx = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        migrations::migrate(&tx, version)?;
        tx.commit()?;
        let store = Self::assembled(home, database, lock, data_key, cells, key)?;
        store.write(|tx| {
            audit::begin(tx, now)?;
            if let Some(failed) = unlock::take_failures(tx)? {
                let (times, first, last) = (failed.times, failed.first, failed.last);
                tx.append(now, &Event::UnlockFailed { times, first, last })?;
            }
            stock::discard_all_unused(tx)?;
            sessions::end_cut_off(tx, now)
        })?;
        for kind in [ListKind::Held, ListKind::Requested] {
            store.remove_leftovers(kind)?;
        }
        Ok(store)
    }

    /// Seals the data key, and the node's key file if it is sealed, under another passphrase.
    ///
    /// Lists are not rewritten. A crash in between leaves the old or the new passphrase, for both.
    ///
    /// # Errors
    ///
    /// The passphrase is still the old one, unless it was the last step that failed: then both the old
    /// one and the new one open the store, until it is next opened with the new one.
    pub fn change_passphrase(
        &self,
        new: &Passphrase,
        cost: Cost,
        now: Timestamp,
    ) -> Result<(), Error> {
        // The store takes both passphrases while the key file changes, so that one opens both wherever this is cut off.
        self.write(|tx| unlock::add_slot(tx, &self.data_key, new, cost))?;
        key_file::reseal(self.home(), self.key(), new, cost)?;
        self.write(|tx| {
            unlock::drop_older_slots(tx)?;
            tx.append(now, &Event::PassphraseChanged)?;
            Ok(())
        })
    }
}
