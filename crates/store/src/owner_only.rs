//! Files and directories that nobody but their owner may touch.
//!
//! Every check is made on the open file, not on its name, so that nothing can be exchanged in
//! between. Unix permissions only: access control lists show in the group bits and are refused
//! with them.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::error::Error;

const ROOT: u32 = 0;

/// Reads a private file of this user's, at most `bytes_max` + 1 bytes of it; `None` if there is none.
///
/// # Errors
///
/// Refuses a symbolic link, anything but an ordinary file, another owner, and any permission for
/// group or others.
pub(super) fn read(path: &Path, bytes_max: usize) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    open_private(path)?
        .map(|file| read_bounded(file, path, bytes_max))
        .transpose()
}

/// Opens for reading what only this user may read.
fn open_private(path: &Path) -> Result<Option<File>, Error> {
    // Without NONBLOCK, opening a FIFO would wait for somebody to write to it.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) if e.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(Error::NotAFile { path: path.into() });
        }
        Err(source) => return Err(failed("open", path, source)),
    };
    let metadata = metadata(&file, path)?;
    if !metadata.is_file() {
        return Err(Error::NotAFile { path: path.into() });
    }
    check_owner(&metadata, path, &[own_id()])?;
    check_closed(&metadata, path)?;
    Ok(Some(file))
}

/// Reads a private file of this user's, whole, of at most `bytes_max` bytes; `None` if there is none.
///
/// # Errors
///
/// As [`read`]; a longer file is read to its bound and one byte more.
pub(super) fn read_whole(
    path: &Path,
    bytes_max: usize,
) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let length = match std::fs::metadata(path) {
        Ok(metadata) => usize::try_from(metadata.len()).unwrap_or(usize::MAX),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed("look at", path, source)),
    };
    read(path, length.min(bytes_max))
}

/// Reads a private file that the user named, at most `bytes_max` + 1 bytes of it.
///
/// May be a symbolic link to one, a pipe (`/dev/fd/3`), and root's.
///
/// # Errors
///
/// As [`read`], and when there is no such file.
pub(super) fn read_named(path: &Path, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    use std::os::unix::fs::FileTypeExt;

    let file = File::open(path).map_err(|e| failed("open", path, e))?;
    let metadata = metadata(&file, path)?;
    if !metadata.is_file() && !metadata.file_type().is_fifo() {
        return Err(Error::NotAFile { path: path.into() });
    }
    // What starts a service hands it credentials in files of root.
    check_owner(&metadata, path, &[own_id(), ROOT])?;
    check_closed(&metadata, path)?;
    read_bounded(file, path, bytes_max)
}

/// Makes `dir` with mode 0700, and what is missing above it; checks it if it is there.
///
/// # Errors
///
/// Refuses a directory of somebody else's, or one that group or others may write to. That others
/// may look into it is the owner's choice.
pub(super) fn make_dir(dir: &Path) -> Result<(), Error> {
    let missing = dir.ancestors().take_while(|d| !d.exists());
    let missing: Vec<&Path> = missing.filter(|d| !d.as_os_str().is_empty()).collect();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| failed("make the directory", dir, e))?;
    for made in missing {
        // Power that fails could otherwise take the new directory with all that is in it.
        sync_dir(parent(made))?;
    }
    check_dir(dir)
}

/// Checks that nobody but this user may put files into `dir`; passes if there is no such directory.
///
/// # Errors
///
/// As [`make_dir`].
pub(super) fn check_dir(dir: &Path) -> Result<(), Error> {
    let metadata = match dir.metadata() {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed("look at", dir, e)),
    };
    check_owner(&metadata, dir, &[own_id()])?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(Error::DirectoryOpenToOthers {
            path: dir.into(),
            mode,
        });
    }
    Ok(())
}

/// Puts a new file of mode 0600 at `path`, whole or not at all, also across a loss of power.
///
/// A crash may leave a file of mode 0600 beside it, its name between two points and something random
/// after it (`.identity.key.Xq3f7A`, say), which nothing reads.
///
/// # Errors
///
/// [`Error::FileExists`] if anything has that name already, which then stays as it is.
pub(super) fn write_new(path: &Path, content: &[u8]) -> Result<(), Error> {
    let written = write_beside(path, content)?;
    written
        .persist_noclobber(path)
        .map_err(|e| match e.error.kind() {
            io::ErrorKind::AlreadyExists => Error::FileExists { path: path.into() },
            _ => failed("write", path, e.error),
        })?;
    sync_dir(parent(path))
}

/// A file with `content`, on disk and of mode 0600, in the directory of `path` and called after it.
fn write_beside(path: &Path, content: &[u8]) -> Result<tempfile::NamedTempFile, Error> {
    let doing = |e| failed("write", path, e);
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".");
    let mut file = tempfile::Builder::new()
        .prefix(&prefix)
        .tempfile_in(parent(path))
        .map_err(doing)?;
    let only_owner = Permissions::from_mode(0o600);
    file.as_file().set_permissions(only_owner).map_err(doing)?;
    // Both before it gets its name: a crash may not leave the name without the content.
    file.write_all(content).map_err(doing)?;
    file.as_file().sync_all().map_err(doing)?;
    Ok(file)
}

/// Checks that `dir` is this user's and that nobody else may even look into it.
///
/// # Errors
///
/// As [`check_dir`], and refuses any permission for group or others.
pub(super) fn check_dir_closed(dir: &Path) -> Result<(), Error> {
    check_dir(dir)?;
    let metadata = dir.metadata().map_err(|e| failed("look at", dir, e))?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::HomeOpenToOthers {
            path: dir.into(),
            mode,
        });
    }
    Ok(())
}

/// Checks a private file without reading it; false if there is none.
///
/// # Errors
///
/// As [`read`].
pub(super) fn check(path: &Path) -> Result<bool, Error> {
    Ok(open_private(path)?.is_some())
}

/// Opens a private file for writing, and makes it, empty and with mode 0600, if it is not there.
///
/// # Errors
///
/// As [`read`].
pub(super) fn open_or_make(path: &Path) -> Result<File, Error> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)
        .map_err(|e| failed("open", path, e))?;
    let metadata = metadata(&file, path)?;
    if !metadata.is_file() {
        return Err(Error::NotAFile { path: path.into() });
    }
    check_owner(&metadata, path, &[own_id()])?;
    check_closed(&metadata, path)?;
    Ok(file)
}

/// Puts `content` in the place of the private file at `path`, whole or not at all, also across a
/// loss of power.
///
/// # Errors
///
/// [`Error::Io`]: the file is what it was.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    let doing = |e| failed("write", path, e);
    let written = write_beside(path, content)?;
    written.persist(path).map_err(|e| doing(e.error))?;
    sync_dir(parent(path))
}

/// Overwrites a file with zeros and removes it; nothing happens if it is not there.
///
/// Whether the zeros take the place of what was there is up to file system and disk.
pub(super) fn erase(path: &Path) -> Result<(), Error> {
    let doing = |e| failed("erase", path, e);
    let mut file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(doing(e)),
    };
    let length = file.metadata().map_err(doing)?.len();
    io::copy(&mut io::repeat(0).take(length), &mut file).map_err(doing)?;
    // Before the name goes: of a file without one the zeros need not be written.
    file.sync_all().map_err(doing)?;
    std::fs::remove_file(path).map_err(doing)?;
    sync_dir(parent(path))
}

/// Erases what a crash left of writes to `path` with any ending: see [`write_new`].
pub(super) fn erase_unfinished_writes(path: &Path) -> Result<(), Error> {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".");
    let dir = parent(path);
    let doing = |e| failed("read", dir, e);
    for entry in std::fs::read_dir(dir).map_err(doing)? {
        let entry = entry.map_err(doing)?;
        let name = entry.file_name();
        if name
            .as_encoded_bytes()
            .starts_with(prefix.as_encoded_bytes())
        {
            erase(&entry.path())?;
        }
    }
    Ok(())
}

/// The files in a private directory whose names end in `.` and `ending`, sorted; none if it is not there.
pub(super) fn list(dir: &Path, ending: &str) -> Result<Vec<std::path::PathBuf>, Error> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed("read", dir, e)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| failed("read", dir, e))?.path();
        if path.extension().is_some_and(|found| found == ending) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| failed("write", dir, e))
}

fn metadata(file: &File, path: &Path) -> Result<Metadata, Error> {
    file.metadata().map_err(|e| failed("look at", path, e))
}

fn own_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn check_owner(metadata: &Metadata, path: &Path, allowed: &[u32]) -> Result<(), Error> {
    let owner = metadata.uid();
    if !allowed.contains(&owner) {
        return Err(Error::OwnedBySomebodyElse {
            path: path.into(),
            owner,
        });
    }
    Ok(())
}

fn check_closed(metadata: &Metadata, path: &Path) -> Result<(), Error> {
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::FileOpenToOthers {
            path: path.into(),
            mode,
        });
    }
    Ok(())
}

/// Room for all of it from the start, so that growing leaves no copies behind.
fn read_bounded(file: File, path: &Path, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut content = Zeroizing::new(Vec::with_capacity(bytes_max + 64));
    file.take(bytes_max as u64 + 1)
        .read_to_end(&mut content)
        .map_err(|e| failed("read", path, e))?;
    Ok(content)
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Io {
        doing,
        path: path.into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_file_is_called_after_the_file_that_it_becomes() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["identity.key", "0123.match", "settlements.sqlite"] {
            let written = write_beside(&dir.path().join(name), b"x").unwrap();
            let beside = written.path().file_name().unwrap().to_string_lossy();
            assert!(beside.starts_with(&format!(".{name}.")), "{beside}");
            assert_eq!(written.path().parent(), Some(dir.path()));
        }
    }

    #[test]
    fn a_file_that_is_there_is_reported_as_what_it_is_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settlements.sqlite");
        write_new(&path, b"one").unwrap();
        let refused = write_new(&path, b"two").unwrap_err();
        assert!(!refused.to_string().contains("key"), "{refused}");
        assert!(matches!(refused, Error::FileExists { .. }));
        assert_eq!(read(&path, 9).unwrap().unwrap().as_slice(), b"one");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
