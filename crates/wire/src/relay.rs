//! What nodes and relay say to each other, ours and generated. `docs/protocol.md`, Relay.

use prost::bytes::Bytes;

use super::{Error, pb};
use pairing::{NodeId, Signature};
use protocol::{
    Agreement, AgreementFault, Decision, MediatorTime, Refusal, Role, SessionId, SignedAgreement,
    SignedVerdict,
};

pub use pb::relay_client::RelayClient;
pub use pb::relay_server::{Relay, RelayServer};
pub use pb::{ClaimRequest, Frame, SettleRequest, TimeReply, TimeRequest, VerdictReply};

/// Bytes of a tunnel that one frame carries at most.
pub const FRAME_DATA_BYTES_MAX: usize = 32 << 10;

/// Longest message of the relay's service, in encoded bytes.
pub const RELAY_MESSAGE_BYTES_MAX: usize = FRAME_DATA_BYTES_MAX + 64;

/// A frame of a tunnel.
#[derive(Clone, PartialEq, Eq)]
pub enum Piece {
    Peer(NodeId),
    Joined,
    Data(Bytes),
}

/// The mediator's answer to `Settle` or `Claim`.
pub type Reply = Result<Decision, Refusal>;

impl From<Piece> for Frame {
    fn from(piece: Piece) -> Self {
        use pb::frame::Frame as Kind;
        let kind = match piece {
            Piece::Peer(id) => Kind::Peer(id.as_bytes().to_vec()),
            Piece::Joined => Kind::Joined(pb::Joined {}),
            Piece::Data(data) => Kind::Data(data),
        };
        Self { frame: Some(kind) }
    }
}

impl TryFrom<Frame> for Piece {
    type Error = Error;

    fn try_from(frame: Frame) -> Result<Self, Error> {
        use pb::frame::Frame as Kind;
        match frame.frame.ok_or(Error::Empty)? {
            Kind::Peer(id) => node_id(&id).map(Self::Peer),
            Kind::Joined(_) => Ok(Self::Joined),
            // A frame that carries nothing would cost the relay work and count as no byte.
            Kind::Data(data) if data.is_empty() => Err(Error::Empty),
            Kind::Data(data) if data.len() > FRAME_DATA_BYTES_MAX => Err(Error::TooLong),
            Kind::Data(data) => Ok(Self::Data(data)),
        }
    }
}

impl From<&SignedAgreement> for SettleRequest {
    fn from(signed: &SignedAgreement) -> Self {
        Self {
            agreement: signed.agreement.encode(),
            initiator_signature: signed.initiator_signature.as_bytes().to_vec(),
            responder_signature: signed.responder_signature.as_bytes().to_vec(),
        }
    }
}

impl TryFrom<SettleRequest> for SignedAgreement {
    type Error = AgreementFault;

    fn try_from(request: SettleRequest) -> Result<Self, AgreementFault> {
        let signature = |bytes: &[u8], role| {
            bytes
                .try_into()
                .map(Signature::from_bytes)
                .map_err(|_| AgreementFault::Signature(role))
        };
        Ok(Self {
            agreement: Agreement::decode(&request.agreement)?,
            initiator_signature: signature(&request.initiator_signature, Role::Initiator)?,
            responder_signature: signature(&request.responder_signature, Role::Responder)?,
        })
    }
}

/// The session and deadline of a claim.
///
/// # Errors
/// [`Error::WrongLength`]: the session is not 32 bytes.
pub fn claimed(request: &ClaimRequest) -> Result<(SessionId, MediatorTime), Error> {
    let session = request.session.as_slice().try_into();
    Ok((
        SessionId(session.map_err(|_| Error::WrongLength)?),
        MediatorTime(request.deadline_seconds),
    ))
}

/// A claim of a session.
pub fn claim(session: &SessionId, deadline: MediatorTime) -> ClaimRequest {
    ClaimRequest {
        session: session.0.to_vec(),
        deadline_seconds: deadline.0,
    }
}

/// The mediator's answer, as it is sent.
pub fn reply(reply: &Reply) -> VerdictReply {
    use pb::verdict_reply::Reply as Kind;
    VerdictReply {
        reply: Some(match reply {
            Ok(Decision::Verdict(verdict)) => Kind::Verdict(verdict.encode()),
            Ok(Decision::Open(now)) => Kind::OpenAtSeconds(now.0),
            Err(refusal) => Kind::Refusal(refusal_number(*refusal)),
        }),
    }
}

/// The mediator's answer, as it was received.
///
/// # Errors
/// It is none: the mediator is broken, or of another version.
pub fn replied(reply: VerdictReply) -> Result<Reply, Error> {
    use pb::verdict_reply::Reply as Kind;
    Ok(match reply.reply.ok_or(Error::Empty)? {
        Kind::Verdict(bytes) => Ok(Decision::Verdict(
            SignedVerdict::decode(&bytes).map_err(|_| Error::NotCanonical)?,
        )),
        Kind::OpenAtSeconds(seconds) => Ok(Decision::Open(MediatorTime(seconds))),
        Kind::Refusal(number) => Err(refusal_numbered(number)?),
    })
}

fn node_id(bytes: &[u8]) -> Result<NodeId, Error> {
    let bytes = bytes.try_into().map_err(|_| Error::WrongLength)?;
    NodeId::from_bytes(bytes).map_err(|_| Error::NotCanonical)
}

fn refusal_number(refusal: Refusal) -> i32 {
    use AgreementFault as Fault;
    let number = match refusal {
        Refusal::Agreement(fault) => match fault {
            Fault::Malformed => pb::Refusal::Malformed,
            Fault::OneIdTwice => pb::Refusal::OneIdTwice,
            Fault::OtherMediator => pb::Refusal::OtherMediator,
            Fault::KeyShared => pb::Refusal::KeyShared,
            Fault::NotProven(_) => pb::Refusal::NotProven,
            Fault::Signature(_) => pb::Refusal::Signature,
            Fault::NotAParty => pb::Refusal::NotAParty,
            Fault::DeadlinePast => pb::Refusal::DeadlinePast,
            Fault::DeadlineTooFar => pb::Refusal::DeadlineTooFar,
        },
        Refusal::OtherAgreement => pb::Refusal::OtherAgreement,
        Refusal::NotAParty => pb::Refusal::NotAParty,
        Refusal::Forgotten => pb::Refusal::Forgotten,
        Refusal::NotKept => pb::Refusal::NotKept,
    };
    number.into()
}

/// Whose signature or proof it was is left out on the way; the caller holds the same text.
fn refusal_numbered(number: i32) -> Result<Refusal, Error> {
    use AgreementFault as Fault;
    let number = pb::Refusal::try_from(number).map_err(|_| Error::UnknownRefusal)?;
    Ok(match number {
        pb::Refusal::Unspecified => return Err(Error::UnknownRefusal),
        pb::Refusal::Malformed => Fault::Malformed.into(),
        pb::Refusal::OneIdTwice => Fault::OneIdTwice.into(),
        pb::Refusal::OtherMediator => Fault::OtherMediator.into(),
        pb::Refusal::KeyShared => Fault::KeyShared.into(),
        pb::Refusal::NotProven => Fault::NotProven(Role::Initiator).into(),
        pb::Refusal::Signature => Fault::Signature(Role::Initiator).into(),
        pb::Refusal::NotAParty => Refusal::NotAParty,
        pb::Refusal::DeadlinePast => Fault::DeadlinePast.into(),
        pb::Refusal::DeadlineTooFar => Fault::DeadlineTooFar.into(),
        pb::Refusal::OtherAgreement => Refusal::OtherAgreement,
        pb::Refusal::Forgotten => Refusal::Forgotten,
        pb::Refusal::NotKept => Refusal::NotKept,
    })
}
