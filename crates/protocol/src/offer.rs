//! Offer and Answer: what both sides must agree on before anything is committed to.
//!
//! The two are one layout of fixed size, so that neither shows a length. Each side sends its own
//! terms; both compare, so both can say in which field they differ and what each has.

use super::{ByClass, Ceiling, ListKind, PeerMisbehaved, Role, SessionId};
use curve25519_dalek::RistrettoPoint;
use element::KeyClass;
use oprf::{self, Dst, hash_to_group};
use pairing::NodeId;
use rand_core::CryptoRng;
use ring::digest::{SHA256, digest};
use sealing::{Reader, put_text};
use std::sync::LazyLock;

/// Bytes of an Offer or Answer.
pub const OFFER_BYTES: usize = 512;

/// The protocol version of this program.
pub const VERSION: u16 = 1;

/// The cryptographic suite: ristretto255-SHA512 with SHA-256, HKDF-SHA256 and ChaCha20-Poly1305.
pub const SUITE: u16 = 1;

/// What both sides must have set alike.
#[derive(Clone, PartialEq, Eq)]
pub struct Terms {
    /// Name, at most [`SCHEMA_NAME_BYTES_MAX`] bytes of ASCII, and digest of the match schema.
    pub schema_name: String,
    pub schema_digest: [u8; 32],
    pub mediator: Mediator,
    /// Key classes are those that have ceilings.
    pub ceilings: ByClass<Ceilings>,
    pub window: SettlingWindow,
    /// Free text of at most [`REFERENCE_BYTES_MAX`] bytes that the initiator gives the session.
    pub reference: String,
}

pub const SCHEMA_NAME_BYTES_MAX: usize = 31;
pub const REFERENCE_BYTES_MAX: usize = 200;

/// The ceilings of one key class: both lists of both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceilings {
    pub initiator: SideCeilings,
    pub responder: SideCeilings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SideCeilings {
    pub held: Ceiling,
    pub requested: Ceiling,
}

impl Ceilings {
    /// One ceiling for all four lists.
    pub fn all(ceiling: Ceiling) -> Self {
        let side = SideCeilings {
            held: ceiling,
            requested: ceiling,
        };
        Self {
            initiator: side,
            responder: side,
        }
    }

    pub fn of(&self, role: Role) -> SideCeilings {
        match role {
            Role::Initiator => self.initiator,
            Role::Responder => self.responder,
        }
    }
}

/// Under whose point the release secrets are escrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mediator {
    /// A point whose logarithm nobody knows: nobody can settle.
    None,
    /// The settling point of the agreed mediator.
    Settling(SettlingPoint),
}

/// M = m·G of a mediator.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SettlingPoint {
    point: RistrettoPoint,
    encoded: [u8; 32],
}

impl SettlingPoint {
    /// # Errors
    /// The encoding is not canonical, or the identity's.
    pub fn decode(encoded: &[u8; 32]) -> Result<Self, oprf::Error> {
        Ok(Self {
            point: oprf::decode_element(encoded, 0)?,
            encoded: *encoded,
        })
    }

    pub(super) fn from_point(point: RistrettoPoint) -> Self {
        Self {
            point,
            encoded: point.compress().to_bytes(),
        }
    }

    pub fn encoded(&self) -> &[u8; 32] {
        &self.encoded
    }
}

impl Mediator {
    /// M.
    pub fn point(&self) -> &RistrettoPoint {
        match self {
            Self::None => &NOBODY.point,
            Self::Settling(settling) => &settling.point,
        }
    }

    pub fn encoded(&self) -> &[u8; 32] {
        match self {
            Self::None => &NOBODY.encoded,
            Self::Settling(settling) => &settling.encoded,
        }
    }

    pub fn can_settle(&self) -> bool {
        matches!(self, Self::Settling(_))
    }
}

/// HashToGroup of a fixed label under a domain separation tag of its own.
static NOBODY: LazyLock<SettlingPoint> = LazyLock::new(|| {
    let point = hash_to_group(
        b"tacit/v1/no-mediator",
        &Dst::new(b"tacit/v1/no-mediator-ristretto255-SHA512"),
    );
    SettlingPoint::from_point(point)
});

/// W: how long after signing the mediator settles, 600 to 86,400 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettlingWindow(u32);

impl SettlingWindow {
    pub const DEFAULT: Self = Self(3600);

    pub fn from_seconds(seconds: u32) -> Option<Self> {
        (600..=86_400).contains(&seconds).then_some(Self(seconds))
    }

    pub fn seconds(self) -> u64 {
        u64::from(self.0)
    }
}

/// The first field in which two sides' terms differ, and what each has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    #[error("protocol version: this side has {ours}, the peer {theirs}")]
    Version { ours: u16, theirs: u16 },
    #[error("cryptographic suite: this side has {ours}, the peer {theirs}")]
    Suite { ours: u16, theirs: u16 },
    #[error(
        "match schema: this side has {ours} ({ours_digest}), the peer {theirs} ({theirs_digest})"
    )]
    Schema {
        ours: String,
        ours_digest: String,
        theirs: String,
        theirs_digest: String,
    },
    #[error("key classes: this side has the wide class {}, the peer {}", on(*ours_wide), on(!*ours_wide))]
    KeyClasses { ours_wide: bool },
    #[error("mediator: {}", mediators(*ours_set, *theirs_set))]
    Mediator { ours_set: bool, theirs_set: bool },
    #[error(
        "ceiling of the {side:?}'s {list} list ({class:?} class): this side has {ours} elements, the peer {theirs}"
    )]
    Ceiling {
        side: Role,
        list: ListKind,
        class: KeyClass,
        ours: usize,
        theirs: usize,
    },
    #[error("settling window: this side has {ours_s} s, the peer {theirs_s} s")]
    SettlingWindow { ours_s: u64, theirs_s: u64 },
    #[error("reference: the two sides gave different ones")]
    Reference,
}

/// An Offer or Answer: terms and a nonce.
pub struct Offer {
    pub terms: Terms,
    pub nonce: [u8; 32],
}

impl Offer {
    pub fn new(terms: Terms, rng: &mut impl CryptoRng) -> Self {
        let mut nonce = [0u8; 32];
        rng.fill_bytes(&mut nonce);
        Self { terms, nonce }
    }

    /// The layout of `docs/protocol.md` §5.1.
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
                .map(|ceiling| ceiling.0)
            });
            for elements in ceilings.unwrap_or_default() {
                out.extend_from_slice(&elements.to_be_bytes());
            }
        }
        out.extend_from_slice(&terms.window.0.to_be_bytes());
        put_text::<REFERENCE_BYTES_MAX>(&mut out, &terms.reference);
        out.extend_from_slice(&self.nonce);
        out.resize(OFFER_BYTES, 0);
        out
    }

    /// Reads a peer's Offer or Answer.
    ///
    /// # Errors
    /// Another version or suite is a [`Difference`]; anything else that is not the layout is misbehaviour.
    pub fn decode(bytes: &[u8], name: &'static str) -> Result<Self, super::Error> {
        let malformed = PeerMisbehaved::Malformed { message: name };
        let mut reader = Reader::new(bytes);
        if bytes.len() != OFFER_BYTES || reader.array().as_ref() != Some(MAGIC) {
            return Err(malformed.into());
        }
        let (version, suite) = reader
            .u16()
            .zip(reader.u16())
            .ok_or_else(|| malformed.clone())?;
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
        let mediator = match settles {
            0 if point == NOBODY.encoded => Mediator::None,
            1 if point != NOBODY.encoded => Mediator::Settling(SettlingPoint::decode(&point).ok()?),
            _ => return None,
        };
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

impl Terms {
    /// Checks that the texts fit an offer.
    ///
    /// # Errors
    /// [`super::Error::TermsUnusable`].
    pub fn check(&self) -> Result<(), super::Error> {
        let unusable = |what| Err(super::Error::TermsUnusable { what });
        if self.schema_name.len() > SCHEMA_NAME_BYTES_MAX
            || !self.schema_name.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return unusable("a schema's name is at most 31 characters of ASCII");
        }
        if self.reference.len() > REFERENCE_BYTES_MAX {
            return unusable("a reference is at most 200 bytes of UTF-8");
        }
        Ok(())
    }

    /// Compares this side's terms with the peer's.
    ///
    /// # Errors
    /// The first difference, in the order of the fields.
    pub fn compare(&self, peer: &Self) -> Result<(), Difference> {
        if (&self.schema_name, &self.schema_digest) != (&peer.schema_name, &peer.schema_digest) {
            return Err(Difference::Schema {
                ours: self.schema_name.clone(),
                ours_digest: abbreviated(&self.schema_digest),
                theirs: peer.schema_name.clone(),
                theirs_digest: abbreviated(&peer.schema_digest),
            });
        }
        if self.ceilings.wide.is_some() != peer.ceilings.wide.is_some() {
            return Err(Difference::KeyClasses {
                ours_wide: self.ceilings.wide.is_some(),
            });
        }
        if self.mediator != peer.mediator {
            let (ours_set, theirs_set) = (self.mediator.can_settle(), peer.mediator.can_settle());
            return Err(Difference::Mediator {
                ours_set,
                theirs_set,
            });
        }
        for (class, (ours, theirs)) in self.ceilings.zip(peer.ceilings).iter() {
            for side in [Role::Initiator, Role::Responder] {
                let (ours, theirs) = (ours.of(side), theirs.of(side));
                for (list, ours, theirs) in [
                    (ListKind::Held, ours.held, theirs.held),
                    (ListKind::Requested, ours.requested, theirs.requested),
                ] {
                    if ours != theirs {
                        let (ours, theirs) = (ours.elements(), theirs.elements());
                        return Err(Difference::Ceiling {
                            side,
                            list,
                            class,
                            ours,
                            theirs,
                        });
                    }
                }
            }
        }
        if self.window != peer.window {
            return Err(Difference::SettlingWindow {
                ours_s: self.window.seconds(),
                theirs_s: peer.window.seconds(),
            });
        }
        if self.reference != peer.reference {
            return Err(Difference::Reference);
        }
        Ok(())
    }
}

/// SHA-256(label ‖ id_I ‖ id_R ‖ M ‖ SHA-256(Offer) ‖ SHA-256(Answer)).
pub fn session_id(
    initiator: &NodeId,
    responder: &NodeId,
    mediator: &[u8; 32],
    offer_digest: &[u8; 32],
    answer_digest: &[u8; 32],
) -> SessionId {
    let mut bytes = b"tacit/v1/session".to_vec();
    for part in [
        initiator.as_bytes(),
        responder.as_bytes(),
        mediator,
        offer_digest,
        answer_digest,
    ] {
        bytes.extend_from_slice(part);
    }
    SessionId(sha256(&bytes))
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0u8; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

const MAGIC: &[u8; 8] = b"tacit/v1";

fn abbreviated(digest: &[u8; 32]) -> String {
    digest[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn on(wide: bool) -> &'static str {
    if wide { "on" } else { "off" }
}

fn mediators(ours_set: bool, theirs_set: bool) -> &'static str {
    match (ours_set, theirs_set) {
        (true, false) => "this side has one, the peer none",
        (false, true) => "this side has none, the peer one",
        _ => "the two sides have different ones",
    }
}
