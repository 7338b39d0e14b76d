//! Sessions that `tacit match` has signed and not ended, sealed in `unfinished/` of the node's home.
//!
//! A session has up to four files, called by 32 hexadecimal digits that were drawn for it: `.about`, what
//! it is about with the requested list, on disk before anybody is called; `.match`, the signed state, whose
//! length follows from the ceilings alone, on disk before the signature leaves, so that the peer does not
//! see by its time how long the list is; `.agreed`, both signatures; `.release`, what the peer sent to open
//! its tables. Files without a `.match` are what a crash left, and go when the directory is next read.
//!
//! Whoever works on a session holds its `.lock`. Each file is sealed under the node's key for its own name,
//! so that none stands in another's place. Evidence of a peer's or a mediator's cheating is moved to
//! `evidence/` and never read again here, with `.verdict`, the mediator's signed word, where that is what
//! does not hold.

mod about;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use rustix::fs::{FlockOperation, flock};
use sealing::Reader;
use zeroize::Zeroizing;

pub use about::About;

use super::error::Error;
use super::file_cipher::FileCipher;
use super::owner_only;
use identity::List;
use pairing::NodeKey;
use protocol::{Persist, Receipt, Release, SessionId, SignedAgreement, SignedState, SignedVerdict};

const DIRECTORY: &str = "unfinished";
const EVIDENCE: &str = "evidence";
const ABOUT: &str = "about";
const MATCH: &str = "match";
const AGREED: &str = "agreed";
const RELEASE: &str = "release";
const VERDICT: &str = "verdict";
const LOCK: &str = "lock";
const NAME_BYTES: usize = 16;

/// Of a `.match` that holds the state alone; version 1 was called by the session's id, and began with what
/// is in `.about` now.
const STATE_ALONE: u8 = 2;

/// A session at the largest ceilings with its requested list.
const FILE_BYTES_MAX: usize = 2 << 30;

/// The directory, for one node.
pub struct Unfinished {
    home: PathBuf,
    cipher: FileCipher,
}

/// A session that runs, locked while this lives. What is on disk of it goes with this unless it is signed.
pub struct Draft {
    folder: Unfinished,
    files: Files,
    signed: bool,
    _lock: File,
}

/// A session that was left unfinished, locked while this lives.
pub struct UnfinishedSession {
    pub about: About,
    pub requested: List,
    pub state: SignedState,
    pub agreed: Option<SignedAgreement>,
    pub release: Option<Release>,
    files: Files,
    _lock: File,
}

/// What [`Unfinished::all`] comes upon.
pub enum Entry {
    Session(Box<UnfinishedSession>),
    /// Another process works on it.
    Busy,
    /// It stays as it is.
    Unreadable(Error),
}

impl Unfinished {
    pub fn of(home: &Path, key: &NodeKey) -> Self {
        Self {
            home: home.to_owned(),
            cipher: FileCipher::of(key),
        }
    }

    /// Has on disk what a session is about, so that nothing that depends on the list is left to do when it
    /// is signed.
    ///
    /// # Errors
    /// [`Error::TooLong`]: a record of the list; a directory that others may write to; it could not be kept.
    pub fn draft(
        self,
        about: &About,
        requested: &List,
        rng: &mut impl CryptoRng,
    ) -> Result<Draft, Error> {
        owner_only::make_dir(&self.home.join(DIRECTORY))?;
        let plain = about::encode(about, requested)?;
        let files = Files::drawn(&self, rng);
        let lock = files.lock()?.ok_or(Error::Busy)?;
        // From here on, so that what is written goes also when this fails.
        let draft = Draft {
            folder: self,
            files,
            signed: false,
            _lock: lock,
        };
        draft.folder.write(&draft.files, ABOUT, &plain, rng)?;
        Ok(draft)
    }

    /// Every session that was signed and is unfinished, in the order of their names; removes what a crash
    /// left of others.
    ///
    /// # Errors
    /// The directory cannot be read. What is wrong with one session is in its entry.
    pub fn all(&self) -> Result<Vec<Entry>, Error> {
        let directory = self.home.join(DIRECTORY);
        let matches = owner_only::list(&directory, MATCH)?;
        let names: BTreeSet<_> = matches.iter().map(|path| path.file_stem()).collect();
        for ending in [ABOUT, AGREED, RELEASE, VERDICT, LOCK] {
            for path in owner_only::list(&directory, ending)? {
                if !names.contains(&path.file_stem()) {
                    self.clear(&Files(path.with_extension("")))?;
                }
            }
        }
        let entry = |path: &PathBuf| match self.read(&Files(path.with_extension(""))) {
            Ok(Some(found)) => Entry::Session(Box::new(found)),
            Ok(None) => Entry::Busy,
            Err(error) => Entry::Unreadable(error),
        };
        Ok(matches.iter().map(entry).collect())
    }

    /// Removes what is left of a session that was never signed, or whose end was cut short.
    fn clear(&self, files: &Files) -> Result<(), Error> {
        let Some(_lock) = files.lock()? else {
            return Ok(());
        };
        if files.path(MATCH).exists() {
            // It was signed since the directory was read.
            return Ok(());
        }
        if files.is_evidence(&self.home) {
            return files.set_aside(&self.home).map(|_| ());
        }
        files.erase()
    }

    /// Reads a session; `None` if another process works on it.
    fn read(&self, files: &Files) -> Result<Option<UnfinishedSession>, Error> {
        let Some(lock) = files.lock()? else {
            return Ok(None);
        };
        let not_ours = |ending| Error::NotOurs {
            path: files.path(ending),
        };
        let bytes = self.open(files, MATCH)?.ok_or_else(|| not_ours(MATCH))?;
        let decoded = match bytes.strip_prefix(&[STATE_ALONE]) {
            Some(state) => SignedState::decode(state)
                .map(|state| self.read_about(files).map(|read| (read, state)))
                .transpose()?,
            None => decode_version_1(&bytes)
                .filter(|(_, state)| *files == Files::of(self, &state.session)),
        };
        let ((about, requested), state) = decoded.ok_or_else(|| not_ours(MATCH))?;
        let agreed = match self.open(files, AGREED)? {
            None => None,
            Some(bytes) => {
                let receipt = Receipt::decode(&bytes).map(|receipt| receipt.agreement);
                let agreed =
                    receipt.filter(|agreed| agreed.agreement.session_id() == state.session);
                Some(agreed.ok_or_else(|| not_ours(AGREED))?)
            }
        };
        let release = match self.open(files, RELEASE)? {
            None => None,
            Some(bytes) => Some(Release::decode(&bytes).ok_or_else(|| not_ours(RELEASE))?),
        };
        Ok(Some(UnfinishedSession {
            about,
            requested,
            state,
            agreed,
            release,
            files: files.clone(),
            _lock: lock,
        }))
    }

    fn read_about(&self, files: &Files) -> Result<(About, List), Error> {
        let decoded = self.open(files, ABOUT)?.and_then(|bytes| {
            let mut reader = Reader::new(&bytes);
            let decoded = about::decode(&mut reader)?;
            reader.at_end().map(|()| decoded)
        });
        decoded.ok_or_else(|| Error::NotOurs {
            path: files.path(ABOUT),
        })
    }

    /// Opens one file of a session; `None` if it is not there.
    fn open(&self, files: &Files, ending: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let path = files.path(ending);
        let Some(sealed) = owner_only::read_whole(&path, FILE_BYTES_MAX)? else {
            return Ok(None);
        };
        let opened = self.cipher.open(&purpose(&path), &sealed);
        opened.map(Some).ok_or(Error::NotOurs { path })
    }

    fn write(
        &self,
        files: &Files,
        ending: &str,
        plain: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(), Error> {
        let path = files.path(ending);
        let sealed = self.cipher.seal(&purpose(&path), plain, rng);
        owner_only::replace(&path, &sealed)
    }

    fn set_aside(
        &self,
        files: &Files,
        verdict: Option<&SignedVerdict>,
        rng: &mut impl CryptoRng,
    ) -> Result<PathBuf, Error> {
        if let Some(verdict) = verdict {
            self.write(files, VERDICT, &verdict.encode(), rng)?;
        }
        files.set_aside(&self.home)
    }
}

impl Draft {
    /// Has on disk, when it returns, what a session asks to be kept.
    ///
    /// # Errors
    /// It could not be kept.
    pub fn keep(&mut self, state: &Persist, rng: &mut impl CryptoRng) -> Result<(), Error> {
        match state {
            // The table lives in this process alone, and one session takes it.
            Persist::TableUsed => Ok(()),
            Persist::Signed(state) => self.keep_signed(state, rng),
            Persist::Agreed(_, agreed) => {
                let receipt = Receipt::of(agreed.signed().clone());
                self.keep_more(AGREED, &receipt.encode(), rng)
            }
            Persist::PeerReleased(_, release) => self.keep_more(RELEASE, &release.encode(), rng),
        }
    }

    /// Whether the session was signed and is on disk.
    pub fn is_kept(&self) -> bool {
        self.signed
    }

    /// Forgets the session: it has ended, with answers or without.
    ///
    /// # Errors
    /// Something of it is still there.
    pub fn erase(self) -> Result<(), Error> {
        self.files.erase()
    }

    /// Keeps the session as evidence of what the peer did, or the mediator, whose `verdict` does not hold
    /// then; gives the directory. What was not signed is no evidence, and goes.
    ///
    /// # Errors
    /// It is still where it was.
    pub fn set_aside(
        self,
        verdict: Option<&SignedVerdict>,
        rng: &mut impl CryptoRng,
    ) -> Result<PathBuf, Error> {
        if self.signed {
            return self.folder.set_aside(&self.files, verdict, rng);
        }
        let directory = self.folder.home.join(EVIDENCE);
        self.erase().map(|()| directory)
    }

    /// Writes as many bytes as the ceilings say.
    fn keep_signed(&mut self, state: &SignedState, rng: &mut impl CryptoRng) -> Result<(), Error> {
        let mut length = 1;
        let mut measure = |part: &[u8]| {
            length += part.len();
            Ok::<_, std::convert::Infallible>(())
        };
        let Ok(()) = state.encode(&mut measure);
        let mut plain = Zeroizing::new(Vec::with_capacity(length));
        plain.push(STATE_ALONE);
        let Ok(()) = state.encode(|part| {
            plain.extend_from_slice(part);
            Ok::<_, std::convert::Infallible>(())
        });
        self.folder.write(&self.files, MATCH, &plain, rng)?;
        self.signed = true;
        Ok(())
    }

    fn keep_more(&self, ending: &str, plain: &[u8], rng: &mut impl CryptoRng) -> Result<(), Error> {
        if !self.signed {
            // A session keeps its signed state first.
            return Ok(());
        }
        self.folder.write(&self.files, ending, plain, rng)
    }
}

impl Drop for Draft {
    /// What cannot be removed now is removed when the directory is next read.
    fn drop(&mut self) {
        if !self.signed {
            let _ = self.files.erase();
        }
    }
}

impl UnfinishedSession {
    /// Forgets the session: it has ended, with answers or without.
    ///
    /// # Errors
    /// Something of it is still there.
    pub fn erase(self) -> Result<(), Error> {
        self.files.erase()
    }

    /// Keeps the session of `folder` as evidence of what the peer did, or the mediator, whose `verdict` does
    /// not hold then; gives the directory.
    ///
    /// # Errors
    /// It is still where it was.
    pub fn set_aside(
        self,
        folder: &Unfinished,
        verdict: Option<&SignedVerdict>,
        rng: &mut impl CryptoRng,
    ) -> Result<PathBuf, Error> {
        folder.set_aside(&self.files, verdict, rng)
    }
}

/// A session's files: their path without the ending.
#[derive(Clone, PartialEq, Eq)]
struct Files(PathBuf);

impl Files {
    /// Under a new name.
    fn drawn(folder: &Unfinished, rng: &mut impl CryptoRng) -> Self {
        let mut name = [0; NAME_BYTES];
        rng.fill_bytes(&mut name);
        Self::named(folder, &name)
    }

    /// As version 1 called them.
    fn of(folder: &Unfinished, session: &SessionId) -> Self {
        Self::named(folder, &session.0[..NAME_BYTES])
    }

    fn named(folder: &Unfinished, name: &[u8]) -> Self {
        Self(folder.home.join(DIRECTORY).join(hex::encode(name)))
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.0.with_extension(ending)
    }

    /// Locks the session against other processes; `None` if one of them has it.
    fn lock(&self) -> Result<Option<File>, Error> {
        let path = self.path(LOCK);
        let file = owner_only::open_or_make(&path)?;
        let failed = |source| Error::Io {
            doing: "lock",
            path: path.clone(),
            source,
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(failed(error.into())),
        }
        // Whoever had it may have removed it in between: a lock on a file without a name keeps nobody out.
        let opened = file.metadata().map_err(failed)?;
        let is_it = std::fs::metadata(&path)
            .is_ok_and(|named| (named.dev(), named.ino()) == (opened.dev(), opened.ino()));
        Ok(is_it.then_some(file))
    }

    /// The signed state first: without it the rest is nothing.
    fn erase(&self) -> Result<(), Error> {
        [MATCH, ABOUT, AGREED, RELEASE, VERDICT]
            .into_iter()
            .try_for_each(|ending| owner_only::erase(&self.path(ending)))?;
        owner_only::erase_unfinished_writes(&self.0)?;
        owner_only::erase(&self.path(LOCK))
    }

    /// Whether the signed state is among the evidence, so that the rest belongs there.
    fn is_evidence(&self, home: &Path) -> bool {
        let path = self.path(MATCH);
        let name = path.file_name().unwrap_or_default();
        home.join(EVIDENCE).join(name).exists()
    }

    /// What it is about after the signed state: a crash in between leaves no state that cannot be read, and
    /// the rest follows when the directory is next read.
    fn set_aside(&self, home: &Path) -> Result<PathBuf, Error> {
        let directory = home.join(EVIDENCE);
        owner_only::make_dir(&directory)?;
        for ending in [AGREED, RELEASE, VERDICT, MATCH, ABOUT] {
            let from = self.path(ending);
            if let Some(name) = from.file_name()
                && from.exists()
            {
                let moved = std::fs::rename(&from, directory.join(name));
                moved.map_err(|source| Error::Io {
                    doing: "move",
                    path: from.clone(),
                    source,
                })?;
            }
        }
        self.erase()?;
        Ok(directory)
    }
}

/// What it is about, with the signed state after it.
fn decode_version_1(bytes: &[u8]) -> Option<((About, List), SignedState)> {
    let mut reader = Reader::new(bytes);
    let about = about::decode(&mut reader)?;
    Some((about, SignedState::decode(reader.rest())?))
}

/// Directory and name of the file: none can stand in another's place.
fn purpose(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    format!("{DIRECTORY}/{}", name.to_string_lossy())
}
