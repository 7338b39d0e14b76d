//! Importing and withdrawing a list: whole, and yet in short turns, so that nobody waits for the store for a time that
//! depends on a list's length.
//!
//! Records come in beside those that are there, a batch at a time, under a version that no list has yet. When the last one
//! is in, one short transaction makes that version the list's; until then what was there before counts. Records that are
//! of no list are removed afterwards, a batch at a time; those of an import that was cut off, when the store is next opened.
//!
//! Records are told apart by their id, so that a second import says what changed. In memory is one batch.

use std::sync::TryLockError;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use zeroize::Zeroizing;

use super::audit::Event;
use super::cell_cipher::Tag;
use super::database::{Store, Tx};
use super::error::Error;
use super::lists::{
    HEADER_BYTES_MAX, ListHeader, SealedList, cell, number, record_row, record_tag,
};
use super::{record_codec, stock};
use admin::{ClientNumber, ListChange};
use identity::Person;
use protocol::ListKind;

/// Records that go in, or are removed, in one turn, at most.
const BATCH_RECORDS: usize = 500;
/// Bytes of records after which a batch ends.
const BATCH_BYTES: usize = 1 << 20;

/// An import that is going on.
pub struct Import<'a> {
    store: &'a Store,
    kind: ListKind,
    /// The version of the list that this one is to replace.
    before: i64,
    version: i64,
    change: ListChange,
    batch: Vec<Record>,
    batch_bytes: usize,
}

/// A record that waits for its batch.
struct Record {
    tag: Tag,
    content: Tag,
    line: u32,
    text: Zeroizing<Vec<u8>>,
}

/// How a record goes in.
enum Entry {
    /// As it stands in this row of the list before.
    Copied(i64),
    /// Its id was in the list before, with other content.
    Changed(Vec<u8>),
    Added(Vec<u8>),
}

impl Store {
    /// Puts the records that `source` adds in the place of a list; all of them, or none.
    ///
    /// `now` tells the moment at which they count. Tables prepared from the old held
    /// list serve until others take their place.
    ///
    /// # Errors
    ///
    /// Those of `source`, [`Error::TooLong`], [`Error::WrongState`] while another import goes on or if the list was
    /// withdrawn meanwhile, and those of the database: the list is what it was.
    pub fn import<E: From<Error>>(
        &self,
        kind: ListKind,
        client: Option<ClientNumber>,
        now: impl FnOnce() -> Timestamp,
        source: impl FnOnce(&mut Import) -> Result<ListHeader, E>,
    ) -> Result<ListChange, E> {
        let _alone = match self.importing.try_lock() {
            Ok(alone) => alone,
            // Whoever panicked published nothing.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let (what, why) = ("the list", "another import goes on");
                return Err(Error::WrongState { what, why }.into());
            }
        };
        self.remove_leftovers(kind)?;
        let (before, version) =
            self.read::<_, Error>(|tx| Ok((tx.list_version(kind)?, tx.next_version(kind)?)))?;
        let mut import = Import {
            store: self,
            kind,
            before,
            version,
            change: ListChange::default(),
            batch: Vec::new(),
            batch_bytes: 0,
        };
        let imported =
            source(&mut import).and_then(|header| Ok(import.finish(header, client, now)?));
        // What was to be done is done, or has failed for a reason of its own: what stays now, the next import or the
        // next opening removes.
        let _ = self.remove_leftovers(kind);
        imported
    }

    /// Takes a list out, with all its records; an import of it that goes on fails.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`] if there is none. After another one the list may be out, and its records be removed when the
    /// store is next opened.
    pub fn withdraw(
        &self,
        kind: ListKind,
        client: Option<ClientNumber>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write(|tx| {
            let info = tx.list(kind)?.ok_or(Error::NoSuch {
                what: "list",
                number: number(kind),
            })?;
            // The row stays, so that versions go on where they were.
            let empty = SealedList {
                header: ListHeader {
                    header: Vec::new(),
                    schema: String::new(),
                    schema_digest: String::new(),
                },
                people: 0,
                imported: now,
            };
            tx.put_list(kind, tx.next_version(kind)?, &empty)?;
            if kind == ListKind::Held {
                stock::discard_all_unused(tx)?;
            }
            let event = Event::ListWithdrawn {
                list: kind,
                client,
                people: info.people,
            };
            tx.append(now, &event).map(drop)
        })?;
        self.remove_leftovers(kind)
    }

    /// Removes the records that are of no list.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(super) fn remove_leftovers(&self, kind: ListKind) -> Result<(), Error> {
        while self.write(|tx| tx.remove_some(kind))? {}
        Ok(())
    }
}

impl Import<'_> {
    /// Takes the next record.
    ///
    /// # Errors
    ///
    /// [`Error::RecordTwice`], also of a record before, [`Error::TooLong`] and those of the database; the import cannot
    /// go on.
    pub fn add(&mut self, person: &Person) -> Result<(), Error> {
        let text = record_codec::encode(person)?;
        let cells = &self.store.cells;
        self.batch_bytes += text.len();
        self.batch.push(Record {
            tag: record_tag(cells, self.kind, &person.record_id),
            content: cells.tag("content", &[&text]),
            line: person.line,
            text,
        });
        self.change.people += 1;
        match self.batch.len() >= BATCH_RECORDS || self.batch_bytes >= BATCH_BYTES {
            true => self.write_batch(),
            false => Ok(()),
        }
    }

    /// How many records have come so far.
    pub fn people(&self) -> u64 {
        self.change.people
    }

    fn write_batch(&mut self) -> Result<(), Error> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let known = self.store.read(|tx| {
            let known = |record: &Record| tx.known(self.kind, self.before, record);
            batch.iter().map(known).collect::<Result<Vec<_>, Error>>()
        })?;
        // Sealed between the two turns: that takes longer than writing.
        let mut entries = Vec::with_capacity(batch.len());
        for (record, known) in batch.into_iter().zip(known) {
            let entry = match known {
                Some((id, content)) if content == record.content => Entry::Copied(id),
                known => {
                    let row = record_row(self.kind, &record.tag);
                    let sealed = self.store.cells.seal(cell(&row), &record.text)?;
                    match known {
                        Some(_) => Entry::Changed(sealed),
                        None => Entry::Added(sealed),
                    }
                }
            };
            entries.push((record, entry));
        }
        self.store.write(|tx| {
            tx.check_version(self.kind, self.before)?;
            entries.iter().try_for_each(|(record, entry)| {
                tx.put_record(self.kind, self.version, record, entry)
            })
        })?;
        for (_, entry) in entries {
            match entry {
                Entry::Copied(_) => self.change.unchanged += 1,
                Entry::Changed(_) => self.change.changed += 1,
                Entry::Added(_) => self.change.added += 1,
            }
        }
        Ok(())
    }

    /// Makes what came in the list.
    fn finish(
        mut self,
        header: ListHeader,
        client: Option<ClientNumber>,
        now: impl FnOnce() -> Timestamp,
    ) -> Result<ListChange, Error> {
        if header.header.iter().map(String::len).sum::<usize>() > HEADER_BYTES_MAX {
            return Err(Error::TooLong {
                what: "the header of a list, in bytes,",
                max: HEADER_BYTES_MAX,
            });
        }
        self.write_batch()?;
        self.store.write(|tx| {
            tx.check_version(self.kind, self.before)?;
            // Not before this: a session that asked until now has asked the list before.
            let now = now();
            let people = tx.list(self.kind)?.map_or(0, |list| list.people);
            let stayed = self.change.changed + self.change.unchanged;
            self.change.removed = people.saturating_sub(stayed);
            let kept = SealedList {
                header,
                people: self.change.people,
                imported: now,
            };
            tx.put_list(self.kind, self.version, &kept)?;
            let event = Event::ListImported {
                list: self.kind,
                client,
                change: self.change,
            };
            tx.append(now, &event)?;
            Ok(self.change)
        })
    }
}

impl Tx<'_> {
    /// A version that is of no list and of no record.
    fn next_version(&self, kind: ListKind) -> Result<i64, Error> {
        let newest: Option<i64> = self.query_row(
            "SELECT max(version) FROM record WHERE kind = ?",
            [number(kind)],
            |row| row.get(0),
        )?;
        Ok(1 + self.list_version(kind)?.max(newest.unwrap_or(0)))
    }

    fn check_version(&self, kind: ListKind, before: i64) -> Result<(), Error> {
        match self.list_version(kind)? == before {
            true => Ok(()),
            false => Err(Error::WrongState {
                what: "the list",
                why: "it was withdrawn meanwhile",
            }),
        }
    }

    /// Row and content of the record with this id in a list of that version.
    fn known(
        &self,
        kind: ListKind,
        version: i64,
        record: &Record,
    ) -> Result<Option<(i64, Tag)>, Error> {
        let known = self
            .prepare_cached(
                "SELECT id, content FROM record WHERE kind = ? AND version = ? AND tag = ?",
            )?
            .query_row(params![number(kind), version, record.tag], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        Ok(known)
    }

    fn put_record(
        &self,
        kind: ListKind,
        version: i64,
        record: &Record,
        entry: &Entry,
    ) -> Result<(), Error> {
        let (tag, line) = (record.tag, record.line);
        let put = match entry {
            Entry::Copied(id) => self
                .prepare_cached(
                    "INSERT INTO record (kind, tag, content, version, line, sealed)
                     SELECT kind, tag, content, ?, ?, sealed FROM record WHERE id = ?
                     ON CONFLICT DO NOTHING",
                )?
                .execute(params![version, line, id])?,
            Entry::Changed(sealed) | Entry::Added(sealed) => self
                .prepare_cached(
                    "INSERT INTO record (kind, tag, content, version, line, sealed)
                     VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                )?
                .execute(params![
                    number(kind),
                    tag,
                    record.content,
                    version,
                    line,
                    sealed
                ])?,
        };
        match put {
            0 => Err(Error::RecordTwice { line }),
            _ => Ok(()),
        }
    }

    /// Removes a batch of records that are of no list; false when there are none.
    fn remove_some(&self, kind: ListKind) -> Result<bool, Error> {
        let current = self.list_version(kind)?;
        for which in ["<", ">"] {
            let mut query = self.prepare_cached(&format!(
                "SELECT id, length(sealed) FROM record WHERE kind = ? AND version {which} ? LIMIT ?"
            ))?;
            let mut rows = query.query(params![number(kind), current, BATCH_RECORDS as i64])?;
            let (mut ids, mut bytes) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                ids.push(row.get::<_, i64>(0)?);
                bytes += row.get::<_, i64>(1)?;
                if bytes >= BATCH_BYTES as i64 {
                    break;
                }
            }
            let mut remove = self.prepare_cached("DELETE FROM record WHERE id = ?")?;
            for id in &ids {
                remove.execute([id])?;
            }
            if !ids.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{TestHome, header, import, now, person, try_import};
    use std::cell::Cell;

    /// More than a batch.
    const MANY: u32 = BATCH_RECORDS as u32 * 2 + 7;

    fn ids(store: &Store) -> Vec<String> {
        let read = store.fold_people(ListKind::Held, Vec::new, |ids, person| {
            ids.push(person.record_id.to_string());
        });
        read.unwrap().0
    }

    fn records(store: &Store) -> i64 {
        let count = "SELECT count(*) FROM record";
        let connection = store.connection();
        connection.query_row(count, [], |row| row.get(0)).unwrap()
    }

    fn many(edition: u8) -> Vec<(u32, u8)> {
        (0..MANY).map(|n| (n, edition)).collect()
    }

    #[test]
    fn a_list_of_many_batches_keeps_its_order_and_its_counts() {
        let home = TestHome::new();
        let store = home.create();
        assert_eq!(
            import(&store, ListKind::Held, &many(0)).added,
            u64::from(MANY)
        );
        let mut second = many(0);
        second.reverse();
        second.truncate(1000);
        second[999].1 = 1;
        let change = import(&store, ListKind::Held, &second);
        let expected = ListChange {
            people: 1000,
            added: 0,
            changed: 1,
            removed: u64::from(MANY) - 1000,
            unchanged: 999,
        };
        assert_eq!(change, expected);
        let expected: Vec<_> = second.iter().map(|(n, _)| format!("id-{n}")).collect();
        assert_eq!(ids(&store), expected);
        assert_eq!(records(&store), 1000, "what is of no list is gone");
        let mut third = many(0);
        third.push((3, 0));
        let twice = try_import(&store, ListKind::Held, &third);
        let line = MANY + 1;
        assert!(matches!(twice, Err(Error::RecordTwice { line: at }) if at == line));
        assert_eq!((ids(&store), records(&store)), (expected, 1000));
    }

    #[test]
    fn in_the_middle_of_an_import_others_read_the_old_list_and_write() {
        let home = TestHome::new();
        let store = home.create();
        import(&store, ListKind::Held, &[(1, 0), (2, 0)]);
        let before = store.list(ListKind::Held).unwrap();
        let imported = store.import(ListKind::Held, None, now, |list| {
            for n in 10..10 + MANY {
                list.add(&person(n, 0))?;
            }
            assert!(records(&store) > 2, "some of it is in the store");
            assert_eq!(store.list(ListKind::Held)?, before);
            assert_eq!(ids(&store), ["id-1", "id-2"]);
            assert_eq!(
                store
                    .elements(ListKind::Held, false)?
                    .identities
                    .narrow
                    .len(),
                2
            );
            store.record(&Event::NodeStarted, now())?;
            Ok::<_, Error>(header())
        });
        assert_eq!(imported.unwrap().removed, 2);
        assert_eq!(ids(&store).len(), MANY as usize);
    }

    #[test]
    fn a_second_import_is_refused_while_one_goes_on() {
        let home = TestHome::new();
        let store = home.create();
        let imported = store.import(ListKind::Held, None, now, |list| {
            list.add(&person(1, 0))?;
            let second = try_import(&store, ListKind::Requested, &[(1, 0)]);
            assert!(matches!(second, Err(Error::WrongState { .. })));
            Ok::<_, Error>(header())
        });
        assert_eq!(imported.unwrap().added, 1);
        import(&store, ListKind::Requested, &[(1, 0)]);
    }

    #[test]
    fn a_list_that_is_withdrawn_stays_so_though_an_import_of_it_goes_on() {
        let home = TestHome::new();
        let store = home.create();
        import(&store, ListKind::Held, &[(1, 0), (2, 0)]);
        for withdrawn_after in [1, MANY] {
            let imported = store.import(ListKind::Held, None, now, |list| {
                for n in 0..MANY {
                    list.add(&person(n, 0))?;
                    if n + 1 == withdrawn_after {
                        store.withdraw(ListKind::Held, None, now())?;
                    }
                }
                Ok::<_, Error>(header())
            });
            assert!(matches!(imported, Err(Error::WrongState { .. })));
            assert_eq!(store.list(ListKind::Held).unwrap(), None);
            assert_eq!(records(&store), 0);
            assert_eq!(import(&store, ListKind::Held, &[(1, 0)]).added, 1);
        }
    }

    #[test]
    fn a_list_that_is_replaced_while_it_is_read_is_read_again() {
        let home = TestHome::new();
        let store = home.create();
        import(&store, ListKind::Held, &many(0));
        let replaced = Cell::new(0);
        let read = |times: i32| {
            replaced.set(0);
            store.fold_people(ListKind::Held, Vec::new, |lines, person| {
                lines.push(person.line);
                if person.line == 1 && replaced.get() < times {
                    replaced.set(replaced.get() + 1);
                    import(&store, ListKind::Held, &many(replaced.get() as u8));
                }
            })
        };
        let (lines, version) = read(2).unwrap();
        assert_eq!(lines, (1..=MANY).collect::<Vec<_>>());
        assert_eq!(
            version,
            store.list(ListKind::Held).unwrap().unwrap().version
        );
        assert!(matches!(read(99), Err(Error::WrongState { .. })));
        let mut seen = 0;
        let each = store.each_person(ListKind::Held, |_| {
            seen += 1;
            match seen {
                1 => store.withdraw(ListKind::Held, None, now()),
                _ => Ok(()),
            }
        });
        assert!(matches!(each, Err(Error::WrongState { .. })));
    }

    #[test]
    fn records_of_an_import_that_was_cut_off_are_gone_when_the_store_is_opened() {
        let home = TestHome::new();
        let store = home.create();
        import(&store, ListKind::Held, &[(1, 0)]);
        let cut_off = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            store.import::<Error>(ListKind::Held, None, now, |list| {
                for (n, edition) in many(1) {
                    list.add(&person(n, edition))?;
                }
                panic!("cut off");
            })
        }));
        assert!(cut_off.is_err() && records(&store) > 1000);
        drop(store);
        let store = home.open();
        assert_eq!((ids(&store), records(&store)), (vec!["id-1".into()], 1));
        import(&store, ListKind::Held, &[(1, 0)]);
    }
}
