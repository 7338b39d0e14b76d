//! Folds and classes against the 1,431 spellings of `vectors/golden.csv`, made by the reference
//! implementation.

use identity::given::given_class;
use identity::patronymic::patronymic_class;
use identity::phoneme::{phonemes, skeleton};
use identity::text::clean;

/// Where we know more than the reference did: spellings of a class that it took for unknown names.
const KNOWN_SINCE: [(&str, &str); 5] = [
    ("Vjacseszlav", "VYACHESLAV"),
    ("Eduardas", "EDUARD"),
    ("Zoe", "ZOIA"),
    ("Катрін", "KATERYNA"),
    ("Катрин", "KATERYNA"),
];

#[test]
fn every_golden_spelling_folds_as_the_reference_folds_it() {
    let mut reader =
        csv::Reader::from_reader(&include_bytes!("../../../../tests/vectors/golden.csv")[..]);
    let mut rows = 0;
    let mut differing = Vec::new();
    for row in reader.records() {
        let row = row.unwrap();
        rows += 1;
        let word = clean(&row[0]);
        let sounds = phonemes(&word);
        let class = |found: Option<(identity::given::NameClass, _)>| {
            found.map_or(String::new(), |(part, _)| part.as_str().to_owned())
        };
        let ours = [
            sounds.clone(),
            skeleton(&sounds),
            class(given_class(&sounds)),
            class(patronymic_class(&word)),
        ];
        let mut expected = [&row[1], &row[2], &row[3], &row[4]];
        if let Some((_, class)) = KNOWN_SINCE
            .iter()
            .find(|(spelling, _)| *spelling == &row[0])
        {
            assert_ne!(expected[2], *class, "no longer a difference");
            (expected[2], expected[3]) = (class, class);
        }
        if ours[..] != expected {
            differing.push(format!("{:?} != {:?}", row, ours));
        }
    }
    assert_eq!(rows, 1_431, "the reference gives 1,431 spellings");
    assert!(
        differing.is_empty(),
        "{} differ:\n{}",
        differing.len(),
        differing.join("\n")
    );
}
