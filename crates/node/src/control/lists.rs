//! The two standing lists: their import, in batches.
//!
//! Messages are read and checked where they arrive, records written where it may wait for the disk; a
//! few batches are in between. Sessions run meanwhile. A client that stops sending is cut off by its body's
//! deadline, and the list is what it was.

use admin::list::{Imported, StoredList, StoredLists};
use admin::{ClientNumber, ListChange};
use identity::{KeyClass, Person};
use jiff::Timestamp;
use protocol::ListKind;
use store::Store;
use store::lists::ListInfo;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::context::Context;
use super::refuse::{check_schema, malformed, status};
use wire::control::convert::records::check_cells;
use wire::control::message::{Header, ImportPart};

/// Batches between the stream and the store.
const BATCHES_WAITING_MAX: usize = 2;

enum Fed {
    Batch(Vec<Person>),
    /// The client has sent all of so many records.
    End(u64),
}

/// Why records did not become a list.
enum Fault {
    Store(store::Error),
    /// The stream broke off.
    CutOff,
    CountDiffers,
}

impl From<store::Error> for Fault {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Store(error) => status(error),
            Fault::CutOff => Self::cancelled("the import broke off; nothing was changed"),
            Fault::CountDiffers => Self::invalid_argument(
                "another number of records came than were sent; nothing was changed",
            ),
        }
    }
}

/// What the node has of both lists, without their records.
pub(super) async fn info(context: &Context) -> Result<StoredLists, Status> {
    let told = |list: ListInfo| StoredList {
        people: list.people,
        imported: list.imported,
        columns: list.header.header,
        schema: list.header.schema,
    };
    let read = context.store.read(move |store| {
        Ok(StoredLists {
            held: store.list(ListKind::Held)?.map(told),
            requested: store.list(ListKind::Requested)?.map(told),
        })
    });
    read.await
}

/// Takes a list out with all its records.
pub(super) async fn withdraw(
    context: &Context,
    client: ClientNumber,
    kind: ListKind,
) -> Result<(), Status> {
    let withdrawn = context
        .store
        .change(move |store| store.withdraw(kind, Some(client), Timestamp::now()));
    withdrawn.await
}

/// Takes a whole list.
pub(super) async fn import(
    context: &Context,
    client: ClientNumber,
    mut stream: Streaming<ImportPart>,
) -> Result<Imported, Status> {
    let importing = context.imports.clone().try_acquire_owned();
    let importing = importing.map_err(|_| Status::resource_exhausted("another import goes on"))?;
    let Some(ImportPart::Start { kind, header }) = stream.message().await? else {
        return Err(Status::invalid_argument("the list's header comes first"));
    };
    check_schema(&context.handle, header.schema)?;
    let columns = header.columns.len();
    let (feed, fed) = mpsc::channel(BATCHES_WAITING_MAX);
    let handle = context.handle.clone();
    let written = tokio::task::spawn_blocking(move || {
        let _importing = importing;
        let written = write(handle.store(), kind, client, header, fed);
        // Here, for the client may be gone by now.
        if written.is_ok() {
            handle.stored();
        }
        written
    });
    let received = receive(&mut stream, columns, feed).await;
    let written = written
        .await
        .map_err(|_| Status::internal("the import failed"))?;
    match (received, written) {
        (Ok(()), Ok((change, elements))) => Ok(Imported {
            change,
            narrow_elements: elements.0,
            wide_elements: elements.1,
        }),
        // What the store says is the cause where both ended: nobody takes what comes after it.
        (Ok(()), Err(fault)) | (Err(_), Err(fault @ (Fault::Store(_) | Fault::CountDiffers))) => {
            Err(fault.into())
        }
        (Err(refusal), _) => Err(refusal),
    }
}

/// Reads the stream to its end. That `feed` is dropped before an end was sent takes everything back.
async fn receive(
    stream: &mut Streaming<ImportPart>,
    columns: usize,
    feed: mpsc::Sender<Fed>,
) -> Result<(), Status> {
    loop {
        match stream.message().await?.ok_or(Fault::CutOff)? {
            ImportPart::Batch(people) => {
                check_cells(&people, columns).map_err(malformed)?;
                // The store has given up, and says itself why.
                feed.send(Fed::Batch(people))
                    .await
                    .map_err(|_| Status::aborted("the import failed"))?;
            }
            ImportPart::End { people } => {
                if stream.message().await?.is_some() {
                    return Err(Status::invalid_argument("something comes after the end"));
                }
                return feed
                    .send(Fed::End(people))
                    .await
                    .map_err(|_| Status::aborted("the import failed"));
            }
            ImportPart::Start { .. } => {
                return Err(Status::invalid_argument("a part that has no place here"));
            }
        }
    }
}

fn write(
    store: &Store,
    kind: ListKind,
    client: ClientNumber,
    header: Header,
    mut fed: mpsc::Receiver<Fed>,
) -> Result<(ListChange, (u64, u64)), Fault> {
    let mut elements = (0, 0);
    let change = store.import(kind, Some(client), Timestamp::now, |import| {
        loop {
            match fed.blocking_recv() {
                None => return Err(Fault::CutOff),
                Some(Fed::Batch(people)) => {
                    for person in &people {
                        import.add(person)?;
                        for (kind, _) in &person.keys {
                            match kind.class() {
                                KeyClass::Narrow => elements.0 += 1,
                                KeyClass::Wide => elements.1 += 1,
                            }
                        }
                    }
                }
                Some(Fed::End(people)) if people != import.people() => {
                    return Err(Fault::CountDiffers);
                }
                Some(Fed::End(_)) => {
                    return Ok(store::lists::ListHeader {
                        header: header.columns,
                        schema: header.schema.name().to_owned(),
                        schema_digest: hex::encode(header.schema.digest()),
                    });
                }
            }
        }
    })?;
    Ok((change, elements))
}
