//! The node's key on disk: `identity.key` in its home directory, sealed under a passphrase or plain.
//!
//! A small ASCII text, every line ended by one line feed, hexadecimal in small letters:
//!
//! ```text
//! tacit identity key, version 1
//! id tacit1…
//! sealed argon2id m=65536 t=3 p=1 salt=(16 bytes)      or      plain
//! key (32 bytes sealed, and 16 of tag)                 or      key (32 bytes)
//! sum (the first 8 bytes of SHA-256 of all lines above)
//! ```
//!
//! Sealed by the passphrase cipher, with the first three lines as associated data. `sum` is no protection, it
//! only tells a damaged file from a wrong passphrase. The id can be read without the passphrase,
//! and proves nothing until the key has been unsealed and found to be that of the id.
//!
//! The file is made once and replaced only when its passphrase is changed.

use std::path::{Path, PathBuf};

use rand::rngs::SysRng;
use rand_core::{CryptoRng, UnwrapErr};
use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::error::{Error, KeyFault};
use super::owner_only;
use super::passphrase::Passphrase;
use super::passphrase_cipher::{Cost, PassphraseCipher, SEALED_BYTES};
use pairing::{NodeId, NodeKey};

/// The name of the file in the node's home directory.
pub const KEY_FILE: &str = "identity.key";

const MAGIC: &str = "tacit identity key, version ";
const VERSION: u32 = 1;
const FILE_BYTES_MAX: usize = 1024;
const SUM_LINE_BYTES: usize = "sum ".len() + 16 + 1;

/// A key as the file holds it.
pub enum StoredKey {
    /// Not sealed: whoever reads the file is this node.
    Plain(NodeKey),
    Sealed(SealedKey),
}

/// A key that takes the passphrase to use.
pub struct SealedKey {
    path: PathBuf,
    id: NodeId,
    cipher: PassphraseCipher,
    header: String,
    sealed: [u8; SEALED_BYTES],
}

/// How a new key is to be kept.
pub enum Protection<'a> {
    Passphrase(&'a Passphrase),
    /// By the file's permissions alone.
    Plain,
}

/// Reads the key of the node whose home is `home`; `None` if it has none yet.
///
/// # Errors
///
/// Refuses a file that others could have read or exchanged (see [`Error`]), and one that is not
/// whole: [`Error::KeyFile`] with the fault.
pub fn load(home: &Path) -> Result<Option<StoredKey>, Error> {
    let path = home.join(KEY_FILE);
    owner_only::check_dir(home)?;
    let Some(content) = owner_only::read(&path, FILE_BYTES_MAX)? else {
        return Ok(None);
    };
    match parse(&content, &path) {
        Ok(stored) => Ok(Some(stored)),
        Err(fault) => Err(Error::KeyFile { path, fault }),
    }
}

/// Keeps a new key in `home`, which is made with mode 0700 if it is not there.
///
/// On return the file is on disk, whole, with mode 0600. Of several processes that create at once,
/// one succeeds.
///
/// # Errors
///
/// [`Error::FileExists`] if there is one already: it is never overwritten.
pub fn create(
    home: &Path,
    key: &NodeKey,
    protection: Protection<'_>,
    rng: &mut impl CryptoRng,
) -> Result<(), Error> {
    owner_only::make_dir(home)?;
    let text = match protection {
        Protection::Plain => plain_text(key),
        Protection::Passphrase(passphrase) => {
            sealed_text(key, passphrase, &PassphraseCipher::draw(rng))?
        }
    };
    owner_only::write_new(&home.join(KEY_FILE), text.as_bytes())
}

/// Puts the key in `home` under another passphrase, if it is under one.
///
/// On return the new file is on disk; before that the old one is.
///
/// # Errors
///
/// Those of [`load`]; [`KeyFault::IdOfAnotherKey`] if the file is not that of `key`.
pub(super) fn reseal(
    home: &Path,
    key: &NodeKey,
    passphrase: &Passphrase,
    cost: Cost,
) -> Result<(), Error> {
    let path = home.join(KEY_FILE);
    let fault = |fault| Error::KeyFile {
        path: path.clone(),
        fault,
    };
    match load(home)? {
        Some(StoredKey::Sealed(sealed)) if sealed.id != key.id() => {
            Err(fault(KeyFault::IdOfAnotherKey))
        }
        Some(StoredKey::Sealed(_)) => {
            let cipher = PassphraseCipher::draw_at(cost, &mut UnwrapErr(SysRng)).map_err(fault)?;
            let text = sealed_text(key, passphrase, &cipher)?;
            owner_only::replace(&path, text.as_bytes())
        }
        Some(StoredKey::Plain(_)) | None => Ok(()),
    }
}

impl StoredKey {
    /// The id the file names; of a sealed key only its checksum vouches for it so far.
    pub fn id(&self) -> NodeId {
        match self {
            StoredKey::Plain(key) => key.id(),
            StoredKey::Sealed(sealed) => sealed.id,
        }
    }
}

impl SealedKey {
    /// Unseals the key; takes some tenths of a second and the memory the file names.
    ///
    /// # Errors
    ///
    /// [`KeyFault::WrongPassphrase`], [`KeyFault::IdOfAnotherKey`], or [`Error::OutOfMemory`].
    pub fn unseal(&self, passphrase: &Passphrase) -> Result<NodeKey, Error> {
        let fault = |fault| Error::KeyFile {
            path: self.path.clone(),
            fault,
        };
        let seed = self
            .cipher
            .open(&self.sealed, passphrase, &self.header)?
            .ok_or_else(|| fault(KeyFault::WrongPassphrase))?;
        key_of(self.id, &seed).map_err(fault)
    }
}

fn plain_text(key: &NodeKey) -> Zeroizing<String> {
    whole(&plain_header(key.id()), key.seed())
}

fn sealed_text(
    key: &NodeKey,
    passphrase: &Passphrase,
    cipher: &PassphraseCipher,
) -> Result<Zeroizing<String>, Error> {
    let header = sealed_header(key.id(), cipher);
    let sealed = cipher.seal(key.seed(), passphrase, &header)?;
    Ok(whole(&header, &sealed))
}

fn plain_header(id: NodeId) -> String {
    format!("{MAGIC}{VERSION}\nid {id}\nplain\n")
}

fn sealed_header(id: NodeId, cipher: &PassphraseCipher) -> String {
    format!("{MAGIC}{VERSION}\nid {id}\nsealed {cipher}\n")
}

/// The header, the key line and the sum; written into room enough, so that no copy stays behind.
fn whole(header: &str, key: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX));
    text.push_str(header);
    text.push_str("key ");
    text.push_str(&Zeroizing::new(hex::encode(key)));
    text.push('\n');
    let sum = sum(text.as_bytes());
    text.push_str(&format!("sum {sum}\n"));
    text
}

fn sum(above: &[u8]) -> String {
    hex::encode(&digest(&SHA256, above).as_ref()[..8])
}

fn parse(content: &[u8], path: &Path) -> Result<StoredKey, KeyFault> {
    check_kind(content)?;
    let above = check_sum(content)?;
    // From here on the file is what somebody wrote, so what does not fit was not written by us.
    let text = std::str::from_utf8(above).map_err(|_| KeyFault::Damaged)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let [_, id_line, form, key_line] = lines[..] else {
        return Err(KeyFault::Damaged);
    };
    let header = &text[..text.len() - key_line.len()];
    let id: NodeId = value(id_line, "id ")?
        .parse()
        .map_err(|_| KeyFault::Damaged)?;
    let key = value(key_line, "key ")?;
    // Written anew and compared: a header has one spelling, and it is associated data.
    if header == plain_header(id) {
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(key, seed.as_mut()).map_err(|_| KeyFault::Damaged)?;
        return key_of(id, &seed).map(StoredKey::Plain);
    }
    let cipher = PassphraseCipher::parse(value(form, "sealed ")?)?;
    if header != sealed_header(id, &cipher) {
        return Err(KeyFault::Damaged);
    }
    let mut sealed = [0; SEALED_BYTES];
    hex::decode_to_slice(key, &mut sealed).map_err(|_| KeyFault::Damaged)?;
    Ok(StoredKey::Sealed(SealedKey {
        path: path.into(),
        id,
        cipher,
        header: header.to_owned(),
        sealed,
    }))
}

/// Tells a key file of this version from a newer one and from anything else.
fn check_kind(content: &[u8]) -> Result<(), KeyFault> {
    let Some(rest) = content.strip_prefix(MAGIC.as_bytes()) else {
        return Err(match MAGIC.as_bytes().starts_with(content) {
            true => KeyFault::Damaged,
            false => KeyFault::Foreign,
        });
    };
    let line = rest.split(|b| *b == b'\n').next().unwrap_or_default();
    let version = std::str::from_utf8(line).ok().and_then(|v| v.parse().ok());
    match version.ok_or(KeyFault::Damaged)? {
        VERSION => Ok(()),
        version if version > VERSION => Err(KeyFault::Newer { version }),
        _ => Err(KeyFault::Damaged),
    }
}

/// Splits off the last line and checks that it is the sum of those above.
fn check_sum(content: &[u8]) -> Result<&[u8], KeyFault> {
    let length = content.len().checked_sub(SUM_LINE_BYTES);
    let (above, last) = content.split_at(length.ok_or(KeyFault::Damaged)?);
    if last != format!("sum {}\n", sum(above)).as_bytes() {
        return Err(KeyFault::Damaged);
    }
    Ok(above)
}

fn value<'a>(line: &'a str, name: &str) -> Result<&'a str, KeyFault> {
    line.strip_prefix(name)
        .and_then(|rest| rest.strip_suffix('\n'))
        .ok_or(KeyFault::Damaged)
}

/// The key of `seed`, if that is the one `id` names.
fn key_of(id: NodeId, seed: &[u8; 32]) -> Result<NodeKey, KeyFault> {
    let key = NodeKey::from_seed(seed);
    if key.id() != id {
        return Err(KeyFault::IdOfAnotherKey);
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    /// The least that Argon2 allows, for speed.
    const CHEAP: &str = "argon2id m=8 t=1 p=1 salt=09090909090909090909090909090909";
    const SEED: [u8; 32] = *b"0123456789abcdef0123456789ABCDEF";

    const PLAIN: &str = "\
tacit identity key, version 1\n\
id tacit172qa7duc3y2vc66790d3myh2jgm78ac70wr39nn93zaa6kcugkaqc9r3wr\n\
plain\n\
key 3031323334353637383961626364656630313233343536373839414243444546\n\
sum 7c7fc2314d447b33\n\
";
    const SEALED: &str = "\
tacit identity key, version 1\n\
id tacit172qa7duc3y2vc66790d3myh2jgm78ac70wr39nn93zaa6kcugkaqc9r3wr\n\
sealed argon2id m=8 t=1 p=1 salt=09090909090909090909090909090909\n\
key a1d46cc3058698381083c44c3d95672f2e53d14d186d3522953f3e4becfeefefcc250e909832d07ad17ed8442aa1177e\n\
sum 22ed7606ffd03165\n\
";

    fn key() -> NodeKey {
        NodeKey::from_seed(&SEED)
    }

    fn passphrase() -> Passphrase {
        Passphrase::new("correct horse battery staple").unwrap()
    }

    fn sealed() -> Zeroizing<String> {
        sealed_text(
            &key(),
            &passphrase(),
            &PassphraseCipher::parse(CHEAP).unwrap(),
        )
        .unwrap()
    }

    fn read(text: &str) -> Result<StoredKey, KeyFault> {
        parse(text.as_bytes(), Path::new("identity.key"))
    }

    fn read_sealed(text: &str) -> SealedKey {
        match read(text) {
            Ok(StoredKey::Sealed(sealed)) => sealed,
            Ok(StoredKey::Plain(_)) => panic!("plain"),
            Err(fault) => panic!("{fault}"),
        }
    }

    fn fault(text: &str) -> KeyFault {
        read(text).err().expect("refused")
    }

    fn unsealing_fault(sealed: &SealedKey, passphrase: &Passphrase) -> KeyFault {
        match sealed.unseal(passphrase) {
            Err(Error::KeyFile { fault, .. }) => fault,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("opened"),
        }
    }

    /// Alters the text and puts the sum right, as an accident of the disk would not.
    fn altered(text: &str, from: &str, to: &str) -> String {
        assert!(text.contains(from));
        let above = text[..text.len() - SUM_LINE_BYTES].replacen(from, to, 1);
        format!("{above}sum {}\n", sum(above.as_bytes()))
    }

    /// Made by an implementation in another language, from the module's doc alone.
    #[test]
    fn files_agree_with_a_second_implementation() {
        assert_eq!(*plain_text(&key()), PLAIN);
        assert_eq!(*sealed(), SEALED);
        assert!(matches!(read(PLAIN), Ok(StoredKey::Plain(k)) if k.seed() == &SEED));
        let opened = read_sealed(SEALED).unseal(&passphrase());
        assert_eq!(opened.unwrap().seed(), &SEED);
    }

    #[test]
    fn a_sealed_file_shows_no_part_of_the_seed() {
        let text = sealed();
        for part in SEED.windows(8) {
            assert!(!text.as_bytes().windows(8).any(|w| w == part));
            assert!(!text.contains(&hex::encode(part)));
            assert!(PLAIN.contains(&hex::encode(part)), "the search works");
        }
    }

    #[test]
    fn a_file_cut_at_any_length_is_damaged() {
        for text in [PLAIN, SEALED] {
            for length in 0..text.len() {
                assert_eq!(fault(&text[..length]), KeyFault::Damaged, "{length}");
            }
            assert_eq!(fault(&format!("{text}\n")), KeyFault::Damaged);
        }
    }

    #[test]
    fn any_altered_byte_is_noticed_without_the_passphrase() {
        for text in [PLAIN, SEALED] {
            for i in 0..text.len() {
                for bit in 0..8 {
                    let mut content = text.as_bytes().to_vec();
                    content[i] ^= 1 << bit;
                    assert!(parse(&content, Path::new("identity.key")).is_err());
                }
            }
        }
    }

    #[test]
    fn other_files_and_newer_ones_are_told_apart() {
        assert_eq!(fault("-----BEGIN PRIVATE KEY-----\n"), KeyFault::Foreign);
        assert_eq!(
            parse(&[0xff; 4096], Path::new("k")).err(),
            Some(KeyFault::Foreign)
        );
        let newer = SEALED.replacen("version 1", "version 2", 1);
        assert_eq!(fault(&newer), KeyFault::Newer { version: 2 });
        let none = SEALED.replacen("version 1", "version 0", 1);
        assert_eq!(fault(&none), KeyFault::Damaged);
    }

    #[test]
    fn a_wrong_passphrase_is_told_from_a_damaged_file() {
        let wrong = Passphrase::new("correct horse battery stapler").unwrap();
        let sealed = read_sealed(SEALED);
        assert_eq!(unsealing_fault(&sealed, &wrong), KeyFault::WrongPassphrase);
    }

    /// With the sum put right, only the cipher notices.
    #[test]
    fn an_altered_id_or_cost_or_salt_does_not_unseal() {
        let mine = key().id().to_string();
        let other = NodeKey::from_seed(&[1; 32]).id().to_string();
        let forged = [
            altered(SEALED, &mine, &other),
            altered(SEALED, "t=1", "t=2"),
            altered(SEALED, "salt=09", "salt=08"),
        ];
        for text in forged {
            let sealed = read_sealed(&text);
            let fault = unsealing_fault(&sealed, &passphrase());
            assert_eq!(fault, KeyFault::WrongPassphrase);
        }
        assert_eq!(
            fault(&altered(PLAIN, &mine, &other)),
            KeyFault::IdOfAnotherKey
        );
    }

    #[test]
    fn what_could_be_written_in_two_ways_is_read_in_one() {
        let mine = key().id().to_string();
        for text in [
            altered(SEALED, "m=8", "m=08"),
            altered(SEALED, "m=8", "m=+8"),
            altered(SEALED, "sealed ", "sealed  "),
            altered(SEALED, &mine, &mine.to_uppercase()),
            altered(SEALED, "\nkey ", "\n\nkey "),
            altered(SEALED, "\nkey ", "\r\nkey "),
            altered(PLAIN, "plain", "plain "),
            altered(PLAIN, "key ", "key 00"),
        ] {
            assert_eq!(fault(&text), KeyFault::Damaged, "{text}");
        }
    }

    #[test]
    fn a_key_survives_the_disk_and_is_never_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().join("deep/home");
        assert!(matches!(load(&home), Ok(None)), "no directory yet");
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        let passphrase = passphrase();
        let protection = Protection::Passphrase(&passphrase);
        create(&home, &key(), protection, &mut rng).unwrap();
        let written = fs::read(home.join(KEY_FILE)).unwrap();
        let Ok(Some(StoredKey::Sealed(sealed))) = load(&home) else {
            panic!("not sealed");
        };
        assert_eq!(sealed.id, key().id());
        assert_eq!(sealed.unseal(&passphrase).unwrap().seed(), &SEED);

        let other = NodeKey::from_seed(&[1; 32]);
        let refused = create(&home, &other, Protection::Plain, &mut rng);
        assert!(matches!(refused, Err(Error::FileExists { .. })));
        assert_eq!(fs::read(home.join(KEY_FILE)).unwrap(), written);
        assert_eq!(fs::read_dir(&home).unwrap().count(), 1, "nothing left over");
    }
}
