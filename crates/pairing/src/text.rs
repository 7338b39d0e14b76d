//! A node id as people copy it: `tacit1` and 58 characters, bech32m of the 32 bytes.
//!
//! Source: BIP-173 for the character set and the rules on case, BIP-350 for the checksum. It finds
//! any four mistyped characters, and any more with odds of one in a billion to miss them. A single
//! slip is also located, but never mended: BIP-173 warns that a program's correction of a worse
//! error is somebody else's id.

use std::fmt;
use std::str::FromStr;

use bech32::primitives::decode::{CheckedHrpstring, UncheckedHrpstring};
use bech32::{Bech32m, Hrp};

use super::{InvalidNodeId, NodeId};

const PREFIX: &str = "tacit1";
const HRP: Hrp = Hrp::parse_unchecked("tacit");
const ALPHABET: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// The prefix, 52 characters for 256 bits, 6 of checksum.
const LENGTH: usize = 64;

/// Why a text is no node id. Positions count characters from 1, surrounding white space left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseNodeIdError {
    /// It is something else, or the id of another product.
    #[error("a node id starts with tacit1")]
    WrongPrefix,
    /// BIP-173 forbids it: case that varies is a sign of an altered text.
    #[error("a node id is written in small letters or in capitals, not in both")]
    MixedCase,
    /// Characters are missing or too many.
    #[error("a node id has {LENGTH} characters, this has {characters}: {}", more_or_less(.characters))]
    WrongLength {
        /// Characters of the text, the prefix with them.
        characters: usize,
    },
    /// A character outside the 32 that follow the prefix.
    #[error(
        "character {position}, {character:?}, does not occur in a node id, which after tacit1 has \
         digits and letters without 1, b, i and o"
    )]
    WrongCharacter {
        /// Where the first of them stands.
        position: usize,
        /// The character.
        character: char,
    },
    /// Every character is possible, and the checksum is wrong.
    #[error("the id was mistyped: {0}")]
    Mistyped(Typo),
    /// The checksum is right: somebody made this text, not a typing mistake.
    #[error("the text is well formed, but no node has this id: {0}")]
    Invalid(#[from] InvalidNodeId),
}

/// What kind of slip would explain a wrong checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Typo {
    /// One character stands for another.
    #[error("look at character {position}")]
    Replaced {
        /// Where it stands.
        position: usize,
    },
    /// Two neighbours stand the wrong way round.
    #[error("characters {position} and {} look swapped", .position + 1)]
    Swapped {
        /// Where the first of the two stands.
        position: usize,
    },
    /// Neither explains it.
    #[error("more than one character is wrong; copy it again")]
    Several,
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = bech32::encode_lower::<Bech32m>(HRP, self.as_bytes()).map_err(|_| fmt::Error)?;
        f.pad(&text)
    }
}

impl FromStr for NodeId {
    type Err = ParseNodeIdError;

    /// Reads an id in small letters or all in capitals; white space around it is left out.
    fn from_str(text: &str) -> Result<Self, ParseNodeIdError> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        let Some(data) = lower.strip_prefix(PREFIX) else {
            return Err(ParseNodeIdError::WrongPrefix);
        };
        if text != lower && text != text.to_ascii_uppercase() {
            return Err(ParseNodeIdError::MixedCase);
        }
        for (i, character) in data.chars().enumerate() {
            if !ALPHABET.contains(character) {
                return Err(ParseNodeIdError::WrongCharacter {
                    position: PREFIX.len() + i + 1,
                    character,
                });
            }
        }
        if lower.len() != LENGTH {
            return Err(ParseNodeIdError::WrongLength {
                characters: lower.len(),
            });
        }
        let checked = CheckedHrpstring::new::<Bech32m>(&lower)
            .map_err(|_| ParseNodeIdError::Mistyped(explain(&lower)))?;
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(checked.byte_iter()) {
            *to = from;
        }
        let id = NodeId::from_bytes(bytes)?;
        // 52 characters hold 260 bits, and the four left over are zero: one id, one text.
        if id.to_string() != lower {
            return Err(InvalidNodeId::NotCanonical.into());
        }
        Ok(id)
    }
}

fn more_or_less(characters: &usize) -> &'static str {
    if *characters < LENGTH {
        "some are missing"
    } else {
        "some are too many"
    }
}

/// Looks for the one slip after which `text`, [`LENGTH`] characters of the alphabet, is in order.
///
/// The code's distance of 5 makes it unique. Some 1,800 checksums, well under a millisecond.
fn explain(text: &str) -> Typo {
    let mut trial = text.as_bytes().to_vec();
    for i in PREFIX.len()..trial.len() {
        let typed = trial[i];
        for other in ALPHABET.bytes() {
            trial[i] = other;
            if in_order(&trial) {
                return Typo::Replaced { position: i + 1 };
            }
        }
        trial[i] = typed;
    }
    for i in PREFIX.len()..trial.len() - 1 {
        trial.swap(i, i + 1);
        if in_order(&trial) {
            return Typo::Swapped { position: i + 1 };
        }
        trial.swap(i, i + 1);
    }
    Typo::Several
}

fn in_order(trial: &[u8]) -> bool {
    std::str::from_utf8(trial)
        .ok()
        .and_then(|text| UncheckedHrpstring::new(text).ok())
        .is_some_and(|parts| parts.has_valid_checksum::<Bech32m>())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::NodeKey;
    use super::*;

    const ID: &str = "tacit132yw8ht5p8cetl2jmvknewjawt9xwzdlrk2pyxlnwjyqrdq0dawqpd0ezw";

    fn id() -> NodeId {
        NodeKey::from_seed(&[1; 32]).id()
    }

    fn refusal(text: &str) -> ParseNodeIdError {
        text.parse::<NodeId>().unwrap_err()
    }

    /// The texts were computed by an implementation in another language.
    #[test]
    fn ids_agree_with_a_second_implementation() {
        assert_eq!(id().to_string(), ID);
        assert_eq!(format!("{:?}", id()), ID, "Debug shows the same");
        assert_eq!(
            NodeKey::from_seed(&[0; 32]).id().to_string(),
            "tacit18d4z00xwk6jz6c4r4rgz5mcdwdjny9thrh3y8f36cpy2rz6emg5swqftrt"
        );
    }

    #[test]
    fn capitals_and_white_space_around_are_accepted() {
        assert_eq!(ID.parse(), Ok(id()));
        assert_eq!(ID.to_uppercase().parse(), Ok(id()));
        assert_eq!(format!(" \t{ID}\r\n").parse(), Ok(id()));
    }

    #[test]
    fn each_kind_of_fault_is_named() {
        assert_eq!(refusal(""), ParseNodeIdError::WrongPrefix);
        assert_eq!(refusal(&ID[1..]), ParseNodeIdError::WrongPrefix);
        assert_eq!(
            refusal("tacid132yw8ht5p8cetl2jmvknewjawt9xwzdlrk2pyxlnwjyqrdq0dawqae4mhz"),
            ParseNodeIdError::WrongPrefix
        );
        assert_eq!(
            refusal(&ID.replace("yw8", "yW8")),
            ParseNodeIdError::MixedCase
        );
        assert_eq!(
            refusal(&ID[..60]),
            ParseNodeIdError::WrongLength { characters: 60 }
        );
        assert_eq!(
            refusal(&format!("{ID}q")),
            ParseNodeIdError::WrongLength { characters: 65 }
        );
        assert_eq!(
            refusal(&ID.replace("yw8", "yб8")),
            ParseNodeIdError::WrongCharacter {
                position: 10,
                character: 'б'
            }
        );
        assert_eq!(
            refusal(&ID.replace("yw8", "yo8")).to_string(),
            "character 10, 'o', does not occur in a node id, which after tacit1 has digits and \
             letters without 1, b, i and o"
        );
    }

    /// A checksum made by bech32 of BIP-173 instead of bech32m is wrong too.
    #[test]
    fn a_wrong_checksum_is_a_typing_mistake() {
        let bip173 = "tacit132yw8ht5p8cetl2jmvknewjawt9xwzdlrk2pyxlnwjyqrdq0dawq53l48v";
        assert_eq!(refusal(bip173), ParseNodeIdError::Mistyped(Typo::Several));
    }

    #[test]
    fn texts_with_a_right_checksum_that_name_no_key_are_refused() {
        assert_eq!(
            refusal("tacit1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqhhdqtr"),
            ParseNodeIdError::Invalid(InvalidNodeId::SmallOrder)
        );
        let padding_not_zero = "tacit132yw8ht5p8cetl2jmvknewjawt9xwzdlrk2pyxlnwjyqrdq0dawpummvlu";
        assert_eq!(
            refusal(padding_not_zero),
            ParseNodeIdError::Invalid(InvalidNodeId::NotCanonical)
        );
        let bytes_31 = "tacit132yw8ht5p8cetl2jmvknewjawt9xwzdlrk2pyxlnwjyqrdq0du6vur5r";
        assert_eq!(
            refusal(bytes_31),
            ParseNodeIdError::WrongLength { characters: 62 }
        );
    }

    #[test]
    fn every_single_slip_is_located() {
        for i in PREFIX.len()..LENGTH {
            for other in ALPHABET
                .bytes()
                .filter(|b| *b != ID.as_bytes()[i])
                .step_by(7)
            {
                let mut text = ID.as_bytes().to_vec();
                text[i] = other;
                assert_eq!(
                    refusal(std::str::from_utf8(&text).unwrap()),
                    ParseNodeIdError::Mistyped(Typo::Replaced { position: i + 1 })
                );
            }
        }
        for i in PREFIX.len()..LENGTH - 1 {
            let mut text = ID.as_bytes().to_vec();
            text.swap(i, i + 1);
            let text = std::str::from_utf8(&text).unwrap();
            if text != ID {
                let swapped = Typo::Swapped { position: i + 1 };
                assert_eq!(refusal(text), ParseNodeIdError::Mistyped(swapped));
            }
        }
    }

    proptest! {
        #[test]
        fn an_id_survives_the_round_trip(seed: [u8; 32]) {
            let id = NodeKey::from_seed(&seed).id();
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn no_text_panics(text in ".*", tail in "tacit1[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{58}") {
            let _ = text.parse::<NodeId>();
            let _ = format!("tacit1{text}").parse::<NodeId>();
            let _ = tail.parse::<NodeId>();
        }
    }
}
