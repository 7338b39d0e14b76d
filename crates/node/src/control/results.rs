//! Answers beside the records they are about, a few at a time: no reader, however slow, holds the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use admin::answer::{AnsweringPeer, RecordAnswer, RecordAnswers, ResultsHeader};
use admin::{PeerNumber, QueryNumber};
use identity::list::Cells;
use identity::{Answer, KeyClass, Person};
use protocol::ListKind;
use store::answers::{MatchedRecord, PeerAnswers};
use store::lists::RecordPlace;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::codegen::BoxStream;

use super::authorizer::Caller;
use super::context::Context;
use super::peers::{name_of, peer_names};
use wire::control::message::{FoundOnly, ResultsPart};

/// Messages that wait to be taken.
const WAITING_MAX: usize = 2;
/// Records read from the store at once.
const PAGE_RECORDS: usize = 500;
/// Bytes of records in one message, about; one record alone may have more.
const BATCH_BYTES: usize = 256 << 10;

type Outgoing = mpsc::Sender<Result<ResultsPart, Status>>;

/// The peers' answers, ready to be looked up by record.
struct Lookup {
    peers: Vec<(PeerAnswers, HashMap<String, usize>)>,
    /// What a peer says of a record that it was not found to hold, in the order of the peers.
    otherwise: Vec<Option<Answer>>,
}

impl Lookup {
    fn new(answers: Vec<PeerAnswers>, otherwise: impl Fn(&PeerAnswers) -> Option<Answer>) -> Self {
        let otherwise = answers.iter().map(otherwise).collect();
        let places = |found: &[MatchedRecord]| {
            let ids = found.iter().map(|found| found.record_id.clone());
            ids.zip(0..).collect()
        };
        let peers = answers
            .into_iter()
            .map(|peer| {
                let places = places(&peer.answers.found);
                (peer, places)
            })
            .collect();
        Self { peers, otherwise }
    }

    fn header(&self, columns: Vec<String>, names: &HashMap<PeerNumber, String>) -> ResultsPart {
        let peers = self.peers.iter().map(|(peer, _)| AnsweringPeer {
            peer: peer.peer,
            name: name_of(names, peer.peer),
            answered: peer.at,
            asked: peer.answers.asked,
        });
        ResultsPart::Header(ResultsHeader {
            columns,
            peers: peers.collect(),
        })
    }

    fn record(&self, person: &Person) -> RecordAnswers {
        let mut classes = person.keys.iter().map(|(kind, _)| kind.class());
        let narrow = classes.any(|class| class == KeyClass::Narrow);
        let answer = |((peer, places), otherwise): (&(PeerAnswers, _), &Option<Answer>)| {
            let places: &HashMap<String, usize> = places;
            let found = places.get(&*person.record_id);
            match found.and_then(|place| peer.answers.found.get(*place)) {
                Some(found) => RecordAnswer {
                    answer: Some(found.answer),
                    kinds: found.kinds.clone(),
                },
                None => RecordAnswer {
                    // Nobody was asked about who has only keys that were not asked.
                    answer: otherwise.filter(|_| narrow || peer.answers.wide),
                    kinds: Vec::new(),
                },
            }
        };
        let cells = person.columns.iter().flat_map(Cells::iter);
        RecordAnswers {
            record_id: person.record_id.to_string(),
            line: person.line,
            cells: cells.map(str::to_owned).collect(),
            answers: self.peers.iter().zip(&self.otherwise).map(answer).collect(),
        }
    }

    fn is_found(&self, person: &Person) -> bool {
        let mut peers = self.peers.iter();
        peers.any(|(_, places)| places.contains_key(&*person.record_id))
    }
}

/// The answers to a query of the caller's.
pub(super) async fn of_query(
    context: &Arc<Context>,
    caller: Caller,
    query: QueryNumber,
) -> Result<BoxStream<ResultsPart>, Status> {
    let read = context.store.read(move |store| {
        let asked = store.query(query, caller.client)?;
        let answers = store.answers(query, caller.client)?;
        Ok((asked, answers, peer_names(store)?))
    });
    let (query, answers, names) = read.await?;
    let lookup = Lookup::new(answers, |_| Some(Answer::None));
    let header = lookup.header(query.header, &names);
    let (outgoing, incoming) = mpsc::channel(WAITING_MAX);
    let limit = context.limits.stall;
    tokio::spawn(async move {
        if !send(&outgoing, header, limit).await {
            return;
        }
        send_records(
            &outgoing,
            query.people.iter().map(|person| lookup.record(person)),
            limit,
        )
        .await;
    });
    Ok(Box::pin(ReceiverStream::new(incoming)))
}

/// The answers about the standing requested list.
pub(super) async fn standing(
    context: &Arc<Context>,
    caller: Caller,
    FoundOnly(found_only): FoundOnly,
) -> Result<BoxStream<ResultsPart>, Status> {
    let read = context.store.read(move |store| {
        let list = store.list(ListKind::Requested)?;
        let list = list.ok_or(store::Error::NoSuch {
            what: "requested list: number",
            number: 0,
        })?;
        Ok((list, store.standing_answers()?, peer_names(store)?))
    });
    let (list, answers, names) = read.await?;
    // Whether a record was in the list already when an older answer was given, nobody knows.
    let lookup = Lookup::new(answers, |peer| {
        let asked = match peer.answers.list {
            Some(version) => version == list.version,
            None => peer.at >= list.imported,
        };
        asked.then_some(Answer::None)
    });
    let header = lookup.header(list.header.header, &names);
    let (outgoing, incoming) = mpsc::channel(WAITING_MAX);
    let context = context.clone();
    tokio::spawn(async move {
        let limit = context.limits.stall;
        if !send(&outgoing, header, limit).await {
            return;
        }
        let mut from = Some(RecordPlace::default());
        while let Some(after) = from {
            let version = list.version;
            let page = context.store.read(move |store| {
                store.people_after(ListKind::Requested, version, after, PAGE_RECORDS)
            });
            let people = match page.await {
                Ok((people, next)) => {
                    from = next;
                    people
                }
                Err(failed) => {
                    let _ = timeout(limit, outgoing.send(Err(failed))).await;
                    return;
                }
            };
            if let Err(failed) = context.authorizer.reauthorize(caller).await {
                let _ = timeout(limit, outgoing.send(Err(failed))).await;
                return;
            }
            let wanted = people
                .iter()
                .filter(|person| !found_only || lookup.is_found(person));
            if !send_records(&outgoing, wanted.map(|person| lookup.record(person)), limit).await {
                return;
            }
        }
    });
    Ok(Box::pin(ReceiverStream::new(incoming)))
}

/// Sends records in messages of a fair size; false when nobody takes them.
async fn send_records(
    outgoing: &Outgoing,
    records: impl Iterator<Item = RecordAnswers>,
    limit: Duration,
) -> bool {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for record in records {
        let length: usize = record.cells.iter().map(|cell| cell.len() + 4).sum();
        let length = length + record.record_id.len() + 64 + 64 * record.answers.len();
        if !batch.is_empty() && bytes + length > BATCH_BYTES {
            if !send(
                outgoing,
                ResultsPart::Records(std::mem::take(&mut batch)),
                limit,
            )
            .await
            {
                return false;
            }
            bytes = 0;
        }
        bytes += length;
        batch.push(record);
    }
    batch.is_empty() || send(outgoing, ResultsPart::Records(batch), limit).await
}

async fn send(outgoing: &Outgoing, part: ResultsPart, limit: std::time::Duration) -> bool {
    matches!(timeout(limit, outgoing.send(Ok(part))).await, Ok(Ok(())))
}
