//! Sessions that `tacit match` has signed and not ended, sealed in `unfinished/` of the node's home.
//!
//! A session has up to three files, called by the first 32 hexadecimal digits of its id: `.match`, what
//! it was about with the signed state, on disk before the signature leaves; `.agreed`, both
//! signatures; `.release`, what the peer sent to open its tables. Whoever works on a session holds its
//! `.lock`. Each is sealed under the node's key for its own name, so that none stands in another's
//! place. Evidence of a peer's or a mediator's cheating is moved to `evidence/` and never read again here,
//! with `.verdict`, the mediator's signed word, where that is what does not hold.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rand_core::CryptoRng;
use rustix::fs::{FlockOperation, flock};
use sealing::{Reader, Writer};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::Error;
use super::file_cipher::FileCipher;
use super::{owner_only, record_codec};
use identity::list::Columns;
use identity::list::ListReport;
use identity::{Field, List, Schema};
use pairing::{NodeId, NodeKey};
use protocol::{
    Descriptor, Persist, Receipt, Release, SessionId, SignedAgreement, SignedState, SignedVerdict,
};

const DIRECTORY: &str = "unfinished";
const EVIDENCE: &str = "evidence";
const MATCH: &str = "match";
const AGREED: &str = "agreed";
const RELEASE: &str = "release";
const VERDICT: &str = "verdict";
const LOCK: &str = "lock";
const VERSION: u8 = 1;

/// A session at the largest ceilings with its requested list.
const FILE_BYTES_MAX: usize = 2 << 30;

/// What a session was about, as far as its clerk's answers need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    pub peer: NodeId,
    pub begun: Timestamp,
    /// The mediator, and where it is asked.
    pub mediator: Option<(Descriptor, String)>,
    pub wide: bool,
    /// People that the peer's list can have, about.
    pub peer_people: u64,
    /// Where the answers are to be written, and whether over a file that is there.
    pub output: Option<PathBuf>,
    pub force: bool,
    /// Whether they are printed as JSON.
    pub json: bool,
}

/// The directory, for one node.
pub struct Unfinished {
    home: PathBuf,
    cipher: FileCipher,
}

/// A session that runs: nothing is on disk before it is signed.
pub struct Draft {
    folder: Unfinished,
    about: Zeroizing<Vec<u8>>,
    kept: Option<(Files, File)>,
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

#[derive(Serialize, Deserialize)]
struct Written {
    peer: String,
    begun: Timestamp,
    descriptor: Option<String>,
    address: String,
    wide: bool,
    peer_people: u64,
    output: Option<PathBuf>,
    force: bool,
    json: bool,
    schema: String,
    header: Vec<String>,
    /// Fields with the columns that hold them.
    places: Vec<(String, usize)>,
    rows_left_out: u32,
}

impl Unfinished {
    pub fn of(home: &Path, key: &NodeKey) -> Self {
        Self {
            home: home.to_owned(),
            cipher: FileCipher::of(key),
        }
    }

    /// Puts down what a session is about, so that nothing but writing is left to do when it is signed.
    ///
    /// # Errors
    /// [`Error::TooLong`]: a record of the list; a directory that others may write to.
    pub fn draft(self, about: &About, requested: &List) -> Result<Draft, Error> {
        owner_only::make_dir(&self.home.join(DIRECTORY))?;
        let about = encode(about, requested)?;
        Ok(Draft {
            folder: self,
            about,
            kept: None,
        })
    }

    /// Every session that is unfinished, in the order of their names.
    ///
    /// # Errors
    /// The directory cannot be read. What is wrong with one session is in its entry.
    pub fn all(&self) -> Result<Vec<Entry>, Error> {
        let directory = self.home.join(DIRECTORY);
        let matches = owner_only::list(&directory, MATCH)?;
        // What is left of a session whose end was cut short while it was erased.
        let names: BTreeSet<_> = matches.iter().map(|path| path.file_stem()).collect();
        for ending in [AGREED, RELEASE, VERDICT, LOCK] {
            for path in owner_only::list(&directory, ending)? {
                let files = Files(path.with_extension(""));
                if !names.contains(&path.file_stem())
                    && let Some(_lock) = files.lock()?
                {
                    files.erase()?;
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

    /// Reads a session; `None` if another process works on it.
    fn read(&self, files: &Files) -> Result<Option<UnfinishedSession>, Error> {
        let Some(lock) = files.lock()? else {
            return Ok(None);
        };
        let not_ours = |ending| Error::NotOurs {
            path: files.path(ending),
        };
        let bytes = self.open(files, MATCH)?.ok_or_else(|| not_ours(MATCH))?;
        let decoded =
            decode(&bytes).filter(|(.., state)| *files == Files::of(self, &state.session));
        let (about, requested, state) = decoded.ok_or_else(|| not_ours(MATCH))?;
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
        self.kept.is_some()
    }

    /// Forgets the session: it has ended, with answers or without.
    ///
    /// # Errors
    /// Something of it is still there.
    pub fn erase(self) -> Result<(), Error> {
        self.kept.map_or(Ok(()), |(files, _)| files.erase())
    }

    /// Keeps the session as evidence of what the peer did, or the mediator, whose `verdict` does not hold
    /// then; gives the directory.
    ///
    /// # Errors
    /// It is still where it was.
    pub fn set_aside(
        self,
        verdict: Option<&SignedVerdict>,
        rng: &mut impl CryptoRng,
    ) -> Result<PathBuf, Error> {
        match self.kept {
            Some((files, _)) => self.folder.set_aside(&files, verdict, rng),
            None => Ok(self.folder.home.join(EVIDENCE)),
        }
    }

    fn keep_signed(&mut self, state: &SignedState, rng: &mut impl CryptoRng) -> Result<(), Error> {
        let files = Files::of(&self.folder, &state.session);
        let lock = files.lock()?.ok_or(Error::Busy)?;
        let mut length = self.about.len();
        let mut measure = |part: &[u8]| {
            length += part.len();
            Ok::<_, std::convert::Infallible>(())
        };
        let Ok(()) = state.encode(&mut measure);
        let mut plain = Zeroizing::new(Vec::with_capacity(length));
        plain.extend_from_slice(&self.about);
        let Ok(()) = state.encode(|part| {
            plain.extend_from_slice(part);
            Ok::<_, std::convert::Infallible>(())
        });
        self.folder.write(&files, MATCH, &plain, rng)?;
        self.about = Zeroizing::default();
        self.kept = Some((files, lock));
        Ok(())
    }

    fn keep_more(&self, ending: &str, plain: &[u8], rng: &mut impl CryptoRng) -> Result<(), Error> {
        match &self.kept {
            Some((files, _)) => self.folder.write(files, ending, plain, rng),
            // A session keeps its signed state first.
            None => Ok(()),
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
    fn of(folder: &Unfinished, session: &SessionId) -> Self {
        let name = hex::encode(&session.0[..16]);
        Self(folder.home.join(DIRECTORY).join(name))
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.0.with_extension(ending)
    }

    /// Locks the session against other processes; `None` if one of them has it.
    fn lock(&self) -> Result<Option<File>, Error> {
        let path = self.path(LOCK);
        let file = owner_only::open_or_make(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(Error::Io {
                doing: "lock",
                path,
                source: error.into(),
            }),
        }
    }

    /// The signed state first: without it the rest is nothing.
    fn erase(&self) -> Result<(), Error> {
        [MATCH, AGREED, RELEASE, VERDICT, LOCK]
            .into_iter()
            .try_for_each(|ending| owner_only::erase(&self.path(ending)))
    }

    fn set_aside(&self, home: &Path) -> Result<PathBuf, Error> {
        let directory = home.join(EVIDENCE);
        owner_only::make_dir(&directory)?;
        for ending in [AGREED, RELEASE, VERDICT, MATCH] {
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
        owner_only::erase(&self.path(LOCK))?;
        Ok(directory)
    }
}

/// Directory and name of the file: none can stand in another's place.
fn purpose(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    format!("{DIRECTORY}/{}", name.to_string_lossy())
}

/// Version (1 byte); what it is about, as JSON with its length before it (4); number of people (4), then
/// for each its line (4), the length of its layout (4) and the layout. The signed state follows.
fn encode(about: &About, requested: &List) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (descriptor, address) = match &about.mediator {
        Some((descriptor, address)) => (Some(descriptor.to_string()), address.clone()),
        None => (None, String::new()),
    };
    let place = |field: Field| Some((field.name().to_owned(), requested.columns.index_of(field)?));
    let written = Written {
        peer: about.peer.to_string(),
        begun: about.begun,
        descriptor,
        address,
        wide: about.wide,
        peer_people: about.peer_people,
        output: about.output.clone(),
        force: about.force,
        json: about.json,
        schema: requested.schema.name().to_owned(),
        header: requested.header().to_vec(),
        places: Field::ALL.into_iter().filter_map(place).collect(),
        rows_left_out: requested.report.rows_left_out,
    };
    let too_long = Error::TooLong {
        what: "what a session is about, in bytes,",
        max: FILE_BYTES_MAX,
    };
    // Serialising fails for a path that is not UTF-8 alone.
    let json = serde_json::to_vec(&written).map_err(|_| Error::TooLong {
        what: "the path of the output, in characters of UTF-8,",
        max: 0,
    })?;
    let mut out = Writer::with_room(json.len() + 256 * requested.people.len());
    out.u8(VERSION);
    out.bytes_u32(&json);
    out.u32(u32::try_from(requested.people.len()).map_err(|_| too_long)?);
    for person in &requested.people {
        out.u32(person.line);
        out.bytes_u32(&record_codec::encode(person)?);
    }
    Ok(out.finish())
}

fn decode(bytes: &[u8]) -> Option<(About, List, SignedState)> {
    let mut reader = Reader::new(bytes);
    if reader.u8()? != VERSION {
        return None;
    }
    let written: Written = serde_json::from_slice(reader.bytes_u32()?).ok()?;
    let count = reader.u32()?;
    let mut people = Vec::new();
    for _ in 0..count {
        let line = reader.u32()?;
        people.push(record_codec::decode(reader.bytes_u32()?, line)?);
    }
    let state = SignedState::decode(reader.rest())?;
    let places = written.places.iter();
    let places: Option<Vec<_>> = places
        .map(|(name, place)| Some((Field::named(name)?, *place)))
        .collect();
    let requested = List {
        schema: Schema::named(&written.schema)?,
        columns: Columns::restored(written.header, &places?)?,
        report: ListReport {
            people: count,
            rows_left_out: written.rows_left_out,
            ..ListReport::default()
        },
        people,
    };
    let mediator = match written.descriptor {
        Some(text) => Some((text.parse().ok()?, written.address)),
        None => None,
    };
    let about = About {
        peer: written.peer.parse().ok()?,
        begun: written.begun,
        mediator,
        wide: written.wide,
        peer_people: written.peer_people,
        output: written.output,
        force: written.force,
        json: written.json,
    };
    Some((about, requested, state))
}
