//! Why something could not be kept or read: one enum for the whole store, and whose doing it is.

use std::io;
use std::path::PathBuf;

use admin::policy::PolicyFault;
use identity::KeyClass;
use jiff::Timestamp;

/// Bytes of a passphrase at most, after normalisation; far beyond what anybody types.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;

/// Why something could not be kept or read. Holds paths, modes and numbers, never a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no home directory is set: say which with --home DIR")]
    NoHome,
    #[error("cannot {doing} {}", .path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// Others may read a secret: it may be known already, which only its owner can judge.
    #[error(
        "{0} may be read or changed by others (mode {mode:04o}); if nobody has, close it: \
         chmod 600 {0}", .path.display()
    )]
    FileOpenToOthers { path: PathBuf, mode: u32 },
    #[error(
        "others may put files into {0} (mode {mode:04o}), and so change who this node is: \
         chmod 700 {0}", .path.display()
    )]
    DirectoryOpenToOthers { path: PathBuf, mode: u32 },
    #[error("{} belongs to user {owner}, not to the user who runs this", .path.display())]
    OwnedBySomebodyElse { path: PathBuf, owner: u32 },
    #[error("{} is not an ordinary file (a link or a device, say)", .path.display())]
    NotAFile { path: PathBuf },
    #[error("{} exists already and is never overwritten", .path.display())]
    FileExists { path: PathBuf },
    #[error("{}: {fault}", .path.display())]
    KeyFile { path: PathBuf, fault: KeyFault },
    #[error("{}: {fault}", .path.display())]
    PassphraseFile {
        path: PathBuf,
        fault: PassphraseFault,
    },
    /// A sealed file was altered, is damaged, or was sealed under another node's key.
    #[error("{} is damaged, or was not written by this node", .path.display())]
    NotOurs { path: PathBuf },
    #[error("{}, line {line}: this is not a node id", .path.display())]
    NotAnId { path: PathBuf, line: usize },
    #[error("{} has more than {max} entries", .path.display())]
    TooMany { path: PathBuf, max: usize },
    #[error("not enough memory to unseal the key: {kib} KiB are needed")]
    OutOfMemory { kib: u32 },
    #[error("the cost of a passphrase is out of bounds")]
    CostOutOfBounds,
    #[error("the operating system gives no random bytes")]
    NoRandomness,

    #[error(
        "others may look into {0} (mode {mode:04o}), where lists are kept: chmod 700 {0}", .path.display()
    )]
    HomeOpenToOthers { path: PathBuf, mode: u32 },
    #[error("there is no store in {} yet", .home.display())]
    NoStore { home: PathBuf },
    #[error("there is a store in {} already, which is never overwritten", .home.display())]
    StoreExists { home: PathBuf },
    #[error("another tacit has the store in {} open", .home.display())]
    InUse { home: PathBuf },
    #[error("{} is not a tacit store", .path.display())]
    ForeignStore { path: PathBuf },
    #[error(
        "{} was written by a newer tacit (version {version} of the store; this one reads up to \
         version {newest_known})", .path.display()
    )]
    NewerStore {
        path: PathBuf,
        version: usize,
        newest_known: usize,
    },
    #[error("the store is damaged or cut short; put a backup in its place")]
    DamagedStore,
    /// The page is whole, so this is no accident of the disk.
    #[error("a sealed value in the store was altered or moved (table {table})")]
    Altered { table: &'static str },
    #[error("the store belongs to another node than the key")]
    OtherNode,
    /// A wrong passphrase and tampering are not told apart, on purpose: see [`WRONG_PASSPHRASE_DELAY`](crate::WRONG_PASSPHRASE_DELAY).
    #[error("wrong passphrase (or somebody altered the store)")]
    WrongPassphrase,
    #[error("the disk is full; nothing was changed")]
    DiskFull,
    /// Of SQLite's result codes, to look up; nothing was changed.
    #[error("the disk failed under the store (SQLite code {code}); nothing was changed")]
    DiskFailed { code: i32 },
    #[error("another program has the store's database open")]
    Busy,
    #[error("the file system cannot keep a write-ahead log; use a local disk")]
    NoWal,
    /// A bug of ours.
    #[error("the store's database refused a statement")]
    Database(#[source] rusqlite::Error),

    #[error("there is no {what} {number}")]
    NoSuch { what: &'static str, number: i64 },
    #[error("{what} is there already")]
    Exists { what: &'static str },
    #[error("{what} is in another state: {why}")]
    WrongState {
        what: &'static str,
        why: &'static str,
    },
    #[error("the client is the last officer; enrol another first")]
    LastOfficer,
    #[error("{what} is longer than {max}")]
    TooLong { what: &'static str, max: usize },
    #[error("line {line}: the record id came before in the same list")]
    RecordTwice { line: u32 },
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    #[error(transparent)]
    Policy(#[from] PolicyFault),
}

impl From<rusqlite::Error> for Error {
    /// Says whose doing it is: the disk's, a damaged file's, or ours.
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{Error as Sql, ErrorCode};
        match error {
            Sql::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => Self::DiskFull,
                ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly => {
                    Self::DiskFailed {
                        code: failure.extended_code,
                    }
                }
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::DamagedStore,
                _ => Self::Database(error),
            },
            // A value of another type than we write, or a row that must be there.
            Sql::InvalidColumnType(..)
            | Sql::FromSqlConversionFailure(..)
            | Sql::IntegralValueOutOfRange(..)
            | Sql::QueryReturnedNoRows => Self::DamagedStore,
            other => Self::Database(other),
        }
    }
}

/// What is the matter with the content of a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    #[error("this is not a tacit identity key")]
    Foreign,
    #[error("written by a newer tacit (version {version} of the file; this one reads version 1)")]
    Newer { version: u32 },
    #[error("the file is damaged or cut short; put a backup in its place")]
    Damaged,
    /// The checksum is right, so this is no accident of the disk.
    #[error("the file was altered: the key in it is not that of the id it names")]
    IdOfAnotherKey,
    #[error(
        "unsealing would cost more than this program spends (m={kib} KiB, t={passes}, p={lanes})"
    )]
    CostOutOfBounds { kib: u32, passes: u32, lanes: u32 },
    /// The checksum was right, so an accident of the disk is excluded, an alteration is not.
    #[error("wrong passphrase (or somebody altered the file)")]
    WrongPassphrase,
}

/// What is the matter with a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseFault {
    #[error("the passphrase is empty")]
    Empty,
    #[error("the passphrase is longer than {} bytes", PASSPHRASE_BYTES_MAX)]
    TooLong,
    #[error("more than one line; a passphrase is one")]
    SeveralLines,
    #[error("not UTF-8 text without control characters")]
    NotText,
}

/// A peer asked for more than it has left; nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the budget allows {elements_left} more elements and {sessions_left} more sessions of the {} \
     class, {asked} elements were asked; {}", .class.name(), resets(.resets_at)
)]
pub struct OverBudget {
    pub class: KeyClass,
    pub asked: u32,
    pub elements_left: u64,
    pub sessions_left: u32,
    /// When it would be allowed; `None` if never, because the whole budget is smaller.
    pub resets_at: Option<Timestamp>,
}

fn resets(at: &Option<Timestamp>) -> String {
    match at {
        Some(at) => format!("enough is free again at {at:.0}"),
        None => "that is more than the whole budget".to_owned(),
    }
}
