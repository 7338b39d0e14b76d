//! What must hold of every name, not only of those we thought of.

use std::io::Cursor;

use identity::key::hashed_identities;
use identity::list::{self, ListOptions};
use identity::normal_record::NormalRecord;
use identity::phoneme::{phonemes, skeleton};
use identity::text::{clean, repair_script};
use identity::{Field, HashedIdentity, KeyKind, ListKind, Schema};
use proptest::prelude::*;

const TODAY: jiff::civil::Date = jiff::civil::date(2026, 1, 15);

/// The keys of a person, by family name and given name, in the default schema.
fn keys(family: &str, given: &str) -> Vec<(KeyKind, HashedIdentity)> {
    let cell = |field: Field| match field {
        Field::FamilyName => family,
        Field::GivenName => given,
        Field::Patronymic => "Петрович",
        Field::DateOfBirth => "14.03.1990",
        _ => "",
    };
    hashed_identities(
        Schema::default(),
        ListKind::Requested,
        &NormalRecord::of(cell, TODAY),
    )
}

/// Whether two spellings of a family name give the same keys. Hashed identities have no `Debug`, so no `assert_eq`.
fn same(first: &str, second: &str) -> bool {
    keys(first, "Іван") == keys(second, "Іван")
}

/// A Cyrillic family name, perhaps a double one, with an apostrophe perhaps.
fn family() -> impl Strategy<Value = String> {
    "[А-ЩЮЯЄІЇҐ][а-щьюяєіїґ]{2,9}('[яюєї][а-щ]{1,3})?(-[А-ЩЮЯЄІЇҐ][а-щьюяєіїґ]{2,9})?"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn cleaning_twice_is_cleaning_once(text in any::<String>()) {
        let once = clean(&text);
        prop_assert_eq!(clean(&once), once);
    }

    #[test]
    fn folding_what_was_cleaned_twice_is_the_same_fold(text in "\\PC{0,20}") {
        let once = clean(&text);
        prop_assert_eq!(phonemes(&once), phonemes(&clean(&once)));
        let repaired = repair_script(&once);
        prop_assert_eq!(repair_script(&repaired), repaired.clone());
    }

    #[test]
    fn equal_phonemes_have_equal_skeletons(first in family(), second in family()) {
        let (first, second) = (phonemes(&clean(&first)), phonemes(&clean(&second)));
        prop_assert!(first != second || skeleton(&first) == skeleton(&second));
        prop_assert!(skeleton(&first).is_ascii() && !skeleton(&first).is_empty());
    }

    #[test]
    fn case_never_changes_a_key(family in family()) {
        prop_assert!(same(&family, &family.to_uppercase()));
        prop_assert!(same(&family, &family.to_lowercase()));
    }

    #[test]
    fn the_kind_of_dash_or_apostrophe_never_changes_a_key(
        family in family(),
        dash in prop::sample::select(vec!["-", "–", "—", "‐", "−", " - ", "- "]),
        apostrophe in prop::sample::select(vec!["'", "’", "ʼ", "`", "´", "‘", "″", ""]),
    ) {
        prop_assert!(same(&family, &family.replace('-', dash).replace('\'', apostrophe)));
    }

    #[test]
    fn letters_of_the_other_script_that_look_the_same_never_change_a_key(
        family in family(),
        chosen in any::<u32>(),
    ) {
        const CYRILLIC: &str = "асеорхуікмтнвїАСЕОРХУІКМТНВЇ";
        const LATIN: &str = "aceopxyikmthbïACEOPXYIKMTHBÏ";
        let mut out = String::new();
        // Half of a word's letters at most: then it is still clear which script the word is in.
        let (mut letters, mut replaced) = (0, 0);
        for (place, letter) in family.chars().enumerate() {
            if letter == '-' {
                (letters, replaced) = (0, 0);
                out.push(letter);
                continue;
            }
            if letter == '\'' {
                out.push(letter);
                continue;
            }
            letters += 1;
            let look_alike = CYRILLIC.chars().position(|other| other == letter).and_then(|at| LATIN.chars().nth(at));
            match look_alike {
                Some(other) if chosen >> (place % 32) & 1 == 1 && (replaced + 1) * 2 <= letters => {
                    replaced += 1;
                    out.push(other);
                }
                _ => out.push(letter),
            }
        }
        prop_assert!(same(&family, &out), "{} {}", family, out);
    }

    #[test]
    fn day_and_month_swapped_give_the_same_strong_keys(day in 1_u8..=12, month in 1_u8..=12, year in 1950_i32..=2005) {
        let read = |date: String| {
            let cell = |field: Field| match field {
                Field::FamilyName => "Бойко",
                Field::GivenName => "Іван",
                Field::DateOfBirth => date.as_str(),
                _ => "",
            };
            let record = NormalRecord::of(cell, TODAY);
            let mut keys = hashed_identities(Schema::default(), ListKind::Held, &record);
            keys.retain(|(kind, _)| *kind == KeyKind::N2);
            keys
        };
        let written = read(format!("{day:02}.{month:02}.{year}"));
        prop_assert_eq!(written.len(), 1);
        let (swapped, iso) = (read(format!("{month:02}.{day:02}.{year}")), read(format!("{year}-{month:02}-{day:02}")));
        prop_assert!(written == swapped && written == iso);
    }

    #[test]
    fn no_text_in_any_cell_makes_reading_panic(cells in prop::collection::vec(any::<String>(), 18)) {
        let cell = |field: Field| cells[field as usize].as_str();
        let record = NormalRecord::of(cell, TODAY);
        for schema in Schema::ALL {
            for kind in [ListKind::Held, ListKind::Requested] {
                let keys = hashed_identities(schema, kind, &record);
                prop_assert!(keys.len() <= 64);
            }
        }
    }

    #[test]
    fn no_bytes_make_reading_a_list_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = list::read(Cursor::new(bytes), Schema::default(), &ListOptions::new(ListKind::Held, TODAY), |_| {});
    }

    #[test]
    fn no_rows_under_a_good_header_make_reading_a_list_panic(rows in "([^\\n]{0,40}\\n){0,8}") {
        let text = format!("id,surname,name,dob,passport,inn\n{rows}");
        let options = ListOptions { carry_columns: true, ..ListOptions::new(ListKind::Requested, TODAY) };
        if let Ok(list) = list::read(Cursor::new(text), Schema::default(), &options, |_| {}) {
            prop_assert_eq!(list.people.len(), list.report.people as usize);
            prop_assert!(list.people.iter().all(|person| !person.keys.is_empty()));
        }
    }
}
