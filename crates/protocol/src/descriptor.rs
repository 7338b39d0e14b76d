//! A mediator's descriptor: the one string that both sides paste to agree on it.
//!
//! `tacitm1` and bech32m of: version (1 byte, 1) ‖ the mediator's id (32) ‖ M (32) ‖ first and last
//! second of the epoch, by the mediator's clock (8 each) ‖ length of the address (2) ‖ address ‖ the
//! mediator's signature (64) over a label and all before it. It comes from the mediator, never from
//! the peer. `docs/protocol.md`, Settling.

use std::fmt;
use std::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};

use pairing::{NodeId, NodeKey, Signature};
use sealing::Reader;

use crate::limits::{ADDRESS_BYTES_MAX, EPOCH_SECONDS_MAX, WINDOW_SECONDS_MAX};
use crate::mediator::{Mediator, MediatorTime, SettlingPoint};

/// A mediator, its settling point for one epoch, and where it is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The mediator's Ed25519 key: what its TLS and its verdicts are under.
    pub mediator: NodeId,
    /// M.
    pub point: [u8; 32],
    /// The first second of the epoch.
    pub from: MediatorTime,
    /// The last second at which a session may be agreed on under this point.
    pub until: MediatorTime,
    /// `host:port` of its relay; empty where the mediator leaves that to be told.
    pub address: String,
    signature: Signature,
}

/// Why a text is no descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDescriptor {
    /// It is something else: a node's id, say.
    #[error("a mediator's descriptor starts with tacitm1")]
    WrongPrefix,
    /// The checksum is wrong.
    #[error("the descriptor was mistyped or cut short; paste it again, whole")]
    Mistyped,
    /// The checksum is right and the first byte is no version that is known here.
    #[error("the descriptor is of a newer version of tacit")]
    Newer,
    /// A part is missing, out of its bounds, or no group element.
    #[error("the text is well formed, but is not a descriptor")]
    Malformed,
    /// Somebody else made or changed it.
    #[error("the descriptor is not signed by the mediator it names")]
    Signature,
}

impl Descriptor {
    /// Describes `mediator` with `point`. `None` if the address is longer than
    /// [`ADDRESS_BYTES_MAX`] or the epoch longer than [`EPOCH_SECONDS_MAX`].
    pub fn new(
        mediator: &NodeKey,
        point: &SettlingPoint,
        epoch: (MediatorTime, MediatorTime),
        address: &str,
    ) -> Option<Self> {
        let mut described = Self {
            mediator: mediator.id(),
            point: *point.encoded(),
            from: epoch.0,
            until: epoch.1,
            address: address.to_owned(),
            signature: Signature::from_bytes([0; 64]),
        };
        if !described.in_bounds() {
            return None;
        }
        described.signature = mediator.sign(&described.text());
        Some(described)
    }

    /// The mediator of a session's terms.
    ///
    /// # Errors
    /// [`InvalidDescriptor::Malformed`]: the point is no group element.
    pub fn terms(&self) -> Result<Mediator, InvalidDescriptor> {
        SettlingPoint::decode(&self.point)
            .map(Mediator::Settling)
            .map_err(|_| InvalidDescriptor::Malformed)
    }

    /// The last deadline that the mediator's key still settles.
    pub fn last_deadline(&self) -> MediatorTime {
        MediatorTime(self.until.0.saturating_add(WINDOW_SECONDS_MAX))
    }

    fn in_bounds(&self) -> bool {
        let epoch = self.until.0.checked_sub(self.from.0);
        self.address.len() <= ADDRESS_BYTES_MAX
            && self.address.bytes().all(|byte| byte.is_ascii_graphic())
            && epoch.is_some_and(|seconds| seconds <= EPOCH_SECONDS_MAX)
    }

    /// What is signed: label, then all but the signature.
    fn text(&self) -> Vec<u8> {
        let mut out = LABEL.to_vec();
        out.push(VERSION);
        out.extend_from_slice(self.mediator.as_bytes());
        out.extend_from_slice(&self.point);
        out.extend_from_slice(&self.from.0.to_be_bytes());
        out.extend_from_slice(&self.until.0.to_be_bytes());
        out.extend_from_slice(&(self.address.len() as u16).to_be_bytes());
        out.extend_from_slice(self.address.as_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidDescriptor> {
        match bytes.first() {
            Some(&VERSION) => {}
            Some(_) => return Err(InvalidDescriptor::Newer),
            None => return Err(InvalidDescriptor::Malformed),
        }
        let described = Self::decode_v1(bytes).ok_or(InvalidDescriptor::Malformed)?;
        described.terms()?;
        described
            .mediator
            .verify(&described.text(), &described.signature)
            .map_err(|_| InvalidDescriptor::Signature)?;
        Ok(described)
    }

    fn decode_v1(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        reader.u8()?;
        let mediator = NodeId::from_bytes(reader.array()?).ok()?;
        let point = reader.array()?;
        let (from, until) = (MediatorTime(reader.u64()?), MediatorTime(reader.u64()?));
        let length = usize::from(reader.u16()?);
        let address = std::str::from_utf8(reader.slice(length)?).ok()?.to_owned();
        let signature = Signature::from_bytes(reader.array()?);
        reader.at_end()?;
        let described = Self {
            mediator,
            point,
            from,
            until,
            address,
            signature,
        };
        described.in_bounds().then_some(described)
    }
}

impl fmt::Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.text().split_off(LABEL.len());
        bytes.extend_from_slice(self.signature.as_bytes());
        let text = bech32::encode_lower::<Bech32m>(HRP, &bytes).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl FromStr for Descriptor {
    type Err = InvalidDescriptor;

    /// Reads a pasted descriptor; white space around and inside it, as mail programs put it there, is
    /// left out.
    fn from_str(text: &str) -> Result<Self, InvalidDescriptor> {
        let text: String = text.split_whitespace().collect();
        if !text.to_ascii_lowercase().starts_with(PREFIX) {
            return Err(InvalidDescriptor::WrongPrefix);
        }
        let checked =
            CheckedHrpstring::new::<Bech32m>(&text).map_err(|_| InvalidDescriptor::Mistyped)?;
        let bytes: Vec<u8> = checked.byte_iter().collect();
        let described = Self::decode(&bytes)?;
        // Bits left over in the last character are zero: one descriptor, one text.
        if described.to_string() != text.to_ascii_lowercase() {
            return Err(InvalidDescriptor::Malformed);
        }
        Ok(described)
    }
}

const LABEL: &[u8] = b"tacit/v1/descriptor";
const VERSION: u8 = 1;
const PREFIX: &str = "tacitm1";
const HRP: Hrp = Hrp::parse_unchecked("tacitm");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settling_key::SettlingKey;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn described(address: &str) -> Descriptor {
        let key = SettlingKey::generate(&mut ChaCha20Rng::seed_from_u64(1));
        let epoch = (MediatorTime(1_000), MediatorTime(1_000 + EPOCH_SECONDS_MAX));
        Descriptor::new(&NodeKey::from_seed(&[1; 32]), &key.point(), epoch, address).unwrap()
    }

    #[test]
    fn a_descriptor_survives_the_round_trip_also_broken_over_lines() {
        for address in ["", "relay.example:7448", "[2001:db8::7]:7448"] {
            let described = described(address);
            let text = described.to_string();
            assert_eq!(text.parse(), Ok(described.clone()));
            let folded = format!(" {}\r\n  {} ", &text[..70], &text[70..]);
            assert_eq!(folded.parse(), Ok(described.clone()));
            assert_eq!(text.to_uppercase().parse(), Ok(described));
        }
    }

    #[test]
    fn an_epoch_or_an_address_out_of_bounds_is_not_described() {
        let key = SettlingKey::generate(&mut ChaCha20Rng::seed_from_u64(1));
        let new = |until, address: &str| {
            let epoch = (MediatorTime(1_000), MediatorTime(until));
            Descriptor::new(&NodeKey::from_seed(&[1; 32]), &key.point(), epoch, address)
        };
        assert!(new(999, "").is_none());
        assert!(new(1_001 + EPOCH_SECONDS_MAX, "").is_none());
        assert!(new(2_000, &"a".repeat(ADDRESS_BYTES_MAX + 1)).is_none());
        assert!(new(2_000, &"a".repeat(ADDRESS_BYTES_MAX)).is_some());
        assert!(new(2_000, "a b").is_none());
    }

    #[test]
    fn each_kind_of_fault_is_named() {
        let text = described("relay.example:7448").to_string();
        let refusal = |text: &str| text.parse::<Descriptor>().unwrap_err();
        assert_eq!(refusal(&text[1..]), InvalidDescriptor::WrongPrefix);
        assert_eq!(refusal(&text[..100]), InvalidDescriptor::Mistyped);
        let mut typo = text.clone().into_bytes();
        typo[50] = if typo[50] == b'q' { b'p' } else { b'q' };
        assert_eq!(
            refusal(std::str::from_utf8(&typo).unwrap()),
            InvalidDescriptor::Mistyped
        );
        let mut forged = described("relay.example:7448");
        forged.address = "relay.example:7449".into();
        assert_eq!(refusal(&forged.to_string()), InvalidDescriptor::Signature);
        let mut other = described("relay.example:7448");
        other.mediator = NodeKey::from_seed(&[2; 32]).id();
        assert_eq!(refusal(&other.to_string()), InvalidDescriptor::Signature);
    }
}
