//! The audit log: what happened on this node, as a chain that shows every later change.
//!
//! An entry is one line of JSON; it holds the SHA-256 of the line before it, and the *head*, a
//! signature of the node's key over the number and hash of the last line, is renewed with every entry
//! in the same transaction as what the entry tells of. Entries name peers, clients, lists and queries
//! by number, count people, and name nobody. `export` has the format for auditors.
//!
//! The chain shows an entry that was edited, removed, put elsewhere or added in between. That the
//! newest ones were cut off together with the head, or the whole store replaced by an earlier copy,
//! only a head shows that was exported before and kept elsewhere.

mod chain;
pub mod event;
pub mod export;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, params};
use serde::Serialize;

pub use chain::{AuditFault, ENTRY_BYTES_MAX, Head};
pub use event::Event;

use chain::{Chain, continues, genesis, head_text, line_hash};

use super::cell_cipher::Cell;
use super::database::{Store, Tx};
use super::error::Error;
use super::time::{from_ms, to_ms};
use pairing::Signature;

/// By how much the clock may be behind the log without a word.
pub const CLOCK_BEHIND_MAX: SignedDuration = SignedDuration::from_hours(1);

/// One line of the log.
#[derive(Serialize)]
struct Entry<E> {
    seq: u64,
    at: Timestamp,
    prev: String,
    #[serde(flatten)]
    event: E,
}

impl Store {
    /// Adds an entry of its own; what changes the store adds its entry by itself.
    ///
    /// # Errors
    ///
    /// Nothing was added.
    pub fn record(&self, event: &Event, now: Timestamp) -> Result<Head, Error> {
        self.write(|tx| tx.append(now, event))
    }

    /// The end of the log as it is now: to be kept elsewhere, and shown to [`Store::verify_audit`].
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn audit_head(&self) -> Result<Head, Error> {
        self.read(|tx| tx.head()?.ok_or(Error::DamagedStore))
    }

    /// When the newest entry is of, if the clock is before that by more than [`CLOCK_BEHIND_MAX`]: the clock is wrong
    /// now, or was then.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn log_ahead_of(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let newest = self.audit_head()?.at;
        Ok((newest.duration_since(now) > CLOCK_BEHIND_MAX).then_some(newest))
    }

    /// Checks the whole log, and that it goes on from `earlier`, a head that was exported before.
    ///
    /// # Errors
    ///
    /// The inner one is the first fault found; the outer one, that the log cannot be read.
    pub fn verify_audit(&self, earlier: Option<&Head>) -> Result<Result<Head, AuditFault>, Error> {
        self.read(|tx| {
            let id = tx.key.id();
            let mut chain = Chain::new(&id);
            let mut earlier_seen = None;
            let fault = tx.each_entry(|stored, line| {
                chain.follow(line)?;
                if chain.hash() != stored {
                    return Err(AuditFault::Broken { seq: chain.seq() });
                }
                if earlier.is_some_and(|head| head.seq == chain.seq()) {
                    earlier_seen = Some(chain.hash());
                }
                Ok(())
            })?;
            if let Err(fault) = fault {
                return Ok(Err(fault));
            }
            let Some(head) = tx.head()? else {
                return Ok(Err(AuditFault::NoHead));
            };
            Ok(chain
                .ends_at(&head, &id)
                .and_then(|()| continues(earlier, earlier_seen, chain.seq(), &id))
                .map(|()| head))
        })
    }

    /// The last `count` entries, oldest first, as lines of JSON.
    ///
    /// # Errors
    ///
    /// Those of the database, and an entry that does not open.
    pub fn last_entries(&self, count: u32) -> Result<Vec<String>, Error> {
        self.read(|tx| {
            let mut query =
                tx.prepare("SELECT seq, sealed FROM audit ORDER BY seq DESC LIMIT ?")?;
            let mut rows = query.query([count])?;
            let mut lines = Vec::new();
            while let Some(row) = rows.next()? {
                lines.push(tx.entry(row.get(0)?, row.get_ref(1)?.as_blob().map_err(damaged)?)?);
            }
            lines.reverse();
            Ok(lines)
        })
    }
}

impl Tx<'_> {
    /// Adds an entry to the log, in this transaction. Its time is never before that of the one before it, whatever
    /// the clock says.
    pub(super) fn append(&self, now: Timestamp, event: &Event) -> Result<Head, Error> {
        // As coarse as it is kept, or a head read back would not be the head that was signed.
        let now = from_ms(to_ms(now))?;
        let (seq, prev, at) = match self.head()? {
            Some(head) => (head.seq + 1, head.hash, now.max(head.at)),
            None => (1, genesis(&self.key.id()), now),
        };
        let entry = Entry {
            seq,
            at,
            prev: hex::encode(prev),
            event,
        };
        let line = serde_json::to_string(&entry).map_err(|_| Error::DamagedStore)?;
        // What is longer could be written and never verified.
        if line.len() > ENTRY_BYTES_MAX {
            return Err(Error::TooLong {
                what: "an audit entry",
                max: ENTRY_BYTES_MAX,
            });
        }
        let hash = line_hash(&line);
        let number = i64::try_from(seq).map_err(|_| Error::DamagedStore)?;
        let sealed = self
            .cells
            .seal(cell(&number.to_be_bytes()), line.as_bytes())?;
        self.prepare_cached("INSERT INTO audit (seq, hash, sealed) VALUES (?, ?, ?)")?
            .execute(params![number, hash, sealed])?;
        let signature = self.key.sign(&head_text(seq, at, &hash));
        self.prepare_cached(
            "INSERT OR REPLACE INTO audit_head (id, seq, at_ms, hash, signature)
             VALUES (1, ?, ?, ?, ?)",
        )?
        .execute(params![number, to_ms(at), hash, signature.as_bytes()])?;
        Ok(Head {
            seq,
            at,
            hash,
            signature,
        })
    }

    fn head(&self) -> Result<Option<Head>, Error> {
        type Row = (i64, i64, [u8; 32], [u8; 64]);
        let row: Option<Row> = self
            .prepare_cached("SELECT seq, at_ms, hash, signature FROM audit_head")?
            .query_row([], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        row.map(|(seq, at_ms, hash, signature)| {
            Ok(Head {
                seq: u64::try_from(seq).map_err(|_| Error::DamagedStore)?,
                at: from_ms(at_ms)?,
                hash,
                signature: Signature::from_bytes(signature),
            })
        })
        .transpose()
    }

    /// Hands on every entry with the hash that stands beside it, until one has a fault.
    fn each_entry<F>(
        &self,
        mut each: impl FnMut([u8; 32], &str) -> Result<(), F>,
    ) -> Result<Result<(), F>, Error> {
        let mut query = self.prepare("SELECT seq, hash, sealed FROM audit ORDER BY seq")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let line = self.entry(row.get(0)?, row.get_ref(2)?.as_blob().map_err(damaged)?)?;
            if let Err(fault) = each(row.get(1)?, &line) {
                return Ok(Err(fault));
            }
        }
        Ok(Ok(()))
    }

    fn entry(&self, seq: i64, sealed: &[u8]) -> Result<String, Error> {
        let line = self.cells.open(cell(&seq.to_be_bytes()), sealed)?;
        String::from_utf8(line.to_vec()).map_err(|_| Error::DamagedStore)
    }
}

/// Begins the log of a new store; of one that is there, checks that it is this node's.
pub(super) fn begin(tx: &Tx, now: Timestamp) -> Result<(), Error> {
    let node = tx.key.id();
    match tx.head()? {
        Some(head) => head.check(&node).map_err(|_| Error::OtherNode),
        None => tx
            .append(
                now,
                &Event::StoreCreated {
                    node: node.to_string(),
                },
            )
            .map(drop),
    }
}

fn cell(seq: &[u8; 8]) -> Cell<'_> {
    Cell {
        table: "audit",
        column: "sealed",
        row: seq,
    }
}

fn damaged(_: rusqlite::types::FromSqlError) -> Error {
    Error::DamagedStore
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{TestHome, now};

    fn with_entries(count: u32) -> (TestHome, Store) {
        let home = TestHome::new();
        let store = home.create();
        for _ in 0..count {
            store.record(&Event::NodeStarted, now()).unwrap();
        }
        (home, store)
    }

    fn verdict(store: &Store, earlier: Option<&Head>) -> Result<u64, AuditFault> {
        store.verify_audit(earlier).unwrap().map(|head| head.seq)
    }

    fn alter(store: &Store, sql: &str) {
        let connection = store.connection();
        connection.execute_batch(sql).unwrap();
    }

    #[test]
    fn a_log_as_it_was_written_holds_also_against_earlier_heads() {
        let (_home, store) = with_entries(3);
        let earlier = store.audit_head().unwrap();
        store.record(&Event::NodeStopped, now()).unwrap();
        assert_eq!(verdict(&store, None), Ok(5));
        assert_eq!(verdict(&store, Some(&earlier)), Ok(5));
        let lines = store.last_entries(2).unwrap();
        assert!(lines[0].contains("\"event\":\"node_started\""));
        assert!(lines[1].starts_with("{\"seq\":5,\"at\":\"2026-"));
    }

    #[test]
    fn a_clock_that_is_set_back_is_noticed_and_times_in_the_log_do_not_go_back() {
        let (_home, store) = with_entries(1);
        let three_days = SignedDuration::from_hours(72);
        assert_eq!(store.log_ahead_of(now()).unwrap(), None);
        let back = now().checked_sub(three_days).unwrap();
        assert_eq!(store.log_ahead_of(back).unwrap(), Some(now()));
        store.record(&Event::NodeStopped, back).unwrap();
        let at =
            |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["at"].clone();
        let lines = store.last_entries(2).unwrap();
        assert_eq!(at(&lines[1]), at(&lines[0]));
        assert_eq!(verdict(&store, None), Ok(3));
        assert_eq!(store.log_ahead_of(back).unwrap(), Some(now()), "still");
        let on = now().checked_add(three_days).unwrap();
        store.record(&Event::NodeStarted, on).unwrap();
        assert_eq!(store.audit_head().unwrap().at, on);
        assert_eq!(store.log_ahead_of(on).unwrap(), None);
    }

    #[test]
    fn every_removed_or_moved_entry_is_found() {
        for seq in 1..=5 {
            let (_home, store) = with_entries(4);
            alter(&store, &format!("DELETE FROM audit WHERE seq = {seq}"));
            let expected = match seq {
                5 => AuditFault::CutOff {
                    expected: 5,
                    found: 4,
                },
                _ => AuditFault::OutOfOrder {
                    expected: seq,
                    found: seq + 1,
                },
            };
            assert_eq!(verdict(&store, None), Err(expected));
        }
        let (_home, store) = with_entries(4);
        alter(
            &store,
            "UPDATE audit SET seq = 100 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3;
             UPDATE audit SET seq = 3 WHERE seq = 100",
        );
        // Sealed values are bound to their number, so moved ones do not even open.
        assert!(matches!(
            store.verify_audit(None),
            Err(Error::Altered { table: "audit" })
        ));
    }

    /// Whoever has the passphrase can seal a line anew; the chain still shows it.
    #[test]
    fn an_edited_entry_is_found_even_when_it_is_sealed_again() {
        let (_home, store) = with_entries(4);
        store
            .write(|tx| {
                let mut lines = Vec::new();
                tx.each_entry(|_, line| {
                    lines.push(line.to_owned());
                    Ok::<(), ()>(())
                })?
                .unwrap();
                let edited = lines[2].replace("node_started", "node_stopped");
                let sealed = tx
                    .cells
                    .seal(cell(&3_i64.to_be_bytes()), edited.as_bytes())?;
                tx.execute(
                    "UPDATE audit SET sealed = ?, hash = ? WHERE seq = 3",
                    params![sealed, line_hash(&edited)],
                )?;
                Ok::<(), Error>(())
            })
            .unwrap();
        assert_eq!(verdict(&store, None), Err(AuditFault::Broken { seq: 4 }));
    }

    #[test]
    fn a_log_cut_off_together_with_its_head_is_found_by_an_earlier_head() {
        let (_home, store) = with_entries(2);
        let old = store.audit_head().unwrap();
        store.record(&Event::NodeStarted, now()).unwrap();
        let exported = store.audit_head().unwrap();
        alter(&store, "DELETE FROM audit WHERE seq > 3");
        store
            .connection()
            .execute(
                "UPDATE audit_head SET seq = ?, hash = ?, at_ms = ?, signature = ?",
                params![
                    old.seq as i64,
                    old.hash,
                    to_ms(old.at),
                    old.signature.as_bytes()
                ],
            )
            .unwrap();
        assert_eq!(verdict(&store, None), Ok(3), "the copy is whole");
        let fault = AuditFault::BeforeHead {
            expected: 4,
            found: 3,
        };
        assert_eq!(verdict(&store, Some(&exported)), Err(fault));
        // And when the log then goes on in another way:
        store.record(&Event::NodeStopped, now()).unwrap();
        let fault = AuditFault::OtherHistory { seq: 4 };
        assert_eq!(verdict(&store, Some(&exported)), Err(fault));
    }

    #[test]
    fn a_head_that_the_node_did_not_sign_is_found() {
        let (_home, store) = with_entries(2);
        let mut head = store.audit_head().unwrap();
        head.seq -= 1;
        assert_eq!(verdict(&store, Some(&head)), Err(AuditFault::HeadNotSigned));
        alter(&store, "UPDATE audit_head SET at_ms = at_ms + 1");
        assert_eq!(verdict(&store, None), Err(AuditFault::HeadNotSigned));
        alter(&store, "DELETE FROM audit_head");
        assert_eq!(verdict(&store, None), Err(AuditFault::NoHead));
    }
}
