//! Our types as messages of the control service and back, by subject.
//!
//! Reading checks shape and bounds, each with its [`Malformed`]; what values mean, and whether the store
//! has what they name, is the node's to check.

pub mod answers;
mod audit;
pub mod clients;
pub mod lists;
mod peers;
mod queries;
pub mod records;
mod sessions;
mod status;

use jiff::Timestamp;

use super::Malformed;
use super::codec::Carries;
use crate::pb;

/// Messages without a field.
macro_rules! empty {
    ($($message:ident)*) => {$(
        impl Carries<()> for pb::$message {
            fn write((): ()) -> Self {
                Self {}
            }

            fn read(self) -> Result<(), Malformed> {
                Ok(())
            }
        }
    )*};
}

empty! {
    ListInfoRequest WithdrawListReply ChangePeerReply RemovePeerReply ListPeersRequest ChangeRoleReply
    RemoveClientReply ListClientsRequest WithdrawQueryReply ListQueriesRequest ListApprovalsRequest
    DecideReply GetStatusRequest ExportAuditRequest
}

/// Milliseconds since 1970.
fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

fn time(ms: i64) -> Result<Timestamp, Malformed> {
    Timestamp::from_millisecond(ms).map_err(|_| Malformed::Unknown("a time"))
}

fn check_name(name: &str, max: usize, what: &'static str) -> Result<(), Malformed> {
    match name.len() {
        0 => Err(Malformed::Missing(what)),
        length if length > max => Err(Malformed::Length(what)),
        _ if name.chars().any(char::is_control) => Err(Malformed::Unknown(what)),
        _ => Ok(()),
    }
}
