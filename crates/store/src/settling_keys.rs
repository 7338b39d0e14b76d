//! The mediator's settling keys, one for each epoch, sealed in `settling/` of the relay's home.
//!
//! A file is called by the first 16 hexadecimal digits of its point and holds, sealed, one byte of
//! version, m (32 bytes), and first and last second of the epoch (8 each). It is erased when the last
//! deadline under it is past: what was settled is claimed from [`super::ledger`].

use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use sealing::{Reader, Writer};
use zeroize::Zeroizing;

use super::error::Error;
use super::file_cipher::FileCipher;
use super::owner_only;
use protocol::limits::WINDOW_SECONDS_MAX;
use protocol::{MediatorTime, SettlingKey};

const DIRECTORY: &str = "settling";
const ENDING: &str = "key";
const VERSION: u8 = 1;
const PLAIN_BYTES: usize = 1 + 32 + 8 + 8;
const FILE_BYTES_MAX: usize = 256;

/// Settling keys that a mediator may have at once.
pub const SETTLING_KEYS_MAX: usize = 16;

/// m with its epoch.
pub struct EpochKey {
    pub key: SettlingKey,
    pub from: MediatorTime,
    /// The last second at which a session may be agreed on under it.
    pub until: MediatorTime,
}

impl EpochKey {
    /// Whether every deadline under this key is past.
    pub fn is_spent(&self, now: MediatorTime) -> bool {
        now.0 > self.until.0.saturating_add(WINDOW_SECONDS_MAX)
    }
}

/// Keeps a new key.
///
/// # Errors
/// Those of the file; [`Error::FileExists`] if it is there already.
pub fn create(
    home: &Path,
    cipher: &FileCipher,
    epoch: &EpochKey,
    rng: &mut impl CryptoRng,
) -> Result<(), Error> {
    let directory = home.join(DIRECTORY);
    owner_only::make_dir(&directory)?;
    let mut plain = Writer::with_room(PLAIN_BYTES);
    plain.u8(VERSION);
    plain.bytes(epoch.key.to_bytes().as_ref());
    plain.u64(epoch.from.0);
    plain.u64(epoch.until.0);
    let path = path_of(&directory, &epoch.key);
    let sealed = cipher.seal(&purpose(&path), &plain.finish(), rng);
    owner_only::write_new(&path, &sealed)
}

/// All keys that are there, oldest epoch first.
///
/// # Errors
/// [`Error::NotOurs`] for a file that does not open, and those of files open to others.
pub fn load(home: &Path, cipher: &FileCipher) -> Result<Vec<EpochKey>, Error> {
    let directory = home.join(DIRECTORY);
    owner_only::check_dir(&directory)?;
    let mut keys = Vec::new();
    for path in owner_only::list(&directory, ENDING)? {
        if keys.len() == SETTLING_KEYS_MAX {
            return Err(Error::TooMany {
                path: directory,
                max: SETTLING_KEYS_MAX,
            });
        }
        let Some(content) = owner_only::read_whole(&path, FILE_BYTES_MAX)? else {
            continue;
        };
        let opened = cipher.open(&purpose(&path), &content);
        match opened.as_deref().and_then(|plain| parse(plain)) {
            Some(key) => keys.push(key),
            None => return Err(Error::NotOurs { path }),
        }
    }
    // Files come in the order of their points, which says nothing of time.
    keys.sort_by_key(|key| (key.from, key.until));
    Ok(keys)
}

/// Erases the file of a key.
///
/// # Errors
/// It could not be erased.
pub fn erase(home: &Path, key: &SettlingKey) -> Result<(), Error> {
    owner_only::erase(&path_of(&home.join(DIRECTORY), key))
}

fn parse(plain: &[u8]) -> Option<EpochKey> {
    let mut reader = Reader::new(plain);
    if reader.u8()? != VERSION {
        return None;
    }
    let epoch = EpochKey {
        key: SettlingKey::from_bytes(&Zeroizing::new(reader.array()?))?,
        from: MediatorTime(reader.u64()?),
        until: MediatorTime(reader.u64()?),
    };
    reader.at_end()?;
    Some(epoch)
}

fn path_of(directory: &Path, key: &SettlingKey) -> PathBuf {
    let name = hex::encode(&key.point().encoded()[..8]);
    directory.join(name).with_extension(ENDING)
}

fn purpose(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("settling-key {name}")
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use pairing::NodeKey;

    #[test]
    fn keys_are_kept_sealed_and_come_back_oldest_first_until_erased() {
        let home = tempfile::tempdir().unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let cipher = FileCipher::of(&NodeKey::from_seed(&[1; 32]));
        let mut points = Vec::new();
        for from in [2_000, 1_000] {
            let epoch = EpochKey {
                key: SettlingKey::generate(&mut rng),
                from: MediatorTime(from),
                until: MediatorTime(from + 100),
            };
            create(home.path(), &cipher, &epoch, &mut rng).unwrap();
            points.push(*epoch.key.point().encoded());
        }
        let loaded = load(home.path(), &cipher).unwrap();
        let found: Vec<_> = loaded.iter().map(|k| *k.key.point().encoded()).collect();
        assert_eq!(found, [points[1], points[0]]);
        assert!(!loaded[0].is_spent(MediatorTime(1_100 + WINDOW_SECONDS_MAX)));
        assert!(loaded[0].is_spent(MediatorTime(1_101 + WINDOW_SECONDS_MAX)));
        let other = FileCipher::of(&NodeKey::from_seed(&[2; 32]));
        assert!(matches!(
            load(home.path(), &other),
            Err(Error::NotOurs { .. })
        ));
        erase(home.path(), &loaded[0].key).unwrap();
        assert_eq!(load(home.path(), &cipher).unwrap().len(), 1);
    }
}
