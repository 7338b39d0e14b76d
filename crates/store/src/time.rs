//! Times as rows keep them.

use jiff::Timestamp;

use super::error::Error;

/// Milliseconds since 1970, as rows keep a time.
pub(super) fn to_ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

pub(super) fn from_ms(ms: i64) -> Result<Timestamp, Error> {
    Timestamp::from_millisecond(ms).map_err(|_| Error::DamagedStore)
}
