//! Release: s·M of one side, which opens its tables, with a proof; from that side or a mediator.
//!
//! A [`Release`] is the peer's, a [`SettledRelease`] the mediator's in its place; each is decoded
//! without a check and proves that its s·M is the right one, in a statement of its own. A
//! [`VerifiedRelease`] is what checking gives, and the only thing that opens a table.
//!
//! Both layouts: s·M (32 bytes), proof (64). `docs/protocol.md` §9, §11.3.

use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use oprf::{self, Proof, PublicKey, proof};
use rand_core::CryptoRng;
use sealing::Reader;

use crate::error::{PeerMisbehaved, VerdictFault};
use crate::mediator::Mediator;
use crate::role::Role;
use crate::session_id::SessionId;
use crate::table::ReleaseSecret;

/// Bytes of a Release message, and of a settled release.
pub const RELEASE_BYTES: usize = 32 + Proof::BYTES;

/// What a side sends to open its tables, unchecked.
#[derive(Clone, PartialEq, Eq)]
pub struct Release {
    escrowed: RistrettoPoint,
    proof: Proof,
}

/// What a mediator gives to open one side's tables, unchecked.
#[derive(Clone, PartialEq, Eq)]
pub struct SettledRelease {
    escrowed: RistrettoPoint,
    proof: Proof,
}

/// s·M that was proven to open the tables of one side of one session.
///
/// Only [`Release::verify`] and [`SettledRelease::verify`] give one.
pub struct VerifiedRelease {
    session: SessionId,
    role: Role,
    escrowed: RistrettoPoint,
}

impl VerifiedRelease {
    /// Whether it opens the tables of the side in `role` of `session`.
    pub(crate) fn is_for(&self, session: &SessionId, role: Role) -> bool {
        self.session == *session && self.role == role
    }

    /// s·M.
    pub(crate) fn escrowed(&self) -> &RistrettoPoint {
        &self.escrowed
    }
}

impl Release {
    pub(crate) fn of(
        secret: &ReleaseSecret,
        session: &SessionId,
        role: Role,
        mediator: &Mediator,
        rng: &mut impl CryptoRng,
    ) -> Self {
        // > equality proof with X = s·G, M = M, Z = s·M, L = "tacit/v1/release"
        Self {
            escrowed: *secret.escrowed(mediator),
            proof: proof::prove_equality(
                proof::RELEASE,
                &context(session, role),
                secret.scalar(),
                mediator.point(),
                rng,
            ),
        }
    }

    /// The [`RELEASE_BYTES`] bytes of the layout.
    pub fn encode(&self) -> Vec<u8> {
        encode(&self.escrowed, &self.proof).to_vec()
    }

    /// Reads the layout. `None` when it is another.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (escrowed, proof) = decode(bytes)?;
        Some(Self { escrowed, proof })
    }

    /// Checks that this opens the tables of the side in `role` that committed to `public` = s·G.
    ///
    /// # Errors
    /// [`PeerMisbehaved::WrongRelease`].
    pub fn verify(
        &self,
        session: &SessionId,
        role: Role,
        mediator: &Mediator,
        public: &PublicKey,
    ) -> Result<VerifiedRelease, PeerMisbehaved> {
        proof::verify_equality(
            proof::RELEASE,
            &context(session, role),
            public,
            mediator.point(),
            &self.escrowed,
            &self.proof,
        )
        .map_err(|_| PeerMisbehaved::WrongRelease)?;
        Ok(VerifiedRelease {
            session: *session,
            role,
            escrowed: self.escrowed,
        })
    }
}

impl SettledRelease {
    /// m·S for the release point S of the side in `role`.
    pub(crate) fn of(
        settling: &Scalar,
        session: &SessionId,
        role: Role,
        public: &PublicKey,
        rng: &mut impl CryptoRng,
    ) -> Self {
        // > Z = m·S, and a proof of equality with label `tacit/v1/settled`, secret m, X = M, base S, image Z
        Self {
            escrowed: settling * public.point(),
            proof: proof::prove_equality(
                proof::SETTLED,
                &context(session, role),
                settling,
                public.point(),
                rng,
            ),
        }
    }

    /// The bytes of the layout.
    pub fn encode(&self) -> [u8; RELEASE_BYTES] {
        encode(&self.escrowed, &self.proof)
    }

    /// Reads the layout. `None` when it is another.
    pub fn decode(bytes: &[u8; RELEASE_BYTES]) -> Option<Self> {
        let (escrowed, proof) = decode(bytes)?;
        Some(Self { escrowed, proof })
    }

    /// Checks that this opens the tables of the side in `role` that committed to `public` = s·G.
    ///
    /// # Errors
    /// [`VerdictFault::Release`]: the mediator's doing, whose key alone can make one.
    pub fn verify(
        &self,
        session: &SessionId,
        role: Role,
        mediator: &Mediator,
        public: &PublicKey,
    ) -> Result<VerifiedRelease, VerdictFault> {
        let wrong = |_| VerdictFault::Release(role);
        let settling = PublicKey::decode(mediator.encoded()).map_err(wrong)?;
        proof::verify_equality(
            proof::SETTLED,
            &context(session, role),
            &settling,
            public.point(),
            &self.escrowed,
            &self.proof,
        )
        .map_err(wrong)?;
        Ok(VerifiedRelease {
            session: *session,
            role,
            escrowed: self.escrowed,
        })
    }
}

fn encode(escrowed: &RistrettoPoint, proof: &Proof) -> [u8; RELEASE_BYTES] {
    let mut out = [0; RELEASE_BYTES];
    out[..32].copy_from_slice(escrowed.compress().as_bytes());
    out[32..].copy_from_slice(&proof.encode());
    out
}

fn decode(bytes: &[u8]) -> Option<(RistrettoPoint, Proof)> {
    let mut reader = Reader::new(bytes);
    let escrowed = oprf::decode_element(&reader.array()?, 0).ok()?;
    let proof = Proof::decode(&reader.array()?).ok()?;
    reader.at_end()?;
    Some((escrowed, proof))
}

/// session id ‖ role of the side whose tables are opened.
fn context(session: &SessionId, role: Role) -> Vec<u8> {
    let mut context = session.0.to_vec();
    context.push(role.byte());
    context
}
