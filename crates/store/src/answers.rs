//! What sessions found out: for a query its clerk's own, for the standing requested list everybody's
//! who may read lists.
//!
//! SealedAnswers are the records that matched; all others of those asked are answered with no.

use jiff::Timestamp;
use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::chunks::{self, Owner};
use super::database::{Store, Tx};
use super::error::Error;
use super::time::{from_ms, to_ms};
use admin::{ClientNumber, PeerNumber, QueryNumber, SessionNumber};
use identity::{Answer, KeyKind};

/// The answers of one peer to one query or list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// Records asked.
    pub asked: u64,
    /// The version of the requested list that was asked, where that is known: of another, nobody can say whether
    /// a record was asked.
    pub list: Option<i64>,
    /// Whether keys of the wide class were asked too: without them nobody was asked about who has no other.
    pub wide: bool,
    /// Those of them for which a key matched.
    pub found: Vec<MatchedRecord>,
}

/// A record for which a key matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedRecord {
    pub record_id: String,
    pub answer: Answer,
    pub kinds: Vec<KeyKind>,
}

/// Answers with where they are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAnswers {
    pub peer: PeerNumber,
    pub session: SessionNumber,
    pub at: Timestamp,
    pub answers: Answers,
}

#[derive(Serialize, Deserialize)]
struct SealedAnswers {
    query: Option<QueryNumber>,
    asked: u64,
    #[serde(default)]
    list: Option<i64>,
    #[serde(default)]
    wide: bool,
    found: Vec<SealedFound>,
}

/// Names, not numbers: what is on disk does not depend on the order of an enum.
#[derive(Serialize, Deserialize)]
struct SealedFound {
    id: String,
    answer: String,
    kinds: Vec<String>,
}

impl Store {
    /// The newest answers of each peer to a client's own query.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`] also if it is another client's.
    pub fn answers(
        &self,
        query: QueryNumber,
        client: ClientNumber,
    ) -> Result<Vec<PeerAnswers>, Error> {
        self.read(|tx| {
            tx.query_of(query, client)?;
            tx.newest_answers(Some(query))
        })
    }

    /// The newest answers of each peer to the standing requested list.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`] and those of the database.
    pub fn standing_answers(&self) -> Result<Vec<PeerAnswers>, Error> {
        self.read(|tx| tx.newest_answers(None))
    }
}

impl Tx<'_> {
    pub(super) fn put_answers(
        &self,
        query: Option<QueryNumber>,
        peer: PeerNumber,
        session: SessionNumber,
        answers: &Answers,
        now: Timestamp,
    ) -> Result<(), Error> {
        let number: i64 = self.query_row(
            "INSERT INTO answer (query, peer, session, at_ms) VALUES (?, ?, ?, ?) RETURNING id",
            params![query, peer, session, to_ms(now)],
            |row| row.get(0),
        )?;
        let text = zeroize::Zeroizing::new(
            serde_json::to_vec(&keep(query, answers)).map_err(|_| Error::DamagedStore)?,
        );
        if query.is_none() {
            // Only the newest count for a list that is asked again and again.
            self.execute(
                "DELETE FROM answer WHERE query IS NULL AND peer = ? AND id < ?",
                params![peer, number],
            )?;
        }
        let mut writer = chunks::Writer::new(self, self.cells, owner(number));
        writer.part(&text)?;
        writer.finish()
    }

    fn newest_answers(&self, query: Option<QueryNumber>) -> Result<Vec<PeerAnswers>, Error> {
        let mut statement = self.prepare_cached(
            "SELECT id, peer, session, at_ms FROM answer WHERE query IS ?1
             AND id IN (SELECT max(id) FROM answer WHERE query IS ?1 GROUP BY peer) ORDER BY peer",
        )?;
        let mut rows = statement.query([query])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let text = chunks::read(self, self.cells, owner(row.get(0)?))?;
            let text = text.ok_or(Error::DamagedStore)?;
            let kept: SealedAnswers =
                serde_json::from_slice(&text).map_err(|_| Error::DamagedStore)?;
            if kept.query != query {
                return Err(Error::Altered { table: "answer" });
            }
            all.push(PeerAnswers {
                peer: row.get(1)?,
                session: row.get(2)?,
                at: from_ms(row.get(3)?)?,
                answers: unkeep(kept).ok_or(Error::DamagedStore)?,
            });
        }
        Ok(all)
    }
}

fn keep(query: Option<QueryNumber>, answers: &Answers) -> SealedAnswers {
    let found = answers.found.iter().map(|found| SealedFound {
        id: found.record_id.clone(),
        answer: found.answer.name().to_owned(),
        kinds: found
            .kinds
            .iter()
            .map(|kind| kind.label().to_owned())
            .collect(),
    });
    SealedAnswers {
        query,
        asked: answers.asked,
        list: answers.list,
        wide: answers.wide,
        found: found.collect(),
    }
}

fn unkeep(kept: SealedAnswers) -> Option<Answers> {
    let found = kept.found.into_iter().map(|found| {
        let answer = Answer::ALL.into_iter().find(|a| a.name() == found.answer)?;
        let kind = |label: &String| KeyKind::ALL.into_iter().find(|kind| kind.label() == label);
        Some(MatchedRecord {
            record_id: found.id,
            answer,
            kinds: found.kinds.iter().map(kind).collect::<Option<_>>()?,
        })
    });
    Some(Answers {
        asked: kept.asked,
        list: kept.list,
        wide: kept.wide,
        found: found.collect::<Option<_>>()?,
    })
}

fn owner(row: i64) -> Owner {
    Owner {
        table: "answer_chunk",
        row,
    }
}
