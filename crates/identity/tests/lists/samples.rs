//! The sample lists in `samples/`: read without errors, and meeting as the demo tells it.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;

use identity::grade::answers;
use identity::list::{self, ListOptions};
use identity::{Answer, HashedIdentity, KeyClass, List, ListKind, ListSizes, Schema};

const BOTH: [KeyClass; 2] = [KeyClass::Narrow, KeyClass::Wide];

fn read(name: &str) -> List {
    let kind = if name.starts_with("held") {
        ListKind::Held
    } else {
        ListKind::Requested
    };
    let path = format!("{}/../../samples/{name}.csv", env!("CARGO_MANIFEST_DIR"));
    let options = ListOptions::new(kind, jiff::civil::date(2026, 6, 1));
    list::read(
        File::open(path).unwrap(),
        Schema::default(),
        &options,
        |_| {},
    )
    .unwrap()
}

fn grades(requested: &List, held: &List, classes: &[KeyClass]) -> BTreeMap<Answer, usize> {
    let held: HashSet<HashedIdentity> = classes
        .iter()
        .flat_map(|class| held.elements(*class))
        .collect();
    let sizes = ListSizes {
        requested: 20,
        held: 20,
    };
    let mut counts = BTreeMap::new();
    for (person, answer) in requested
        .people
        .iter()
        .zip(answers(requested, &held, classes, sizes))
    {
        println!(
            "{} {:?} {:?}",
            person.record_id, answer.answer, answer.kinds
        );
        *counts.entry(answer.answer).or_default() += 1;
    }
    counts
}

#[test]
fn sample_lists_are_read_without_errors() {
    for (name, people) in [
        ("held-a", 12),
        ("requested-a", 14),
        ("held-b", 15),
        ("requested-b", 13),
    ] {
        let list = read(name);
        assert_eq!(
            list.report.errors().count(),
            0,
            "{name}: {:?}",
            list.report.issues
        );
        assert_eq!(list.people.len(), people, "{name}");
    }
}

#[test]
fn sample_lists_meet_in_several_grades() {
    let a = grades(&read("requested-a"), &read("held-b"), &BOTH);
    let b = grades(&read("requested-b"), &read("held-a"), &BOTH);
    for (side, counts) in [("a", a), ("b", b)] {
        for answer in [Answer::Strong, Answer::Possible, Answer::None] {
            assert!(
                counts.get(&answer).copied().unwrap_or(0) >= 2,
                "{side}: {counts:?}"
            );
        }
    }
}
