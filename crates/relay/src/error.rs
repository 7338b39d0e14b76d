//! Why a relay cannot run: something in its home, or its key.

/// Why a relay cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Channel(#[from] transport::Error),
    #[error("the enrolled nodes changed while they were read")]
    EnrolmentUnstable,
}
