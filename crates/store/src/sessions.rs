//! Sessions from their Commitment to their end, and what they leave: signed states, receipts, answers.
//!
//! [`Store::start_session`] stands before the Commitment: in one transaction table and question set are spent, the
//! budget counted and the approval used up. [`Store::keep_signed`] stands before the signature: from
//! then on the session is *signed*, also after a crash, until [`Store::end_session`] with the peer's
//! release or the mediator's word. [`Store::set_aside_session`] ends one with what proves that peer or
//! mediator cheated, and keeps that. A session that was not signed when its process ended is cut off, and
//! can be run again with another table.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::audit::Event;
use super::budget::Direction;
use super::cell_cipher::Cell;
use super::chunks::Owner;
use super::database::{Store, Tx};
use super::error::Error;
use super::prepared::Ready;
use super::time::{from_ms, to_ms};
use admin::policy::Approval;
use admin::{
    ApprovalNumber, Blame, Outcome, PeerNumber, Policy, QueryNumber, SessionNumber, Stage,
};
use protocol::{ByClass, Ceiling, Receipt, Role, SessionId};

/// What [`SessionInfo`] is made from.
const SELECT_SESSION: &str = "SELECT id, peer, started_ms, ended_ms, state, sealed FROM session";

pub(super) const COMMITTED: i64 = 1;
pub(super) const SIGNED: i64 = 2;
pub(super) const ENDED: i64 = 3;

/// What a session costs, before its Commitment leaves.
#[derive(Clone)]
pub struct Start {
    pub peer: PeerNumber,
    pub role: Role,
    /// A table and a question set that are reserved for it.
    pub ready: Ready,
    /// Elements that the peer asks, by its requested ceilings.
    pub answered: ByClass<Ceiling>,
    /// Elements that this node asks.
    pub asked: ByClass<Ceiling>,
    /// The approval it uses up, where the peer's policy wants one.
    pub approval: Option<ApprovalNumber>,
    /// The descriptor of the mediator who can settle it.
    pub mediator: Option<String>,
    /// The policy that it was set up under, which must still be the peer's.
    pub policy: Policy,
    /// When the lists were read that it asks.
    pub asked_at: Timestamp,
    /// The version of the requested list that it asks.
    pub asked_list: i64,
}

/// How a session ended, and what came of it.
pub struct End<'a> {
    pub outcome: Outcome,
    pub blame: Option<Blame>,
    pub receipt: Option<&'a Receipt>,
    /// When the lists were read that it asked: a list imported since was not asked.
    pub asked_at: Timestamp,
    /// For each query, and for the standing list under `None`, what the peer answered.
    pub answers: &'a [(Option<QueryNumber>, Answers)],
}

/// A session in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    pub number: SessionNumber,
    pub peer: PeerNumber,
    pub started: Timestamp,
    /// Known once this side has signed.
    pub id: Option<SessionId>,
    /// The descriptor of the mediator who can settle it.
    pub mediator: Option<String>,
    /// When the lists were read that it asked.
    pub asked_at: Timestamp,
    /// The version of the requested list that it asked, where that was kept.
    pub asked_list: Option<i64>,
    pub stage: Stage,
}

#[derive(Serialize, Deserialize, Default)]
pub(super) struct SealedSession {
    initiator: bool,
    #[serde(default)]
    mediator: Option<String>,
    #[serde(default)]
    asked_at: Option<Timestamp>,
    #[serde(default)]
    asked_list: Option<i64>,
    pub(super) id: Option<String>,
    outcome: Option<Outcome>,
    blame: Option<Blame>,
}

impl Store {
    /// Spends table, question set, budget and approval of a session; on return, and not before, its Commitment may leave.
    ///
    /// # Errors
    ///
    /// [`Error::OverBudget`], and [`Error::WrongState`] of the table or the approval: nothing was spent.
    pub fn start_session(&self, start: &Start, now: Timestamp) -> Result<SessionNumber, Error> {
        self.write(|tx| {
            let policy = tx.peer(start.peer)?.entry.policy;
            let approved = start.approval.is_some() || policy.approval == Approval::ByItself;
            if policy != start.policy || !approved {
                return Err(policy_changed());
            }
            tx.spend_budget(start.peer, &policy, start.answered, now)?;
            for (class, asked) in start.asked.iter() {
                let elements = asked.elements() as u32;
                tx.count(start.peer, Direction::Asked, class, elements, now)?;
            }
            tx.spend(start.ready, start.peer, to_ms(now))?;
            if let Some(approval) = start.approval {
                tx.spend_approval(approval, start.peer)?;
            }
            let session: SessionNumber = tx.query_row(
                "INSERT INTO session (peer, prepared, started_ms, state, sealed)
                 VALUES (?, ?, ?, ?, x'') RETURNING id",
                params![start.peer, start.ready.table, to_ms(now), COMMITTED],
                |row| row.get(0),
            )?;
            let kept = SealedSession {
                initiator: start.role == Role::Initiator,
                mediator: start.mediator.clone(),
                asked_at: Some(start.asked_at),
                asked_list: Some(start.asked_list),
                ..SealedSession::default()
            };
            tx.put_session(session, COMMITTED, &kept)?;
            let elements = |ceiling: &Ceiling| ceiling.elements() as u32;
            let event = Event::SessionStarted {
                session,
                peer: start.peer,
                narrow: elements(&start.answered.narrow),
                wide: start.answered.wide.as_ref().map_or(0, elements),
            };
            tx.append(now, &event)?;
            Ok(session)
        })
    }

    /// Ends a session: answers and receipt are kept, what it had signed is given up.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] if it has ended before.
    pub fn end_session(
        &self,
        session: SessionNumber,
        end: &End,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write(|tx| {
            tx.end_with(session, end, now)?;
            tx.execute("DELETE FROM signed_chunk WHERE owner = ?", [session])?;
            tx.execute("DELETE FROM signed_more WHERE session = ?", [session])?;
            Ok(())
        })
    }

    /// Writes down a session that ended before its Commitment: it has no number and cost nothing.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn refuse_session(
        &self,
        peer: PeerNumber,
        outcome: Outcome,
        blame: Option<Blame>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let event = Event::SessionRefused {
            peer,
            outcome,
            blame,
        };
        self.record(&event, now).map(drop)
    }

    /// The receipt of a session, if it has one.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`] and those of the database.
    pub fn receipt(&self, session: SessionNumber) -> Result<Option<Receipt>, Error> {
        self.read(|tx| {
            let sealed: Option<Vec<u8>> = tx
                .prepare_cached("SELECT sealed FROM receipt WHERE session = ?")?
                .query_row([session], |row| row.get(0))
                .optional()?;
            let Some(sealed) = sealed else {
                return Ok(None);
            };
            let text = tx
                .cells
                .open(cell("receipt", &session.number().to_be_bytes()), &sealed)?;
            Receipt::decode(&text).map(Some).ok_or(Error::DamagedStore)
        })
    }

    /// Sessions that this side has signed and that have not ended: only the peer's release or the
    /// mediator's word ends them.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn signed_sessions(&self) -> Result<Vec<SessionInfo>, Error> {
        self.read(|tx| tx.session_infos("WHERE state = 2 ORDER BY id", None))
    }

    /// The last session that this peer answered, itself or through the mediator.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`] and those of the database.
    pub fn last_answered(&self, peer: PeerNumber) -> Result<Option<SessionInfo>, Error> {
        self.read(|tx| {
            // How a session ended is sealed, so that rows are opened, the newest first, until one fits.
            let mut query = tx.prepare_cached(&format!(
                "{SELECT_SESSION} WHERE peer = ? AND state = ? ORDER BY id DESC"
            ))?;
            let mut rows = query.query(params![peer, ENDED])?;
            while let Some(row) = rows.next()? {
                let info = tx.session_info(row)?;
                if matches!(
                    info.stage,
                    Stage::Ended {
                        outcome: Outcome::Answered | Outcome::Settled,
                        ..
                    }
                ) {
                    return Ok(Some(info));
                }
            }
            Ok(None)
        })
    }

    /// The last `count` sessions, the newest first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn sessions(&self, count: u32) -> Result<Vec<SessionInfo>, Error> {
        self.read(|tx| tx.session_infos("ORDER BY id DESC LIMIT ?", Some(count)))
    }
}

impl Tx<'_> {
    /// Whether a session with this peer is signed and has not ended.
    pub(super) fn has_signed_session(&self, peer: PeerNumber) -> Result<bool, Error> {
        Ok(self.query_row(
            "SELECT EXISTS (SELECT 1 FROM session WHERE peer = ? AND state = ?)",
            params![peer, SIGNED],
            |row| row.get(0),
        )?)
    }

    pub(super) fn session(
        &self,
        session: SessionNumber,
    ) -> Result<(PeerNumber, i64, SealedSession), Error> {
        let row: Option<(PeerNumber, i64, Vec<u8>)> = self
            .prepare_cached("SELECT peer, state, sealed FROM session WHERE id = ?")?
            .query_row([session], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let (peer, state, sealed) = row.ok_or(Error::NoSuch {
            what: "session",
            number: session.number(),
        })?;
        let kept = self.open_session(session, state, &sealed)?;
        Ok((peer, state, kept))
    }

    fn open_session(
        &self,
        session: SessionNumber,
        state: i64,
        sealed: &[u8],
    ) -> Result<SealedSession, Error> {
        let text = self
            .cells
            .open(cell("session", &row(session, state)), sealed)?;
        serde_json::from_slice(&text).map_err(|_| Error::DamagedStore)
    }

    /// The state is bound in, so that nobody can make a signed session an ended one on the disk.
    pub(super) fn put_session(
        &self,
        session: SessionNumber,
        state: i64,
        kept: &SealedSession,
    ) -> Result<(), Error> {
        let text = serde_json::to_vec(kept).map_err(|_| Error::DamagedStore)?;
        let sealed = self
            .cells
            .seal(cell("session", &row(session, state)), &text)?;
        self.execute(
            "UPDATE session SET state = ?, sealed = ? WHERE id = ?",
            params![state, sealed, session],
        )?;
        Ok(())
    }

    /// Ends a session with what came of it; what it had signed is still there.
    pub(super) fn end_with(
        &self,
        session: SessionNumber,
        end: &End,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (peer, stage, kept) = self.session(session)?;
        if stage == ENDED {
            return Err(wrong_state());
        }
        for (query, answers) in end.answers {
            // Where only the time is known at which the list was read, it says which list that was.
            let at = answers.list.map_or(end.asked_at, |_| now);
            self.put_answers(*query, peer, session, answers, at)?;
        }
        if let Some(receipt) = end.receipt {
            let at = session.number().to_be_bytes();
            let sealed = self.cells.seal(cell("receipt", &at), &receipt.encode())?;
            self.execute(
                "INSERT INTO receipt (session, sealed) VALUES (?, ?)",
                params![session, sealed],
            )?;
        }
        self.end(session, peer, kept, (end.outcome, end.blame), now)
    }

    fn end(
        &self,
        session: SessionNumber,
        peer: PeerNumber,
        mut kept: SealedSession,
        (outcome, blame): (Outcome, Option<Blame>),
        now: Timestamp,
    ) -> Result<(), Error> {
        (kept.outcome, kept.blame) = (Some(outcome), blame);
        self.put_session(session, ENDED, &kept)?;
        self.execute(
            "UPDATE session SET ended_ms = ? WHERE id = ?",
            params![to_ms(now), session],
        )?;
        let event = Event::SessionEnded {
            session,
            peer,
            outcome,
            blame,
        };
        self.append(now, &event).map(drop)
    }

    fn session_infos(
        &self,
        which: &'static str,
        count: Option<u32>,
    ) -> Result<Vec<SessionInfo>, Error> {
        let mut query = self.prepare_cached(&format!("{SELECT_SESSION} {which}"))?;
        let mut rows = query.query(rusqlite::params_from_iter(count))?;
        let mut infos = Vec::new();
        while let Some(row) = rows.next()? {
            infos.push(self.session_info(row)?);
        }
        Ok(infos)
    }

    /// Opens a row of [`SELECT_SESSION`].
    fn session_info(&self, row: &Row) -> Result<SessionInfo, Error> {
        let (number, state) = (row.get(0)?, row.get(4)?);
        let kept = self.open_session(number, state, &row.get::<_, Vec<u8>>(5)?)?;
        let ended: Option<i64> = row.get(3)?;
        let stage = match (state, ended, kept.outcome) {
            (COMMITTED, None, None) => Stage::Committed,
            (SIGNED, None, None) => Stage::Signed,
            (ENDED, Some(at_ms), Some(outcome)) => Stage::Ended {
                at: from_ms(at_ms)?,
                outcome,
                blame: kept.blame,
            },
            _ => return Err(Error::DamagedStore),
        };
        let started = from_ms(row.get(2)?)?;
        Ok(SessionInfo {
            number,
            peer: row.get(1)?,
            started,
            asked_at: kept.asked_at.unwrap_or(started),
            asked_list: kept.asked_list,
            id: kept.id.as_deref().map(session_id).transpose()?,
            mediator: kept.mediator,
            stage,
        })
    }
}

/// Ends every session that a process before this one had not signed.
pub(super) fn end_cut_off(tx: &Tx, now: Timestamp) -> Result<(), Error> {
    for session in tx.session_infos("WHERE state = 1 ORDER BY id", None)? {
        let (peer, _, kept) = tx.session(session.number)?;
        let how = (Outcome::CutOff, Some(Blame::Own));
        tx.end(session.number, peer, kept, how, now)?;
    }
    Ok(())
}

fn session_id(text: &str) -> Result<SessionId, Error> {
    let mut id = [0; 32];
    hex::decode_to_slice(text, &mut id).map_err(|_| Error::DamagedStore)?;
    Ok(SessionId(id))
}

pub(super) fn wrong_state() -> Error {
    Error::WrongState {
        what: "the session",
        why: "it is signed or ended already",
    }
}

pub(super) fn policy_changed() -> Error {
    Error::WrongState {
        what: "the policy for the peer",
        why: "it was changed since the session was set up",
    }
}

pub(super) fn owner(session: SessionNumber) -> Owner {
    Owner {
        table: "signed_chunk",
        row: session.number(),
    }
}

pub(super) fn row(session: SessionNumber, state: i64) -> [u8; 16] {
    let mut row = [0; 16];
    row[..8].copy_from_slice(&session.number().to_be_bytes());
    row[8..].copy_from_slice(&state.to_be_bytes());
    row
}

pub(super) fn cell<'a>(table: &'static str, row: &'a [u8]) -> Cell<'a> {
    Cell {
        table,
        column: "sealed",
        row,
    }
}
