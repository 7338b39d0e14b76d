//! Circles: files of one crate that use each other, directly or round a corner.
//!
//! A file that declares child modules, and passes on what they define, does not use them by that.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::packages::Package;
use crate::tree::{FileId, Tree};
use crate::uses::{Use, uses};

/// Lines shown for one file's use of another.
const LINES_MAX: usize = 3;

/// Files that all reach each other, and the lines by which they do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circle {
    /// Paths as they were handed in, sorted.
    pub files: Vec<String>,
    /// Which of them uses which.
    pub links: Vec<Link>,
}

/// One file's uses of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The file that uses.
    pub from: String,
    /// The file that is used.
    pub to: String,
    /// Line numbers, from 1, and the paths written there.
    pub lines: Vec<(usize, String)>,
}

/// The circles of `package`.
///
/// # Errors
/// A file that cannot be read or parsed.
pub fn circles(package: &Package) -> Result<Vec<Circle>, String> {
    circles_of(&package.entry, &|path| std::fs::read_to_string(path).ok())
}

/// The circles of the crate whose root is `entry`, with `read` for the text of a file.
///
/// # Errors
/// A file that `read` does not have, or that cannot be parsed.
pub fn circles_of(
    entry: &Path,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Result<Vec<Circle>, String> {
    let tree = Tree::load(entry, read)?;
    let uses = uses(&tree);
    Ok(components(tree.files.len(), &uses)
        .iter()
        .map(|files| circle(&tree, files, &uses))
        .collect())
}

/// Sets of two or more files of which each reaches every other.
fn components(files: usize, uses: &[Use]) -> Vec<BTreeSet<FileId>> {
    let reached: Vec<BTreeSet<FileId>> = (0..files).map(|file| reached(file, uses)).collect();
    let mut sets: Vec<BTreeSet<FileId>> = Vec::new();
    for file in 0..files {
        let round = reached[file]
            .iter()
            .copied()
            .filter(|other| reached[*other].contains(&file));
        let set: BTreeSet<FileId> = round.collect();
        if set.len() > 1 && !sets.contains(&set) {
            sets.push(set);
        }
    }
    sets
}

/// What `file` uses, and what that uses, and so on; `file` itself only where it comes back to it.
fn reached(file: FileId, uses: &[Use]) -> BTreeSet<FileId> {
    let mut reached = BTreeSet::new();
    let mut open = vec![file];
    while let Some(at) = open.pop() {
        for next in uses
            .iter()
            .filter(|link| link.from == at)
            .map(|link| link.to)
        {
            if reached.insert(next) {
                open.push(next);
            }
        }
    }
    reached
}

fn circle(tree: &Tree, files: &BTreeSet<FileId>, uses: &[Use]) -> Circle {
    let name = |file: FileId| tree.files[file].path.display().to_string();
    let mut links = Vec::new();
    for &from in files {
        for &to in files {
            let between = uses
                .iter()
                .filter(|link| link.from == from && link.to == to);
            let lines: Vec<(usize, String)> =
                between.map(|link| (link.line, link.path.clone())).collect();
            if !lines.is_empty() {
                links.push(Link {
                    from: name(from),
                    to: name(to),
                    lines,
                });
            }
        }
    }
    let mut names: Vec<String> = files.iter().map(|file| name(*file)).collect();
    names.sort();
    Circle {
        files: names,
        links,
    }
}

/// A circle for people, with paths told from `root`.
pub fn render(circle: &Circle, root: &Path) -> String {
    let short = |path: &str| {
        Path::new(path)
            .strip_prefix(root)
            .unwrap_or(Path::new(path))
            .display()
            .to_string()
    };
    let mut text = String::new();
    let _ = writeln!(text, "a circle of {} files:", circle.files.len());
    for link in &circle.links {
        let _ = writeln!(text, "  {} uses {}", short(&link.from), short(&link.to));
        for (line, path) in link.lines.iter().take(LINES_MAX) {
            let _ = writeln!(text, "    {line}: {path}");
        }
        if link.lines.len() > LINES_MAX {
            let _ = writeln!(text, "    … and {} more", link.lines.len() - LINES_MAX);
        }
    }
    text
}
