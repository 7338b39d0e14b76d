//! The data key under passphrases: slots, each the same key sealed under one passphrase.
//!
//! There is one slot, and two only while a passphrase is being changed, so that at every moment of it
//! one passphrase opens both the store and the key file. What fails to open is counted in the open,
//! since nothing can be sealed without the key, and moves to the audit log when the store opens.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use rusqlite::{Connection, params};

use super::cell_cipher::DataKey;
use super::error::Error;
use super::passphrase::Passphrase;
use super::passphrase_cipher::{Cost, PassphraseCipher, SEALED_BYTES};
use super::time::{from_ms, to_ms};

/// How long a wrong passphrase takes at least, from the moment it was given.
pub const WRONG_PASSPHRASE_DELAY: Duration =
    Duration::from_millis(if cfg!(test) { 20 } else { 2000 });

const CONTEXT: &str = "tacit store, version 1";

/// Slots at most; a change that fails at its end leaves one more, and the next opening clears them away.
const SLOTS_MAX: u32 = 16;

/// Attempts that failed while the store was shut.
pub(super) struct FailedUnlocks {
    pub times: u64,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// Seals `key` under a passphrase in a slot of its own, inside the caller's transaction.
///
/// # Errors
///
/// [`Error::OutOfMemory`], [`Error::CostOutOfBounds`] and those of the database.
pub(super) fn add_slot(
    database: &Connection,
    key: &DataKey,
    passphrase: &Passphrase,
    cost: Cost,
) -> Result<(), Error> {
    let slots: u32 = database.query_row("SELECT count(*) FROM slot", [], |row| row.get(0))?;
    if slots >= SLOTS_MAX {
        return Err(Error::WrongState {
            what: "the passphrase",
            why: "changing it failed too often; open the store again first",
        });
    }
    let cipher = PassphraseCipher::draw_at(cost, &mut UnwrapErr(SysRng))
        .map_err(|_| Error::CostOutOfBounds)?;
    let wrapped = cipher.seal(key.as_bytes(), passphrase, CONTEXT)?;
    database.execute(
        "INSERT INTO slot (seal, wrapped) VALUES (?, ?)",
        params![cipher.to_string(), wrapped],
    )?;
    Ok(())
}

/// Leaves only the slot that was added last.
///
/// # Errors
///
/// Those of the database.
pub(super) fn drop_older_slots(database: &Connection) -> Result<(), Error> {
    database.execute("DELETE FROM slot WHERE id < (SELECT max(id) FROM slot)", [])?;
    Ok(())
}

/// Opens the data key, and drops older slots if the newest opened.
///
/// # Errors
///
/// [`Error::WrongPassphrase`] after [`WRONG_PASSPHRASE_DELAY`], whether the passphrase is another or
/// a slot was altered; the attempt is counted.
pub(super) fn open(
    database: &Connection,
    passphrase: &Passphrase,
    now: Timestamp,
) -> Result<DataKey, Error> {
    // From here, so that trying several slots does not add to it.
    let answer_at = Instant::now() + WRONG_PASSPHRASE_DELAY;
    for (newest, seal, wrapped) in slots(database)? {
        if let Some(key) = try_slot(&seal, &wrapped, passphrase)? {
            // The key file opened under it too: a change of the passphrase that was cut off has got past it.
            if newest {
                drop_older_slots(database)?;
            }
            return Ok(key);
        }
    }
    // Counting must not change the answer: a full disk is no sign of a right passphrase.
    let _ = count_failure(database, now);
    std::thread::sleep(answer_at.saturating_duration_since(Instant::now()));
    Err(Error::WrongPassphrase)
}

/// Takes the failed attempts out, inside the caller's transaction.
///
/// # Errors
///
/// Those of the database.
pub(super) fn take_failures(database: &Connection) -> Result<Option<FailedUnlocks>, Error> {
    let mut query =
        database.prepare("DELETE FROM failed_unlock RETURNING times, first_ms, last_ms")?;
    let mut rows = query.query([])?;
    let mut taken = None;
    while let Some(row) = rows.next()? {
        taken = Some(FailedUnlocks {
            times: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
            first: from_ms(row.get(1)?)?,
            last: from_ms(row.get(2)?)?,
        });
    }
    Ok(taken)
}

type Slot = (bool, String, Vec<u8>);

fn slots(database: &Connection) -> Result<Vec<Slot>, Error> {
    let mut query = database.prepare(
        "SELECT id = (SELECT max(id) FROM slot), seal, wrapped FROM slot ORDER BY id DESC LIMIT ?",
    )?;
    let rows = query.query_map([SLOTS_MAX], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// `None` also where the slot makes no sense: the answer says nothing of why.
fn try_slot(seal: &str, wrapped: &[u8], passphrase: &Passphrase) -> Result<Option<DataKey>, Error> {
    let (Ok(cipher), Ok(wrapped)) = (
        PassphraseCipher::parse(seal),
        <&[u8; SEALED_BYTES]>::try_from(wrapped),
    ) else {
        return Ok(None);
    };
    let key = cipher.open(wrapped, passphrase, CONTEXT)?;
    Ok(key.map(|key| DataKey::from_bytes(&key)))
}

fn count_failure(database: &Connection, now: Timestamp) -> Result<(), Error> {
    database.execute(
        "INSERT INTO failed_unlock (id, times, first_ms, last_ms) VALUES (1, 1, ?1, ?1)
         ON CONFLICT (id) DO UPDATE SET times = times + 1, last_ms = ?1",
        [to_ms(now)],
    )?;
    Ok(())
}
