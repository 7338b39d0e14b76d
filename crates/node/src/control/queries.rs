//! What clerks ask: taken in, withdrawn, listed, watched.

use std::sync::Arc;
use std::time::Duration;

use admin::query::{QueryAtPeer, QuerySummary};
use admin::{ClientNumber, QueryNumber};
use identity::{KeyClass, Person};
use jiff::Timestamp;
use store::Store;
use store::queries::QueryInfo;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::codegen::BoxStream;

use super::authorizer::Caller;
use super::context::Context;
use super::refuse::check_schema;
use super::status::{pair_status, to_the_millisecond};
use wire::control::message::NewQuery;

/// Queries told at most.
const QUERIES_TOLD_MAX: usize = 1000;
/// A session in progress changes all the time; a watcher looks again after this at the earliest.
const WATCH_PAUSE: Duration = Duration::from_millis(100);

/// Takes a query in; from the next tick on it is asked in every session, of each peer until that has answered.
pub(super) async fn submit(
    context: &Context,
    client: ClientNumber,
    query: NewQuery,
) -> Result<QueryNumber, Status> {
    let NewQuery { header, people } = query;
    check_schema(&context.handle, header.schema)?;
    let mut ids: Vec<&str> = people.iter().map(|person| &*person.record_id).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|two| two[0] == two[1]) {
        return Err(Status::invalid_argument("two records have the same id"));
    }
    let narrow = |person: &Person| {
        let mut classes = person.keys.iter().map(|(kind, _)| kind.class());
        classes.any(|class| class == KeyClass::Narrow)
    };
    if !people.iter().all(narrow) {
        let peers = context.store.read(Store::peers).await?;
        if peers.iter().all(|peer| peer.entry.policy.wide.is_none()) {
            return Err(Status::failed_precondition(
                "somebody in the query has only keys that several people may share, and no peer is \
                     asked about such keys: give a full date of birth or a number",
            ));
        }
    }
    let submitted = context.store.change(move |store| {
        store.submit_under(client, &header.columns, &people, Timestamp::now())
    });
    submitted.await
}

/// No longer asks one of the client's queries.
pub(super) async fn withdraw(
    context: &Context,
    client: ClientNumber,
    query: QueryNumber,
) -> Result<(), Status> {
    let withdrawn = context
        .store
        .change(move |store| store.withdraw_query(query, client, Timestamp::now()));
    withdrawn.await
}

/// The client's own queries, the newest first.
pub(super) async fn of_client(
    context: &Context,
    client: ClientNumber,
) -> Result<Vec<QuerySummary>, Status> {
    let queries = context.store.read(move |store| store.queries_of(client));
    let told = |query: QueryInfo| QuerySummary {
        number: query.number,
        submitted: query.submitted,
        open: query.open,
    };
    let queries = queries.await?.into_iter().take(QUERIES_TOLD_MAX);
    Ok(queries.map(told).collect())
}

/// How one of the caller's queries stands with each peer, again whenever that changes, until every paired
/// peer has answered.
pub(super) async fn watch(
    context: &Arc<Context>,
    caller: Caller,
    query: QueryNumber,
) -> Result<BoxStream<Vec<QueryAtPeer>>, Status> {
    let mut changes = context.handle.watch();
    changes.borrow_and_update();
    // Before the stream begins, so that a query that is not the caller's is refused.
    let mut update = standing_of(context, caller, query).await?;
    let (outgoing, incoming) = mpsc::channel(1);
    let context = context.clone();
    tokio::spawn(async move {
        loop {
            let done = is_answered(&update);
            let sent = timeout(context.limits.stall, outgoing.send(Ok(update.clone()))).await;
            if done || !matches!(sent, Ok(Ok(()))) {
                return;
            }
            // The next one that differs from what the client knows.
            loop {
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { return },
                    () = outgoing.closed() => return,
                }
                sleep(WATCH_PAUSE).await;
                let now = match context.authorizer.reauthorize(caller).await {
                    Ok(()) => standing_of(&context, caller, query).await,
                    Err(refusal) => Err(refusal),
                };
                match now {
                    Ok(now) if now == update => {}
                    Ok(now) => {
                        update = now;
                        break;
                    }
                    Err(refusal) => {
                        let _ = timeout(context.limits.stall, outgoing.send(Err(refusal))).await;
                        return;
                    }
                }
            }
        }
    });
    Ok(Box::pin(ReceiverStream::new(incoming)))
}

/// How a query stands with each peer.
async fn standing_of(
    context: &Context,
    caller: Caller,
    query: QueryNumber,
) -> Result<Vec<QueryAtPeer>, Status> {
    let handle = context.handle.clone();
    let read = context.store.read(move |store| {
        let answers = store.answers(query, caller.client)?;
        let peers = store.peers()?.into_iter().map(|peer| {
            let answer = answers.iter().find(|answer| answer.peer == peer.number);
            QueryAtPeer {
                peer: peer.number,
                name: peer.entry.name,
                answered: answer.map(|answer| to_the_millisecond(answer.at)),
                pair: pair_status(handle.pair(peer.number)),
            }
        });
        Ok(peers.collect())
    });
    read.await
}

/// Whether every paired peer has answered; without a peer nobody has.
fn is_answered(peers: &[QueryAtPeer]) -> bool {
    !peers.is_empty() && peers.iter().all(|peer| peer.answered.is_some())
}
