//! Importing and withdrawing a list: whole, record by record, in one transaction, so that what was there before counts
//! until the last record of the new one is in.
//!
//! Records are told apart by their id, so that a second import says what changed. Memory is bounded by
//! SQLite's page cache and one record.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::audit::Event;
use super::cell_cipher::Tag;
use super::database::{Store, Tx};
use super::error::Error;
use super::lists::{
    HEADER_BYTES_MAX, ListHeader, SealedList, cell, number, record_row, record_tag,
};
use super::{prepared, record_codec};
use admin::{ClientNumber, ListChange};
use identity::Person;
use protocol::ListKind;

/// An import that is going on.
pub struct Import<'a> {
    tx: &'a Tx<'a>,
    kind: ListKind,
    version: i64,
    change: ListChange,
}

impl Store {
    /// Puts the records that `source` adds in the place of a list; all of them, or none.
    ///
    /// Tables prepared for the old held list are discarded with it.
    ///
    /// # Errors
    ///
    /// Those of `source`, [`Error::TooLong`] and those of the database: the list is what it was.
    pub fn import<E: From<Error>>(
        &self,
        kind: ListKind,
        client: Option<ClientNumber>,
        now: Timestamp,
        source: impl FnOnce(&mut Import) -> Result<ListHeader, E>,
    ) -> Result<ListChange, E> {
        self.write(|tx| {
            let version = tx.list_version(kind)? + 1;
            let mut import = Import {
                tx,
                kind,
                version,
                change: ListChange::default(),
            };
            let header = source(&mut import)?;
            Ok(import.finish(header, client, now)?)
        })
    }

    /// Takes a list out, with all its records.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`] if there is none.
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
            tx.execute("DELETE FROM record WHERE kind = ?", [number(kind)])?;
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
            tx.put_list(kind, info.version + 1, &empty)?;
            if kind == ListKind::Held {
                prepared::discard_all_unused(tx)?;
            }
            let event = Event::ListWithdrawn {
                list: kind,
                client,
                people: info.people,
            };
            tx.append(now, &event).map(drop)
        })
    }
}

impl Import<'_> {
    /// Takes the next record.
    ///
    /// # Errors
    ///
    /// [`Error::RecordTwice`], [`Error::TooLong`] and those of the database; the import cannot go on.
    pub fn add(&mut self, person: &Person) -> Result<(), Error> {
        let text = record_codec::encode(person)?;
        let kind = number(self.kind);
        let tag = record_tag(self.tx, self.kind, &person.record_id);
        let content = self.tx.cells.tag("content", &[&text]);
        let known: Option<(i64, Tag, i64)> = self
            .tx
            .prepare_cached("SELECT id, content, version FROM record WHERE kind = ? AND tag = ?")?
            .query_row(params![kind, tag], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        match known {
            Some((_, _, version)) if version == self.version => {
                return Err(Error::RecordTwice { line: person.line });
            }
            Some((id, before, _)) if before == content => {
                self.tx
                    .prepare_cached("UPDATE record SET version = ?, line = ? WHERE id = ?")?
                    .execute(params![self.version, person.line, id])?;
                self.change.unchanged += 1;
            }
            known => {
                let sealed = self
                    .tx
                    .cells
                    .seal(cell(&record_row(self.kind, &tag)), &text)?;
                match known {
                    Some((id, _, _)) => {
                        self.tx
                            .prepare_cached(
                                "UPDATE record SET content = ?, version = ?, line = ?, sealed = ?
                                 WHERE id = ?",
                            )?
                            .execute(params![content, self.version, person.line, sealed, id])?;
                        self.change.changed += 1;
                    }
                    None => {
                        self.tx
                            .prepare_cached(
                                "INSERT INTO record (kind, tag, content, version, line, sealed)
                                 VALUES (?, ?, ?, ?, ?, ?)",
                            )?
                            .execute(params![
                                kind,
                                tag,
                                content,
                                self.version,
                                person.line,
                                sealed
                            ])?;
                        self.change.added += 1;
                    }
                }
            }
        }
        self.change.people += 1;
        Ok(())
    }

    /// What the import has done so far; records that are gone are counted at its end.
    pub fn change(&self) -> ListChange {
        self.change
    }

    fn finish(
        mut self,
        header: ListHeader,
        client: Option<ClientNumber>,
        now: Timestamp,
    ) -> Result<ListChange, Error> {
        if header.header.iter().map(String::len).sum::<usize>() > HEADER_BYTES_MAX {
            return Err(Error::TooLong {
                what: "the header of a list, in bytes,",
                max: HEADER_BYTES_MAX,
            });
        }
        let removed = self.tx.execute(
            "DELETE FROM record WHERE kind = ? AND version <> ?",
            params![number(self.kind), self.version],
        )?;
        self.change.removed = removed as u64;
        let kept = SealedList {
            header,
            people: self.change.people,
            imported: now,
        };
        self.tx.put_list(self.kind, self.version, &kept)?;
        if self.kind == ListKind::Held {
            prepared::discard_all_unused(self.tx)?;
        }
        let event = Event::ListImported {
            list: self.kind,
            client,
            change: self.change,
        };
        self.tx.append(now, &event)?;
        Ok(self.change)
    }
}
