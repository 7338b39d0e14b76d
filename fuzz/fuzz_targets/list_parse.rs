//! Any bytes as a list: in every format, under every schema, in both roles. Nothing may panic, and
//! what is read must hold together.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use identity::list::{self, Format, ListOptions};
use identity::{Field, KeyClass, ListKind, Schema};

/// Panics of the workbook library are caught and become an error; every other one ends the run, as
/// libFuzzer's own hook would have it for all.
fn watch_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|place| place.file().contains("calamine")) {
                report(panic);
            }
        }));
    });
}

fuzz_target!(|bytes: &[u8]| {
    watch_panics();
    let Some((first, bytes)) = bytes.split_first() else { return };
    let format = match first & 3 {
        0 => None,
        1 => Some(Format::Csv),
        2 => Some(Format::JsonLines),
        _ => Some(Format::Xlsx),
    };
    let kind = if first & 4 == 0 { ListKind::Held } else { ListKind::Requested };
    let schema = Schema::ALL[usize::from(first >> 3) % Schema::ALL.len()];
    let mut options = ListOptions { format, carry_columns: true, ..ListOptions::new(kind, jiff::civil::date(2026, 1, 15)) };
    if first & 0x80 != 0 {
        options.columns.push((Field::FamilyName, "a".to_owned()));
    }
    if let Ok(list) = list::read(Cursor::new(bytes), schema, &options, |_| {}) {
        assert_eq!(list.people.len(), list.report.people as usize);
        assert!(list.people.iter().all(|person| !person.keys.is_empty() && !person.record_id.is_empty()));
        assert!(list.report.rows >= list.report.people);
        let elements = list.elements(KeyClass::Narrow);
        assert!(elements.windows(2).all(|pair| pair[0] < pair[1]));
    }
});
