//! What clerks ask beside the standing list: a few people at a time, each query its clerk's own.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use sealing::{Reader, Writer};
use zeroize::Zeroizing;

use super::audit::Event;
use super::cell_cipher::Cell;
use super::database::{Store, Tx};
use super::error::Error;
use super::record_codec;
use super::time::{from_ms, to_ms};
use admin::{ClientNumber, PeerNumber, QueryNumber};
use identity::Person;
use identity::list::Cells;
use protocol::ListKind;

/// People in one query at most; longer lists are imported.
pub const QUERY_PEOPLE_MAX: usize = 1000;
/// Queries of one client that are open at once, at most.
pub const OPEN_QUERIES_MAX: i64 = 1000;
/// Bytes of those, sealed: each session reads them. Some 40,000 people with five cells.
pub const OPEN_QUERIES_BYTES_MAX: i64 = 16 << 20;

/// Of open queries those without an answer of a peer.
const UNANSWERED: &str = "state = 1 AND NOT EXISTS (
     SELECT 1 FROM answer WHERE answer.query = query.id AND answer.peer = ?)";
const OPEN: i64 = 1;
const WITHDRAWN: i64 = 2;

/// A query without its people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryInfo {
    pub number: QueryNumber,
    pub client: ClientNumber,
    pub submitted: Timestamp,
    /// Whether it is still asked.
    pub open: bool,
}

/// A query with its people.
pub struct Query {
    pub info: QueryInfo,
    /// The headers of the people's cells.
    pub header: Vec<String>,
    pub people: Vec<Person>,
}

/// What is asked of one peer, as far as it takes to see that it has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asks {
    list_version: i64,
    queries: i64,
    queries_sum: i64,
}

impl Asks {
    /// A list of that version and no query: for what holds this without a store.
    pub const fn of_list(list_version: i64) -> Self {
        Self {
            list_version,
            queries: 0,
            queries_sum: 0,
        }
    }
}

impl Store {
    /// What is asked of a peer now: the standing list and the open queries that it has not answered. Two that
    /// are equal ask the same.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn asks(&self, peer: PeerNumber) -> Result<Asks, Error> {
        self.read(|tx| {
            // Numbers are never given twice, and a query that is closed or answered is never asked again: with
            // as many of them, and the same sum, they are the same.
            let (queries, queries_sum) = tx
                .prepare_cached(
                    "SELECT count(*), coalesce(sum(id), 0) FROM query WHERE state = ? AND NOT EXISTS
                     (SELECT 1 FROM answer WHERE answer.query = query.id AND answer.peer = ?)",
                )?
                .query_row(params![OPEN, peer], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(Asks {
                list_version: tx.list_version(ListKind::Requested)?,
                queries,
                queries_sum,
            })
        })
    }

    /// Takes a clerk's query; from now on it is among what is to be asked, of each peer until that has answered.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`] client; [`Error::TooLong`], also where it would be with the client's other open queries.
    pub fn submit(
        &self,
        client: ClientNumber,
        people: &[Person],
        now: Timestamp,
    ) -> Result<QueryNumber, Error> {
        self.submit_under(client, &[], people, now)
    }

    /// The same of people whose cells have headers.
    ///
    /// # Errors
    ///
    /// As [`Store::submit`].
    pub fn submit_under(
        &self,
        client: ClientNumber,
        header: &[String],
        people: &[Person],
        now: Timestamp,
    ) -> Result<QueryNumber, Error> {
        let text = encode(header, people)?;
        self.write(|tx| {
            tx.client(client)?;
            let (open, bytes): (i64, i64) = tx.query_row(
                "SELECT count(*), coalesce(sum(length(sealed)), 0) FROM query
                 WHERE client = ? AND state = ?",
                params![client, OPEN],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            if open >= OPEN_QUERIES_MAX {
                return Err(Error::TooLong {
                    what: "the list of your open queries",
                    max: OPEN_QUERIES_MAX as usize,
                });
            }
            if bytes + text.len() as i64 > OPEN_QUERIES_BYTES_MAX {
                return Err(Error::TooLong {
                    what: "all your open queries together, in bytes,",
                    max: OPEN_QUERIES_BYTES_MAX as usize,
                });
            }
            let query: QueryNumber = tx.query_row(
                "INSERT INTO query (client, submitted_ms, state, sealed)
                 VALUES (?, ?, ?, x'') RETURNING id",
                params![client, to_ms(now), OPEN],
                |row| row.get(0),
            )?;
            let sealed = tx.cells.seal(cell(&row(query, client)), &text)?;
            tx.execute(
                "UPDATE query SET sealed = ? WHERE id = ?",
                params![sealed, query],
            )?;
            let event = Event::QuerySubmitted {
                query,
                client,
                people: people.len() as u64,
            };
            tx.append(now, &event)?;
            Ok(query)
        })
    }

    /// No longer asks a query; its answers stay.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`] also if it is another client's.
    pub fn withdraw_query(
        &self,
        query: QueryNumber,
        client: ClientNumber,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write(|tx| {
            let changed = tx.execute(
                "UPDATE query SET state = ? WHERE id = ? AND client = ? AND state = ?",
                params![WITHDRAWN, query, client, OPEN],
            )?;
            if changed == 0 {
                return Err(no_such(query));
            }
            tx.append(now, &Event::QueryWithdrawn { query }).map(drop)
        })
    }

    /// Every open query of every client: what a session asks beside the standing list.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`] and those of the database.
    pub fn open_queries(&self) -> Result<Vec<Query>, Error> {
        self.read(|tx| {
            let infos = tx.query_infos("state = ?", OPEN)?;
            infos.into_iter().map(|info| tx.with_people(info)).collect()
        })
    }

    /// The open queries that `peer` has not answered yet, the oldest first: what the next session with
    /// it asks beside the standing list. One is read at a time, in a turn of its own.
    ///
    /// # Errors
    ///
    /// Those of the database; of each query also [`Error::Altered`].
    pub fn queries_to_ask(
        &self,
        peer: PeerNumber,
    ) -> Result<impl Iterator<Item = Result<Query, Error>>, Error> {
        let unanswered = self.read(|tx| tx.query_infos(UNANSWERED, peer.number()))?;
        let oldest_first = unanswered.into_iter().rev();
        Ok(oldest_first.map(|info| self.read(|tx| tx.with_people(info))))
    }

    /// A client's queries, the newest first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn queries_of(&self, client: ClientNumber) -> Result<Vec<QueryInfo>, Error> {
        self.read(|tx| tx.query_infos("client = ?", client.number()))
    }

    /// A client's own query.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`] also if it is another client's.
    pub fn query(&self, query: QueryNumber, client: ClientNumber) -> Result<Query, Error> {
        self.read(|tx| {
            let info = tx.query_of(query, client)?;
            tx.with_people(info)
        })
    }
}

impl Tx<'_> {
    /// The query, if it is that client's.
    pub(super) fn query_of(
        &self,
        query: QueryNumber,
        client: ClientNumber,
    ) -> Result<QueryInfo, Error> {
        let infos = self.query_infos("id = ?", query.number())?;
        infos
            .into_iter()
            .find(|info| info.client == client)
            .ok_or_else(|| no_such(query))
    }

    fn query_infos(&self, condition: &'static str, value: i64) -> Result<Vec<QueryInfo>, Error> {
        let mut query = self.prepare_cached(&format!(
            "SELECT id, client, submitted_ms, state FROM query WHERE {condition} ORDER BY id DESC"
        ))?;
        let mut rows = query.query([value])?;
        let mut infos = Vec::new();
        while let Some(row) = rows.next()? {
            infos.push(QueryInfo {
                number: row.get(0)?,
                client: row.get(1)?,
                submitted: from_ms(row.get(2)?)?,
                open: row.get::<_, i64>(3)? == OPEN,
            });
        }
        Ok(infos)
    }

    fn with_people(&self, info: QueryInfo) -> Result<Query, Error> {
        let sealed: Option<Vec<u8>> = self
            .prepare_cached("SELECT sealed FROM query WHERE id = ?")?
            .query_row([info.number], |row| row.get(0))
            .optional()?;
        let sealed = sealed.ok_or_else(|| no_such(info.number))?;
        let text = self
            .cells
            .open(cell(&row(info.number, info.client)), &sealed)?;
        let (header, people) = decode(&text).ok_or(Error::DamagedStore)?;
        Ok(Query {
            info,
            header,
            people,
        })
    }
}

/// For each person line (4), length (4) and record, integers big-endian. Headers stand before them as the
/// cells of a record without an id on line 0, which no file has.
fn encode(header: &[String], people: &[Person]) -> Result<Zeroizing<Vec<u8>>, Error> {
    if people.len() > QUERY_PEOPLE_MAX {
        return Err(Error::TooLong {
            what: "a query, in people,",
            max: QUERY_PEOPLE_MAX,
        });
    }
    let title = (!header.is_empty()).then(|| Person {
        line: 0,
        record_id: "".into(),
        columns: Some(Cells::new(header.iter().map(String::as_str))),
        keys: Vec::new(),
    });
    let records = || title.iter().chain(people);
    let texts: Vec<_> = records()
        .map(record_codec::encode)
        .collect::<Result<_, _>>()?;
    let mut out = Writer::with_room(texts.iter().map(|text| text.len() + 8).sum());
    for (person, text) in records().zip(&texts) {
        out.u32(person.line);
        out.bytes_u32(text);
    }
    Ok(out.finish())
}

fn decode(text: &[u8]) -> Option<(Vec<String>, Vec<Person>)> {
    let (mut header, mut people) = (Vec::new(), Vec::new());
    let mut reader = Reader::new(text);
    while !reader.is_at_end() {
        let line = reader.u32()?;
        let person = record_codec::decode(reader.bytes_u32()?, line)?;
        match people.is_empty() && person.line == 0 && person.record_id.is_empty() {
            true => {
                let cells = person.columns.iter().flat_map(Cells::iter);
                header = cells.map(str::to_owned).collect();
            }
            false => people.push(person),
        }
    }
    Some((header, people))
}

fn no_such(query: QueryNumber) -> Error {
    Error::NoSuch {
        what: "query",
        number: query.number(),
    }
}

/// The client is bound in, so that nobody's query can be given to somebody else.
fn row(query: QueryNumber, client: ClientNumber) -> [u8; 16] {
    let mut row = [0; 16];
    row[..8].copy_from_slice(&query.number().to_be_bytes());
    row[8..].copy_from_slice(&client.number().to_be_bytes());
    row
}

fn cell(row: &[u8; 16]) -> Cell<'_> {
    Cell {
        table: "query",
        column: "sealed",
        row,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{TestHome, now, person};
    use admin::{ClientRole, Credential};

    #[test]
    fn queries_are_asked_until_withdrawn_and_are_their_clerks_own() {
        let home = TestHome::new();
        let store = home.create();
        let enrol = |user| {
            let credential = Credential::User(user);
            store
                .enrol("clerk", ClientRole::Clerk, credential, now())
                .unwrap()
        };
        let (one, two) = (enrol(1), enrol(2));
        let mine = store
            .submit(one, &[person(1, 0), person(2, 0)], now())
            .unwrap();
        let theirs = store.submit(two, &[person(3, 0)], now()).unwrap();
        let open = store.open_queries().unwrap();
        assert_eq!(open.iter().map(|q| q.people.len()).sum::<usize>(), 3);
        assert_eq!(store.query(mine, one).unwrap().people[1].line, 2);
        assert!(matches!(
            store.query(theirs, one),
            Err(Error::NoSuch { .. })
        ));
        let refused = store.withdraw_query(theirs, one, now());
        assert!(matches!(refused, Err(Error::NoSuch { .. })));
        store.withdraw_query(mine, one, now()).unwrap();
        assert_eq!(store.open_queries().unwrap().len(), 1);
        assert!(!store.queries_of(one).unwrap()[0].open);
        let none = store.submit(ClientNumber::new(9), &[], now());
        assert!(matches!(none, Err(Error::NoSuch { .. })));
        let many: Vec<Person> = (0..=QUERY_PEOPLE_MAX as u32)
            .map(|n| person(n, 0))
            .collect();
        assert!(matches!(
            store.submit(one, &many, now()),
            Err(Error::TooLong { .. })
        ));
    }

    #[test]
    fn open_queries_of_one_client_are_bounded_by_their_bytes_and_others_are_not_held_up() {
        let home = TestHome::new();
        let store = home.create();
        let enrol = |user| {
            let credential = Credential::User(user);
            store
                .enrol("clerk", ClientRole::Clerk, credential, now())
                .unwrap()
        };
        let (one, two) = (enrol(1), enrol(2));
        let large = Person {
            columns: Some(Cells::new(["x".repeat(1_000_000).as_str()])),
            ..person(1, 0)
        };
        let submit = |client| store.submit(client, std::slice::from_ref(&large), now());
        let mut numbers = Vec::new();
        let refused = loop {
            match submit(one) {
                Ok(number) => numbers.push(number),
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, Error::TooLong { max, .. } if max == 16 << 20));
        assert_eq!(numbers.len(), 16);
        submit(two).unwrap();
        store.withdraw_query(numbers[0], one, now()).unwrap();
        submit(one).unwrap();
    }

    #[test]
    fn a_query_given_to_another_client_does_not_open() {
        let home = TestHome::new();
        let store = home.create();
        for user in [1, 2] {
            store
                .enrol("clerk", ClientRole::Clerk, Credential::User(user), now())
                .unwrap();
        }
        let query = store
            .submit(ClientNumber::new(1), &[person(1, 0)], now())
            .unwrap();
        store
            .connection()
            .execute_batch("UPDATE query SET client = 2")
            .unwrap();
        let read = store.query(query, ClientNumber::new(2));
        assert!(matches!(read, Err(Error::Altered { table: "query" })));
    }
}
