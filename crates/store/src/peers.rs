//! The peers that this node is paired with, and what it allows each.

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::audit::Event;
use super::cell_cipher::Cell;
use super::database::{Store, Tx};
use super::error::Error;
use admin::peer::PEER_TEXT_BYTES_MAX;
use admin::policy::{Approval, PolicyFault};
use admin::{Peer, PeerEntry, PeerNumber, Policy};

/// Peers at most; the store is for a few delegations.
pub const PEERS_MAX: usize = 64;

#[derive(Serialize, Deserialize)]
struct SealedPeer {
    name: String,
    id: String,
    address: Option<String>,
    #[serde(default)]
    by_relay: bool,
    policy: Policy,
}

impl Store {
    /// Pairs this node with a peer.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if the id or the name is there already, [`Error::Policy`], [`Error::TooLong`].
    pub fn add_peer(&self, entry: &PeerEntry, now: Timestamp) -> Result<PeerNumber, Error> {
        check(entry)?;
        self.write(|tx| {
            let peers = tx.peers()?;
            if peers.len() >= PEERS_MAX {
                return Err(Error::TooLong {
                    what: "the list of peers",
                    max: PEERS_MAX,
                });
            }
            if peers.iter().any(|peer| peer.entry.id == entry.id) {
                return Err(Error::Exists { what: "the peer" });
            }
            if peers.iter().any(|peer| peer.entry.name == entry.name) {
                return Err(Error::Exists {
                    what: "a peer of that name",
                });
            }
            let tag = tx.cells.tag("peer", &[entry.id.as_bytes()]);
            // Who comes again gets the old number, and with it what was counted against its budget.
            let number = tx.query_row(
                "INSERT INTO peer (tag, active, sealed) VALUES (?, 0, x'')
                 ON CONFLICT (tag) DO UPDATE SET active = 0 RETURNING id",
                [tag],
                |row| row.get(0),
            )?;
            tx.put_peer(number, entry)?;
            let event = Event::PeerAdded {
                peer: number,
                id: entry.id.to_string(),
                policy: policy_digest(&entry.policy),
            };
            tx.append(now, &event)?;
            Ok(number)
        })
    }

    /// Puts another name, address or policy in the place of a peer's.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`], [`Error::WrongState`] if the id is another, [`Error::Policy`].
    pub fn change_peer(
        &self,
        number: PeerNumber,
        entry: &PeerEntry,
        now: Timestamp,
    ) -> Result<(), Error> {
        check(entry)?;
        self.write(|tx| {
            if tx.peer(number)?.entry.id != entry.id {
                return Err(Error::WrongState {
                    what: "the peer",
                    why: "its id cannot change; add another peer",
                });
            }
            tx.put_peer(number, entry)?;
            let event = Event::PolicyChanged {
                peer: number,
                policy: policy_digest(&entry.policy),
            };
            tx.append(now, &event).map(drop)
        })
    }

    /// Has each session with the peer wait for an officer from now on.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`].
    pub fn require_approval(&self, number: PeerNumber, now: Timestamp) -> Result<(), Error> {
        self.write(|tx| {
            let mut entry = tx.peer(number)?.entry;
            // Without an entry in the log, which would tell of a change that was none.
            if entry.policy.approval == Approval::ByHand {
                return Ok(());
            }
            entry.policy.approval = Approval::ByHand;
            tx.put_peer(number, &entry)?;
            let event = Event::PolicyChanged {
                peer: number,
                policy: policy_digest(&entry.policy),
            };
            tx.append(now, &event).map(drop)
        })
    }

    /// Ends the pairing; what was counted against the peer stays. Approvals that were not used are gone.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`]; [`Error::WrongState`] while a session with it is signed and has not ended.
    pub fn remove_peer(&self, number: PeerNumber, now: Timestamp) -> Result<(), Error> {
        self.write(|tx| {
            tx.peer(number)?;
            if tx.has_signed_session(number)? {
                return Err(Error::WrongState {
                    what: "the peer",
                    why: "a session with it is signed, and ends by the mediator's word first",
                });
            }
            // Or an approval of the old pairing would let in the first session of a new one.
            super::approvals::drop_unused_of(tx, number)?;
            tx.execute("UPDATE peer SET active = 0 WHERE id = ?", [number])?;
            super::stock::discard_unused_of(tx, number)?;
            tx.append(now, &Event::PeerRemoved { peer: number })
                .map(drop)
        })
    }

    /// All peers that are paired, in the order in which they were added first.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`] and those of the database.
    pub fn peers(&self) -> Result<Vec<Peer>, Error> {
        self.read(|tx| tx.peers())
    }

    /// The peer of that number.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`] if there is none or it was removed.
    pub fn peer(&self, number: PeerNumber) -> Result<Peer, Error> {
        self.read(|tx| tx.peer(number))
    }
}

impl Tx<'_> {
    pub(super) fn peer(&self, number: PeerNumber) -> Result<Peer, Error> {
        let sealed: Option<Vec<u8>> = self
            .prepare_cached("SELECT sealed FROM peer WHERE id = ? AND active = 1")?
            .query_row([number], |row| row.get(0))
            .optional()?;
        let sealed = sealed.ok_or(Error::NoSuch {
            what: "peer",
            number: number.number(),
        })?;
        self.open_peer(number, &sealed)
    }

    fn peers(&self) -> Result<Vec<Peer>, Error> {
        let mut query =
            self.prepare_cached("SELECT id, sealed FROM peer WHERE active = 1 ORDER BY id")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        rows.map(|row| {
            let (number, sealed) = row?;
            self.open_peer(number, &sealed)
        })
        .collect()
    }

    fn put_peer(&self, number: PeerNumber, entry: &PeerEntry) -> Result<(), Error> {
        let kept = SealedPeer {
            name: entry.name.clone(),
            id: entry.id.to_string(),
            address: entry.address.clone(),
            by_relay: entry.by_relay,
            policy: entry.policy.clone(),
        };
        let text = serde_json::to_vec(&kept).map_err(|_| Error::DamagedStore)?;
        let sealed = self
            .cells
            .seal(cell(&number.number().to_be_bytes()), &text)?;
        self.execute(
            "UPDATE peer SET active = 1, sealed = ? WHERE id = ?",
            params![sealed, number],
        )?;
        Ok(())
    }

    fn open_peer(&self, number: PeerNumber, sealed: &[u8]) -> Result<Peer, Error> {
        let text = self
            .cells
            .open(cell(&number.number().to_be_bytes()), sealed)?;
        let kept: SealedPeer = serde_json::from_slice(&text).map_err(|_| Error::DamagedStore)?;
        Ok(Peer {
            number,
            entry: PeerEntry {
                name: kept.name,
                id: kept.id.parse().map_err(|_| Error::DamagedStore)?,
                address: kept.address,
                by_relay: kept.by_relay,
                policy: kept.policy,
            },
        })
    }
}

fn check(entry: &PeerEntry) -> Result<(), Error> {
    entry.policy.check()?;
    if entry.by_relay {
        let descriptor = entry.policy.descriptor();
        if descriptor.is_none_or(|descriptor| descriptor.address.is_empty()) {
            return Err(PolicyFault::NoRelay.into());
        }
    }
    let texts = std::iter::once(&entry.name).chain(&entry.address);
    match texts
        .into_iter()
        .all(|text| text.len() <= PEER_TEXT_BYTES_MAX)
    {
        true => Ok(()),
        false => Err(Error::TooLong {
            what: "the name or address of a peer, in bytes,",
            max: PEER_TEXT_BYTES_MAX,
        }),
    }
}

/// SHA-256 of the policy's JSON.
fn policy_digest(policy: &Policy) -> String {
    let text = serde_json::to_vec(policy).unwrap_or_default();
    hex::encode(digest(&SHA256, &text))
}

fn cell(row: &[u8; 8]) -> Cell<'_> {
    Cell {
        table: "peer",
        column: "sealed",
        row,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{TestHome, now, peer_entry};

    #[test]
    fn peers_come_back_and_keep_their_number_when_added_again() {
        let home = TestHome::new();
        let store = home.create();
        let (one, two) = (peer_entry(1), peer_entry(2));
        let first = store.add_peer(&one, now()).unwrap();
        let second = store.add_peer(&two, now()).unwrap();
        assert!(matches!(
            store.add_peer(&one, now()),
            Err(Error::Exists { .. })
        ));
        let mut changed = one.clone();
        changed.policy.on_demand = true;
        store.change_peer(first, &changed, now()).unwrap();
        assert!(store.change_peer(first, &two, now()).is_err());
        drop(store);
        let store = home.open();
        let entries: Vec<PeerEntry> = store
            .peers()
            .unwrap()
            .into_iter()
            .map(|p| p.entry)
            .collect();
        assert_eq!(entries, [changed, two]);
        store.remove_peer(first, now()).unwrap();
        assert!(matches!(store.peer(first), Err(Error::NoSuch { .. })));
        assert_eq!(store.add_peer(&one, now()).unwrap(), first);
        assert_ne!(first, second);
    }

    #[test]
    fn two_peers_swapped_in_the_database_do_not_open() {
        let home = TestHome::new();
        let store = home.create();
        store.add_peer(&peer_entry(1), now()).unwrap();
        store.add_peer(&peer_entry(2), now()).unwrap();
        store
            .connection()
            .execute_batch(
                "UPDATE peer SET sealed = (SELECT sealed FROM peer AS other WHERE other.id = 3 - peer.id)",
            )
            .unwrap();
        assert!(matches!(
            store.peers(),
            Err(Error::Altered { table: "peer" })
        ));
    }
}
