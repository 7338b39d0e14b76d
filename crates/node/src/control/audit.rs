//! The audit log: its entries, whether it holds, and its export.

use std::io;
use std::time::Duration;

use admin::AuditVerdict;
use store::audit::Head;
use store::audit::export::ExportError;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::codegen::BoxStream;

use super::context::Context;
use super::refuse::malformed;
use wire::control::Malformed;
use wire::control::message::Newest;

/// Entries of the audit log told at most, and without a number given; 200 fit into one message.
const ENTRIES: (u32, u32) = (200, 50);
/// Parts of an exported log that wait to be taken, and the bytes of each.
const PARTS_WAITING_MAX: usize = 2;
const PART_BYTES: usize = 64 << 10;

/// The newest entries, the oldest of them first.
pub(super) async fn entries(context: &Context, count: Newest) -> Result<Vec<String>, Status> {
    let (max, default) = ENTRIES;
    let count = count.at_most(max, default);
    context
        .store
        .read(move |store| store.last_entries(count))
        .await
}

/// Checks the whole log, and that it goes on from a head that was exported `earlier`.
pub(super) async fn verify(
    context: &Context,
    earlier: Option<String>,
) -> Result<AuditVerdict, Status> {
    let earlier = earlier.map(|line| Head::from_line(&line)).transpose();
    let earlier = earlier.map_err(|_| malformed(Malformed::Unknown("the head")))?;
    let verdict = context
        .store
        .read(move |store| store.verify_audit(earlier.as_ref()));
    Ok(match verdict.await? {
        Ok(head) => AuditVerdict::Holds {
            head: head.to_line(),
        },
        Err(fault) => AuditVerdict::Broken {
            fault: fault.to_string(),
        },
    })
}

/// The whole log, as a file that can be checked without the node.
pub(super) async fn export(context: &Context) -> Result<BoxStream<Vec<u8>>, Status> {
    // Into a file first, which has no name: a reader that is slow must not hold the store.
    let home = context.handle.store().home().to_owned();
    let exported = context.store.read(move |store| {
        let failed = |source| store::Error::Io {
            doing: "write an export in",
            path: home.clone(),
            source,
        };
        let file = tempfile::tempfile_in(&home).map_err(failed)?;
        let mut out = io::BufWriter::new(&file);
        match store.export_audit(&mut out) {
            Ok(_) => {}
            Err(ExportError::Store(error)) => return Err(error),
            Err(ExportError::Io(error)) => return Err(failed(error)),
            Err(ExportError::Fault(_)) => return Err(store::Error::DamagedStore),
        }
        drop(out);
        Ok(file)
    });
    let file = exported.await?;
    let (outgoing, incoming) = mpsc::channel(PARTS_WAITING_MAX);
    let limit = context.limits.stall;
    tokio::spawn(async move {
        if let Err(error) = send_file(file, &outgoing, limit).await {
            let refusal = Status::internal(error.to_string());
            let _ = timeout(limit, outgoing.send(Err(refusal))).await;
        }
    });
    Ok(Box::pin(ReceiverStream::new(incoming)))
}

async fn send_file(
    mut file: std::fs::File,
    outgoing: &mpsc::Sender<Result<Vec<u8>, Status>>,
    limit: Duration,
) -> io::Result<()> {
    use std::io::{Read, Seek};
    file.rewind()?;
    loop {
        let read = tokio::task::spawn_blocking(move || {
            let mut data = Vec::with_capacity(PART_BYTES);
            let read = file.by_ref().take(PART_BYTES as u64).read_to_end(&mut data);
            read.map(|_| (file, data))
        });
        let (rest, data) = read.await.map_err(io::Error::other)??;
        file = rest;
        if data.is_empty() {
            return Ok(());
        }
        if !matches!(timeout(limit, outgoing.send(Ok(data))).await, Ok(Ok(()))) {
            return Ok(());
        }
    }
}
