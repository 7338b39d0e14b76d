//! What a node keeps on disk, in a home directory that is its own.
//!
//! So far that is its key ([`key_file`]), which says who the node is; lists and results are not
//! kept. This floor touches files and nothing else: no terminal, no network, no protocol.

pub mod key_file;
pub mod passphrase;
mod private;
mod seal;

use std::io;
use std::path::PathBuf;

/// Why something could not be kept or read. Holds paths, modes and numbers, never a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    KeyExists { path: PathBuf },
    #[error("{}: {fault}", .path.display())]
    KeyFile { path: PathBuf, fault: KeyFault },
    #[error("{}: {fault}", .path.display())]
    PassphraseFile {
        path: PathBuf,
        fault: PassphraseFault,
    },
    #[error("not enough memory to unseal the key: {kib} KiB are needed")]
    OutOfMemory { kib: u32 },
}

/// What is the matter with the content of a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
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
#[non_exhaustive]
pub enum PassphraseFault {
    #[error("the passphrase is empty")]
    Empty,
    #[error(
        "the passphrase is longer than {} bytes",
        passphrase::PASSPHRASE_BYTES_MAX
    )]
    TooLong,
    #[error("more than one line; a passphrase is one")]
    SeveralLines,
    #[error("not UTF-8 text without control characters")]
    NotText,
}

/// Where this node keeps its things: `explicit`, else `$XDG_DATA_HOME/tacit`, else
/// `~/.local/share/tacit`.
///
/// Makes and checks nothing. A relative `XDG_DATA_HOME` is ignored, as its specification says.
///
/// # Errors
///
/// [`Error::NoHome`] when nothing is given and the user has no home directory.
///
/// Source: XDG Base Directory Specification 0.8.
pub fn home_dir(explicit: Option<PathBuf>) -> Result<PathBuf, Error> {
    let absolute = |path: &PathBuf| path.is_absolute();
    explicit
        .or_else(|| {
            let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
            data.filter(absolute).map(|data| data.join("tacit"))
        })
        .or_else(|| {
            let home = std::env::home_dir().filter(absolute);
            home.map(|home| home.join(".local/share/tacit"))
        })
        .ok_or(Error::NoHome)
}
