//! One row that is in no file, held against the same row as a line of JSON.

use std::io::Cursor;

use identity::list::{self, CELL_BYTES_MAX, Format, ListOptions};
use identity::{List, ListError, ListKind, Schema};
use serde_json::{Map, Value};

fn options() -> ListOptions {
    ListOptions {
        carry_columns: true,
        format: Some(Format::JsonLines),
        ..ListOptions::new(ListKind::Requested, jiff::civil::date(2026, 6, 1))
    }
}

fn in_a_file(cells: &[(&str, &str)]) -> Result<List, ListError> {
    let object: Map<String, Value> = cells
        .iter()
        .map(|(header, cell)| ((*header).to_owned(), Value::from(*cell)))
        .collect();
    let text = Value::from(object).to_string();
    list::read(Cursor::new(text), Schema::default(), &options(), |_| ())
}

/// Everything of a list but the order of its columns and what it was found to be.
fn told(read: Result<List, ListError>) -> String {
    let mut list = match read {
        Ok(list) => list,
        Err(error) => {
            // Headers are quoted in their order, which an object need not keep.
            let kind = format!("{error:?}");
            return kind.split(" {").next().unwrap_or_default().to_owned();
        }
    };
    list.report.format.clear();
    let mut header = list.header().to_vec();
    header.sort();
    let people = list.people.iter().map(|person| {
        let keys: Vec<_> = (person.keys.iter())
            .map(|(kind, identity)| (*kind, *identity.as_bytes()))
            .collect();
        let columns = person.columns.as_ref().expect("they were asked for");
        let mut cells: Vec<_> = columns.iter().collect();
        cells.sort_unstable();
        format!("{} {} {cells:?} {keys:?}", person.line, person.record_id)
    });
    let people: Vec<_> = people.collect();
    format!("{header:?} {people:?} {:?}", list.report)
}

#[test]
fn a_row_gives_the_person_the_report_and_the_errors_that_it_gives_in_a_file() {
    let long = "x".repeat(CELL_BYTES_MAX + 1);
    let rows: [&[(&str, &str)]; 8] = [
        &[
            ("record_id", "1"),
            ("family_name", "Шевченко"),
            ("given_name", "Тарас"),
            ("date_of_birth", "1990-03-09"),
        ],
        &[
            ("record_id", "1"),
            ("family_name", "Шевченко"),
            ("given_name", ""),
            ("tax_id", "12345"),
        ],
        &[
            ("record_id", "1"),
            ("family_name", "Шевченко"),
            ("given_name", "Тарас"),
            ("date_of_birth", "yesterday"),
        ],
        &[
            ("record_id", "1"),
            ("family_name", "Шев\u{fffd}енко"),
            ("given_name", "Тарас"),
            ("date_of_birth", "1990-03-09"),
        ],
        &[("record_id", "1"), ("family_name", "Шевченко")],
        &[("record_id", "1"), ("family_name", &long)],
        &[
            ("record_id", "1"),
            ("family_name", &long),
            ("given_name", ""),
        ],
        &[("a", "1"), ("b", "2")],
    ];
    for row in rows {
        let read = list::read_row(row, Schema::default(), &options());
        assert_eq!(told(read), told(in_a_file(row)));
    }
}

#[test]
fn a_cell_that_is_too_long_is_told_with_its_place() {
    let long = "x".repeat(CELL_BYTES_MAX + 1);
    let row = [
        ("record_id", "1"),
        ("family_name", &*long),
        ("given_name", ""),
        ("date_of_birth", ""),
    ];
    let refused = list::read_row(&row, Schema::default(), &options());
    assert!(matches!(
        refused.map(|_| ()),
        Err(ListError::CellTooLong { line: 1, column: 2 })
    ));
}
