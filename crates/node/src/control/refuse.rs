//! What a client may learn of what went wrong.

use identity::Schema;
use tonic::Status;

use crate::handle::Handle;
use wire::control::Malformed;

/// What is wrong with a request, for who sent it.
pub(super) fn malformed(error: Malformed) -> Status {
    Status::invalid_argument(error.to_string())
}

/// All that a client may learn of what went wrong in the store. These texts hold numbers, bounds and
/// paths of the node's home, and clients are of the node's own house.
pub(super) fn status(error: store::Error) -> Status {
    use store::Error;
    let text = error.to_string();
    match error {
        Error::NoSuch { .. } => Status::not_found(text),
        Error::Exists { .. } => Status::already_exists(text),
        Error::WrongState { .. } | Error::LastOfficer => Status::failed_precondition(text),
        Error::TooLong { .. } | Error::RecordTwice { .. } | Error::Policy(_) => {
            Status::invalid_argument(text)
        }
        Error::OverBudget(_) => Status::resource_exhausted(text),
        Error::DiskFull => Status::unavailable(text),
        Error::Altered { .. } | Error::DamagedStore | Error::DiskFailed { .. } => {
            tracing::error!(error = text, "store");
            Status::data_loss(text)
        }
        Error::NoHome
        | Error::Io { .. }
        | Error::FileOpenToOthers { .. }
        | Error::DirectoryOpenToOthers { .. }
        | Error::OwnedBySomebodyElse { .. }
        | Error::NotAFile { .. }
        | Error::FileExists { .. }
        | Error::KeyFile { .. }
        | Error::PassphraseFile { .. }
        | Error::NotOurs { .. }
        | Error::NotAnId { .. }
        | Error::TooMany { .. }
        | Error::OutOfMemory { .. }
        | Error::CostOutOfBounds
        | Error::NoRandomness
        | Error::HomeOpenToOthers { .. }
        | Error::NoStore { .. }
        | Error::StoreExists { .. }
        | Error::InUse { .. }
        | Error::ForeignStore { .. }
        | Error::NewerStore { .. }
        | Error::OtherNode
        | Error::WrongPassphrase
        | Error::Busy
        | Error::NoWal
        | Error::Database(_) => {
            tracing::error!(error = text, "store");
            Status::internal(text)
        }
    }
}

/// Keys that were made under another schema than the node's would match nobody.
pub(super) fn check_schema(handle: &Handle, schema: Schema) -> Result<(), Status> {
    if schema == handle.schema() {
        return Ok(());
    }
    let name = handle.schema().name();
    Err(Status::failed_precondition(format!(
        "this node matches under the schema {name}: use --schema {name}"
    )))
}
