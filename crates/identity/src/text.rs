//! Text as clerks type it, brought to one plain form: `docs/matching.md` §2.
//!
//! Handed one cell; gives it back in lower case, without invisible characters, stress marks and
//! apostrophes, with one kind of dash and one kind of space. Also says which script a letter is of
//! and puts right letters of the other script typed inside a word.

use unicode_normalization::UnicodeNormalization;

use crate::tables;

/// Cleaning is repeated until nothing changes; text that still changes after this many rounds is left as it is.
const ROUNDS_MAX: usize = 4;

/// Brings a cell to its plain form; cleaning a second time changes nothing.
///
/// ```
/// use identity::text::clean;
///
/// assert_eq!(clean(" В’ЯЧЕСЛАВ  Нечуй—Левицький. "), "вячеслав нечуй-левицький");
/// ```
pub fn clean(raw: &str) -> String {
    if raw.is_empty() {
        return String::new();
    }
    if raw.chars().all(is_plain) {
        return squeeze_plain(raw);
    }
    let mut text = clean_once(raw);
    for _ in 1..ROUNDS_MAX {
        let again = clean_once(&text);
        if again == text {
            break;
        }
        text = again;
    }
    text
}

fn clean_once(raw: &str) -> String {
    let normal: String = raw
        .chars()
        .filter(|letter| !is_dropped(*letter))
        .nfkc()
        .collect();
    // Once more: NFKC may make an apostrophe or a dash of what was none.
    let lower: String = normal
        .chars()
        .filter(|letter| !is_dropped(*letter) && !is_stress(*letter))
        .map(|letter| if is_dash(letter) { '-' } else { letter })
        .collect::<String>()
        .to_lowercase();
    squeeze(&lower)
}

/// Whether a cleaned text is of Cyrillic letters, Latin ones without marks, and spaces and signs between
/// them: what nearly every name is.
pub fn is_plain_name(cleaned: &str) -> bool {
    cleaned.chars().all(|letter| matches!(letter, 'а'..='џ' | 'ґ' | 'a'..='z' | ' ' | '-' | '.' | ',' | '(' | ')' | '/'))
}

/// Letters that no step of `clean_once` but lower case and spacing touches.
fn is_plain(letter: char) -> bool {
    matches!(letter, ' '..='~' | 'Ѐ'..='џ' | 'Ґ' | 'ґ') && !is_dropped(letter)
}

/// Invisible characters, and everything used for an apostrophe or a quotation mark.
fn is_dropped(letter: char) -> bool {
    matches!(
        letter,
        '\u{200b}'
            ..='\u{200d}'
                | '\u{2060}'
                | '\u{feff}'
                | '\u{ad}'
                | '\''
                | '’'
                | 'ʼ'
                | '‘'
                | '`'
                | '´'
                | 'ʹ'
                | 'ʺ'
                | '″'
                | '′'
                | '"'
                | '“'
                | '”'
                | '«'
                | '»'
                | '·'
                | 'ˈ'
                | 'ˊ'
                | 'ʾ'
                | 'ʿ'
                | '\u{313}'
                | 'ʻ'
                | '＇'
                | '‛'
                | '‚'
                | '„'
                | '＂'
    )
}

fn is_stress(letter: char) -> bool {
    matches!(letter, '\u{300}' | '\u{301}')
}

fn is_dash(letter: char) -> bool {
    matches!(letter, '‐' | '‑' | '‒' | '–' | '—' | '−' | '﹘' | '―' | '-')
}

/// One space between words, and none, nor a stop or dash, around them.
fn squeeze(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    let trimmed = out.trim_matches([' ', '.', ',', ';', ':', '-']);
    if trimmed.len() == out.len() {
        out
    } else {
        trimmed.to_owned()
    }
}

/// As lower case and [`squeeze`], for plain letters, in one pass.
fn squeeze_plain(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut space = false;
    for letter in raw.chars() {
        if letter == ' ' {
            space = !out.is_empty();
            continue;
        }
        if space {
            out.push(' ');
            space = false;
        }
        // The Cyrillic block has its small letters at a fixed distance from the capitals.
        out.push(match letter {
            'А'..='Я' => char::from_u32(letter as u32 + 0x20).unwrap_or(letter),
            'Ѐ'..='Џ' => char::from_u32(letter as u32 + 0x50).unwrap_or(letter),
            'Ґ' => 'ґ',
            other => other.to_ascii_lowercase(),
        });
    }
    let edges = [' ', '.', ',', ';', ':', '-'];
    out.truncate(out.trim_end_matches(edges).len());
    let start = out.len() - out.trim_start_matches(edges).len();
    out.drain(..start);
    out
}

/// Whether a letter is Cyrillic.
pub fn is_cyrillic(letter: char) -> bool {
    matches!(letter, '\u{400}'..='\u{52f}')
}

/// Whether a letter is of the Latin script, with or without marks.
pub fn is_latin(letter: char) -> bool {
    matches!(letter, 'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
        && letter.is_alphabetic()
        || letter == 'ə'
}

/// Puts letters of the other script, typed inside a word by mistake, back into the word's own:
/// the script with more letters wins, Cyrillic when they are equal.
pub fn repair_script(word: &str) -> std::borrow::Cow<'_, str> {
    let cyrillic = word.chars().filter(|letter| is_cyrillic(*letter)).count();
    let latin = word.chars().filter(|letter| is_latin(*letter)).count();
    if cyrillic == 0 || latin == 0 {
        return word.into();
    }
    let tables = tables::lookalikes();
    let other = if cyrillic >= latin {
        &tables.to_cyrillic
    } else {
        &tables.to_latin
    };
    word.chars()
        .map(|letter| *other.get(&letter).unwrap_or(&letter))
        .collect::<String>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_apostrophes_case_and_invisible_characters_do_not_matter() {
        assert_eq!(clean(" В’ЯЧЕСЛАВ "), "вячеслав");
        assert_eq!(clean("Нечуй—Левицький"), "нечуй-левицький");
        assert_eq!(clean("Мар´яна\u{200b}"), "маряна");
        assert_eq!(clean("Е\u{301}льза"), "ельза");
        assert_eq!(clean("и\u{306}"), "й");
        assert_eq!(clean("и\u{200d}\u{306}"), "й");
        assert_eq!(clean(" . ЇЖАК  Ґудзь-ЁЛКА -"), "їжак ґудзь-ёлка");
        for letter in (' '..='~').chain('Ѐ'..='џ').chain(['Ґ', 'ґ']) {
            let word = format!("б{letter}б");
            assert_eq!(
                squeeze_plain(&word),
                squeeze(&word.to_lowercase()),
                "{letter}"
            );
        }
    }

    #[test]
    fn a_letter_of_the_other_script_inside_a_word_is_repaired() {
        assert_eq!(repair_script("пeтрeнко"), "петренко");
        assert_eq!(repair_script("ivаnоv"), "ivanov");
        assert_eq!(repair_script("іван"), "іван");
    }
}
