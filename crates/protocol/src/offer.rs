//! Offer and Answer: each side's terms, as the first message of either.
//!
//! The two are one layout of fixed size, so that neither shows a length. Each side sends its own
//! terms; both compare, so both can say in which field they differ and what each has. The bytes
//! themselves are hashed into the session id. `docs/protocol.md` §5.1.

use element::{ByClass, KeyClass};
use rand_core::CryptoRng;

use crate::ceiling::{Ceiling, Ceilings, SideCeilings};
use crate::difference::Difference;
use crate::error::{Error, PeerMisbehaved};
use crate::limits::{REFERENCE_BYTES_MAX, SCHEMA_NAME_BYTES_MAX};
use crate::mediator::Mediator;
use crate::terms::{SettlingWindow, Terms};
use sealing::{Reader, put_text};

/// Bytes of an Offer or Answer.
pub const OFFER_BYTES: usize = 512;

/// The protocol version of this program.
pub const VERSION: u16 = 1;

/// The cryptographic suite: ristretto255-SHA512 with SHA-256, HKDF-SHA256 and ChaCha20-Poly1305.
pub const SUITE: u16 = 1;

/// An Offer or Answer: terms and a nonce.
pub struct Offer {
    /// What its sender has set.
    pub terms: Terms,
    /// Random, so that the same two sides never have two sessions of one id.
    pub nonce: [u8; 32],
}

impl Offer {
    /// Puts `terms` under a fresh nonce.
    pub fn new(terms: Terms, rng: &mut impl CryptoRng) -> Self {
        let mut nonce = [0u8; 32];
        rng.fill_bytes(&mut nonce);
        Self { terms, nonce }
    }

    /// The [`OFFER_BYTES`] bytes of the layout. Terms that do not pass [`Terms::check`] are cut short.
    pub fn encode(&self) -> Vec<u8> {
        let terms = &self.terms;
        let mut out = Vec::with_capacity(OFFER_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&SUITE.to_be_bytes());
        put_text::<SCHEMA_NAME_BYTES_MAX>(&mut out, &terms.schema_name);
        out.extend_from_slice(&terms.schema_digest);
        out.push(u8::from(terms.mediator.can_settle()));
        out.extend_from_slice(terms.mediator.encoded());
        for class in [KeyClass::Narrow, KeyClass::Wide] {
            let ceilings = terms.ceilings.get(class).map(|c| {
                [
                    c.initiator.held,
                    c.initiator.requested,
                    c.responder.held,
                    c.responder.requested,
                ]
                .map(Ceiling::get)
            });
            for elements in ceilings.unwrap_or_default() {
                out.extend_from_slice(&elements.to_be_bytes());
            }
        }
        out.extend_from_slice(&terms.window.get().to_be_bytes());
        put_text::<REFERENCE_BYTES_MAX>(&mut out, &terms.reference);
        out.extend_from_slice(&self.nonce);
        out.resize(OFFER_BYTES, 0);
        out
    }

    /// Reads a peer's Offer or Answer.
    ///
    /// # Errors
    /// Another version or suite is a [`Difference`]; anything else that is not the layout is misbehaviour.
    pub fn decode(bytes: &[u8], name: &'static str) -> Result<Self, Error> {
        let malformed = PeerMisbehaved::Malformed { message: name };
        let mut reader = Reader::new(bytes);
        if bytes.len() != OFFER_BYTES || reader.array().as_ref() != Some(MAGIC) {
            return Err(malformed.into());
        }
        let (version, suite) = reader
            .u16()
            .zip(reader.u16())
            .ok_or_else(|| malformed.clone())?;
        // > A version or suite that differs is reported before anything after it is read.
        if version != VERSION {
            return Err(Difference::Version {
                ours: VERSION,
                theirs: version,
            }
            .into());
        }
        if suite != SUITE {
            return Err(Difference::Suite {
                ours: SUITE,
                theirs: suite,
            }
            .into());
        }
        Self::decode_v1(&mut reader).ok_or_else(|| malformed.into())
    }

    fn decode_v1(reader: &mut Reader) -> Option<Self> {
        let schema_name = reader.text::<SCHEMA_NAME_BYTES_MAX>()?;
        if !schema_name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let schema_digest = reader.array()?;
        let settles = reader.u8()?;
        let point = reader.array()?;
        let mediator = Mediator::from_parts(settles, &point)?;
        let narrow = Self::decode_ceilings(reader)??;
        let wide = Self::decode_ceilings(reader)?;
        let window = SettlingWindow::from_seconds(reader.u32()?)?;
        let reference = reader.text::<REFERENCE_BYTES_MAX>()?;
        let nonce = reader.array()?;
        reader.only_padding_left()?;
        let ceilings = ByClass { narrow, wide };
        Some(Self {
            terms: Terms {
                schema_name,
                schema_digest,
                mediator,
                ceilings,
                window,
                reference,
            },
            nonce,
        })
    }

    /// `Some(None)` when the class is off: all four are zero.
    fn decode_ceilings(reader: &mut Reader) -> Option<Option<Ceilings>> {
        let raw = [reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?];
        if raw == [0; 4] {
            return Some(None);
        }
        let [a, b, c, d] = raw.map(Ceiling::new);
        Some(Some(Ceilings {
            initiator: SideCeilings {
                held: a?,
                requested: b?,
            },
            responder: SideCeilings {
                held: c?,
                requested: d?,
            },
        }))
    }
}

const MAGIC: &[u8; 8] = b"tacit/v1";
