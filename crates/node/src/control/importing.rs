//! `ImportList`: a list comes in batches and goes into one transaction of the store.
//!
//! Messages are read and checked where they arrive, records written where it may wait for the disk; a
//! few batches are in between. The store is held from the first batch on, so a client that stops sending
//! is cut off by the gate, and the list is what it was.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::desk::status;
use super::forms;
use super::gate::Gate;
use admin::{ClientNumber, ListChange};
use identity::{KeyClass, Person};
use store::{self, Store};
use wire::control::import_list_request::Part;
use wire::control::{self as pb, Header, ImportListReply, ImportListRequest, ImportStart};

/// For sessions that run to end before an import holds the store.
const SESSIONS_WAIT: Duration = Duration::from_secs(60);
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

/// Takes a whole list.
pub(super) async fn import(
    gate: &Gate,
    client: ClientNumber,
    mut stream: Streaming<ImportListRequest>,
) -> Result<ImportListReply, Status> {
    let importing = gate.imports.clone().try_acquire_owned();
    let importing = importing.map_err(|_| Status::resource_exhausted("another import goes on"))?;
    let first = stream.message().await?.and_then(|request| request.part);
    let Some(Part::Start(start)) = first else {
        return Err(Status::invalid_argument("the list's header comes first"));
    };
    let (kind, header) = started(start)?;
    super::desk::check_schema(&gate.handle, header.schema)?;
    let columns = header.columns.len();
    let (feed, fed) = mpsc::channel(BATCHES_WAITING_MAX);
    let handle = gate.handle.clone();
    let alone = handle.import_alone(SESSIONS_WAIT).await;
    let written = tokio::task::spawn_blocking(move || {
        let (_importing, _alone) = (importing, alone);
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
        (Ok(()), Ok((change, elements))) => Ok(forms::change_form(change, elements)),
        // What the store says is the cause where both ended: nobody takes what comes after it.
        (Ok(()), Err(fault)) | (Err(_), Err(fault @ (Fault::Store(_) | Fault::CountDiffers))) => {
            Err(fault.into())
        }
        (Err(refusal), _) => Err(refusal),
    }
}

fn started(start: ImportStart) -> Result<(protocol::ListKind, Header), Status> {
    let malformed = |error: pb::Malformed| Status::invalid_argument(error.to_string());
    let kind = pb::list_numbered(start.kind).map_err(malformed)?;
    let header = start
        .header
        .ok_or(pb::Malformed::Missing("the header"))
        .and_then(Header::try_from)
        .map_err(malformed)?;
    Ok((kind, header))
}

/// Reads the stream to its end. That `feed` is dropped before an end was sent takes everything back.
async fn receive(
    stream: &mut Streaming<ImportListRequest>,
    columns: usize,
    feed: mpsc::Sender<Fed>,
) -> Result<(), Status> {
    let malformed = |error: pb::Malformed| Status::invalid_argument(error.to_string());
    loop {
        let request = stream.message().await?;
        let Some(request) = request else {
            return Err(Fault::CutOff.into());
        };
        match request.part {
            Some(Part::Batch(batch)) => {
                let people = pb::people(batch.people, columns).map_err(malformed)?;
                // The store has given up, and says itself why.
                feed.send(Fed::Batch(people))
                    .await
                    .map_err(|_| Status::aborted("the import failed"))?;
            }
            Some(Part::End(end)) => {
                if stream.message().await?.is_some() {
                    return Err(Status::invalid_argument("something comes after the end"));
                }
                return feed
                    .send(Fed::End(end.people))
                    .await
                    .map_err(|_| Status::aborted("the import failed"));
            }
            Some(Part::Start(_)) | None => {
                return Err(Status::invalid_argument("a part that has no place here"));
            }
        }
    }
}

fn write(
    store: &Store,
    kind: protocol::ListKind,
    client: ClientNumber,
    header: Header,
    mut fed: mpsc::Receiver<Fed>,
) -> Result<(ListChange, (u64, u64)), Fault> {
    // The store is free for others until there is something to write.
    let mut next = fed.blocking_recv();
    let mut elements = (0, 0);
    let change = store.import(kind, Some(client), Timestamp::now(), |import| {
        loop {
            match next.take() {
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
                    next = fed.blocking_recv();
                }
                Some(Fed::End(people)) if people != import.change().people => {
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
