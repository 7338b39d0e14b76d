//! A schema: which kinds of keys two sides make, under one digest over everything they must do alike.
//! `docs/matching.md` §8 and §10.

use std::sync::OnceLock;

use ring::digest::{Context, SHA512_256};

use crate::kind::{Gap, KeyKind};
use crate::tables;

/// Version of the rules that are code and not data: changed with every change that changes a fold or a key.
pub const RULES: &str = "tacit rules 1";

/// A choice of keys over one set of rules and tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Schema {
    /// DOC, SRV, TAX, N1 and N2; N3 to N8 wide. Any two possible kinds together are strong.
    PersonsV1,
    /// Further kinds for typing errors and for dates that one side does not know, and only pairs of
    /// possible kinds that corroborate each other are strong.
    #[default]
    PersonsV2,
}

/// Which possible kinds make a strong answer together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corroborating {
    /// Any two kinds that differ.
    AnyTwo,
    /// These pairs and no others.
    Pairs(&'static [(KeyKind, KeyKind)]),
}

impl Schema {
    /// Every schema this version knows.
    pub const ALL: [Self; 2] = [Self::PersonsV1, Self::PersonsV2];

    /// The schema of that name.
    ///
    /// ```
    /// use identity::Schema;
    ///
    /// assert_eq!(Schema::named("persons-v2"), Some(Schema::PersonsV2));
    /// assert_eq!(Schema::named("persons-v9"), None);
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|schema| schema.name() == name)
    }

    /// The name that both sides agree on: ASCII, at most 31 bytes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PersonsV1 => "persons-v1",
            Self::PersonsV2 => "persons-v2",
        }
    }

    /// The kinds of keys it makes.
    pub const fn kinds(self) -> &'static [KeyKind] {
        use KeyKind::*;
        match self {
            Self::PersonsV1 => &[Doc, Srv, Tax, N1, N2, N3, N4, N5, N6, N7, N8],
            Self::PersonsV2 => &[
                Doc, Srv, Tax, N1, N2, N9, N3, N4, N5, N7, N8, N10, N11, N12, N13, N14, N15,
            ],
        }
    }

    /// Pairs of possible kinds that are strong together.
    ///
    /// In persons-v2, one held person can give both keys of such a pair without giving a strong key
    /// too. Any other two possible keys either say the same twice, or would come with a strong key if
    /// they came from one person; without it they come from two.
    pub const fn corroborating(self) -> Corroborating {
        match self {
            Self::PersonsV1 => Corroborating::AnyTwo,
            Self::PersonsV2 => {
                Corroborating::Pairs(&[(KeyKind::N3, KeyKind::N5), (KeyKind::N3, KeyKind::N15)])
            }
        }
    }

    /// SHA-512/256 over the whole specification: name, rules, Unicode version, recipes and every data file.
    pub fn digest(self) -> [u8; 32] {
        static DIGESTS: OnceLock<[[u8; 32]; Schema::ALL.len()]> = OnceLock::new();
        DIGESTS.get_or_init(|| Self::ALL.map(Self::compute_digest))[self as usize]
    }

    fn compute_digest(self) -> [u8; 32] {
        let mut context = Context::new(&SHA512_256);
        // The length goes first, so that no other sequence of texts gives the same bytes.
        let mut add = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        add(b"tacit/v1 schema");
        add(self.name().as_bytes());
        add(RULES.as_bytes());
        add(unicode_version().as_bytes());
        for kind in self.kinds() {
            add(kind.label().as_bytes());
            add(kind.grade().name().as_bytes());
            add(kind.class().name().as_bytes());
            for part in kind.parts() {
                add(part.tag().as_bytes());
            }
            add(kind.gap().map_or("", Gap::label).as_bytes());
        }
        match self.corroborating() {
            Corroborating::AnyTwo => add(b"any two"),
            Corroborating::Pairs(pairs) => {
                for (first, second) in pairs {
                    add(first.label().as_bytes());
                    add(second.label().as_bytes());
                }
            }
        }
        for (name, text) in tables::FILES {
            add(name.as_bytes());
            add(text.as_bytes());
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        digest
    }
}

/// The Unicode version whose NFKC both sides use.
pub fn unicode_version() -> String {
    let (major, minor, patch) = unicode_normalization::UNICODE_VERSION;
    format!("Unicode {major}.{minor}.{patch}")
}

/// Names and sizes of the data files under the digest.
pub fn data_files() -> impl Iterator<Item = (&'static str, &'static str)> {
    tables::FILES.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_found_by_its_name_which_fits_the_offer() {
        for schema in Schema::ALL {
            assert_eq!(Schema::named(schema.name()), Some(schema));
            assert!(schema.name().is_ascii() && schema.name().len() <= 31);
            assert_ne!(schema.digest(), [0; 32]);
        }
        assert_eq!(Schema::named("persons"), None);
    }

    /// Two nodes of different builds must notice any difference: a change here is a new schema for
    /// everybody, and [`RULES`] says so where the change is in code.
    #[test]
    fn the_digests_change_only_on_purpose() {
        let shown = Schema::ALL.map(|schema| {
            schema.digest()[..8]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        });
        assert_eq!(shown, ["2c62afa5fb71f303", "1762f1917fc2591b"]);
    }
}
