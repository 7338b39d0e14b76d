//! The id of a session.

use pairing::NodeId;

use crate::digest::sha256;

/// Names the session in every hash, proof and signature; both sides compute it, neither chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionId(pub [u8; 32]);

/// The id of the session of these two under mediator M, from the digests of the two offers.
///
/// Each side's offer has a nonce of its own, so neither side can bring an id about twice.
///
/// Source: `docs/protocol.md` §5.2.
pub fn session_id(
    initiator: &NodeId,
    responder: &NodeId,
    mediator: &[u8; 32],
    offer_digest: &[u8; 32],
    answer_digest: &[u8; 32],
) -> SessionId {
    // > sid = SHA256( "tacit/v1/session" ‖ id_I ‖ id_R ‖ M ‖ SHA256(Offer) ‖ SHA256(Answer) )
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
