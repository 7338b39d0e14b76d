//! How a node keeps what outlives a step, or a process: prepared tables, signed states, receipts.
//!
//! Layouts of this program's own, never sent; each begins with a version byte. They hold secrets in
//! the open: whoever keeps them seals them. A layout is handed on in parts, so that no second copy of
//! a large table has to be made.

use super::agreement::{Agreement, SignedAgreement};
use super::layout::Reader;
use super::offer::{Mediator, SettlingPoint};
use super::release::{RELEASE_BYTES, Receipt, Release, SignedState};
use super::requester::{Asked, TranscriptDigests};
use super::table::{PreparedClass, PreparedTable, ReleaseSecret, SealedTable};
use super::{ByClass, CHUNK_ELEMENTS_MAX, Ceiling, Role, SessionId};
use crate::identity::HashedIdentity;
use crate::oprf::{PublicKey, SecretKey, Tag};
use crate::pairing::Signature;
use zeroize::Zeroizing;

const VERSION: u8 = 1;

impl PreparedTable {
    /// Hands the layout to `part`, piece by piece: version, s (32), mediator (33), classes (1), then for
    /// each class ceiling (4), k (32) and sealed table.
    ///
    /// # Errors
    /// Those of `part`.
    pub fn encode<E>(&self, mut part: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        part(&[VERSION])?;
        part(Zeroizing::new(self.release.scalar().to_bytes()).as_ref())?;
        part(&mediator_bytes(&self.mediator))?;
        part(&[u8::from(self.classes.wide.is_some())])?;
        for (_, class) in self.classes.iter() {
            part(&(class.ceiling.elements() as u32).to_be_bytes())?;
            part(class.key.to_bytes().as_ref())?;
            part(&class.sealed.0)?;
        }
        Ok(())
    }

    /// Reads the layout; `None` when it is another.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        version(&mut reader)?;
        let release = ReleaseSecret::from_bytes(&Zeroizing::new(reader.array()?))?;
        let mediator = mediator(&mut reader)?;
        let classes = by_class(&mut reader, |reader| {
            let ceiling = Ceiling::new(reader.u32()?)?;
            let key = SecretKey::from_bytes(&Zeroizing::new(reader.array()?))?;
            let sealed = sealed_table(reader, ceiling)?;
            Some(PreparedClass {
                key,
                sealed,
                ceiling,
            })
        })?;
        reader.at_end()?;
        Some(Self {
            release,
            classes,
            mediator,
        })
    }
}

impl SignedState {
    /// Hands the layout to `part`, piece by piece: version, session (32), role (1), mediator (33), the
    /// peer's s·G (32), classes (1), then for each class the ceiling of the peer's table (4), the number of
    /// own elements (4), two transcript hashes (64), the sealed table, inputs (32 each) and tags (16 each).
    ///
    /// # Errors
    /// Those of `part`.
    pub fn encode<E>(&self, mut part: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        part(&[VERSION])?;
        part(&self.session.0)?;
        part(&[self.role.byte()])?;
        part(&mediator_bytes(&self.mediator))?;
        part(self.peer_release.encoded())?;
        part(&[u8::from(self.asked.wide.is_some())])?;
        for (_, asked) in self.asked.iter() {
            part(&(asked.table_ceiling.elements() as u32).to_be_bytes())?;
            part(&(asked.inputs.len() as u32).to_be_bytes())?;
            part(&asked.transcript.blinded)?;
            part(&asked.transcript.evaluated)?;
            part(&asked.sealed.0)?;
            for inputs in asked.inputs.chunks(CHUNK_ELEMENTS_MAX) {
                part(&Zeroizing::new(
                    inputs
                        .iter()
                        .flat_map(|i| *i.as_bytes())
                        .collect::<Vec<_>>(),
                ))?;
            }
            for tags in asked.tags.chunks(CHUNK_ELEMENTS_MAX) {
                part(&Zeroizing::new(
                    tags.iter().flat_map(|tag| tag.0).collect::<Vec<_>>(),
                ))?;
            }
        }
        Ok(())
    }

    /// Reads the layout; `None` when it is another.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        version(&mut reader)?;
        let session = SessionId(reader.array()?);
        let role = match reader.u8()? {
            1 => Role::Initiator,
            2 => Role::Responder,
            _ => return None,
        };
        let mediator = mediator(&mut reader)?;
        let peer_release = PublicKey::decode(&reader.array()?).ok()?;
        let asked = by_class(&mut reader, |reader| {
            let table_ceiling = Ceiling::new(reader.u32()?)?;
            let elements = Ceiling::new(reader.u32()?)?.elements();
            let transcript = TranscriptDigests {
                blinded: reader.array()?,
                evaluated: reader.array()?,
            };
            let sealed = sealed_table(reader, table_ceiling)?;
            let inputs = reader.slice(elements * 32)?.as_chunks::<32>().0;
            let tags = reader.slice(elements * Tag::BYTES)?;
            Some(Asked {
                inputs: inputs
                    .iter()
                    .map(|bytes| HashedIdentity::from_bytes(*bytes))
                    .collect(),
                tags: tags
                    .as_chunks::<{ Tag::BYTES }>()
                    .0
                    .iter()
                    .map(|bytes| Tag(*bytes))
                    .collect(),
                sealed,
                table_ceiling,
                transcript,
            })
        })?;
        reader.at_end()?;
        Some(Self {
            session,
            role,
            mediator,
            asked,
            peer_release,
        })
    }
}

impl Receipt {
    /// Version, both signatures (64 each), the initiator's and the responder's release (a byte that says
    /// whether it is there, then 96 bytes), and the agreement's text to the end.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(self.agreement.initiator_signature.as_bytes());
        out.extend_from_slice(self.agreement.responder_signature.as_bytes());
        for release in [&self.initiator_release, &self.responder_release] {
            out.push(u8::from(release.is_some()));
            out.extend(release.iter().flat_map(Release::encode));
        }
        out.extend_from_slice(&self.agreement.agreement.encode());
        out
    }

    /// Reads the layout; `None` when it is another. Checks no signature.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        version(&mut reader)?;
        let initiator_signature = Signature::from_bytes(reader.array()?);
        let responder_signature = Signature::from_bytes(reader.array()?);
        let mut release = || match reader.u8()? {
            0 => Some(None),
            1 => Release::decode(reader.slice(RELEASE_BYTES)?).map(Some),
            _ => None,
        };
        let (initiator_release, responder_release) = (release()?, release()?);
        let agreement = Agreement::decode(reader.rest()).ok()?;
        Some(Self {
            agreement: SignedAgreement {
                agreement,
                initiator_signature,
                responder_signature,
            },
            initiator_release,
            responder_release,
        })
    }
}

fn version(reader: &mut Reader) -> Option<()> {
    (reader.u8()? == VERSION).then_some(())
}

/// Whether it settles (1 byte), then M.
fn mediator_bytes(mediator: &Mediator) -> [u8; 33] {
    let mut out = [0; 33];
    out[0] = u8::from(mediator.can_settle());
    out[1..].copy_from_slice(mediator.encoded());
    out
}

fn mediator(reader: &mut Reader) -> Option<Mediator> {
    let settles = reader.u8()?;
    let point = reader.array()?;
    match settles {
        0 if point == *Mediator::None.encoded() => Some(Mediator::None),
        1 => SettlingPoint::decode(&point).ok().map(Mediator::Settling),
        _ => None,
    }
}

fn by_class<'a, T>(
    reader: &mut Reader<'a>,
    mut class: impl FnMut(&mut Reader<'a>) -> Option<T>,
) -> Option<ByClass<T>> {
    let wide = match reader.u8()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    Some(ByClass {
        narrow: class(reader)?,
        wide: if wide { Some(class(reader)?) } else { None },
    })
}

fn sealed_table(reader: &mut Reader, ceiling: Ceiling) -> Option<SealedTable> {
    let bytes = reader.slice(SealedTable::bytes_at(ceiling))?;
    Some(SealedTable(bytes.to_vec()))
}
