//! How fast a list is read: folding and keys of one record, and a whole list on one core.

use std::io::Cursor;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use identity::key::hashed_identities;
use identity::list::{self, ListOptions};
use identity::normal_record::NormalRecord;
use identity::{Field, ListKind, Schema};

const ROWS: usize = 20_000;
const TODAY: jiff::civil::Date = jiff::civil::date(2026, 1, 15);

const FAMILY: [&str; 12] = [
    "Шевчук",
    "Коваленко",
    "Подгаецкий",
    "Щербаков",
    "Vergeliuk",
    "Нечай-Гора",
    "Третьяков",
    "Kobylianskyi",
    "Гнатишак",
    "Чорнобривець",
    "Zakrevska",
    "Ерохвостов",
];
const GIVEN: [&str; 8] = [
    "Олексій",
    "Сергей",
    "Volodymyr",
    "Микола",
    "Дмитрий",
    "Євген",
    "Oleksandr",
    "Юрій",
];
const PATRONYMIC: [&str; 6] = [
    "Іванович",
    "Петрович",
    "",
    "Mykolaiovych",
    "Александрович",
    "Васильович",
];

/// People in the spellings and with the gaps of real lists: a fifth have a document number, a quarter are in Latin.
fn rows() -> Vec<[String; 6]> {
    (0..ROWS)
        .map(|row| {
            let birth = format!(
                "{:02}.{:02}.{}",
                row % 28 + 1,
                row % 12 + 1,
                1965 + row % 40
            );
            let document = if row % 5 == 0 {
                format!("КВ {:06}", 100_000 + row * 37 % 900_000)
            } else {
                String::new()
            };
            [
                format!("R{row}"),
                FAMILY[row % FAMILY.len()].to_owned(),
                GIVEN[row / 3 % GIVEN.len()].to_owned(),
                PATRONYMIC[row / 7 % PATRONYMIC.len()].to_owned(),
                birth,
                document,
            ]
        })
        .collect()
}

const FIELDS: [Field; 6] = [
    Field::RecordId,
    Field::FamilyName,
    Field::GivenName,
    Field::Patronymic,
    Field::DateOfBirth,
    Field::DocumentNumber,
];

fn one_core(criterion: &mut Criterion) {
    let rows = rows();
    let mut group = criterion.benchmark_group("matching");
    group
        .sample_size(20)
        .throughput(Throughput::Elements(ROWS as u64));
    for schema in Schema::ALL {
        group.bench_function(format!("folding and keys, {}", schema.name()), |bencher| {
            bencher.iter(|| {
                let mut elements = 0;
                for row in &rows {
                    let cell = |field| {
                        FIELDS
                            .iter()
                            .position(|name| *name == field)
                            .map_or("", |at| row[at].as_str())
                    };
                    let record = NormalRecord::of(cell, TODAY);
                    elements += hashed_identities(schema, ListKind::Requested, &record).len();
                }
                elements
            });
        });
    }
    let mut text = FIELDS.map(Field::name).join(",");
    for row in &rows {
        text.push('\n');
        text.push_str(&row.join(","));
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    group.bench_function("a whole CSV list, one core", |bencher| {
        bencher.iter(|| {
            pool.install(|| {
                let options = ListOptions::new(ListKind::Requested, TODAY);
                list::read(Cursor::new(&text), Schema::default(), &options, |_| {})
                    .unwrap()
                    .people
                    .len()
            })
        });
    });
    group.finish();
}

criterion_group!(benches, one_core);
criterion_main!(benches);
