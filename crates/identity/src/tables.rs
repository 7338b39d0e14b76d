//! The data files beside this one, parsed once: what a person can review and the digest covers.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

/// Every data file: its name and its bytes, in the order in which the schema digest takes them.
pub(crate) const FILES: [(&str, &str); 11] = [
    ("cyrillic.txt", include_str!("data/cyrillic.txt")),
    ("latin.txt", include_str!("data/latin.txt")),
    ("lookalikes.txt", include_str!("data/lookalikes.txt")),
    ("given-names.txt", GIVEN_NAMES),
    ("given-names-regional.txt", GIVEN_NAMES_REGIONAL),
    ("given-names-wikidata.txt", GIVEN_NAMES_WIKIDATA),
    ("patronymics.txt", PATRONYMICS),
    ("months.txt", include_str!("data/months.txt")),
    ("headers.txt", HEADERS),
    ("place-words.txt", include_str!("data/place-words.txt")),
    ("placeholders.txt", include_str!("data/placeholders.txt")),
];

pub(crate) const GIVEN_NAMES: &str = include_str!("data/given-names.txt");
pub(crate) const GIVEN_NAMES_REGIONAL: &str = include_str!("data/given-names-regional.txt");
pub(crate) const GIVEN_NAMES_WIKIDATA: &str = include_str!("data/given-names-wikidata.txt");
pub(crate) const PATRONYMICS: &str = include_str!("data/patronymics.txt");
pub(crate) const HEADERS: &str = include_str!("data/headers.txt");

/// Lines of a data file without comments and empty lines; each with the `[section]` it stands in.
pub(crate) fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut section = "";
    text.lines().filter_map(move |line| {
        let line = line.split('#').next().unwrap_or("").trim_end();
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name;
            return None;
        }
        (!line.trim().is_empty()).then_some((section, line))
    })
}

/// The two words of a line; the second is empty where there is none.
fn pair(line: &'static str) -> (&'static str, &'static str) {
    line.split_once(' ').unwrap_or((line, ""))
}

fn letter(text: &str) -> Option<char> {
    text.chars().next()
}

/// Phonemes of each Cyrillic letter, by its place after U+0400.
pub(crate) struct Cyrillic([&'static str; 0x130]);

impl Cyrillic {
    /// The phonemes of a letter; none for a silent or unknown one.
    pub(crate) fn phonemes(&self, letter: char) -> &'static str {
        let place = (letter as usize).wrapping_sub(0x400);
        self.0.get(place).copied().unwrap_or("")
    }
}

pub(crate) fn cyrillic() -> &'static Cyrillic {
    static TABLE: OnceLock<Cyrillic> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = [""; 0x130];
        for (_, line) in lines(include_str!("data/cyrillic.txt")) {
            let (from, to) = pair(line);
            let place = letter(from).map_or(0, |from| (from as usize).wrapping_sub(0x400));
            if let Some(slot) = table.get_mut(place) {
                *slot = to.trim();
            }
        }
        Cyrillic(table)
    })
}

/// Latin letters with marks, and the groups of letters that transliterations write for one sound.
pub(crate) struct Latin {
    /// Marked letters (one or two) and their phonemes, in order.
    pub(crate) letters: Vec<(&'static str, &'static str)>,
    /// By first letter, a to z: the groups that begin with it, in order, and their phonemes.
    pub(crate) groups: [Vec<(&'static str, &'static str)>; 26],
}

pub(crate) fn latin() -> &'static Latin {
    static TABLE: OnceLock<Latin> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Latin {
            letters: Vec::new(),
            groups: Default::default(),
        };
        for (section, line) in lines(include_str!("data/latin.txt")) {
            let (from, to) = pair(line);
            if section == "letters" {
                table.letters.push((from, to));
            } else if let Some(first @ b'a'..=b'z') = from.bytes().next() {
                table.groups[usize::from(first - b'a')].push((from, to));
            }
        }
        table
    })
}

/// Letters of the two scripts that look the same.
pub(crate) struct Lookalikes {
    pub(crate) to_cyrillic: HashMap<char, char>,
    pub(crate) to_latin: HashMap<char, char>,
    /// Capitals in a document or service number, and what they count as.
    pub(crate) numbers: HashMap<char, char>,
}

pub(crate) fn lookalikes() -> &'static Lookalikes {
    static TABLE: OnceLock<Lookalikes> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Lookalikes {
            to_cyrillic: HashMap::new(),
            to_latin: HashMap::new(),
            numbers: HashMap::new(),
        };
        for (section, line) in lines(include_str!("data/lookalikes.txt")) {
            let (from, to) = pair(line);
            let (Some(from), Some(to)) = (letter(from), letter(to)) else {
                continue;
            };
            if section == "numbers" {
                table.numbers.insert(from, to);
            } else {
                table.to_cyrillic.insert(from, to);
                table.to_latin.insert(to, from);
            }
        }
        table
    })
}

/// Month names in every language, to their number.
pub(crate) fn months() -> &'static HashMap<&'static str, u8> {
    static TABLE: OnceLock<HashMap<&'static str, u8>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = HashMap::new();
        for (_, line) in lines(include_str!("data/months.txt")) {
            let Some((number, names)) = line.split_once(':') else {
                continue;
            };
            let Ok(number) = number.trim().parse::<u8>() else {
                continue;
            };
            table.extend(names.split_whitespace().map(|name| (name, number)));
        }
        table
    })
}

/// No placeholder is longer, in bytes.
const PLACEHOLDER_BYTES_MAX: usize = 40;

/// Whether a cleaned cell only says that there is nothing to say.
pub(crate) fn is_placeholder(cleaned: &str) -> bool {
    if cleaned.len() > PLACEHOLDER_BYTES_MAX {
        return false;
    }
    static TABLE: OnceLock<HashSet<&'static str>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        lines(include_str!("data/placeholders.txt"))
            .map(|(_, line)| line.trim())
            .collect()
    });
    table.contains(cleaned)
}

/// Whether a cleaned word stands beside places' own names.
pub(crate) fn is_place_word(word: &str) -> bool {
    static TABLE: OnceLock<HashSet<&'static str>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        lines(include_str!("data/place-words.txt"))
            .flat_map(|(_, line)| line.split_whitespace())
            .collect()
    });
    table.contains(word)
}
