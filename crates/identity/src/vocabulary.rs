//! The closed vocabularies of given names and patronymics, parsed once. `docs/matching.md` §4.
//!
//! The classes are in `data/given-names*.txt`, one line a class; suffixes and irregular stems of
//! patronymics are in `data/patronymics.txt`. How a name is looked up in them is told by
//! [`given`](crate::given) and [`patronymic`](crate::patronymic).

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use crate::phoneme::{phonemes, stem};
use crate::repair::Repairs;
use crate::tables::{self, lines};
use crate::text::clean;

/// The classes of names, by fold.
pub(crate) struct Vocabulary {
    /// The A fold of every form of every given name, to its class.
    pub(crate) forms: HashMap<String, &'static str>,
    /// Forms that a typing error is repaired towards; and those of men's names alone.
    pub(crate) repairs: Repairs,
    pub(crate) male_repairs: Repairs,
    /// Stems of men's names and irregular patronymic stems, to the father's class.
    pub(crate) stems: HashMap<String, &'static str>,
    pub(crate) stem_repairs: Repairs,
    /// Endings of patronymics, as A folds, the longest first.
    pub(crate) suffixes: Vec<&'static str>,
    /// Words beside a patronymic that are no part of it, as A folds.
    pub(crate) particles: HashSet<&'static str>,
}

/// The vocabulary, loaded at the first call.
pub(crate) fn vocabulary() -> &'static Vocabulary {
    static VOCABULARY: OnceLock<Vocabulary> = OnceLock::new();
    VOCABULARY.get_or_init(Vocabulary::load)
}

impl Vocabulary {
    fn load() -> Self {
        let mut forms = HashMap::new();
        let mut male = HashMap::new();
        let mut stems = HashMap::new();
        for file in [tables::GIVEN_NAMES, tables::GIVEN_NAMES_REGIONAL] {
            for (section, line) in lines(file) {
                let Some((class, spellings)) = line.split_once(':') else {
                    continue;
                };
                // A form that ends in _ is listed for the reader only: it is ambiguous.
                for spelling in spellings
                    .split_whitespace()
                    .filter(|form| !form.ends_with('_'))
                {
                    let sounds = phonemes(&clean(spelling));
                    if section == "male" {
                        stems.entry(stem(&sounds).to_owned()).or_insert(class);
                        male.entry(sounds.clone()).or_insert(class);
                    }
                    forms.entry(sounds).or_insert(class);
                }
            }
        }
        let (repairs, male_repairs) = (Repairs::towards(&forms), Repairs::towards(&male));
        // Spellings of other languages count as they stand; nothing is repaired towards them.
        for (_, line) in lines(tables::GIVEN_NAMES_WIKIDATA) {
            let Some((class, spellings)) = line.split_once(':') else {
                continue;
            };
            for spelling in spellings.split_whitespace() {
                forms.entry(phonemes(&clean(spelling))).or_insert(class);
            }
        }
        let mut suffixes = Vec::new();
        let mut particles = HashSet::new();
        for (section, line) in lines(tables::PATRONYMICS) {
            match section {
                "suffixes" => suffixes.extend(line.split_whitespace()),
                "particles" => particles.extend(line.split_whitespace()),
                _ => {
                    if let Some((from, class)) = line.split_once(' ') {
                        stems.entry(from.to_owned()).or_insert(class);
                    }
                }
            }
        }
        // Longest first: -ович must not be taken for -ич.
        suffixes.sort_by_key(|suffix| std::cmp::Reverse(suffix.len()));
        Self {
            repairs,
            male_repairs,
            stem_repairs: Repairs::towards(&stems),
            forms,
            stems,
            suffixes,
            particles,
        }
    }
}
