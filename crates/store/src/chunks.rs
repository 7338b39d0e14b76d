//! Large sealed values, in pieces: tables and signed states of up to some hundred megabytes.
//!
//! Each piece is sealed with its owner, its index and whether it is the last one, so that a value that
//! was cut off, or pieced together from two, does not open. In memory is one piece while writing.

use rusqlite::params;
use zeroize::Zeroizing;

use super::cell_cipher::{Cell, CellCipher};
use super::database::Tx;
use super::error::Error;

/// Bytes of a piece before it is sealed.
const CHUNK_BYTES: usize = 1 << 20;

/// The most that a value may have, in bytes: a signed state at the largest ceilings of both classes.
const VALUE_BYTES_MAX: usize = 1 << 30;

/// Which table the pieces are in, and whose they are.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    /// A table with the columns `owner`, `place` and `sealed`.
    pub table: &'static str,
    pub row: i64,
}

/// Takes a value in parts of any length, and writes it in pieces.
pub(super) struct Writer<'a> {
    tx: &'a Tx<'a>,
    cells: &'a CellCipher,
    owner: Owner,
    place: i64,
    piece: Zeroizing<Vec<u8>>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(tx: &'a Tx<'a>, cells: &'a CellCipher, owner: Owner) -> Self {
        Self {
            tx,
            cells,
            owner,
            place: 0,
            piece: Zeroizing::new(Vec::with_capacity(CHUNK_BYTES)),
        }
    }

    /// Takes the next part.
    pub(super) fn part(&mut self, mut part: &[u8]) -> Result<(), Error> {
        while !part.is_empty() {
            // Only once more comes: the last piece is sealed as the last, also when it is full.
            if self.piece.len() == CHUNK_BYTES {
                self.write(false)?;
            }
            let room = CHUNK_BYTES - self.piece.len();
            let (now, later) = part.split_at(room.min(part.len()));
            self.piece.extend_from_slice(now);
            part = later;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), Error> {
        self.write(true)
    }

    fn write(&mut self, last: bool) -> Result<(), Error> {
        let key = row(self.owner, self.place, last);
        let sealed = self.cells.seal(cell(self.owner, &key), &self.piece)?;
        let table = self.owner.table;
        self.tx
            .prepare_cached(&format!(
                "INSERT INTO {table} (owner, place, sealed) VALUES (?, ?, ?)"
            ))?
            .execute(params![self.owner.row, self.place, sealed])?;
        self.place += 1;
        self.piece.clear();
        Ok(())
    }
}

/// Reads a value whole; `None` if its owner has none.
pub(super) fn read(
    tx: &Tx,
    cells: &CellCipher,
    owner: Owner,
) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let table = owner.table;
    let (count, bytes): (i64, i64) = tx.query_row(
        &format!("SELECT count(*), coalesce(sum(length(sealed)), 0) FROM {table} WHERE owner = ?"),
        [owner.row],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if count == 0 {
        return Ok(None);
    }
    let bytes = usize::try_from(bytes).map_err(|_| Error::DamagedStore)?;
    // Before room is made for it.
    if bytes > VALUE_BYTES_MAX {
        return Err(Error::DamagedStore);
    }
    let mut value = Zeroizing::new(Vec::with_capacity(bytes));
    let mut query = tx.prepare(&format!(
        "SELECT place, sealed FROM {table} WHERE owner = ? ORDER BY place"
    ))?;
    let mut rows = query.query([owner.row])?;
    let mut expected = 0;
    while let Some(found) = rows.next()? {
        if found.get::<_, i64>(0)? != expected {
            return Err(Error::Altered { table });
        }
        let key = row(owner, expected, expected + 1 == count);
        let sealed: Vec<u8> = found.get(1)?;
        value.extend_from_slice(&cells.open(cell(owner, &key), &sealed)?);
        expected += 1;
    }
    Ok(Some(value))
}

fn row(owner: Owner, place: i64, last: bool) -> [u8; 17] {
    let mut row = [0; 17];
    row[..8].copy_from_slice(&owner.row.to_be_bytes());
    row[8..16].copy_from_slice(&place.to_be_bytes());
    // In the place, so that a value whose end was cut off does not open.
    row[16] = u8::from(last);
    row
}

fn cell(owner: Owner, row: &[u8; 17]) -> Cell<'_> {
    Cell {
        table: owner.table,
        column: "sealed",
        row,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::TestHome;

    #[test]
    fn values_of_every_length_come_back_and_cut_ones_do_not() {
        let home = TestHome::new();
        let store = home.create();
        let owner = Owner {
            table: "piece",
            row: 7,
        };
        store
            .connection()
            .execute_batch("CREATE TABLE piece (owner, place, sealed)")
            .unwrap();
        for length in [
            0,
            1,
            CHUNK_BYTES - 1,
            CHUNK_BYTES,
            CHUNK_BYTES + 1,
            3 * CHUNK_BYTES,
        ] {
            let value: Vec<u8> = (0..length).map(|i| i as u8).collect();
            store
                .write(|tx| {
                    tx.execute("DELETE FROM piece", [])?;
                    let mut writer = Writer::new(tx, tx.cells, owner);
                    for part in value.chunks(100_003) {
                        writer.part(part)?;
                    }
                    writer.finish()
                })
                .unwrap();
            let back = store.read(|tx| read(tx, tx.cells, owner)).unwrap();
            assert!(*back.unwrap() == value);
        }
        store
            .connection()
            .execute("DELETE FROM piece WHERE place = 2", [])
            .unwrap();
        let cut = store.read(|tx| read(tx, tx.cells, owner));
        assert!(matches!(cut, Err(Error::Altered { table: "piece" })));
        let other = Owner { row: 8, ..owner };
        assert!(
            store
                .read(|tx| read(tx, tx.cells, other))
                .unwrap()
                .is_none()
        );
    }
}
