//! Hashed identities of persons-v1 against those that an independent implementation in Python made
//! of the sample lists and of records put together from the golden spellings.

use identity::key::hashed_identities;
use identity::normal_record::NormalRecord;
use identity::{Field, ListKind, Schema};

#[test]
fn hashed_identities_agree_with_the_reference_implementation() {
    let mut reader = csv::Reader::from_reader(
        &include_bytes!("../../../../tests/vectors/persons-v1-keys.csv")[..],
    );
    let header = reader.headers().unwrap().clone();
    let (mut records, mut identities) = (0, 0);
    for row in reader.records() {
        let row = row.unwrap();
        let cell = |field: Field| {
            header
                .iter()
                .position(|name| name == field.name())
                .map_or("", |at| &row[at])
        };
        let record = NormalRecord::of(cell, jiff::civil::date(2026, 1, 15));
        let mut ours: Vec<String> = hashed_identities(Schema::PersonsV1, ListKind::Held, &record)
            .iter()
            .map(|(kind, identity)| {
                format!("{}:{}", kind.label(), hex::encode(identity.as_bytes()))
            })
            .collect();
        ours.sort();
        let theirs: Vec<&str> = row[header.len() - 1].split_whitespace().collect();
        assert_eq!(ours, theirs, "{row:?}");
        records += 1;
        identities += ours.len();
    }
    assert_eq!((records, identities), (RECORDS, IDENTITIES));
}

const RECORDS: usize = 204;
const IDENTITIES: usize = 1_232;
