//! `tacit bench matching`: how many people two lists would find in common, and how many wrongly.
//!
//! Matches as a session does, by hashed identities alone and without the network, and compares with
//! a truth file. `docs/matching.md` §11 has what to expect.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::cli::list_file::{ListArgs, open};
use crate::cli::{Exit, Failure, output, table};
use identity::grade::answers;
use identity::{Answer, HashedIdentity, KeyClass, KeyKind, List, ListKind, ListSizes};

/// Measure recall and false matches of two lists against the truth
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  tacit bench matching --held held.csv --requested requested.csv --truth truth.csv\n\n\
                        The truth file has the columns held_id,requested_id: one row for each pair that is one person."
)]
pub struct Args {
    /// The list that answers
    #[arg(long, value_name = "FILE")]
    pub held: PathBuf,
    /// The list that asks
    #[arg(long, value_name = "FILE")]
    pub requested: PathBuf,
    /// CSV with the columns held_id and requested_id
    #[arg(long, value_name = "FILE")]
    pub truth: PathBuf,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub list: ListArgs,
}

/// Reads both lists, matches them and prints what came of it.
///
/// # Errors
/// A file that cannot be read.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let read = |path, kind| {
        args.list
            .read(path, &args.list.options(kind, false), |_| {})
    };
    let held = read(&args.held, ListKind::Held)?;
    let requested = read(&args.requested, ListKind::Requested)?;
    let truth = read_truth(&args.truth)?;
    let figures = Figures::of(&held, &requested, &truth);
    if args.json {
        output::print(&figures.to_json().to_string())?;
    } else {
        output::print(&figures.to_table())?;
    }
    Ok(Exit::Clean)
}

/// The requested ids that are held, by the truth file.
fn read_truth(path: &Path) -> Result<HashSet<String>, Failure> {
    let malformed = || {
        Failure::bad_input(
            format!("{}: this is no truth file", path.display()),
            "a truth file is CSV with the columns held_id and requested_id",
        )
    };
    let mut reader = csv::Reader::from_reader(open(path)?);
    let header = reader.headers().map_err(|_| malformed())?.clone();
    let column = |name: &str| {
        header
            .iter()
            .position(|seen| seen.trim_start_matches('\u{feff}').trim() == name)
    };
    column("held_id").ok_or_else(malformed)?;
    let requested = column("requested_id").ok_or_else(malformed)?;
    let mut ids = HashSet::new();
    for row in reader.records() {
        let row = row.map_err(|_| malformed())?;
        ids.insert(row.get(requested).ok_or_else(malformed)?.trim().to_owned());
    }
    if ids.is_empty() {
        Err(malformed())
    } else {
        Ok(ids)
    }
}

/// How many of the people who are held were found, and how many others.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Hits {
    right: u32,
    wrong: u32,
}

impl Hits {
    fn add(&mut self, is_held: bool) {
        if is_held {
            self.right += 1;
        } else {
            self.wrong += 1;
        }
    }
}

/// What one kind of key found, and what it alone found.
#[derive(Debug, Clone, Copy)]
struct KindFigures {
    kind: KeyKind,
    elements_per_person: f64,
    found: Hits,
    alone: Hits,
}

struct Figures {
    schema: &'static str,
    held: u32,
    requested: u32,
    left_out: u32,
    truly_held: usize,
    /// Strong answers with both classes on, those to be confirmed among them.
    strong: Hits,
    confirm: Hits,
    /// Any answer with both classes on.
    all: Hits,
    /// Any answer with the narrow class alone.
    narrow: Hits,
    elements_per_person: f64,
    narrow_elements_per_person: f64,
    kinds: Vec<KindFigures>,
}

impl Figures {
    fn of(held: &List, requested: &List, truth: &HashSet<String>) -> Self {
        let sizes = ListSizes {
            requested: requested.people.len() as u64,
            held: held.people.len() as u64,
        };
        let narrow: HashSet<HashedIdentity> = held.elements(KeyClass::Narrow).into_iter().collect();
        let mut both = narrow.clone();
        both.extend(held.elements(KeyClass::Wide));
        let mut figures = Self {
            schema: held.schema.name(),
            held: held.report.people,
            requested: requested.report.people,
            left_out: held.report.rows_left_out + requested.report.rows_left_out,
            truly_held: truth.len(),
            strong: Hits::default(),
            confirm: Hits::default(),
            all: Hits::default(),
            narrow: Hits::default(),
            elements_per_person: elements_per_person(&[held, requested], |_| true),
            narrow_elements_per_person: elements_per_person(&[held, requested], |kind| {
                kind.class() == KeyClass::Narrow
            }),
            kinds: Vec::new(),
        };
        let is_held: Vec<bool> = requested
            .people
            .iter()
            .map(|person| truth.contains(&*person.record_id))
            .collect();
        let mut by_kind: HashMap<KeyKind, (Hits, Hits)> = HashMap::new();
        let both_answers = answers(requested, &both, &[KeyClass::Narrow, KeyClass::Wide], sizes);
        for (answer, is_held) in both_answers.iter().zip(&is_held) {
            match answer.answer {
                Answer::Strong => figures.strong.add(*is_held),
                Answer::Confirm => {
                    figures.strong.add(*is_held);
                    figures.confirm.add(*is_held);
                }
                Answer::Possible => {}
                Answer::None => continue,
            }
            figures.all.add(*is_held);
            for kind in &answer.kinds {
                by_kind.entry(*kind).or_default().0.add(*is_held);
            }
            if let [only] = answer.kinds[..] {
                by_kind.entry(only).or_default().1.add(*is_held);
            }
        }
        for (answer, is_held) in answers(requested, &narrow, &[KeyClass::Narrow], sizes)
            .iter()
            .zip(&is_held)
        {
            if answer.answer != Answer::None {
                figures.narrow.add(*is_held);
            }
        }
        for kind in held.schema.kinds().iter().copied() {
            let (found, alone) = by_kind.get(&kind).copied().unwrap_or_default();
            let elements_per_person =
                elements_per_person(&[held, requested], |other| other == kind);
            figures.kinds.push(KindFigures {
                kind,
                elements_per_person,
                found,
                alone,
            });
        }
        figures
    }

    fn recall(&self, found: Hits) -> f64 {
        f64::from(found.right) / self.truly_held.max(1) as f64
    }

    fn to_json(&self) -> serde_json::Value {
        let pair = |found: Hits| serde_json::json!({ "recall": rounded(self.recall(found)), "false": found.wrong });
        let kinds: Vec<serde_json::Value> = self
            .kinds
            .iter()
            .map(|figures| {
                serde_json::json!({
                    "key": figures.kind.label(),
                    "elements_per_person": rounded(figures.elements_per_person),
                    "found": figures.found.right, "false": figures.found.wrong,
                    "alone_found": figures.alone.right, "alone_false": figures.alone.wrong,
                })
            })
            .collect();
        serde_json::json!({
            "schema": self.schema,
            "held": self.held,
            "requested": self.requested,
            "left_out": self.left_out,
            "truly_held": self.truly_held,
            "strong": pair(self.strong),
            "confirm": pair(self.confirm),
            "all": pair(self.all),
            "narrow": pair(self.narrow),
            "elements_per_person": rounded(self.elements_per_person),
            "narrow_elements_per_person": rounded(self.narrow_elements_per_person),
            "keys": kinds,
        })
    }

    fn to_table(&self) -> String {
        let mut answers =
            table::with_header(["answer", "recall", "found", "false", "elements a person"]);
        let both = format!("{:.2}", self.elements_per_person);
        let narrow = format!("{:.2}", self.narrow_elements_per_person);
        for (name, found, elements) in [
            ("strong", self.strong, &both),
            ("  of them to confirm", self.confirm, &both),
            ("all", self.all, &both),
            ("narrow class alone", self.narrow, &narrow),
        ] {
            answers.add_row([
                name.to_owned(),
                format!("{:.4}", self.recall(found)),
                found.right.to_string(),
                found.wrong.to_string(),
                elements.clone(),
            ]);
        }
        let mut kinds = table::with_header([
            "key",
            "elements a person",
            "found",
            "false",
            "found by it alone",
            "false by it alone",
        ]);
        for figures in &self.kinds {
            kinds.add_row([
                figures.kind.label().to_owned(),
                format!("{:.2}", figures.elements_per_person),
                figures.found.right.to_string(),
                figures.found.wrong.to_string(),
                figures.alone.right.to_string(),
                figures.alone.wrong.to_string(),
            ]);
        }
        format!(
            "{}: {} held × {} requested, {} of them held by the truth file; {} rows left out\n{answers}\n{kinds}",
            self.schema, self.held, self.requested, self.truly_held, self.left_out
        )
    }
}

/// Hashed identities of the wanted kinds, over both lists, for each person.
fn elements_per_person(lists: &[&List], wanted: impl Fn(KeyKind) -> bool) -> f64 {
    let count = |list: &&List| {
        list.people
            .iter()
            .flat_map(|person| &person.keys)
            .filter(|(kind, _)| wanted(*kind))
            .count()
    };
    let people: usize = lists.iter().map(|list| list.people.len()).sum();
    lists.iter().map(count).sum::<usize>() as f64 / people.max(1) as f64
}

fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
