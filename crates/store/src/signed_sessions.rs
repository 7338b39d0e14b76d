//! What a session keeps from its signature to its end: the signed state, the agreement with both
//! signatures, and the peer's release, each on disk before the step that needs it.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use zeroize::Zeroizing;

use super::audit::Event;
use super::chunks;
use super::database::{Store, Tx};
use super::error::Error;
use super::sessions::{
    COMMITTED, ENDED, End, SIGNED, cell, owner, policy_changed, row, wrong_state,
};
use admin::{Policy, SessionNumber};
use pairing::Signature;
use protocol::{Release, SignedAgreement, SignedState, SignedVerdict};

/// What is kept after a signature.
const AGREED: i64 = 1;
const RELEASED: i64 = 2;
/// A verdict that does not hold.
const VERDICT: i64 = 3;

impl Store {
    /// Keeps what opens the answers; on return, and not before, this side's signature may leave.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] unless the session is committed and not signed, and `policy`, under which it was
    /// set up, still the peer's; [`Error::NoSuch`] if the peer was removed.
    pub fn keep_signed(
        &self,
        session: SessionNumber,
        state: &Arc<SignedState>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write(|tx| {
            let (peer, stage, mut kept) = tx.session(session)?;
            if stage != COMMITTED {
                return Err(wrong_state());
            }
            // What an officer took back before this transaction counts.
            if tx.peer(peer)?.entry.policy != *policy {
                return Err(policy_changed());
            }
            let mut writer = chunks::Writer::new(tx, tx.cells, owner(session));
            state.encode(|part| writer.part(part))?;
            writer.finish()?;
            kept.id = Some(hex::encode(state.session.0));
            tx.put_session(session, SIGNED, &kept)?;
            tx.append(now, &Event::SessionSigned { session }).map(drop)
        })
    }

    /// What a signed session kept; `None` for one that is not signed, or has ended.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`], [`Error::Altered`].
    pub fn signed_state(&self, session: SessionNumber) -> Result<Option<SignedState>, Error> {
        self.read(|tx| {
            let (_, stage, _) = tx.session(session)?;
            if stage != SIGNED {
                return Ok(None);
            }
            let altered = Error::Altered {
                table: "signed_chunk",
            };
            let text = chunks::read(tx, tx.cells, owner(session))?.ok_or(altered)?;
            SignedState::decode(&text)
                .map(Some)
                .ok_or(Error::DamagedStore)
        })
    }

    /// Keeps the agreement with both signatures, which the mediator settles on.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] unless the session is signed and has not ended.
    pub fn keep_agreed(
        &self,
        session: SessionNumber,
        agreed: &SignedAgreement,
    ) -> Result<(), Error> {
        let signatures = [agreed.initiator_signature, agreed.responder_signature];
        let bytes = signatures.map(|signature| *signature.as_bytes()).concat();
        self.write(|tx| tx.put_more(session, AGREED, &bytes))
    }

    /// Keeps the peer's release, which opens its tables.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] unless the session is signed and has not ended.
    pub fn keep_released(&self, session: SessionNumber, release: &Release) -> Result<(), Error> {
        self.write(|tx| tx.put_more(session, RELEASED, &release.encode()))
    }

    /// What a signed session kept after its signature: the agreement with both signatures, and the
    /// peer's release, each once it was there.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] unless the session is signed and has not ended; [`Error::Altered`].
    pub fn after_signing(
        &self,
        session: SessionNumber,
        state: &SignedState,
    ) -> Result<(Option<SignedAgreement>, Option<Release>), Error> {
        self.read(|tx| {
            if tx.session(session)?.1 != SIGNED {
                return Err(wrong_state());
            }
            let agreed = match tx.more(session, AGREED)? {
                None => state.both_signed(),
                Some(bytes) => {
                    let signatures: &[u8; 128] = bytes
                        .as_slice()
                        .try_into()
                        .map_err(|_| Error::DamagedStore)?;
                    let [initiator, responder] = [&signatures[..64], &signatures[64..]]
                        .map(|half| Signature::from_bytes(half.try_into().unwrap_or([0; 64])));
                    Some(SignedAgreement {
                        agreement: state.agreement.clone(),
                        initiator_signature: initiator,
                        responder_signature: responder,
                    })
                }
            };
            let released = match tx.more(session, RELEASED)? {
                None => None,
                Some(bytes) => Some(Release::decode(&bytes).ok_or(Error::DamagedStore)?),
            };
            Ok((agreed, released))
        })
    }

    /// Ends a session and keeps, sealed, what it had signed, as evidence of what the peer did, or of what
    /// the mediator said in `verdict`. Nothing asks about it again.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] if it has ended before.
    pub fn set_aside_session(
        &self,
        session: SessionNumber,
        end: &End,
        verdict: Option<&SignedVerdict>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write(|tx| {
            if let Some(verdict) = verdict {
                tx.put_more(session, VERDICT, &verdict.encode())?;
            }
            tx.end_with(session, end, now)
        })
    }

    /// What was signed of a session that was set aside, and the mediator's verdict where that is what does
    /// not hold; `None` for a session that has not ended, or ended otherwise.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`], [`Error::Altered`].
    pub fn set_aside(
        &self,
        session: SessionNumber,
    ) -> Result<Option<(SignedState, Option<SignedVerdict>)>, Error> {
        self.read(|tx| {
            let (_, stage, _) = tx.session(session)?;
            if stage != ENDED {
                return Ok(None);
            }
            let Some(text) = chunks::read(tx, tx.cells, owner(session))? else {
                return Ok(None);
            };
            let state = SignedState::decode(&text).ok_or(Error::DamagedStore)?;
            let verdict = match tx.more(session, VERDICT)? {
                None => None,
                Some(text) => Some(SignedVerdict::decode(&text).map_err(|_| Error::DamagedStore)?),
            };
            Ok(Some((state, verdict)))
        })
    }
}

impl Tx<'_> {
    fn put_more(&self, session: SessionNumber, what: i64, text: &[u8]) -> Result<(), Error> {
        let (_, stage, _) = self.session(session)?;
        if stage != SIGNED {
            return Err(wrong_state());
        }
        let sealed = self
            .cells
            .seal(cell("signed_more", &row(session, what)), text)?;
        self.execute(
            "INSERT OR REPLACE INTO signed_more (session, what, sealed) VALUES (?, ?, ?)",
            params![session, what, sealed],
        )?;
        Ok(())
    }

    /// What was kept after the signature, whether the session has ended since or not.
    fn more(&self, session: SessionNumber, what: i64) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let sealed: Option<Vec<u8>> = self
            .prepare_cached("SELECT sealed FROM signed_more WHERE session = ? AND what = ?")?
            .query_row(params![session, what], |row| row.get(0))
            .optional()?;
        let at = row(session, what);
        sealed
            .map(|sealed| self.cells.open(cell("signed_more", &at), &sealed))
            .transpose()
    }
}
