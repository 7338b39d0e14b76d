//! The two standing lists: whom this delegation holds, and whom it asks about.
//!
//! How a list comes in and goes, `list_import` tells. A record is found by a keyed tag of its id and bound to it.
//! A list's records are those of the version that its row says; they are read a page at a time.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::cell_cipher::{Cell, CellCipher, Tag};
use super::database::{Store, Tx};
use super::error::Error;
use super::record_codec;
use identity::{HashedIdentity, Person};
use protocol::{ByClass, ListKind};

/// Bytes of a list's header, all columns together, at most.
pub const HEADER_BYTES_MAX: usize = 256 * 1024;
/// Records that are read in one turn, at most.
const PAGE_RECORDS: usize = 500;
/// Bytes of records after which a page ends.
const PAGE_BYTES: usize = 1 << 20;
/// How often a list is read from its beginning because it was replaced in the middle.
const READS_MAX: u32 = 4;

/// What a list's records have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListHeader {
    /// The headers of the columns that are kept.
    pub header: Vec<String>,
    /// Name and digest of the schema that the keys were made by, the digest in hexadecimal.
    pub schema: String,
    pub schema_digest: String,
}

/// A list as it is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListInfo {
    pub header: ListHeader,
    pub people: u64,
    pub imported: Timestamp,
    /// Goes up with every import.
    pub version: i64,
}

/// Where reading a list goes on; at its beginning by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordPlace {
    line: u32,
    id: i64,
}

/// A list's hashed identities, sorted, each once, and the version of the list they are of.
pub struct Elements {
    pub identities: ByClass<Vec<HashedIdentity>>,
    pub version: i64,
}

/// A record's tag, its line, and what is sealed.
type SealedRecord = (Tag, u32, Vec<u8>);

#[derive(Serialize, Deserialize)]
pub(super) struct SealedList {
    pub header: ListHeader,
    pub people: u64,
    pub imported: Timestamp,
}

impl Store {
    /// What is known of a list without its records; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`] and those of the database.
    pub fn list(&self, kind: ListKind) -> Result<Option<ListInfo>, Error> {
        self.read(|tx| tx.list(kind))
    }

    /// Hands on every record of a list, in the order of its file.
    ///
    /// # Errors
    ///
    /// Those of `each`; [`Error::Altered`] if a record was changed, moved, added or taken out;
    /// [`Error::WrongState`] if the list was replaced meanwhile.
    pub fn each_person<E: From<Error>>(
        &self,
        kind: ListKind,
        mut each: impl FnMut(Person) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(info) = self.list(kind)? else {
            return Ok(());
        };
        let (mut people, mut next) = (0, Some(RecordPlace::default()));
        while let Some(after) = next {
            let (page, place) = self.people_after(kind, info.version, after, PAGE_RECORDS)?;
            people += page.len() as u64;
            next = place;
            page.into_iter().try_for_each(&mut each)?;
        }
        match people == info.people {
            true => Ok(()),
            false => Err(Error::Altered { table: "record" }.into()),
        }
    }

    /// Some records of a list of that version, in the order of its file: those after `after`, `max` at most. Gives
    /// where the next ones begin; `None` at the end.
    ///
    /// It holds nobody up for longer than these records take to read.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] if the list is another by now, [`Error::Altered`].
    pub fn people_after(
        &self,
        kind: ListKind,
        version: i64,
        after: RecordPlace,
        max: usize,
    ) -> Result<(Vec<Person>, Option<RecordPlace>), Error> {
        let (sealed, next) = self.read(|tx| tx.sealed_after(kind, version, after, max))?;
        let open = |(tag, line, sealed): &SealedRecord| {
            let text = self.cells.open(cell(&record_row(kind, tag)), sealed)?;
            record_codec::decode(&text, *line).ok_or(Error::DamagedStore)
        };
        let people: Result<_, Error> = sealed.iter().map(open).collect();
        Ok((people?, next))
    }

    /// What `each` makes of every record of a list, in the order of its file, from what `begin` gives; begins again
    /// if the list is replaced meanwhile, and gives the version it was read at: 0 where there never was one.
    ///
    /// # Errors
    ///
    /// As [`Store::each_person`]; [`Error::WrongState`] after four attempts.
    pub fn fold_people<T>(
        &self,
        kind: ListKind,
        begin: impl Fn() -> T,
        each: impl Fn(&mut T, Person),
    ) -> Result<(T, i64), Error> {
        let mut attempt = 1;
        loop {
            let version = self.read(|tx| tx.list_version(kind))?;
            let mut so_far = begin();
            let read = self.each_person::<Error>(kind, |person| {
                each(&mut so_far, person);
                Ok(())
            });
            let replaced = match read {
                Ok(()) => self.read(|tx| tx.list_version(kind))? != version,
                Err(Error::WrongState { .. }) => true,
                Err(error) => return Err(error),
            };
            match replaced {
                false => return Ok((so_far, version)),
                true if attempt == READS_MAX => return Err(replaced_meanwhile()),
                true => attempt += 1,
            }
        }
    }

    /// The hashed identities of a list; none where there is no list.
    ///
    /// # Errors
    ///
    /// As [`Store::fold_people`].
    pub fn elements(&self, kind: ListKind, wide: bool) -> Result<Elements, Error> {
        let none = || ByClass {
            narrow: Vec::new(),
            wide: wide.then(Vec::new),
        };
        let (mut identities, version) = self.fold_people(kind, none, |identities, person| {
            for (kind, identity) in &person.keys {
                if let Some(list) = identities.get_mut(kind.class()) {
                    list.push(*identity);
                }
            }
        })?;
        for list in identities.values_mut() {
            list.sort_unstable();
            list.dedup();
        }
        Ok(Elements {
            identities,
            version,
        })
    }
}

impl Tx<'_> {
    /// The version of a list; 0 where there never was one.
    pub(super) fn list_version(&self, kind: ListKind) -> Result<i64, Error> {
        let version: Option<i64> = self
            .prepare_cached("SELECT version FROM list WHERE kind = ?")?
            .query_row([number(kind)], |row| row.get(0))
            .optional()?;
        Ok(version.unwrap_or(0))
    }

    pub(super) fn list(&self, kind: ListKind) -> Result<Option<ListInfo>, Error> {
        let row: Option<(i64, Vec<u8>)> = self
            .prepare_cached("SELECT version, sealed FROM list WHERE kind = ?")?
            .query_row([number(kind)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((version, sealed)) = row else {
            return Ok(None);
        };
        let text = self
            .cells
            .open(list_place(&list_row(kind, version)), &sealed)?;
        let kept: SealedList = serde_json::from_slice(&text).map_err(|_| Error::DamagedStore)?;
        let withdrawn = kept.header.schema.is_empty();
        Ok((!withdrawn).then_some(ListInfo {
            header: kept.header,
            people: kept.people,
            imported: kept.imported,
            version,
        }))
    }

    pub(super) fn put_list(
        &self,
        kind: ListKind,
        version: i64,
        kept: &SealedList,
    ) -> Result<(), Error> {
        let text = serde_json::to_vec(kept).map_err(|_| Error::DamagedStore)?;
        let sealed = self
            .cells
            .seal(list_place(&list_row(kind, version)), &text)?;
        self.execute(
            "INSERT OR REPLACE INTO list (kind, version, sealed) VALUES (?, ?, ?)",
            params![number(kind), version, sealed],
        )?;
        Ok(())
    }

    /// Sealed records with their tags and lines, and where the next ones begin.
    fn sealed_after(
        &self,
        kind: ListKind,
        version: i64,
        after: RecordPlace,
        max: usize,
    ) -> Result<(Vec<SealedRecord>, Option<RecordPlace>), Error> {
        if self.list_version(kind)? != version {
            return Err(replaced_meanwhile());
        }
        let mut query = self.prepare_cached(
            "SELECT id, tag, line, sealed FROM record
             WHERE kind = ? AND version = ? AND (line, id) > (?, ?) ORDER BY line, id",
        )?;
        let mut rows = query.query(params![number(kind), version, after.line, after.id])?;
        let (mut sealed, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let record: SealedRecord = (row.get(1)?, row.get(2)?, row.get(3)?);
            bytes += record.2.len();
            let place = RecordPlace {
                line: record.1,
                id: row.get(0)?,
            };
            sealed.push(record);
            if sealed.len() >= max || bytes >= PAGE_BYTES {
                return Ok((sealed, Some(place)));
            }
        }
        Ok((sealed, None))
    }
}

fn replaced_meanwhile() -> Error {
    Error::WrongState {
        what: "the list",
        why: "it was replaced meanwhile",
    }
}

pub(super) fn number(kind: ListKind) -> i64 {
    match kind {
        ListKind::Held => 1,
        ListKind::Requested => 2,
    }
}

pub(super) fn record_tag(cells: &CellCipher, kind: ListKind, record_id: &str) -> Tag {
    cells.tag("record", &[&[number(kind) as u8], record_id.as_bytes()])
}

pub(super) fn record_row(kind: ListKind, tag: &Tag) -> [u8; 17] {
    let mut row = [number(kind) as u8; 17];
    row[1..].copy_from_slice(tag);
    row
}

pub(super) fn cell(row: &[u8; 17]) -> Cell<'_> {
    Cell {
        table: "record",
        column: "sealed",
        row,
    }
}

/// The version is bound in, so that a header does not outlive its records.
fn list_row(kind: ListKind, version: i64) -> [u8; 9] {
    let mut row = [number(kind) as u8; 9];
    row[1..].copy_from_slice(&version.to_be_bytes());
    row
}

fn list_place(row: &[u8; 9]) -> Cell<'_> {
    Cell {
        table: "list",
        column: "sealed",
        row,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{TestHome, header, import, now, person};
    use admin::ListChange;

    fn ids(store: &Store, kind: ListKind) -> Vec<String> {
        let mut ids = Vec::new();
        store
            .each_person(kind, |person| {
                ids.push(person.record_id.to_string());
                Ok::<(), Error>(())
            })
            .unwrap();
        ids
    }

    #[test]
    fn an_import_says_what_it_changed_and_keeps_the_order_of_the_file() {
        let home = TestHome::new();
        let store = home.create();
        assert_eq!(store.list(ListKind::Held).unwrap(), None);
        let first = import(&store, ListKind::Held, &[(1, 0), (2, 0), (3, 0)]);
        let expected = ListChange {
            people: 3,
            added: 3,
            ..ListChange::default()
        };
        assert_eq!(first, expected);
        let second = import(&store, ListKind::Held, &[(4, 0), (3, 0), (2, 7)]);
        let expected = ListChange {
            people: 3,
            added: 1,
            changed: 1,
            removed: 1,
            unchanged: 1,
        };
        assert_eq!(second, expected);
        drop(store);
        let store = home.open();
        assert_eq!(ids(&store, ListKind::Held), ["id-4", "id-3", "id-2"]);
        assert_eq!(ids(&store, ListKind::Requested), [""; 0]);
        let info = store.list(ListKind::Held).unwrap().unwrap();
        assert_eq!((info.people, info.header), (3, header()));
        let elements = store.elements(ListKind::Held, false).unwrap().identities;
        assert_eq!(elements.narrow.len(), 3);
        assert!(elements.narrow.is_sorted() && elements.wide.is_none());
        store.withdraw(ListKind::Held, None, now()).unwrap();
        assert_eq!(store.list(ListKind::Held).unwrap(), None);
        assert!(ids(&store, ListKind::Held).is_empty());
        assert!(store.withdraw(ListKind::Held, None, now()).is_err());
        assert_eq!(import(&store, ListKind::Held, &[(1, 0)]).added, 1);
    }

    #[test]
    fn an_import_that_fails_leaves_the_list_as_it_was() {
        let home = TestHome::new();
        let store = home.create();
        import(&store, ListKind::Held, &[(1, 0), (2, 0)]);
        let twice = store.import(ListKind::Held, None, now, |list| {
            list.add(&person(5, 0))?;
            list.add(&person(6, 0))?;
            list.add(&person(5, 1))?;
            Ok::<_, Error>(header())
        });
        assert!(matches!(twice, Err(Error::RecordTwice { line: 5 })));
        assert_eq!(ids(&store, ListKind::Held), ["id-1", "id-2"]);
    }

    #[test]
    fn records_swapped_taken_out_or_moved_to_the_other_list_are_noticed() {
        for sql in [
            "UPDATE record SET sealed = (SELECT sealed FROM record AS other WHERE other.id = 3 - record.id)",
            "UPDATE record SET tag = x'00112233445566778899aabbccddeeff' WHERE id = 1",
            "UPDATE record SET kind = 2 WHERE id = 1",
            "DELETE FROM record WHERE id = 1",
        ] {
            let home = TestHome::new();
            let store = home.create();
            import(&store, ListKind::Held, &[(1, 0), (2, 0)]);
            store.connection().execute_batch(sql).unwrap();
            let read = store.elements(ListKind::Held, false).err();
            assert!(
                matches!(read, Some(Error::Altered { table: "record" })),
                "{sql}"
            );
        }
    }
}
