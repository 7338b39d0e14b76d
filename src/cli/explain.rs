//! `tacit explain`: would two records of one's own files meet, by which keys, and if not, what differs.
//!
//! Prints what the two rows say to stdout, which is its purpose; nothing is logged.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::list_file::{ListArgs, open};
use crate::cli::{Exit, Failure, output, table};
use identity::grade::grade;
use identity::list::{self, ScannedRow};
use identity::{
    HashedIdentity, KeyClass, KeyKind, KeyPart, ListKind, ListSizes, PartValues, Schema,
};

/// Explain whether two rows of your own files would meet, by which keys, and what differs
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  tacit explain ours.csv:12 theirs.csv:40\n\n\
                        The first row is taken for one that is asked about, the second for one that is held. \
                  A row is named by its line in the file (in a workbook, by its row); `tacit check` shows lines.")]
pub struct Args {
    /// A row of a list: FILE:LINE
    #[arg(value_name = "FILE:LINE", value_parser = row)]
    pub first: RowName,
    /// Another row, of the same or another list
    #[arg(value_name = "FILE:LINE", value_parser = row)]
    pub second: RowName,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub list: ListArgs,
}

/// A row of a file, by its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowName {
    pub path: PathBuf,
    pub line: u32,
}

fn row(text: &str) -> Result<RowName, String> {
    let (path, line) = text
        .rsplit_once(':')
        .ok_or("write FILE:LINE, as in held.csv:12")?;
    let line = line
        .parse()
        .map_err(|_| "the part after the last colon is a line's number".to_owned())?;
    Ok(RowName {
        path: Path::new(path).to_owned(),
        line,
    })
}

/// Reads the two rows and prints where they meet and where they differ.
///
/// # Errors
/// A file that cannot be read, or that has no row on that line.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let first = find(&args.first, ListKind::Requested, &args.list)?;
    let second = find(&args.second, ListKind::Held, &args.list)?;
    let comparison = Comparison::of(args.list.schema(), &first, &second);
    if args.json {
        output::print(&comparison.to_json().to_string())?;
    } else {
        output::print(&comparison.to_text())?;
    }
    Ok(Exit::Clean)
}

fn find(name: &RowName, kind: ListKind, args: &ListArgs) -> Result<ScannedRow, Failure> {
    let mut found = None;
    let mut lines = (u32::MAX, 0);
    list::scan(
        open(&name.path)?,
        args.schema(),
        &args.options(kind, false),
        |row| {
            lines = (lines.0.min(row.line), lines.1.max(row.line));
            if row.line == name.line {
                found = Some(row);
            }
        },
    )
    .map_err(|error| Failure::list(&name.path, &error))?;
    found.ok_or_else(|| {
        Failure::bad_input(
            format!(
                "{}: no row begins on line {}",
                name.path.display(),
                name.line
            ),
            format!(
                "its rows are on lines {} to {}; the header is above them",
                lines.0, lines.1
            ),
        )
    })
}

/// Two rows, part by part and key by key.
struct Comparison {
    parts: Vec<PartPair>,
    keys: Vec<KeyPair>,
    narrow: &'static str,
    both: &'static str,
    left_out: [bool; 2],
}

struct PartPair {
    part: KeyPart,
    first: Vec<String>,
    second: Vec<String>,
}

impl PartPair {
    fn of(part: KeyPart, first: &ScannedRow, second: &ScannedRow) -> Self {
        let values = |row: &ScannedRow| {
            PartValues::of(&row.record)
                .each(part)
                .map(str::to_owned)
                .collect()
        };
        Self {
            part,
            first: values(first),
            second: values(second),
        }
    }

    fn state(&self) -> &'static str {
        if self.first.is_empty() || self.second.is_empty() {
            "missing"
        } else if self.first.iter().any(|value| self.second.contains(value)) {
            "same"
        } else {
            "differs"
        }
    }
}

struct KeyPair {
    kind: KeyKind,
    meets: bool,
    /// What keeps the two apart, when they do not meet.
    because: Vec<(&'static str, &'static str)>,
}

impl KeyPair {
    /// `parts` has at least those of the kind.
    fn of(kind: KeyKind, meets: bool, parts: &[PartPair]) -> Self {
        let mut because: Vec<(&'static str, &'static str)> = parts
            .iter()
            .filter(|pair| !meets && kind.parts().contains(&pair.part) && pair.state() != "same")
            .map(|pair| (pair.part.label(), pair.state()))
            .collect();
        // All parts agree, so it is the one-sided rule: the held row does not lack what it must lack.
        if let Some(gap) = kind.gap().filter(|_| !meets && because.is_empty()) {
            because.push((gap.label(), "known of the held one"));
        }
        Self {
            kind,
            meets,
            because,
        }
    }
}

impl Comparison {
    fn of(schema: Schema, first: &ScannedRow, second: &ScannedRow) -> Self {
        let mut parts: Vec<PartPair> = Vec::new();
        let mut keys = Vec::new();
        let theirs: HashMap<&HashedIdentity, KeyKind> = second
            .keys
            .iter()
            .map(|(kind, identity)| (identity, *kind))
            .collect();
        for kind in schema.kinds().iter().copied() {
            for part in kind.parts().iter().copied() {
                if !parts.iter().any(|pair| pair.part == part) {
                    parts.push(PartPair::of(part, first, second));
                }
            }
            let meets = first
                .keys
                .iter()
                .any(|(own, identity)| *own == kind && theirs.contains_key(identity));
            keys.push(KeyPair::of(kind, meets, &parts));
        }
        // Two rows are lists as small as there are: no match is *to be confirmed* for the lists' sizes.
        let sizes = ListSizes {
            requested: 1,
            held: 1,
        };
        let answer = |classes: &[KeyClass]| {
            let kinds: Vec<KeyKind> = keys
                .iter()
                .filter(|key| key.meets && classes.contains(&key.kind.class()))
                .map(|key| key.kind)
                .collect();
            grade(schema, &kinds, sizes).name()
        };
        Self {
            narrow: answer(&[KeyClass::Narrow]),
            both: answer(&[KeyClass::Narrow, KeyClass::Wide]),
            left_out: [!first.is_used(), !second.is_used()],
            parts,
            keys,
        }
    }

    fn to_text(&self) -> String {
        let mut parts = table::with_header(["part", "first", "second", ""]);
        for pair in self
            .parts
            .iter()
            .filter(|pair| !(pair.first.is_empty() && pair.second.is_empty()))
        {
            parts.add_row([
                pair.part.label(),
                &pair.first.join(" / "),
                &pair.second.join(" / "),
                pair.state(),
            ]);
        }
        let mut keys = table::with_header(["key", "class", "grade", "meets", "why not"]);
        for key in &self.keys {
            let because: Vec<String> = key
                .because
                .iter()
                .map(|(part, state)| format!("{part} {state}"))
                .collect();
            keys.add_row([
                key.kind.label(),
                key.kind.class().name(),
                key.kind.grade().name(),
                if key.meets { "yes" } else { "no" },
                &because.join(", "),
            ]);
        }
        let mut out = format!("{parts}\n{keys}\n");
        for (place, left_out) in ["first", "second"].into_iter().zip(self.left_out) {
            if left_out {
                out.push_str(&format!(
                    "The {place} row has errors and would be left out; see tacit check.\n"
                ));
            }
        }
        out.push_str(&format!(
            "Answer between small lists: {} with the narrow class alone, {} with both classes.",
            self.narrow, self.both
        ));
        out
    }

    fn to_json(&self) -> Value {
        let parts: Vec<Value> = self
            .parts
            .iter()
            .map(|pair| json!({ "part": pair.part.label(), "first": pair.first, "second": pair.second, "state": pair.state() }))
            .collect();
        let keys: Vec<Value> = self
            .keys
            .iter()
            .map(|key| {
                let because: Vec<Value> =
                    key.because.iter().map(|(part, state)| json!({ "part": part, "state": state })).collect();
                json!({ "key": key.kind.label(), "class": key.kind.class().name(), "meets": key.meets, "because": because })
            })
            .collect();
        json!({ "parts": parts, "keys": keys, "answer": { "narrow": self.narrow, "both": self.both }, "left_out": self.left_out })
    }
}
