//! Prepared tables: computed in the background, each good for one session.
//!
//! A table is *unused* until a session takes it out (*reserved*), and *used* from the moment, durably,
//! before the session's Commitment leaves ([`Store::start_session`]). Its row stays for ever, and numbers
//! are never given twice.
//!
//! Unused tables are sealed under a key that only this process has. So a store that is copied and put
//! back later, with tables that have been used since, opens none of them; nor does a node that was
//! started again: it discards them all and prepares new ones.

use rusqlite::{Connection, OptionalExtension, params};

use super::cell_cipher::Tag;
use super::chunks::{self, Owner};
use super::database::{Store, Tx};
use super::error::Error;
use admin::{PeerNumber, TableNumber};
use protocol::{ByClass, Ceiling, ListKind, Mediator, PreparedTable};

/// Unused tables of one peer at most.
pub const UNUSED_TABLES_MAX: i64 = 16;

const UNUSED: i64 = 1;
const RESERVED: i64 = 2;
const USED: i64 = 3;

/// Which sessions a table serves.
#[derive(Clone, Copy)]
pub struct Fit {
    pub peer: PeerNumber,
    pub mediator: Mediator,
    /// The ceilings of this side's held list.
    pub held: ByClass<Ceiling>,
}

impl Store {
    /// Keeps a table that was prepared from version `list_version` of the held list.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] if the list is another by now; [`Error::TooLong`] if there are
    /// [`UNUSED_TABLES_MAX`] already.
    pub fn keep_prepared(
        &self,
        fit: &Fit,
        list_version: i64,
        table: &PreparedTable,
    ) -> Result<TableNumber, Error> {
        self.write(|tx| {
            tx.peer(fit.peer)?;
            if tx.list_version(ListKind::Held)? != list_version {
                return Err(Error::WrongState {
                    what: "the held list",
                    why: "it was changed while the table was prepared",
                });
            }
            // What is not used was made for another policy: it would only stand in the way.
            tx.execute(
                "DELETE FROM prepared WHERE peer = ? AND state = ? AND fit <> ?",
                params![fit.peer, UNUSED, tx.fit(fit)?],
            )?;
            let unused: i64 = tx.query_row(
                "SELECT count(*) FROM prepared WHERE peer = ? AND state = ?",
                params![fit.peer, UNUSED],
                |row| row.get(0),
            )?;
            if unused >= UNUSED_TABLES_MAX {
                return Err(Error::TooLong {
                    what: "the stock of prepared tables",
                    max: UNUSED_TABLES_MAX as usize,
                });
            }
            let number: TableNumber = tx.query_row(
                "INSERT INTO prepared (peer, fit, state) VALUES (?, ?, ?) RETURNING id",
                params![fit.peer, tx.fit(fit)?, UNUSED],
                |row| row.get(0),
            )?;
            let mut writer = chunks::Writer::new(tx, tx.process, owner(number));
            table.encode(|part| writer.part(part))?;
            writer.finish()?;
            Ok(number)
        })
    }

    /// How many unused tables there are that fit, made from the held list as it is now.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn prepared_count(&self, fit: &Fit) -> Result<u32, Error> {
        self.read(|tx| {
            let count = tx.query_row(
                "SELECT count(*) FROM prepared WHERE peer = ? AND fit = ? AND state = ?",
                params![fit.peer, tx.fit(fit)?, UNUSED],
                |row| row.get(0),
            )?;
            Ok(count)
        })
    }

    /// Takes out a table for a session; no other session gets it. `None` if there is none that fits.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`] and those of the database.
    pub fn reserve_prepared(
        &self,
        fit: &Fit,
    ) -> Result<Option<(TableNumber, PreparedTable)>, Error> {
        self.write(|tx| {
            let number: Option<TableNumber> = tx
                .query_row(
                    "UPDATE prepared SET state = ?1 WHERE id = (SELECT min(id) FROM prepared
                     WHERE peer = ?2 AND fit = ?3 AND state = ?4) RETURNING id",
                    params![RESERVED, fit.peer, tx.fit(fit)?, UNUSED],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(number) = number else {
                return Ok(None);
            };
            let altered = Error::Altered { table: "prepared" };
            let text = chunks::read(tx, tx.process, owner(number))?.ok_or(altered)?;
            let table = PreparedTable::decode(&text).ok_or(Error::DamagedStore)?;
            Ok(Some((number, table)))
        })
    }

    /// Puts a reserved table back whose session ended before its Commitment; a used one stays used.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn put_back_prepared(&self, number: TableNumber) -> Result<(), Error> {
        self.write(|tx| {
            tx.execute(
                "UPDATE prepared SET state = ? WHERE id = ? AND state = ?",
                params![UNUSED, number, RESERVED],
            )?;
            Ok(())
        })
    }

    /// Whether a table was ever marked used.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`]: also if it was discarded unused.
    pub fn is_used(&self, number: TableNumber) -> Result<bool, Error> {
        self.read(|tx| {
            tx.prepare_cached("SELECT state = ? FROM prepared WHERE id = ?")?
                .query_row(params![USED, number], |row| row.get(0))
                .optional()?
                .ok_or(Error::NoSuch {
                    what: "prepared table",
                    number: number.number(),
                })
        })
    }
}

impl Tx<'_> {
    /// Marks a reserved table used and takes its content off the disk.
    pub(super) fn spend_table(
        &self,
        number: TableNumber,
        peer: PeerNumber,
        now_ms: i64,
    ) -> Result<(), Error> {
        let changed = self.execute(
            "UPDATE prepared SET state = ?, used_ms = ? WHERE id = ? AND peer = ? AND state = ?",
            params![USED, now_ms, number, peer, RESERVED],
        )?;
        if changed != 1 {
            return Err(Error::WrongState {
                what: "the prepared table",
                why: "it is not reserved for this session, or was used",
            });
        }
        self.execute("DELETE FROM prepared_chunk WHERE owner = ?", [number])?;
        Ok(())
    }

    /// The held list's version is in it, so that a table of an older list fits nothing.
    fn fit(&self, fit: &Fit) -> Result<Tag, Error> {
        let ceiling = |ceiling: Option<&Ceiling>| {
            (ceiling.map_or(0, |ceiling| ceiling.elements() as u32)).to_be_bytes()
        };
        Ok(self.cells.tag(
            "fit",
            &[
                &fit.peer.number().to_be_bytes(),
                &[u8::from(fit.mediator.can_settle())],
                fit.mediator.encoded(),
                &ceiling(Some(&fit.held.narrow)),
                &ceiling(fit.held.wide.as_ref()),
                &self.list_version(ListKind::Held)?.to_be_bytes(),
            ],
        ))
    }
}

/// Discards every table that is not used, also one that a session has taken and not committed to yet:
/// after a restart, and when the held list changes.
pub(super) fn discard_all_unused(database: &Connection) -> Result<(), Error> {
    database.execute(
        "DELETE FROM prepared WHERE state IN (?, ?)",
        [UNUSED, RESERVED],
    )?;
    Ok(())
}

/// Discards the tables of one peer that no session has taken.
pub(super) fn discard_unused_of(database: &Connection, peer: PeerNumber) -> Result<(), Error> {
    database.execute(
        "DELETE FROM prepared WHERE peer = ? AND state = ?",
        params![peer, UNUSED],
    )?;
    Ok(())
}

fn owner(number: TableNumber) -> Owner {
    Owner {
        table: "prepared_chunk",
        row: number.number(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{TestHome, import, now, peer_entry, prepared};

    fn with_fit() -> (TestHome, Store, Fit) {
        let home = TestHome::new();
        let store = home.create();
        let peer = store.add_peer(&peer_entry(1), now()).unwrap();
        let narrow = Ceiling::new(4).unwrap();
        let held = ByClass { narrow, wide: None };
        (
            home,
            store,
            Fit {
                peer,
                mediator: Mediator::None,
                held,
            },
        )
    }

    #[test]
    fn a_table_serves_one_session_at_a_time_and_comes_back_as_it_was() {
        let (_home, store, fit) = with_fit();
        let table = prepared(4);
        let number = store.keep_prepared(&fit, 0, &table).unwrap();
        assert_eq!(store.prepared_count(&fit).unwrap(), 1);
        let other = Fit {
            held: ByClass {
                narrow: Ceiling::new(8).unwrap(),
                wide: None,
            },
            ..fit
        };
        assert!(store.reserve_prepared(&other).unwrap().is_none());
        let (taken, back) = store.reserve_prepared(&fit).unwrap().unwrap();
        assert_eq!(taken, number);
        let bytes = |table: &PreparedTable| {
            let mut all = Vec::new();
            table
                .encode(|part| {
                    all.extend_from_slice(part);
                    Ok::<(), ()>(())
                })
                .unwrap();
            all
        };
        assert_eq!(bytes(&back), bytes(&table));
        assert!(store.reserve_prepared(&fit).unwrap().is_none());
        store.put_back_prepared(number).unwrap();
        assert_eq!(store.reserve_prepared(&fit).unwrap().unwrap().0, number);
        let spend = || store.write(|tx| tx.spend_table(number, fit.peer, 0));
        spend().unwrap();
        assert!(matches!(spend(), Err(Error::WrongState { .. })));
        store.put_back_prepared(number).unwrap();
        assert!(store.reserve_prepared(&fit).unwrap().is_none());
        assert!(store.is_used(number).unwrap());
    }

    #[test]
    fn tables_of_an_older_list_are_discarded_and_fit_nothing() {
        let (_home, store, fit) = with_fit();
        store.keep_prepared(&fit, 0, &prepared(4)).unwrap();
        import(&store, ListKind::Held, &[(1, 0)]);
        assert_eq!(store.prepared_count(&fit).unwrap(), 0);
        let late = store.keep_prepared(&fit, 0, &prepared(4));
        assert!(matches!(late, Err(Error::WrongState { .. })));
        store.keep_prepared(&fit, 1, &prepared(4)).unwrap();
        let number = store.reserve_prepared(&fit).unwrap().unwrap().0;
        import(&store, ListKind::Held, &[(2, 0)]);
        store.put_back_prepared(number).unwrap();
        assert_eq!(store.prepared_count(&fit).unwrap(), 0);
    }

    #[test]
    fn the_stock_is_bounded() {
        let (_home, store, fit) = with_fit();
        let table = prepared(4);
        for _ in 0..UNUSED_TABLES_MAX {
            store.keep_prepared(&fit, 0, &table).unwrap();
        }
        let refused = store.keep_prepared(&fit, 0, &table);
        assert!(matches!(refused, Err(Error::TooLong { .. })));
    }

    #[test]
    fn a_restart_and_a_restored_backup_give_no_table_again() {
        let (home, store, fit) = with_fit();
        store.keep_prepared(&fit, 0, &prepared(4)).unwrap();
        let backup = home.backup();
        let (number, _) = store.reserve_prepared(&fit).unwrap().unwrap();
        store
            .write(|tx| tx.spend_table(number, fit.peer, 0))
            .unwrap();
        drop(store);
        let store = home.open();
        assert!(store.reserve_prepared(&fit).unwrap().is_none());
        assert!(store.is_used(number).unwrap());
        drop(store);

        home.restore(&backup);
        let store = home.open();
        assert!(store.reserve_prepared(&fit).unwrap().is_none());
        assert_eq!(store.prepared_count(&fit).unwrap(), 0);
    }

    /// Even if the row were put back under a running node.
    #[test]
    fn a_table_of_another_process_does_not_open() {
        let (home, store, fit) = with_fit();
        store.keep_prepared(&fit, 0, &prepared(4)).unwrap();
        store
            .connection()
            .execute_batch("CREATE TABLE p AS SELECT * FROM prepared; CREATE TABLE c AS SELECT * FROM prepared_chunk")
            .unwrap();
        drop(store);
        let store = home.open();
        store
            .connection()
            .execute_batch(
                "INSERT INTO prepared SELECT * FROM p; INSERT INTO prepared_chunk SELECT * FROM c",
            )
            .unwrap();
        let refused = store.reserve_prepared(&fit);
        assert!(matches!(
            refused,
            Err(Error::Altered {
                table: "prepared_chunk"
            })
        ));
    }
}
