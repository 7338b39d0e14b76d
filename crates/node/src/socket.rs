//! A Unix socket that is this process's own: made so that nobody gets in whom its mode keeps out, and taken away
//! again.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Why a socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SocketFault {
    #[error("cannot listen on {}: {source}", .path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("another process answers on {}", .path.display())]
    InUse { path: PathBuf },
    #[error("{} is there and is not a socket", .path.display())]
    NotASocket { path: PathBuf },
}

/// A socket, and which file it is; the file goes with it.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Socket {
    /// Makes the socket under a name of its own, closes it to others, and then puts it in its place: at
    /// no moment can somebody open it whom its mode keeps out, and one that a killed node left makes way.
    ///
    /// # Errors
    /// The place cannot be had, or somebody else has it.
    pub async fn bind(path: &Path, mode: u32) -> Result<Self, SocketFault> {
        let failed = |source| SocketFault::Io {
            path: path.to_owned(),
            source,
        };
        if let Ok(there) = std::fs::symlink_metadata(path) {
            if !there.file_type().is_socket() {
                return Err(SocketFault::NotASocket { path: path.into() });
            }
            if UnixStream::connect(path).await.is_ok() {
                return Err(SocketFault::InUse { path: path.into() });
            }
        }
        let folder = path.parent().unwrap_or(Path::new("/"));
        let room = tempfile::Builder::new()
            .permissions(std::fs::Permissions::from_mode(0o700))
            .prefix(".s")
            .rand_bytes(4)
            .tempdir_in(folder)
            .map_err(failed)?;
        let new = room.path().join("s");
        let listener = UnixListener::bind(&new).map_err(failed)?;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
        let inode = std::fs::symlink_metadata(&new).map_err(failed)?.ino();
        std::fs::rename(&new, path).map_err(failed)?;
        Ok(Self {
            listener,
            path: path.into(),
            inode,
        })
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> std::io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Socket {
    /// Takes the file away, unless it is another's by now.
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
