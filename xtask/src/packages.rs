//! Where the workspace's crates are: a name and a root file each, read from the folders.

use std::fs;
use std::path::{Path, PathBuf};

/// A crate of the workspace.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name in `Cargo.toml`.
    pub name: String,
    /// `src/lib.rs` or, of a crate without a library, `src/main.rs`.
    pub entry: PathBuf,
}

impl Package {
    /// Whether somebody who types `name` means this crate: `tacit-store` and `store` are one.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.name.strip_prefix("tacit-") == Some(name)
    }
}

/// The workspace this program was built in.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent()
        .expect("xtask is a folder of the workspace")
        .to_owned()
}

/// Every crate below `root`, by name.
///
/// # Panics
/// Where a folder cannot be read: there is nothing to check then.
pub fn packages(root: &Path) -> Vec<Package> {
    let crates =
        fs::read_dir(root.join("crates")).expect("the workspace keeps its crates in crates/");
    let mut folders: Vec<PathBuf> = crates
        .map(|entry| entry.expect("crates/ is readable").path())
        .collect();
    folders.extend([root.to_owned(), root.join("xtask")]);

    let mut found: Vec<Package> = folders
        .iter()
        .filter_map(|folder| package(folder))
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn package(folder: &Path) -> Option<Package> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
    // The root's manifest names the workspace first; the first `name` after `[package]` is the crate's.
    let (_, package) = manifest.split_once("[package]")?;
    let name = package
        .lines()
        .find_map(|line| line.strip_prefix("name = "))?;
    let entry = ["src/lib.rs", "src/main.rs"]
        .map(|file| folder.join(file))
        .into_iter()
        .find(|file| file.exists())?;
    Some(Package {
        name: name.trim_matches('"').to_owned(),
        entry,
    })
}
