//! Code looks down only: a module uses its own floor's lower modules and nothing above it.

use std::path::{Path, PathBuf};

/// From the bottom up. Modules in one row do not use each other.
const FLOORS: [&[&str]; 8] = [
    &["oprf", "pairing"],
    &["identity"],
    &["exchange"],
    &["wire", "store"],
    &["transport"],
    &["node", "relay"],
    &["cli"],
    &["main", "lib"],
];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The top-level module that a file belongs to.
fn module_of(path: &Path, root: &Path) -> String {
    let inside = path.strip_prefix(root).expect("inside src");
    let first = inside
        .components()
        .next()
        .expect("a part")
        .as_os_str()
        .to_str()
        .expect("UTF-8");
    first.trim_end_matches(".rs").to_owned()
}

/// The top-level modules that a text names as `crate::module`, also inside `crate::{…}`.
fn used(text: &str) -> Vec<String> {
    let word = |rest: &str| {
        rest.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let mut found = Vec::new();
    for (place, _) in text.match_indices("crate::") {
        let rest = &text[place + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                let end = group.find(';').unwrap_or(group.len());
                found.extend(
                    group[..end]
                        .split([',', '{', '}'])
                        .map(|part| word(part.trim())),
                );
            }
            None => found.push(word(rest)),
        }
    }
    found
}

#[test]
fn modules_look_down_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 40, "the sources were found");
    let mut seen = std::collections::BTreeSet::new();
    let mut wrong = Vec::new();
    for path in files {
        let module = module_of(&path, &root);
        let own = floor(&module).unwrap_or_else(|| {
            panic!("{module} is on no floor: add it to FLOORS and docs/architecture.md")
        });
        seen.insert(module.clone());
        let text = std::fs::read_to_string(&path).expect("text");
        for target in used(&text) {
            if target != module && floor(&target).is_some_and(|theirs| theirs >= own) {
                wrong.push(format!("{} uses {target}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let on_floors = FLOORS.iter().flat_map(|modules| modules.iter()).count();
    assert_eq!(seen.len(), on_floors, "every module on a floor exists");
}
