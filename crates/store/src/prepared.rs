//! What is prepared for sessions: sealed tables and question sets, each good for one session.
//!
//! Either is *unused* until a session takes it out (*reserved*), and *used* from the moment, durably, before
//! the session's Commitment leaves ([`Store::start_session`]). Its row stays for ever, and numbers are never
//! given twice. Which of them fit which session, and from when on one serves, whoever prepared them knows.
//!
//! What is unused is sealed under a key that only this process has. So a store that is copied and put
//! back later, with tables and sets that have been used since, opens none of them; nor does a node that was
//! started again: it discards them all and prepares new ones.

use rusqlite::{OptionalExtension, params};
use zeroize::Zeroizing;

use super::chunks::{self, Owner};
use super::database::{Store, Tx};
use super::error::Error;
use super::stock::{QUESTIONS, RESERVED, Stock, TABLES, UNUSED, USED};
use admin::{PeerNumber, QuestionsNumber, TableNumber};
use protocol::{ListKind, PreparedTable, QuestionSet};

/// Unused tables of one peer at most, and question sets: twice what a node holds ready, for while those that
/// take their place are made they still serve.
pub const UNUSED_MAX: i64 = 32;

/// What one session takes out: by their numbers, a table and a question set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    pub table: TableNumber,
    pub questions: QuestionsNumber,
}

impl Store {
    /// Keeps a table that was prepared from version `list_version` of the held list.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] if the list is another by now; [`Error::TooLong`] if there are
    /// [`UNUSED_MAX`] already.
    pub fn keep_prepared(
        &self,
        peer: PeerNumber,
        list_version: i64,
        table: &PreparedTable,
    ) -> Result<TableNumber, Error> {
        self.write(|tx| {
            if tx.list_version(ListKind::Held)? != list_version {
                return Err(Error::WrongState {
                    what: "the held list",
                    why: "it was changed while the table was prepared",
                });
            }
            let kept = tx.keep_unused(TABLES, peer, |writer| {
                table.encode(|part| writer.part(part))
            });
            kept.map(TableNumber::new)
        })
    }

    /// Keeps a question set; with `from`, one that was changed from that set and shares blinds with it: once
    /// a session has taken either, none takes the other.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] if there are [`UNUSED_MAX`] already; [`Error::NoSuch`] set to be changed from.
    pub fn keep_questions(
        &self,
        peer: PeerNumber,
        questions: &QuestionSet,
        from: Option<QuestionsNumber>,
    ) -> Result<QuestionsNumber, Error> {
        self.write(|tx| {
            let number = tx.keep_unused(QUESTIONS, peer, |writer| {
                questions.encode(|part| writer.part(part))
            })?;
            let origin = match from {
                None => number,
                Some(from) => tx
                    .query_row("SELECT origin FROM questions WHERE id = ?", [from], |row| {
                        row.get(0)
                    })
                    .optional()?
                    .ok_or(Error::NoSuch {
                        what: QUESTIONS.what,
                        number: from.number(),
                    })?,
            };
            tx.execute(
                "UPDATE questions SET origin = ? WHERE id = ?",
                [origin, number],
            )?;
            Ok(QuestionsNumber::new(number))
        })
    }

    /// A question set that is not used, to make another from; `None` if it was used or discarded.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`] and those of the database.
    pub fn questions(&self, number: QuestionsNumber) -> Result<Option<QuestionSet>, Error> {
        let text =
            self.read(|tx| chunks::read(tx, tx.process, owner(QUESTIONS, number.number())))?;
        text.map(|text| QuestionSet::decode(&text).ok_or(Error::DamagedStore))
            .transpose()
    }

    /// Takes a table and a question set out for a session; no other session gets either. `None` if one of
    /// them is not unused any more. What is read follows from their ceilings alone.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`] and those of the database.
    pub fn reserve(&self, ready: Ready) -> Result<Option<(PreparedTable, QuestionSet)>, Error> {
        self.write(|tx| {
            let table = tx.reserve(TABLES, ready.table.number())?;
            let questions = tx.reserve(QUESTIONS, ready.questions.number())?;
            let (table, questions) = match (table, questions) {
                (Some(table), Some(questions)) => (table, questions),
                // What this call took, and not what another session has.
                (Some(_), None) => {
                    tx.put_back(TABLES, ready.table.number())?;
                    return Ok(None);
                }
                (None, Some(_)) => {
                    tx.put_back(QUESTIONS, ready.questions.number())?;
                    return Ok(None);
                }
                (None, None) => return Ok(None),
            };
            let table = PreparedTable::decode(&table).ok_or(Error::DamagedStore)?;
            let questions = QuestionSet::decode(&questions).ok_or(Error::DamagedStore)?;
            Ok(Some((table, questions)))
        })
    }

    /// Puts back what was taken out for a session that ended before its Commitment; what is used stays used.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn put_back(&self, ready: Ready) -> Result<(), Error> {
        self.write(|tx| {
            for (stock, number) in numbers(ready) {
                tx.put_back(stock, number)?;
            }
            Ok(())
        })
    }

    /// Discards what is unused of a peer and not among those kept, one in each transaction.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn discard_unused_but(
        &self,
        peer: PeerNumber,
        tables: &[TableNumber],
        questions: &[QuestionsNumber],
    ) -> Result<(), Error> {
        let (unused_tables, unused_questions) = self.unused(peer)?;
        for table in unused_tables.iter().filter(|table| !tables.contains(table)) {
            self.write(|tx| tx.discard(TABLES, table.number()))?;
        }
        for set in unused_questions
            .iter()
            .filter(|set| !questions.contains(set))
        {
            self.write(|tx| tx.discard(QUESTIONS, set.number()))?;
        }
        Ok(())
    }

    /// The tables and question sets of a peer that no session has taken, the oldest first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn unused(
        &self,
        peer: PeerNumber,
    ) -> Result<(Vec<TableNumber>, Vec<QuestionsNumber>), Error> {
        self.read(|tx| {
            let tables = tx.unused(TABLES, peer)?.into_iter().map(TableNumber::new);
            let questions = tx.unused(QUESTIONS, peer)?.into_iter();
            Ok((
                tables.collect(),
                questions.map(QuestionsNumber::new).collect(),
            ))
        })
    }

    /// Whether a table was ever marked used.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`]: also if it was discarded unused.
    pub fn is_used(&self, number: TableNumber) -> Result<bool, Error> {
        self.read(|tx| tx.is_used(TABLES, number.number()))
    }

    /// Whether a question set was ever marked used.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`]: also if it was discarded unused.
    pub fn are_used(&self, number: QuestionsNumber) -> Result<bool, Error> {
        self.read(|tx| tx.is_used(QUESTIONS, number.number()))
    }
}

impl Tx<'_> {
    /// Marks what is reserved for a session used and takes its content off the disk.
    pub(super) fn spend(&self, ready: Ready, peer: PeerNumber, now_ms: i64) -> Result<(), Error> {
        for (stock, number) in numbers(ready) {
            let changed = self.execute(
                &format!(
                    "UPDATE {} SET state = ?, used_ms = ? WHERE id = ? AND peer = ? AND state = ?",
                    stock.table
                ),
                params![USED, now_ms, number, peer, RESERVED],
            )?;
            if changed != 1 {
                return Err(Error::WrongState {
                    what: stock.what,
                    why: "it is not reserved for this session, or was used",
                });
            }
            self.execute(
                &format!("DELETE FROM {} WHERE owner = ?", stock.chunks),
                [number],
            )?;
        }
        Ok(())
    }

    fn keep_unused(
        &self,
        stock: Stock,
        peer: PeerNumber,
        write: impl FnOnce(&mut chunks::Writer) -> Result<(), Error>,
    ) -> Result<i64, Error> {
        self.peer(peer)?;
        if self.unused(stock, peer)?.len() as i64 >= UNUSED_MAX {
            return Err(Error::TooLong {
                what: stock.full,
                max: UNUSED_MAX as usize,
            });
        }
        let number: i64 = self.query_row(
            &format!(
                "INSERT INTO {} (peer, state) VALUES (?, ?) RETURNING id",
                stock.table
            ),
            params![peer, UNUSED],
            |row| row.get(0),
        )?;
        let mut writer = chunks::Writer::new(self, self.process, owner(stock, number));
        write(&mut writer)?;
        writer.finish()?;
        Ok(number)
    }

    /// `None` if it is not unused.
    fn reserve(&self, stock: Stock, number: i64) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let changed = self.execute(
            &format!(
                "UPDATE {} SET state = ? WHERE id = ? AND state = ? AND {}",
                stock.table, stock.alone
            ),
            params![RESERVED, number, UNUSED],
        )?;
        if changed == 0 {
            return Ok(None);
        }
        let altered = Error::Altered { table: stock.table };
        chunks::read(self, self.process, owner(stock, number))?
            .map(Some)
            .ok_or(altered)
    }

    fn put_back(&self, stock: Stock, number: i64) -> Result<(), Error> {
        self.execute(
            &format!(
                "UPDATE {} SET state = ? WHERE id = ? AND state = ?",
                stock.table
            ),
            params![UNUSED, number, RESERVED],
        )?;
        Ok(())
    }

    fn unused(&self, stock: Stock, peer: PeerNumber) -> Result<Vec<i64>, Error> {
        let mut query = self.prepare_cached(&format!(
            "SELECT id FROM {} WHERE peer = ? AND state = ? ORDER BY id",
            stock.table
        ))?;
        let numbers = query.query_map(params![peer, UNUSED], |row| row.get(0))?;
        Ok(numbers.collect::<Result<_, _>>()?)
    }

    fn discard(&self, stock: Stock, number: i64) -> Result<(), Error> {
        self.execute(
            &format!("DELETE FROM {} WHERE id = ? AND state = ?", stock.table),
            params![number, UNUSED],
        )?;
        Ok(())
    }

    fn is_used(&self, stock: Stock, number: i64) -> Result<bool, Error> {
        self.prepare_cached(&format!(
            "SELECT state = ? FROM {} WHERE id = ?",
            stock.table
        ))?
        .query_row(params![USED, number], |row| row.get(0))
        .optional()?
        .ok_or(Error::NoSuch {
            what: stock.what,
            number,
        })
    }
}

fn numbers(ready: Ready) -> [(Stock, i64); 2] {
    [
        (TABLES, ready.table.number()),
        (QUESTIONS, ready.questions.number()),
    ]
}

fn owner(stock: Stock, number: i64) -> Owner {
    Owner {
        table: stock.chunks,
        row: number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{TestHome, import, now, peer_entry, prepared, questions, ready};

    fn with_peer() -> (TestHome, Store, PeerNumber) {
        let home = TestHome::new();
        let store = home.create();
        let peer = store.add_peer(&peer_entry(1), now()).unwrap();
        (home, store, peer)
    }

    fn count(store: &Store, peer: PeerNumber) -> (usize, usize) {
        let (tables, questions) = store.unused(peer).unwrap();
        (tables.len(), questions.len())
    }

    #[test]
    fn a_table_and_a_set_serve_one_session_at_a_time_and_come_back_as_they_were() {
        let (_home, store, peer) = with_peer();
        let (table, set) = (prepared(4), questions(4));
        let ready = Ready {
            table: store.keep_prepared(peer, 0, &table).unwrap(),
            questions: store.keep_questions(peer, &set, None).unwrap(),
        };
        assert_eq!(count(&store, peer), (1, 1));
        let (table_back, set_back) = store.reserve(ready).unwrap().unwrap();
        let all = |encode: &dyn Fn(&mut Vec<u8>)| {
            let mut all = Vec::new();
            encode(&mut all);
            all
        };
        let table_bytes = |table: &PreparedTable| {
            all(&|out| {
                let take = |part: &[u8]| {
                    out.extend_from_slice(part);
                    Ok::<(), ()>(())
                };
                table.encode(take).unwrap();
            })
        };
        let set_bytes = |set: &QuestionSet| {
            all(&|out| {
                let take = |part: &[u8]| {
                    out.extend_from_slice(part);
                    Ok::<(), ()>(())
                };
                set.encode(take).unwrap();
            })
        };
        assert_eq!(table_bytes(&table_back), table_bytes(&table));
        assert_eq!(set_bytes(&set_back), set_bytes(&set));
        // However often somebody else tries.
        for _ in 0..3 {
            assert!(store.reserve(ready).unwrap().is_none());
        }
        store.put_back(ready).unwrap();
        assert!(store.reserve(ready).unwrap().is_some());
        let spend = || store.write(|tx| tx.spend(ready, peer, 0));
        spend().unwrap();
        assert!(matches!(spend(), Err(Error::WrongState { .. })));
        store.put_back(ready).unwrap();
        assert!(store.reserve(ready).unwrap().is_none());
        assert!(store.is_used(ready.table).unwrap() && store.are_used(ready.questions).unwrap());
        assert!(store.questions(ready.questions).unwrap().is_none());
    }

    /// A set whose table was used, or a table whose set was, serves no session, and the other of the two stays.
    #[test]
    fn neither_a_used_set_nor_a_used_table_serves_beside_a_fresh_one() {
        let (_home, store, peer) = with_peer();
        let used = ready(&store, peer);
        store.write(|tx| tx.spend(used, peer, 0)).unwrap();
        let table = store.keep_prepared(peer, 0, &prepared(4)).unwrap();
        let questions = store.keep_questions(peer, &questions(4), None).unwrap();
        for mixed in [Ready { table, ..used }, Ready { questions, ..used }] {
            assert!(store.reserve(mixed).unwrap().is_none());
            let spent = store.write(|tx| tx.spend(mixed, peer, 0));
            assert!(matches!(spent, Err(Error::WrongState { .. })));
        }
        assert!(store.reserve(Ready { table, questions }).unwrap().is_some());
    }

    /// A blind that is sent twice tells the holder that the same person was asked about again.
    #[test]
    fn of_two_sets_that_share_blinds_one_is_ever_taken() {
        let (_home, store, peer) = with_peer();
        let ready = |questions| Ready {
            table: store.keep_prepared(peer, 0, &prepared(4)).unwrap(),
            questions,
        };
        let first = store.keep_questions(peer, &questions(4), None).unwrap();
        let second = store
            .keep_questions(peer, &questions(4), Some(first))
            .unwrap();
        let third = store
            .keep_questions(peer, &questions(4), Some(second))
            .unwrap();
        let other = store.keep_questions(peer, &questions(4), None).unwrap();
        let taken = ready(second);
        store.reserve(taken).unwrap().unwrap();
        for sibling in [first, third] {
            assert!(store.reserve(ready(sibling)).unwrap().is_none());
        }
        store.put_back(taken).unwrap();
        let taken = ready(third);
        store.reserve(taken).unwrap().unwrap();
        store.write(|tx| tx.spend(taken, peer, 0)).unwrap();
        for sibling in [first, second] {
            assert!(store.reserve(ready(sibling)).unwrap().is_none());
        }
        assert!(store.reserve(ready(other)).unwrap().is_some());
        let gone = QuestionsNumber::new(99);
        let refused = store.keep_questions(peer, &questions(4), Some(gone));
        assert!(matches!(refused, Err(Error::NoSuch { .. })));
    }

    /// What a session is to be answered from changes at a tick, not when a list does.
    #[test]
    fn a_table_of_an_older_list_is_not_taken_in_and_one_that_is_there_serves_until_it_is_discarded()
    {
        let (_home, store, peer) = with_peer();
        let old = store.keep_prepared(peer, 0, &prepared(4)).unwrap();
        import(&store, ListKind::Held, &[(1, 0)]);
        let late = store.keep_prepared(peer, 0, &prepared(4));
        assert!(matches!(late, Err(Error::WrongState { .. })));
        let new = store.keep_prepared(peer, 1, &prepared(4)).unwrap();
        let questions = store.keep_questions(peer, &questions(4), None).unwrap();
        assert_eq!(store.unused(peer).unwrap().0, [old, new]);
        store
            .discard_unused_but(peer, &[new], &[questions])
            .unwrap();
        let ready = |table| Ready { table, questions };
        assert!(store.reserve(ready(old)).unwrap().is_none());
        assert!(store.reserve(ready(new)).unwrap().is_some());
    }

    #[test]
    fn a_withdrawn_list_takes_its_tables_with_it_at_once() {
        let (_home, store, peer) = with_peer();
        import(&store, ListKind::Held, &[(1, 0)]);
        store.keep_prepared(peer, 1, &prepared(4)).unwrap();
        store.withdraw(ListKind::Held, None, now()).unwrap();
        assert_eq!(count(&store, peer), (0, 0));
    }

    #[test]
    fn the_stock_is_bounded() {
        let (_home, store, peer) = with_peer();
        let (table, set) = (prepared(4), questions(4));
        for _ in 0..UNUSED_MAX {
            store.keep_prepared(peer, 0, &table).unwrap();
            store.keep_questions(peer, &set, None).unwrap();
        }
        let refused = store.keep_prepared(peer, 0, &table);
        assert!(matches!(refused, Err(Error::TooLong { .. })));
        let refused = store.keep_questions(peer, &set, None);
        assert!(matches!(refused, Err(Error::TooLong { .. })));
    }

    #[test]
    fn a_restart_and_a_restored_backup_give_nothing_again() {
        let (home, store, peer) = with_peer();
        let table = store.keep_prepared(peer, 0, &prepared(4)).unwrap();
        let questions = store.keep_questions(peer, &questions(4), None).unwrap();
        let taken = Ready { table, questions };
        let backup = home.backup();
        store.reserve(taken).unwrap().unwrap();
        store.write(|tx| tx.spend(taken, peer, 0)).unwrap();
        drop(store);
        let store = home.open();
        assert!(store.reserve(taken).unwrap().is_none());
        assert!(store.is_used(table).unwrap() && store.are_used(questions).unwrap());
        drop(store);

        home.restore(&backup);
        let store = home.open();
        assert!(store.reserve(taken).unwrap().is_none());
        assert_eq!(count(&store, peer), (0, 0));
    }

    /// Even if the rows were put back under a running node.
    #[test]
    fn what_another_process_prepared_does_not_open() {
        let (home, store, peer) = with_peer();
        let table = store.keep_prepared(peer, 0, &prepared(4)).unwrap();
        let questions = store.keep_questions(peer, &questions(4), None).unwrap();
        let copy = |to: &str, from: &str| format!("CREATE TABLE {to} AS SELECT * FROM {from};");
        let back = |to: &str, from: &str| format!("INSERT INTO {to} SELECT * FROM {from};");
        let pairs = [
            ("p", "prepared"),
            ("c", "prepared_chunk"),
            ("q", "questions"),
            ("d", "questions_chunk"),
        ];
        let copies = pairs.map(|(to, from)| copy(to, from)).concat();
        store.connection().execute_batch(&copies).unwrap();
        drop(store);
        let store = home.open();
        let backs = pairs.map(|(from, to)| back(to, from)).concat();
        store.connection().execute_batch(&backs).unwrap();
        let refused = store.reserve(Ready { table, questions });
        assert!(matches!(
            refused,
            Err(Error::Altered {
                table: "prepared_chunk"
            })
        ));
        let refused = store.questions(questions);
        assert!(matches!(
            refused,
            Err(Error::Altered {
                table: "questions_chunk"
            })
        ));
    }
}
