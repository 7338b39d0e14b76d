//! The commonest Ukrainian and Russian surnames, written by the published transliterations, keep
//! their B fold.
//!
//! KMU 55 is the Ukrainian government's resolution of 2010, ICAO the machine-readable passports' table
//! (Doc 9303, part 3), BGN/PCGN the Romanization of 1947 (Russian) and 1965 (Ukrainian), ISO 9 the
//! standard of 1995, and MVD the Russian interior ministry's order 310 of 1997 for passports.

use identity::phoneme::{phonemes, skeleton};
use identity::text::clean;

const RUSSIAN: &str = include_str!("../../../../tests/vectors/surnames-ru.txt");
const UKRAINIAN: &str = include_str!("../../../../tests/vectors/surnames-uk.txt");

/// Letters that every English-based table writes alike.
fn common(letter: char) -> &'static str {
    match letter {
        'а' => "a",
        'б' => "b",
        'в' => "v",
        'г' | 'ґ' => "g",
        'д' => "d",
        'е' | 'ё' | 'э' => "e",
        'ж' => "zh",
        'з' => "z",
        'и' | 'і' | 'й' => "i",
        'к' => "k",
        'л' => "l",
        'м' => "m",
        'н' => "n",
        'о' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' => "u",
        'ф' => "f",
        'х' => "kh",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "shch",
        'ы' => "y",
        'ю' => "iu",
        'я' => "ia",
        '-' => "-",
        _ => "",
    }
}

/// Whether the letter before a vowel makes it begin with a glide: none, a vowel or a sign.
fn iotates(before: Option<char>) -> bool {
    before.is_none_or(|letter| "аеёиоуыэюяєіїйьъ'’ʼ-".contains(letter))
}

fn kmu_55(letter: char, before: Option<char>) -> &'static str {
    let initial = before.is_none();
    match letter {
        'г' if before == Some('з') => "gh",
        'г' => "h",
        'и' => "y",
        'є' => {
            if initial {
                "ye"
            } else {
                "ie"
            }
        }
        'ї' => {
            if initial {
                "yi"
            } else {
                "i"
            }
        }
        'й' => {
            if initial {
                "y"
            } else {
                "i"
            }
        }
        'ю' => {
            if initial {
                "yu"
            } else {
                "iu"
            }
        }
        'я' => {
            if initial {
                "ya"
            } else {
                "ia"
            }
        }
        other => common(other),
    }
}

fn icao_uk(letter: char, _: Option<char>) -> &'static str {
    match letter {
        'г' => "h",
        'и' => "y",
        'є' => "ie",
        'ї' => "i",
        other => common(other),
    }
}

fn bgn_uk(letter: char, _: Option<char>) -> &'static str {
    match letter {
        'г' => "h",
        'и' | 'й' => "y",
        'є' => "ye",
        'ї' => "yi",
        'ю' => "yu",
        'я' => "ya",
        'ь' => "’",
        '\'' | '’' | 'ʼ' => "”",
        other => common(other),
    }
}

fn iso_9(letter: char, _: Option<char>) -> &'static str {
    match letter {
        'ё' => "ë",
        'э' => "è",
        'ж' => "ž",
        'і' => "ì",
        'ї' => "ï",
        'є' => "ê",
        'ґ' => "g\u{300}",
        'й' => "j",
        'х' => "h",
        'ц' => "c",
        'ч' => "č",
        'ш' => "š",
        'щ' => "ŝ",
        'ъ' => "ʺ",
        'ь' => "ʹ",
        '\'' | '’' | 'ʼ' => "’",
        'ю' => "û",
        'я' => "â",
        other => common(other),
    }
}

fn icao_ru(letter: char, _: Option<char>) -> &'static str {
    if letter == 'ъ' { "ie" } else { common(letter) }
}

fn bgn_ru(letter: char, before: Option<char>) -> &'static str {
    match letter {
        'е' if iotates(before) => "ye",
        'ё' => {
            if iotates(before) {
                "yë"
            } else {
                "ë"
            }
        }
        'й' => "y",
        'ъ' => "”",
        'ь' => "’",
        'ю' => "yu",
        'я' => "ya",
        other => common(other),
    }
}

fn mvd(letter: char, before: Option<char>) -> &'static str {
    match letter {
        'е' | 'ё' if iotates(before) => "ye",
        'й' => "y",
        'ю' => "yu",
        'я' => "ya",
        other => common(other),
    }
}

fn write(word: &str, table: fn(char, Option<char>) -> &'static str) -> String {
    let lower = word.to_lowercase();
    let mut before = None;
    let mut out = String::new();
    for letter in lower.chars() {
        out.push_str(table(letter, before));
        before = Some(letter);
    }
    out
}

fn b_fold(word: &str) -> String {
    skeleton(&phonemes(&clean(word)))
}

fn surnames(list: &'static str) -> Vec<&'static str> {
    list.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect()
}

/// Surnames whose B fold a table changes, and how many there were.
fn changed(
    list: &'static str,
    table: fn(char, Option<char>) -> &'static str,
) -> (Vec<String>, usize) {
    let names = surnames(list);
    let changed = names
        .iter()
        .map(|name| (name, write(name, table)))
        .filter(|(name, latin)| b_fold(latin) != b_fold(name))
        .map(|(name, latin)| format!("{name} {latin} {} {}", b_fold(name), b_fold(&latin)))
        .collect();
    (changed, names.len())
}

#[track_caller]
fn keeps_the_fold(name: &str, list: &'static str, table: fn(char, Option<char>) -> &'static str) {
    let (changed, count) = changed(list, table);
    println!(
        "{name}: {} of {count} change: {}",
        changed.len(),
        changed.join(", ")
    );
    assert!(
        changed.len() * 100 <= count,
        "{name}: {} of {count} change",
        changed.len()
    );
}

#[test]
fn there_are_two_thousand_surnames() {
    assert!(surnames(RUSSIAN).len() + surnames(UKRAINIAN).len() >= 2_000);
    assert!(surnames(UKRAINIAN).len() >= 600);
}

#[test]
fn ukrainian_surnames_keep_their_fold_through_every_transliteration() {
    keeps_the_fold("KMU 55", UKRAINIAN, kmu_55);
    keeps_the_fold("ICAO 9303, Ukrainian", UKRAINIAN, icao_uk);
    keeps_the_fold("BGN/PCGN, Ukrainian", UKRAINIAN, bgn_uk);
    keeps_the_fold("ISO 9, Ukrainian", UKRAINIAN, iso_9);
}

#[test]
fn russian_surnames_keep_their_fold_through_every_transliteration() {
    keeps_the_fold("ICAO 9303, Russian", RUSSIAN, icao_ru);
    keeps_the_fold("BGN/PCGN, Russian", RUSSIAN, bgn_ru);
    keeps_the_fold("ISO 9, Russian", RUSSIAN, iso_9);
    keeps_the_fold("MVD", RUSSIAN, mvd);
}
