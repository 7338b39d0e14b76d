//! Which directory is the node's home.

use std::path::PathBuf;

use super::error::Error;

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
