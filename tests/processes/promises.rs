//! What README and SECURITY promise, and the tests that they say hold it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const README: &str = include_str!("../../README.md");
const SECURITY: &str = include_str!("../../SECURITY.md");
const BY_READING: &str = "*by reading*";

/// Every source file below a folder.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

/// The names of all tests in a source file: functions right below an attribute that makes one.
fn tests_of(source: &str) -> Vec<String> {
    let (mut names, mut is_test) = (Vec::new(), false);
    for line in source.lines().map(str::trim) {
        let function = line.strip_prefix("async ").unwrap_or(line);
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(rest) = function.strip_prefix("fn ") {
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            names.extend(is_test.then(|| name.to_owned()));
            is_test = false;
        }
    }
    names
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether that is the name of a test: a sentence, with underscores for blanks.
fn is_sentence(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.chars().all(letters) && text.matches('_').count() >= 3
}

/// The rows of the table that follows a heading, each as its cells.
fn rows(page: &'static str, heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = page.split_once(heading).unwrap();
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let table = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    table.map(cells).collect()
}

#[test]
fn every_test_that_the_pages_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["crates", "src", "tests"] {
        sources(&root.join(folder), &mut files);
    }
    let tests: BTreeSet<String> = files
        .iter()
        .flat_map(|path| tests_of(&std::fs::read_to_string(path).unwrap()))
        .collect();
    assert!(tests.len() > 300 && tests.contains("every_test_that_the_pages_name_is_there"));
    let mut named = 0;
    for text in quoted(README)
        .chain(quoted(SECURITY))
        .filter(|text| is_sentence(text))
    {
        assert!(tests.contains(text), "there is no test {text}");
        named += 1;
    }
    assert!(named > 40, "{named}");
}

#[test]
fn every_promise_says_what_holds_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let promises = [
        (rows(README, "## What each party learns"), 8, 4),
        (rows(SECURITY, "## Why it holds"), 11, 4),
    ];
    for (rows, count, columns) in promises {
        assert_eq!(rows.len(), count);
        for row in rows {
            assert_eq!(row.len(), columns, "{row:?}");
            let held_by = row[columns - 1];
            let files = quoted(held_by).filter(|text| text.ends_with(".rs"));
            for file in files {
                assert!(root.join(file).exists(), "there is no {file}");
            }
            let held = quoted(held_by).any(is_sentence) || held_by.contains(BY_READING);
            assert!(held, "nothing holds: {row:?}");
        }
    }
}
