//! Who may use a relay: `enrolled` in its home, one node id a line.
//!
//! A running relay reads it again when it changes. Empty lines and lines that start with `#` are
//! left as they are, so that an operator can note in it what it likes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::owner_only;
use pairing::NodeId;

const FILE: &str = "enrolled";
const FILE_BYTES_MAX: usize = 1 << 20;

/// Nodes that a relay may have enrolled.
pub const ENROLLED_MAX: usize = 10_000;

/// Where the list is.
pub fn path(home: &Path) -> PathBuf {
    home.join(FILE)
}

/// The enrolled nodes; none if there is no list yet.
///
/// # Errors
/// [`Error::NotAnId`] with the line, [`Error::TooMany`], and those of a file open to others.
pub fn load(home: &Path) -> Result<BTreeSet<NodeId>, Error> {
    let path = path(home);
    let text = read(&path)?;
    let mut ids = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        if is_note(line) {
            continue;
        }
        let line_number = number + 1;
        ids.insert(line.parse().map_err(|_| Error::NotAnId {
            path: path.clone(),
            line: line_number,
        })?);
    }
    if ids.len() > ENROLLED_MAX {
        return Err(Error::TooMany {
            path,
            max: ENROLLED_MAX,
        });
    }
    Ok(ids)
}

/// Adds nodes; tells how many were not there before. On return the list is on disk.
///
/// # Errors
/// Those of [`load`] and of writing.
pub fn add(home: &Path, nodes: &[NodeId]) -> Result<usize, Error> {
    owner_only::make_dir(home)?;
    let known = load(home)?;
    let new: BTreeSet<_> = nodes.iter().filter(|id| !known.contains(id)).collect();
    let path = path(home);
    if known.len() + new.len() > ENROLLED_MAX {
        return Err(Error::TooMany {
            path,
            max: ENROLLED_MAX,
        });
    }
    let mut text = read(&path)?;
    for id in &new {
        text.push_str(&format!("{id}\n"));
    }
    owner_only::replace(&path, text.as_bytes())?;
    Ok(new.len())
}

/// Removes nodes; tells how many were there.
///
/// # Errors
/// Those of [`load`] and of writing.
pub fn remove(home: &Path, nodes: &[NodeId]) -> Result<usize, Error> {
    let known = load(home)?;
    let path = path(home);
    let names = |line: &str| line.parse().is_ok_and(|id: NodeId| nodes.contains(&id));
    // Line by line, so that the operator's notes stay.
    let kept: String = read(&path)?
        .split_inclusive('\n')
        .filter(|line| is_note(line) || !names(line))
        .collect();
    owner_only::replace(&path, kept.as_bytes())?;
    Ok(nodes.iter().filter(|id| known.contains(id)).count())
}

fn read(path: &Path) -> Result<String, Error> {
    let content = owner_only::read_whole(path, FILE_BYTES_MAX)?.unwrap_or_default();
    let mut text = String::from_utf8_lossy(&content).into_owned();
    // An editor may leave the last line open; the next id would be put onto it.
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn is_note(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use pairing::NodeKey;

    fn id(seed: u8) -> NodeId {
        NodeKey::from_seed(&[seed; 32]).id()
    }

    #[test]
    fn nodes_are_enrolled_once_and_removed_and_notes_stay() {
        let home = tempfile::tempdir().unwrap();
        assert!(load(home.path()).unwrap().is_empty());
        assert_eq!(add(home.path(), &[id(1), id(2), id(1)]).unwrap(), 2);
        let text = std::fs::read_to_string(path(home.path())).unwrap();
        std::fs::write(path(home.path()), format!("# first two\n\n{text}")).unwrap();
        assert_eq!(add(home.path(), &[id(2), id(3)]).unwrap(), 1);
        assert_eq!(load(home.path()).unwrap(), [id(1), id(2), id(3)].into());
        assert_eq!(remove(home.path(), &[id(2), id(9)]).unwrap(), 1);
        assert_eq!(load(home.path()).unwrap(), [id(1), id(3)].into());
        let text = std::fs::read_to_string(path(home.path())).unwrap();
        assert!(text.starts_with("# first two\n\n"));
    }

    #[test]
    fn a_line_that_is_no_id_is_named_and_a_list_open_to_others_is_refused() {
        let home = tempfile::tempdir().unwrap();
        add(home.path(), &[id(1)]).unwrap();
        let file = path(home.path());
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}tacit1nonsense\n")).unwrap();
        let refused = load(home.path());
        assert!(matches!(refused, Err(Error::NotAnId { line: 2, .. })));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
        let refused = load(home.path());
        assert!(matches!(refused, Err(Error::FileOpenToOthers { .. })));
    }
}
