//! What a mediator settled, in `settlements.sqlite` of the relay's home, until both sides had time to
//! claim it.
//!
//! A row is a session id, the time, and, sealed, the two ids and the signed verdict. One more row
//! holds the latest time that the mediator vouched for: its clock never goes behind that. A write has
//! reached the disk when it returns (journal and `synchronous=EXTRA`), also across a loss of power.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rand_core::CryptoRng;
use rusqlite::{Connection, OptionalExtension, params};
use sealing::Reader;

use super::error::Error;
use super::file_cipher::FileCipher;
use super::owner_only;
use pairing::NodeId;
use protocol::{MediatorTime, SessionId};

const FILE: &str = "settlements.sqlite";
const VERSION: i64 = 1;

/// For another process, such as one that is just ending, to let go of the database.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// The mediator's ledger.
pub struct SettlementLedger {
    path: PathBuf,
    database: Connection,
    cipher: FileCipher,
}

/// One settled session.
#[derive(Clone, PartialEq, Eq)]
pub struct Settled {
    pub initiator: NodeId,
    pub responder: NodeId,
    /// The signed verdict, as it is sent.
    pub verdict: Vec<u8>,
}

impl SettlementLedger {
    /// Opens the ledger of the relay in `home`, and makes it if there is none.
    ///
    /// # Errors
    /// [`Error::NewerStore`], [`Error::Busy`] when another relay has it open, and what is wrong with the disk.
    pub fn open(home: &Path, cipher: FileCipher) -> Result<Self, Error> {
        owner_only::make_dir(home)?;
        let path = home.join(FILE);
        // Made by us first, because SQLite would make it readable to the group.
        if !path.exists() {
            owner_only::write_new(&path, &[])?;
        }
        let database = Connection::open(&path)?;
        database.busy_timeout(BUSY_WAIT)?;
        database.execute_batch(PRAGMAS)?;
        let version: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        match version {
            0 => database.execute_batch(SCHEMA)?,
            VERSION => {}
            newer => {
                let version = usize::try_from(newer).unwrap_or_default();
                return Err(Error::NewerStore {
                    path,
                    version,
                    newest_known: VERSION as usize,
                });
            }
        }
        Ok(Self {
            path,
            database,
            cipher,
        })
    }

    /// What was settled of `session`.
    ///
    /// # Errors
    /// [`Error::NotOurs`], and what is wrong with the disk.
    pub fn find(&self, session: &SessionId) -> Result<Option<Settled>, Error> {
        let sealed: Option<Vec<u8>> = self
            .database
            .query_row(
                "SELECT sealed FROM settlement WHERE session = ?1",
                params![session.0],
                |row| row.get(0),
            )
            .optional()?;
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        let opened = self.cipher.open(&purpose(session), &sealed);
        match opened.as_deref().and_then(|plain| parse(plain)) {
            Some(settled) => Ok(Some(settled)),
            None => Err(Error::NotOurs {
                path: self.path.clone(),
            }),
        }
    }

    /// Writes a settled session down. On return it is on disk.
    ///
    /// # Errors
    /// What is wrong with the disk; also if the session is in the ledger already.
    pub fn add(
        &mut self,
        session: &SessionId,
        at: MediatorTime,
        settled: &Settled,
        rng: &mut impl CryptoRng,
    ) -> Result<(), Error> {
        let mut plain = settled.initiator.as_bytes().to_vec();
        plain.extend_from_slice(settled.responder.as_bytes());
        plain.extend_from_slice(&settled.verdict);
        let sealed = self.cipher.seal(&purpose(session), &plain, rng);
        self.database.execute(
            "INSERT INTO settlement (session, at, sealed) VALUES (?1, ?2, ?3)",
            params![session.0, seconds(at), sealed],
        )?;
        Ok(())
    }

    /// The latest time that was vouched for.
    ///
    /// # Errors
    /// What is wrong with the disk.
    pub fn latest(&self) -> Result<MediatorTime, Error> {
        self.database
            .query_row("SELECT latest FROM clock", [], |row| row.get(0))
            .map(|latest: i64| MediatorTime(latest.unsigned_abs()))
            .map_err(Error::from)
    }

    /// Notes a time that is vouched for. On return it is on disk.
    ///
    /// # Errors
    /// What is wrong with the disk.
    pub fn vouch(&mut self, now: MediatorTime) -> Result<(), Error> {
        self.database.execute(
            "UPDATE clock SET latest = max(latest, ?1)",
            params![seconds(now)],
        )?;
        Ok(())
    }

    /// Forgets what was settled before `before`; tells how many.
    ///
    /// # Errors
    /// What is wrong with the disk.
    pub fn forget(&mut self, before: MediatorTime) -> Result<usize, Error> {
        self.database
            .execute(
                "DELETE FROM settlement WHERE at < ?1",
                params![seconds(before)],
            )
            .map_err(Error::from)
    }

    /// Sessions in the ledger.
    ///
    /// # Errors
    /// What is wrong with the disk.
    pub fn count(&self) -> Result<u64, Error> {
        self.database
            .query_row("SELECT count(*) FROM settlement", [], |row| row.get(0))
            .map(|count: i64| count.unsigned_abs())
            .map_err(Error::from)
    }
}

const PRAGMAS: &str = "
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = DELETE;
    PRAGMA synchronous = EXTRA;
    PRAGMA secure_delete = ON;
    PRAGMA trusted_schema = OFF;";

const SCHEMA: &str = "
    BEGIN;
    CREATE TABLE settlement (
        session BLOB PRIMARY KEY,
        at      INTEGER NOT NULL,
        sealed  BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE clock (
        one    INTEGER PRIMARY KEY CHECK (one = 1),
        latest INTEGER NOT NULL
    ) STRICT;
    INSERT INTO clock VALUES (1, 0);
    PRAGMA user_version = 1;
    COMMIT;";

fn parse(plain: &[u8]) -> Option<Settled> {
    let mut reader = Reader::new(plain);
    Some(Settled {
        initiator: NodeId::from_bytes(reader.array()?).ok()?,
        responder: NodeId::from_bytes(reader.array()?).ok()?,
        verdict: reader.rest().to_vec(),
    })
}

fn purpose(session: &SessionId) -> String {
    format!("settlement {}", hex::encode(session.0))
}

/// As SQLite has it; a clock beyond its integers stands still.
fn seconds(time: MediatorTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use pairing::NodeKey;

    fn open(home: &Path) -> Result<SettlementLedger, Error> {
        SettlementLedger::open(home, FileCipher::of(&NodeKey::from_seed(&[1; 32])))
    }

    fn settled() -> Settled {
        Settled {
            initiator: NodeKey::from_seed(&[2; 32]).id(),
            responder: NodeKey::from_seed(&[3; 32]).id(),
            verdict: vec![7; 500],
        }
    }

    #[test]
    fn what_was_settled_is_there_after_reopening_once_and_until_it_is_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let session = SessionId([5; 32]);
        let mut ledger = open(home.path()).unwrap();
        assert!(ledger.find(&session).unwrap().is_none());
        ledger
            .add(&session, MediatorTime(100), &settled(), &mut rng)
            .unwrap();
        assert!(
            ledger
                .add(&session, MediatorTime(101), &settled(), &mut rng)
                .is_err()
        );
        ledger.vouch(MediatorTime(200)).unwrap();
        ledger.vouch(MediatorTime(150)).unwrap();
        drop(ledger);

        let mut ledger = open(home.path()).unwrap();
        assert!(ledger.find(&session).unwrap() == Some(settled()));
        assert_eq!(ledger.latest().unwrap(), MediatorTime(200));
        assert_eq!(ledger.count().unwrap(), 1);
        assert_eq!(ledger.forget(MediatorTime(100)).unwrap(), 0);
        assert_eq!(ledger.forget(MediatorTime(101)).unwrap(), 1);
        assert!(ledger.find(&session).unwrap().is_none());
    }

    #[test]
    fn the_ledger_is_closed_to_others_and_names_no_node_in_the_clear() {
        let home = tempfile::tempdir().unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut ledger = open(home.path()).unwrap();
        ledger
            .add(&SessionId([5; 32]), MediatorTime(1), &settled(), &mut rng)
            .unwrap();
        let path = home.path().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let bytes = std::fs::read(path).unwrap();
        let id = settled().initiator;
        assert!(!bytes.windows(32).any(|window| window == id.as_bytes()));
    }

    #[test]
    fn a_row_moved_to_another_session_does_not_open() {
        let home = tempfile::tempdir().unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut ledger = open(home.path()).unwrap();
        ledger
            .add(&SessionId([5; 32]), MediatorTime(1), &settled(), &mut rng)
            .unwrap();
        ledger
            .database
            .execute("UPDATE settlement SET session = ?1", params![[6u8; 32]])
            .unwrap();
        assert!(matches!(
            ledger.find(&SessionId([6; 32])),
            Err(Error::NotOurs { .. })
        ));
    }
}
