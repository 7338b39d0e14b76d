//! At rest: the layouts of what outlives a step, or a process: prepared tables, question sets, signed states, receipts.
//!
//! Layouts of this program's own, never sent; each begins with a version byte. They hold secrets in
//! the open: whoever keeps them seals them. A layout is handed on in parts, so that no second copy of
//! a large table has to be made.

use element::{ByClass, HashedIdentity};
use oprf::{BlindedBatch, SecretKey, Tag};
use pairing::Signature;
use sealing::Reader;
use zeroize::Zeroizing;

use crate::agreement::{Agreement, SignedAgreement};
use crate::ceiling::Ceiling;
use crate::limits::CHUNK_ELEMENTS_MAX;
use crate::mediator::{Mediator, SettlingPoint};
use crate::questions::{QuestionSet, Questions};
use crate::receipt::Receipt;
use crate::release::{RELEASE_BYTES, Release};
use crate::requester::Asked;
use crate::role::Role;
use crate::signed::SignedState;
use crate::table::{PreparedClass, PreparedTable, ReleaseSecret, SealedTable};
use crate::verdict::SignedVerdict;

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
            part(&class.ceiling.get().to_be_bytes())?;
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

impl QuestionSet {
    /// Hands the layout to `part`, piece by piece: version, classes (1), then for each class ceiling (4),
    /// inputs (32 each), blinds (32 each), blinded elements (32 each), and whether each was requested (1
    /// each). As long for nobody as for a full list.
    ///
    /// # Errors
    /// Those of `part`.
    pub fn encode<E>(&self, mut part: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        part(&[VERSION, u8::from(self.classes.wide.is_some())])?;
        for (_, questions) in self.classes.iter() {
            part(&questions.ceiling.get().to_be_bytes())?;
            identities(&questions.inputs, &mut part)?;
            questions.blinded.encode(&mut part)?;
            let requested: Vec<u8> = questions.requested.iter().map(|r| u8::from(*r)).collect();
            part(&requested)?;
        }
        Ok(())
    }

    /// Reads the layout; `None` when it is another.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        version(&mut reader)?;
        let classes = by_class(&mut reader, |reader| {
            let ceiling = Ceiling::new(reader.u32()?)?;
            let elements = ceiling.elements();
            let inputs = read_identities(reader, elements)?;
            let blinded = reader.slice(elements * BlindedBatch::KEPT_BYTES)?;
            let requested = reader.slice(elements)?.iter().map(|byte| *byte == 1);
            Some(Questions {
                ceiling,
                inputs,
                blinded: BlindedBatch::decode(blinded)?,
                requested: requested.collect(),
            })
        })?;
        reader.at_end()?;
        Some(Self { classes })
    }
}

impl SignedState {
    /// Hands the layout to `part`, piece by piece: version, role (1), mediator (33), length of the
    /// agreement's text (4), the text, for each signature, the initiator's first, whether it is there (1)
    /// and the signature or zeros (64), classes (1), then for each class the ceiling of the peer's table
    /// (4), the number of own elements (4), the sealed table, inputs (32 each) and tags (16 each).
    ///
    /// # Errors
    /// Those of `part`.
    pub fn encode<E>(&self, mut part: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        part(&[VERSION, self.role.byte()])?;
        part(&mediator_bytes(&self.mediator))?;
        let agreement = self.agreement.encode();
        part(&(agreement.len() as u32).to_be_bytes())?;
        part(&agreement)?;
        for signature in [&self.initiator_signature, &self.responder_signature] {
            part(&[u8::from(signature.is_some())])?;
            part(&signature.map_or([0; 64], |signature| *signature.as_bytes()))?;
        }
        part(&[u8::from(self.asked.wide.is_some())])?;
        for (_, asked) in self.asked.iter() {
            part(&asked.table_ceiling.get().to_be_bytes())?;
            part(&(asked.inputs.len() as u32).to_be_bytes())?;
            part(&asked.sealed.0)?;
            identities(&asked.inputs, &mut part)?;
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
        let role = Role::from_byte(reader.u8()?)?;
        let mediator = mediator(&mut reader)?;
        let length = reader.u32()? as usize;
        let agreement = Agreement::decode(reader.slice(length)?).ok()?;
        if agreement.mediator != *mediator.encoded() {
            return None;
        }
        let (initiator_signature, responder_signature) =
            (signature(&mut reader)?, signature(&mut reader)?);
        let transcripts = match role {
            Role::Initiator => agreement.transcripts.initiator_asks,
            Role::Responder => agreement.transcripts.responder_asks,
        };
        let lists = by_class(&mut reader, asked_lists)?;
        if lists.wide.is_some() != transcripts.wide.is_some() {
            return None;
        }
        let asked = lists.zip(transcripts).map(|_, (lists, transcript)| {
            let (table_ceiling, sealed, inputs, tags) = lists;
            Asked {
                inputs,
                tags,
                sealed,
                table_ceiling,
                transcript,
            }
        });
        reader.at_end()?;
        Some(Self {
            session: agreement.session_id(),
            role,
            mediator,
            agreement,
            initiator_signature,
            responder_signature,
            asked,
        })
    }
}

impl Receipt {
    /// Version, both signatures (64 each), the initiator's and the responder's release (a byte that says
    /// whether it is there, then 96 bytes), the length of the mediator's verdict (2; 0 where there is
    /// none) and the verdict, and the agreement's text to the end.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(self.agreement.initiator_signature.as_bytes());
        out.extend_from_slice(self.agreement.responder_signature.as_bytes());
        for release in [&self.initiator_release, &self.responder_release] {
            out.push(u8::from(release.is_some()));
            out.extend(release.iter().flat_map(Release::encode));
        }
        let verdict = self.settled.as_ref().map(SignedVerdict::encode);
        let verdict = verdict.unwrap_or_default();
        out.extend_from_slice(&(verdict.len() as u16).to_be_bytes());
        out.extend_from_slice(&verdict);
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
        let settled = match usize::from(reader.u16()?) {
            0 => None,
            length => Some(SignedVerdict::decode(reader.slice(length)?).ok()?),
        };
        let agreement = Agreement::decode(reader.rest()).ok()?;
        Some(Self {
            agreement: SignedAgreement {
                agreement,
                initiator_signature,
                responder_signature,
            },
            initiator_release,
            responder_release,
            settled,
        })
    }
}

/// Hands on the bytes of identities, a chunk at a time.
fn identities<E>(
    all: &[HashedIdentity],
    part: &mut impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    for some in all.chunks(CHUNK_ELEMENTS_MAX) {
        let bytes: Vec<u8> = some.iter().flat_map(|i| *i.as_bytes()).collect();
        part(&Zeroizing::new(bytes))?;
    }
    Ok(())
}

fn read_identities(reader: &mut Reader, elements: usize) -> Option<Vec<HashedIdentity>> {
    let bytes = reader.slice(elements * 32)?.as_chunks::<32>().0;
    Some(
        bytes
            .iter()
            .map(|b| HashedIdentity::from_bytes(*b))
            .collect(),
    )
}

fn version(reader: &mut Reader) -> Option<()> {
    (reader.u8()? == VERSION).then_some(())
}

/// Whether it is there (1 byte), then the signature or zeros.
fn signature(reader: &mut Reader) -> Option<Option<Signature>> {
    let there = reader.u8()?;
    let bytes = reader.array()?;
    match there {
        0 if bytes == [0; 64] => Some(None),
        1 => Some(Some(Signature::from_bytes(bytes))),
        _ => None,
    }
}

/// What one class of a signed state holds.
type AskedLists = (Ceiling, SealedTable, Vec<HashedIdentity>, Vec<Tag>);

fn asked_lists(reader: &mut Reader) -> Option<AskedLists> {
    let table_ceiling = Ceiling::new(reader.u32()?)?;
    let elements = Ceiling::new(reader.u32()?)?.elements();
    let sealed = sealed_table(reader, table_ceiling)?;
    let inputs = read_identities(reader, elements)?;
    let tags = reader.slice(elements * Tag::BYTES)?;
    let tags = tags.as_chunks::<{ Tag::BYTES }>().0.iter().map(|b| Tag(*b));
    Some((table_ceiling, sealed, inputs, tags.collect()))
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
