//! Protobuf on one side, [`Message`] on the other. `docs/protocol.md` §3 lists the layouts.
//!
//! The only module that names generated types. [`SessionCodec`] is what the generated gRPC client
//! and server of `peer.proto` read and write messages with. It checks shape and nothing else, but
//! that strictly: each message has one encoding, and any other bytes are refused, because what two
//! readers can take differently has no place under a signature.
#![warn(unreachable_pub)]

pub mod control;
pub mod relay;

use std::sync::Arc;

use prost::Message as _;
use prost::bytes::Buf;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use identity::KeyClass;
use protocol::message::{BlindedChunk, EvaluatedChunk, TableChunk};
use protocol::{AbortReason, Message};

pub use pb::peer_client::PeerClient;
pub use pb::peer_server::{Peer, PeerServer};

/// Longest message that is sent or accepted, in encoded bytes.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Why received bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not protobuf, or hold a field of the wrong wire type.
    #[error("not protobuf")]
    NotProtobuf,
    /// They are, but not in the one encoding that the message has: an unknown or repeated field,
    /// fields out of order, a varint longer than needed, a default spelt out.
    #[error("not the canonical encoding")]
    NotCanonical,
    /// None of the kinds of message is present.
    #[error("no message inside")]
    Empty,
    /// A chunk names no key class, or one that this version does not know.
    #[error("unknown key class")]
    UnknownKeyClass,
    /// An abort names no reason, or one that this version does not know.
    #[error("unknown abort reason")]
    UnknownAbortReason,
    /// A refusal gives no reason, or one that this version does not know.
    #[error("unknown refusal")]
    UnknownRefusal,
    /// An id or a key of another length than it has.
    #[error("a field of the wrong length")]
    WrongLength,
    /// Longer than [`MESSAGE_BYTES_MAX`].
    #[error("longer than {MESSAGE_BYTES_MAX} bytes")]
    TooLong,
}

/// Encodes one message.
pub fn encode(message: Message) -> Vec<u8> {
    pb::SessionMessage::from(message).encode_to_vec()
}

/// Tells how many bytes [`encode`] would give.
pub fn encoded_len(message: &Message) -> usize {
    // Tag, length and value of a `bytes` field; all field numbers in use take a tag of one byte.
    let field = |length: usize| 1 + prost::length_delimiter_len(length) + length;
    let nonempty = |length: usize| if length == 0 { 0 } else { field(length) };
    let chunk = |index: u32, parts: usize| {
        let class = 2;
        let index = if index == 0 {
            0
        } else {
            1 + prost::length_delimiter_len(index as usize)
        };
        field(class + index + parts)
    };
    match message {
        Message::Offer(bytes)
        | Message::Answer(bytes)
        | Message::Commitment(bytes)
        | Message::Agreement(bytes)
        | Message::Release(bytes) => field(bytes.len()),
        Message::Blinded(c) => chunk(c.index, nonempty(c.elements.len())),
        Message::Evaluated(c) => chunk(
            c.index,
            nonempty(c.elements.len()) + nonempty(c.proof.len()),
        ),
        Message::Table(c) => chunk(c.index, nonempty(c.sealed.len())),
        Message::Abort(_) => field(2),
    }
}

/// Decodes one message from its canonical encoding.
///
/// # Errors
/// Whatever [`encode`] would not have written, see [`Error`].
pub fn decode(bytes: &[u8]) -> Result<Message, Error> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(Error::TooLong);
    }
    let decoded = pb::SessionMessage::decode(bytes).map_err(|_| Error::NotProtobuf)?;
    // The length first: it is cheap, and finds most of what is wrong.
    if decoded.encoded_len() != bytes.len() || decoded.encode_to_vec() != bytes {
        return Err(Error::NotCanonical);
    }
    Message::try_from(decoded)
}

/// The codec of `Peer.Session`: [`encode`] and [`decode`] in the form that tonic asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionCodec;

impl Codec for SessionCodec {
    type Encode = Message;
    type Decode = Message;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for SessionCodec {
    type Item = Message;
    type Error = Status;

    fn encode(&mut self, message: Message, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        pb::SessionMessage::from(message)
            .encode(buffer)
            .map_err(|_| Status::internal("no room to encode"))
    }
}

impl Decoder for SessionCodec {
    type Item = Message;
    type Error = Status;

    /// Leaves the [`Error`] as source of the status: the status itself is for nobody.
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Message>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        decode(&bytes).map(Some).map_err(|error| {
            let mut status = Status::invalid_argument("not a message");
            status.set_source(Arc::new(error));
            status
        })
    }
}

impl From<Message> for pb::SessionMessage {
    fn from(message: Message) -> Self {
        use pb::session_message::Message as Kind;
        let kind = match message {
            Message::Offer(bytes) => Kind::Offer(bytes),
            Message::Answer(bytes) => Kind::Answer(bytes),
            Message::Commitment(bytes) => Kind::Commitment(bytes),
            Message::Blinded(BlindedChunk {
                class,
                index,
                elements,
            }) => Kind::Blinded(pb::BlindedChunk {
                class: class_number(class),
                index,
                elements,
            }),
            Message::Evaluated(EvaluatedChunk {
                class,
                index,
                elements,
                proof,
            }) => {
                let class = class_number(class);
                Kind::Evaluated(pb::EvaluatedChunk {
                    class,
                    index,
                    elements,
                    proof,
                })
            }
            Message::Table(TableChunk {
                class,
                index,
                sealed,
            }) => Kind::Table(pb::TableChunk {
                class: class_number(class),
                index,
                sealed,
            }),
            Message::Agreement(bytes) => Kind::Agreement(bytes),
            Message::Release(bytes) => Kind::Release(bytes),
            Message::Abort(reason) => Kind::Abort(pb::Abort {
                reason: reason_number(reason),
            }),
        };
        Self {
            message: Some(kind),
        }
    }
}

impl TryFrom<pb::SessionMessage> for Message {
    type Error = Error;

    fn try_from(decoded: pb::SessionMessage) -> Result<Self, Error> {
        use pb::session_message::Message as Kind;
        Ok(match decoded.message.ok_or(Error::Empty)? {
            Kind::Offer(bytes) => Self::Offer(bytes),
            Kind::Answer(bytes) => Self::Answer(bytes),
            Kind::Commitment(bytes) => Self::Commitment(bytes),
            Kind::Blinded(pb::BlindedChunk {
                class,
                index,
                elements,
            }) => Self::Blinded(BlindedChunk {
                class: class_named(class)?,
                index,
                elements,
            }),
            Kind::Evaluated(pb::EvaluatedChunk {
                class,
                index,
                elements,
                proof,
            }) => {
                let class = class_named(class)?;
                Self::Evaluated(EvaluatedChunk {
                    class,
                    index,
                    elements,
                    proof,
                })
            }
            Kind::Table(pb::TableChunk {
                class,
                index,
                sealed,
            }) => Self::Table(TableChunk {
                class: class_named(class)?,
                index,
                sealed,
            }),
            Kind::Agreement(bytes) => Self::Agreement(bytes),
            Kind::Release(bytes) => Self::Release(bytes),
            Kind::Abort(pb::Abort { reason }) => Self::Abort(reason_named(reason)?),
        })
    }
}

fn class_number(class: KeyClass) -> i32 {
    match class {
        KeyClass::Narrow => pb::KeyClass::Narrow.into(),
        KeyClass::Wide => pb::KeyClass::Wide.into(),
    }
}

fn class_named(number: i32) -> Result<KeyClass, Error> {
    match pb::KeyClass::try_from(number) {
        Ok(pb::KeyClass::Narrow) => Ok(KeyClass::Narrow),
        Ok(pb::KeyClass::Wide) => Ok(KeyClass::Wide),
        Ok(pb::KeyClass::Unspecified) | Err(_) => Err(Error::UnknownKeyClass),
    }
}

fn reason_number(reason: AbortReason) -> i32 {
    use pb::abort::Reason;
    match reason {
        AbortReason::Misbehaved => Reason::Misbehaved.into(),
        AbortReason::Stalled => Reason::Stalled.into(),
        AbortReason::Cancelled => Reason::Cancelled.into(),
        AbortReason::Failed => Reason::Failed.into(),
        AbortReason::NotNow => Reason::NotNow.into(),
    }
}

fn reason_named(number: i32) -> Result<AbortReason, Error> {
    use pb::abort::Reason;
    match Reason::try_from(number) {
        Ok(Reason::Misbehaved) => Ok(AbortReason::Misbehaved),
        Ok(Reason::Stalled) => Ok(AbortReason::Stalled),
        Ok(Reason::Cancelled) => Ok(AbortReason::Cancelled),
        Ok(Reason::Failed) => Ok(AbortReason::Failed),
        Ok(Reason::NotNow) => Ok(AbortReason::NotNow),
        Ok(Reason::Unspecified) | Err(_) => Err(Error::UnknownAbortReason),
    }
}

/// What `build.rs` made of `proto/`.
mod pb {
    #![allow(clippy::all, missing_docs, unreachable_pub)]
    include!(concat!(env!("OUT_DIR"), "/tacit.v1.rs"));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What messages are made of: `Message` itself is never printed, not even by a failing test.
    type Parts = (u8, (bool, u32, Vec<u8>, Vec<u8>), AbortReason);

    fn parts() -> impl Strategy<Value = Parts> {
        let index = prop_oneof![0u32..300, any::<u32>()];
        let chunk = (any::<bool>(), index, bytes(), bytes());
        let reason = prop::sample::select(vec![
            AbortReason::Misbehaved,
            AbortReason::Stalled,
            AbortReason::Cancelled,
            AbortReason::Failed,
            AbortReason::NotNow,
        ]);
        (0..9u8, chunk, reason)
    }

    /// Lengths around those at which a length takes one byte more.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            (16_300usize..16_500).prop_map(|length| vec![5; length]),
        ]
    }

    #[rustfmt::skip]
    fn message((kind, (wide, index, bytes, proof), reason): Parts) -> Message {
        let class = if wide { KeyClass::Wide } else { KeyClass::Narrow };
        match kind {
            0 => Message::Offer(bytes),
            1 => Message::Answer(bytes),
            2 => Message::Commitment(bytes),
            3 => Message::Blinded(BlindedChunk { class, index, elements: bytes }),
            4 => Message::Evaluated(EvaluatedChunk { class, index, elements: bytes, proof }),
            5 => Message::Table(TableChunk { class, index, sealed: bytes }),
            6 => Message::Agreement(bytes),
            7 => Message::Release(bytes),
            _ => Message::Abort(reason),
        }
    }

    proptest! {
        #[test]
        fn a_message_survives_the_wire_and_has_the_length_foretold(parts in parts()) {
            let message = message(parts);
            let bytes = encode(message.clone());
            prop_assert_eq!(bytes.len(), encoded_len(&message));
            prop_assert!(decode(&bytes) == Ok(message));
        }

        #[test]
        fn any_bytes_are_refused_or_are_the_encoding_of_what_they_decode_to(
            bytes in prop::collection::vec(any::<u8>(), 0..64)
        ) {
            if let Ok(message) = decode(&bytes) {
                prop_assert_eq!(encode(message), bytes);
            }
        }

        #[test]
        fn a_message_with_one_byte_changed_is_refused_or_is_another_message(
            parts in parts(), at in any::<prop::sample::Index>(), change in 1u8..
        ) {
            let message = message(parts);
            let mut bytes = encode(message.clone());
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            if let Ok(other) = decode(&bytes) {
                prop_assert!(other != message);
                prop_assert_eq!(encode(other), bytes);
            }
        }
    }

    /// Blinded{class: narrow, index: 1, elements: [0xee]}, the canonical form of the cases below.
    const CANONICAL: &[u8] = &[0x22, 7, 8, 1, 0x10, 1, 0x1a, 1, 0xee];

    #[test]
    fn the_canonical_form_is_accepted() {
        let chunk = BlindedChunk {
            class: KeyClass::Narrow,
            index: 1,
            elements: vec![0xee],
        };
        assert!(decode(CANONICAL) == Ok(Message::Blinded(chunk)));
    }

    #[test]
    #[rustfmt::skip]
    fn every_other_form_of_the_same_content_is_refused() {
        let twice = [CANONICAL, CANONICAL].concat();
        let cases: &[(&str, &[u8])] = &[
            ("unknown field after", &[0x22, 7, 8, 1, 0x10, 1, 0x1a, 1, 0xee, 0x78, 1]),
            ("unknown field inside", &[0x22, 9, 8, 1, 0x10, 1, 0x1a, 1, 0xee, 0x78, 1]),
            ("whole message twice", &twice),
            ("field twice", &[0x22, 9, 8, 1, 0x10, 1, 0x10, 1, 0x1a, 1, 0xee]),
            ("other kind before", &[0x0a, 0, 0x22, 7, 8, 1, 0x10, 1, 0x1a, 1, 0xee]),
            ("in two parts, to be merged", &[0x22, 2, 8, 1, 0x22, 5, 0x10, 1, 0x1a, 1, 0xee]),
            ("fields out of order", &[0x22, 7, 0x10, 1, 8, 1, 0x1a, 1, 0xee]),
            ("long varint as value", &[0x22, 8, 8, 1, 0x10, 0x81, 0, 0x1a, 1, 0xee]),
            ("long varint as length", &[0x22, 0x87, 0, 8, 1, 0x10, 1, 0x1a, 1, 0xee]),
            ("long varint as tag", &[0xa2, 0, 7, 8, 1, 0x10, 1, 0x1a, 1, 0xee]),
            ("index of 33 bits", &[0x22, 11, 8, 1, 0x10, 0x81, 0x80, 0x80, 0x80, 0x10, 0x1a, 1, 0xee]),
            ("index 0 spelt out", &[0x22, 7, 8, 1, 0x10, 0, 0x1a, 1, 0xee]),
            ("no elements, spelt out", &[0x22, 6, 8, 1, 0x10, 1, 0x1a, 0]),
            ("no class, spelt out", &[0x22, 7, 8, 0, 0x10, 1, 0x1a, 1, 0xee]),
        ];
        for (what, bytes) in cases {
            assert!(decode(bytes) == Err(Error::NotCanonical), "{what}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn what_is_no_message_is_refused_for_what_it_is() {
        let long = vec![0; MESSAGE_BYTES_MAX + 1];
        let cases: &[(&str, &[u8], Error)] = &[
            ("nothing", &[], Error::Empty),
            ("no class", &[0x22, 5, 0x10, 1, 0x1a, 1, 0xee], Error::UnknownKeyClass),
            ("class 3", &[0x22, 7, 8, 3, 0x10, 1, 0x1a, 1, 0xee], Error::UnknownKeyClass),
            ("no reason", &[0x4a, 0], Error::UnknownAbortReason),
            ("reason 6", &[0x4a, 2, 8, 6], Error::UnknownAbortReason),
            ("cut off", &CANONICAL[..8], Error::NotProtobuf),
            ("wrong wire type", &[0x20, 7], Error::NotProtobuf),
            ("field number 0", &[0x02, 0], Error::NotProtobuf),
            ("endless varint", &[0xff; 11], Error::NotProtobuf),
            ("too long", &long, Error::TooLong),
        ];
        for (what, bytes, error) in cases {
            assert!(decode(bytes) == Err(*error), "{what}");
        }
    }
}
