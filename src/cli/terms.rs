//! What both sides must set alike on the command line, and the terms that come of it.

use identity::Schema;
use protocol::limits::CEILING_MAX;
use protocol::{ByClass, Ceiling, Ceilings, Mediator, SettlingWindow, Terms};

/// The sizes that a ceiling can have, in match keys: few, so that no list shows its size by the choice.
pub const CEILINGS: [u32; 7] = [
    1 << 10,
    1 << 12,
    1 << 14,
    1 << 16,
    1 << 18,
    1 << 20,
    1 << 22,
];

/// The wide class has about two and a half times as many keys a person as the narrow one; sizes are powers of four.
const WIDE_PER_NARROW: u32 = 4;

/// Options that must be the same on both sides.
#[derive(clap::Args, Debug, Clone)]
pub struct TermsArgs {
    /// Pad each list to this many match keys, about 3 a person; rounded up to 1024, 4096, 16384,
    /// 65536, 262144, 1048576 or 4194304. Both sides must give the same
    #[arg(long, value_name = "KEYS", default_value = "65536", value_parser = ceiling)]
    pub ceiling: u32,

    /// Also match the wide key class (keys that several people may share), at four times the ceiling;
    /// both sides must give it
    #[arg(long)]
    pub wide: bool,
}

impl TermsArgs {
    /// The terms of a session under `schema`, with the mediator that both sides agree on.
    pub fn terms(&self, schema: Schema, mediator: Mediator) -> Terms {
        let ceilings = |elements: u32| Ceiling::new(elements.min(CEILING_MAX)).map(Ceilings::all);
        let narrow = ceilings(self.ceiling).unwrap_or(Ceilings::all(Ceiling::DEFAULT));
        let wide = self
            .wide
            .then(|| ceilings(self.ceiling.saturating_mul(WIDE_PER_NARROW)))
            .flatten();
        Terms {
            schema_name: schema.name().into(),
            schema_digest: schema.digest(),
            mediator,
            ceilings: ByClass { narrow, wide },
            window: SettlingWindow::DEFAULT,
            reference: String::new(),
        }
    }

    /// People that a list at this ceiling can have, about.
    pub fn people(&self) -> u64 {
        protocol::ceiling::people_within(self.ceiling)
    }
}

/// The next size that holds `elements`; `None` above the largest.
pub fn ceiling_for(elements: usize) -> Option<u32> {
    CEILINGS
        .into_iter()
        .find(|ceiling| *ceiling as usize >= elements)
}

/// Reads a ceiling, rounded up to one of the sizes.
///
/// # Errors
/// What is wrong with it.
pub fn ceiling(text: &str) -> Result<u32, String> {
    let elements: usize = text
        .replace(['_', ' '], "")
        .parse()
        .map_err(|_| "write a number of match keys".to_owned())?;
    if elements == 0 {
        return Err("a ceiling is at least 1".to_owned());
    }
    ceiling_for(elements)
        .ok_or_else(|| format!("a ceiling is at most {}", CEILINGS[CEILINGS.len() - 1]))
}
