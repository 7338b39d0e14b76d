//! The mediator's settling keys, one for each epoch, sealed in `settling/` of the relay's home.
//!
//! A file is called by the first 16 hexadecimal digits of its point and holds, sealed, one byte of
//! version, m (32 bytes), and first and last second of the epoch (8 each). It is erased when the last
//! deadline under it is past: what was settled is claimed from [`super::settlements`].

use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::home_seal::HomeSeal;
use super::{Error, private};
use protocol::agreement::MediatorTime;
use protocol::settling::{SettlingKey, WINDOW_SECONDS_MAX};

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
    seal: &HomeSeal,
    epoch: &EpochKey,
    rng: &mut impl CryptoRng,
) -> Result<(), Error> {
    let directory = home.join(DIRECTORY);
    private::make_dir(&directory)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(PLAIN_BYTES));
    plain.push(VERSION);
    plain.extend_from_slice(epoch.key.to_bytes().as_ref());
    plain.extend_from_slice(&epoch.from.0.to_be_bytes());
    plain.extend_from_slice(&epoch.until.0.to_be_bytes());
    let path = path_of(&directory, &epoch.key);
    let sealed = seal.seal(&purpose(&path), &plain, rng);
    private::write_new(&path, &sealed)
}

/// All keys that are there, oldest epoch first.
///
/// # Errors
/// [`Error::NotOurs`] for a file that does not open, and those of files open to others.
pub fn load(home: &Path, seal: &HomeSeal) -> Result<Vec<EpochKey>, Error> {
    let directory = home.join(DIRECTORY);
    private::check_dir(&directory)?;
    let mut keys = Vec::new();
    for path in private::list(&directory, ENDING)? {
        if keys.len() == SETTLING_KEYS_MAX {
            return Err(Error::TooMany {
                path: directory,
                max: SETTLING_KEYS_MAX,
            });
        }
        let Some(content) = private::read_whole(&path, FILE_BYTES_MAX)? else {
            continue;
        };
        let opened = seal.open(&purpose(&path), &content);
        match opened.as_deref().and_then(|plain| parse(plain)) {
            Some(key) => keys.push(key),
            None => return Err(Error::NotOurs { path }),
        }
    }
    keys.sort_by_key(|key| (key.from, key.until));
    Ok(keys)
}

/// Erases the file of a key.
///
/// # Errors
/// It could not be erased.
pub fn erase(home: &Path, key: &SettlingKey) -> Result<(), Error> {
    private::erase(&path_of(&home.join(DIRECTORY), key))
}

fn parse(plain: &[u8]) -> Option<EpochKey> {
    let (version, rest) = plain.split_first()?;
    let (key, rest) = rest.split_first_chunk::<32>()?;
    let (from, rest) = rest.split_first_chunk::<8>()?;
    let until = rest.try_into().ok()?;
    Some(EpochKey {
        key: SettlingKey::from_bytes(key).filter(|_| *version == VERSION)?,
        from: MediatorTime(u64::from_be_bytes(*from)),
        until: MediatorTime(u64::from_be_bytes(until)),
    })
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
        let seal = HomeSeal::of(&NodeKey::from_seed(&[1; 32]));
        let mut points = Vec::new();
        for from in [2_000, 1_000] {
            let epoch = EpochKey {
                key: SettlingKey::generate(&mut rng),
                from: MediatorTime(from),
                until: MediatorTime(from + 100),
            };
            create(home.path(), &seal, &epoch, &mut rng).unwrap();
            points.push(*epoch.key.point().encoded());
        }
        let loaded = load(home.path(), &seal).unwrap();
        let found: Vec<_> = loaded.iter().map(|k| *k.key.point().encoded()).collect();
        assert_eq!(found, [points[1], points[0]]);
        assert!(!loaded[0].is_spent(MediatorTime(1_100 + WINDOW_SECONDS_MAX)));
        assert!(loaded[0].is_spent(MediatorTime(1_101 + WINDOW_SECONDS_MAX)));
        let other = HomeSeal::of(&NodeKey::from_seed(&[2; 32]));
        assert!(matches!(
            load(home.path(), &other),
            Err(Error::NotOurs { .. })
        ));
        erase(home.path(), &loaded[0].key).unwrap();
        assert_eq!(load(home.path(), &seal).unwrap().len(), 1);
    }
}
