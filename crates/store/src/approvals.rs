//! Sessions that wait for an officer: asked for, decided once, and good for one session.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::audit::Event;
use super::database::{Store, Tx};
use super::error::Error;
use super::time::{from_ms, to_ms};
use admin::{ApprovalNumber, ClientNumber, PeerNumber};

const WAITING: i64 = 1;
const APPROVED: i64 = 2;
const REFUSED: i64 = 3;
const SPENT: i64 = 4;

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalState {
    Waiting,
    /// The next session with the peer may run.
    Approved,
    Refused,
    /// A session has used it.
    Spent,
}

/// A session that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRequest {
    pub number: ApprovalNumber,
    pub peer: PeerNumber,
    pub asked: Timestamp,
    pub state: ApprovalState,
}

impl Store {
    /// Asks the officers for a session with `peer`; gives the same number until it is decided and used.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`] peer.
    pub fn ask_approval(&self, peer: PeerNumber, now: Timestamp) -> Result<ApprovalNumber, Error> {
        self.write(|tx| {
            tx.peer(peer)?;
            let open: Option<ApprovalNumber> = tx
                .query_row(
                    "SELECT id FROM approval WHERE peer = ? AND state IN (?, ?) ORDER BY id LIMIT 1",
                    params![peer, WAITING, APPROVED],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(open) = open {
                return Ok(open);
            }
            let approval = tx.query_row(
                "INSERT INTO approval (peer, asked_ms, state) VALUES (?, ?, ?) RETURNING id",
                params![peer, to_ms(now), WAITING],
                |row| row.get(0),
            )?;
            tx.append(now, &Event::ApprovalAsked { approval, peer })?;
            Ok(approval)
        })
    }

    /// An officer's decision.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`]; [`Error::WrongState`] if it was decided before.
    pub fn decide(
        &self,
        approval: ApprovalNumber,
        approved: bool,
        client: Option<ClientNumber>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write(|tx| {
            let (peer, state) = tx.approval(approval)?;
            if state != WAITING {
                return Err(Error::WrongState {
                    what: "the approval",
                    why: "it was decided before",
                });
            }
            let state = if approved { APPROVED } else { REFUSED };
            tx.execute(
                "UPDATE approval SET state = ?, client = ? WHERE id = ?",
                params![state, client, approval],
            )?;
            let event = Event::ApprovalDecided {
                approval,
                peer,
                approved,
                client,
            };
            tx.append(now, &event).map(drop)
        })
    }

    /// The approvals that wait, and those that were given and not used.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn approvals(&self) -> Result<Vec<ApprovalRequest>, Error> {
        self.read(|tx| {
            let mut query = tx.prepare_cached(
                "SELECT id, peer, asked_ms, state FROM approval WHERE state IN (?, ?) ORDER BY id",
            )?;
            let mut rows = query.query([WAITING, APPROVED])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(ApprovalRequest {
                    number: row.get(0)?,
                    peer: row.get(1)?,
                    asked: from_ms(row.get(2)?)?,
                    state: state(row.get(3)?)?,
                });
            }
            Ok(all)
        })
    }

    /// Where one approval stands.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`].
    pub fn approval(&self, approval: ApprovalNumber) -> Result<ApprovalState, Error> {
        self.read(|tx| state(tx.approval(approval)?.1))
    }
}

impl Tx<'_> {
    /// Uses an approval up, in this transaction.
    pub(super) fn spend_approval(
        &self,
        approval: ApprovalNumber,
        peer: PeerNumber,
    ) -> Result<(), Error> {
        let changed = self.execute(
            "UPDATE approval SET state = ? WHERE id = ? AND peer = ? AND state = ?",
            params![SPENT, approval, peer, APPROVED],
        )?;
        match changed {
            1 => Ok(()),
            _ => Err(Error::WrongState {
                what: "the approval",
                why: "it is not given, or was used",
            }),
        }
    }

    fn approval(&self, approval: ApprovalNumber) -> Result<(PeerNumber, i64), Error> {
        self.prepare_cached("SELECT peer, state FROM approval WHERE id = ?")?
            .query_row([approval], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?
            .ok_or(Error::NoSuch {
                what: "approval",
                number: approval.number(),
            })
    }
}

/// Has approvals of a peer that were asked for or given count as used.
pub(super) fn drop_unused_of(tx: &Tx, peer: PeerNumber) -> Result<(), Error> {
    tx.execute(
        "UPDATE approval SET state = ? WHERE peer = ? AND state IN (?, ?)",
        params![SPENT, peer, WAITING, APPROVED],
    )?;
    Ok(())
}

fn state(number: i64) -> Result<ApprovalState, Error> {
    match number {
        WAITING => Ok(ApprovalState::Waiting),
        APPROVED => Ok(ApprovalState::Approved),
        REFUSED => Ok(ApprovalState::Refused),
        SPENT => Ok(ApprovalState::Spent),
        _ => Err(Error::DamagedStore),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{TestHome, now, peer_entry};

    #[test]
    fn an_approval_is_decided_once() {
        let home = TestHome::new();
        let store = home.create();
        let peer = store.add_peer(&peer_entry(1), now()).unwrap();
        let first = store.ask_approval(peer, now()).unwrap();
        assert_eq!(store.ask_approval(peer, now()).unwrap(), first);
        store.decide(first, false, None, now()).unwrap();
        let again = store.decide(first, true, None, now());
        assert!(matches!(again, Err(Error::WrongState { .. })));
        let second = store.ask_approval(peer, now()).unwrap();
        assert_ne!(first, second);
        store.decide(second, true, None, now()).unwrap();
        assert_eq!(store.approval(second).unwrap(), ApprovalState::Approved);
        assert_eq!(store.approvals().unwrap().len(), 1);
        let spend = |number| store.write(|tx| tx.spend_approval(number, peer));
        assert!(spend(first).is_err());
        spend(second).unwrap();
        assert!(spend(second).is_err());
    }
}
