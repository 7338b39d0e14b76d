//! Whose node this is: the options that say where its key is and how to open it.
//!
//! The one place that asks a person for a passphrase, on the terminal itself and not on standard
//! input, so that lists can be piped in.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use zeroize::Zeroizing;

use pairing::{NodeId, NodeKey};
use store::key_file::{self, KEY_FILE, Protection, SealedKey, StoredKey};
use store::passphrase::{PASSPHRASE_CHARACTERS_ADVISED, Passphrase};
use store::{self, KeyFault, PassphraseFault, Store};

/// How often a person may mistype before the command ends.
const PROMPTS_MAX: u32 = 3;
const TERMINAL: &str = "/dev/tty";
/// The name under which a service manager hands a node its passphrase (systemd: `LoadCredential=`).
pub const CREDENTIAL: &str = "tacit.passphrase";

/// Options of every subcommand that acts as this node.
#[derive(Debug, Clone, Args)]
pub struct HomeArgs {
    /// Where this node keeps its key [default: $XDG_DATA_HOME/tacit or ~/.local/share/tacit]
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,

    /// Make the key without sealing it: whoever reads the file is this node
    #[arg(long, conflicts_with = "passphrase_file")]
    pub no_passphrase: bool,

    /// Take the passphrase from a file that nobody else may read, instead of asking for it
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// What is known of a node's identity without its passphrase.
#[derive(Debug, Clone)]
pub struct Identity {
    pub id: NodeId,
    pub key_file: PathBuf,
    pub sealed: bool,
    /// Made just now, by this very call.
    pub created: bool,
}

/// Why there is no key to work with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("this node has no identity yet ({} is not there): make one with tacit id", .key_file.display())]
    NoIdentity { key_file: PathBuf },
    #[error("{} is sealed under a passphrase, which --no-passphrase does not open", .key_file.display())]
    Sealed { key_file: PathBuf },
    #[error("no terminal to ask for the passphrase: give it with --passphrase-file FILE")]
    NoTerminalToUnseal,
    #[error(
        "no terminal to ask for a passphrase: give one with --passphrase-file FILE, or leave the \
         key unsealed with --no-passphrase"
    )]
    NoTerminalToSeal,
    #[error("the two passphrases differ")]
    PassphrasesDiffer,
    #[error(transparent)]
    Passphrase(#[from] PassphraseFault),
    #[error("the passphrase was not typed: {0}")]
    Prompt(io::Error),
}

impl HomeArgs {
    /// Opens the key of this node, asking for the passphrase if it is sealed.
    ///
    /// # Errors
    ///
    /// [`Error::NoIdentity`] if there is none: a key made now could not have been paired.
    pub fn load_key(&self) -> Result<NodeKey, Error> {
        let home = store::home_dir(self.home.clone())?;
        match key_file::load(&home)? {
            None => Err(Error::NoIdentity {
                key_file: home.join(KEY_FILE),
            }),
            Some(StoredKey::Plain(key)) => {
                if self.passphrase_file.is_some() {
                    eprintln!("note: the key is not sealed; --passphrase-file was not needed");
                }
                Ok(key)
            }
            Some(StoredKey::Sealed(sealed)) => self.unseal(&sealed, &home.join(KEY_FILE)),
        }
    }

    /// Opens the key of a node that is to run, and gives the passphrase, which its store is under too.
    ///
    /// Taken from the file that was named, else from the credential [`CREDENTIAL`] of the service
    /// manager, else asked for.
    ///
    /// # Errors
    ///
    /// Those of [`load_key`](Self::load_key).
    pub fn open_node(&self) -> Result<(NodeKey, Passphrase), Error> {
        let home = store::home_dir(self.home.clone())?;
        let key_file = home.join(KEY_FILE);
        let stored = key_file::load(&home)?.ok_or(Error::NoIdentity {
            key_file: key_file.clone(),
        })?;
        let given = match (&self.passphrase_file, credential()) {
            (Some(file), _) => Some(Passphrase::from_file(file)?),
            (None, Some(path)) => Some(Passphrase::from_credential(&path)?),
            (None, None) => None,
        };
        let new_store = !Store::exists(&home)?;
        match (stored, given) {
            (StoredKey::Plain(key), Some(given)) => Ok((key, given)),
            (StoredKey::Plain(key), None) if new_store => {
                check_terminal(Error::NoTerminalToUnseal)?;
                Ok((key, new_passphrase(None)?))
            }
            (StoredKey::Plain(key), None) => {
                check_terminal(Error::NoTerminalToUnseal)?;
                Ok((key, ask("Passphrase for the store: ")?))
            }
            (StoredKey::Sealed(sealed), Some(given)) => Ok((sealed.unseal(&given)?, given)),
            (StoredKey::Sealed(sealed), None) => {
                check_terminal(Error::NoTerminalToUnseal)?;
                let prompt = format!("Passphrase for {}: ", key_file.display());
                for _ in 1..PROMPTS_MAX {
                    let tried = ask(&prompt).and_then(|given| Ok((sealed.unseal(&given)?, given)));
                    match tried {
                        Err(e) if e.is_mistyping() => eprintln!("Not that one: {e}. Once more."),
                        done => return done,
                    }
                }
                let given = ask(&prompt)?;
                Ok((sealed.unseal(&given)?, given))
            }
        }
    }

    /// Tells who this node is, and makes its key first if there is none.
    ///
    /// Of a sealed key only the id is read, unless a passphrase file is given: then it must open it.
    ///
    /// # Errors
    ///
    /// Those of the store; and when a passphrase is needed and nobody can be asked for it.
    pub fn load_or_create(&self) -> Result<Identity, Error> {
        let home = store::home_dir(self.home.clone())?;
        let mut created = false;
        let mut stored = key_file::load(&home)?;
        if stored.is_none() {
            created = self.create(&home)?;
            stored = key_file::load(&home)?;
        }
        let key_file = home.join(KEY_FILE);
        let Some(stored) = stored else {
            return Err(Error::NoIdentity { key_file });
        };
        if let StoredKey::Sealed(sealed) = &stored
            && (self.no_passphrase || self.passphrase_file.is_some())
            && !created
        {
            self.unseal(sealed, &key_file)?;
        }
        Ok(Identity {
            id: stored.id(),
            sealed: matches!(stored, StoredKey::Sealed(_)),
            key_file,
            created,
        })
    }

    /// Makes the key; false if another process has just made one, which then counts.
    fn create(&self, home: &Path) -> Result<bool, Error> {
        let passphrase = match self.no_passphrase {
            true => None,
            false => Some(new_passphrase(self.passphrase_file.as_deref())?),
        };
        let protection = match &passphrase {
            Some(passphrase) => Protection::Passphrase(passphrase),
            None => Protection::Plain,
        };
        let mut rng = UnwrapErr(SysRng);
        let key = NodeKey::generate(&mut rng);
        match key_file::create(home, &key, protection, &mut rng) {
            Ok(()) => Ok(true),
            Err(store::Error::FileExists { .. }) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    fn unseal(&self, sealed: &SealedKey, key_file: &Path) -> Result<NodeKey, Error> {
        if self.no_passphrase {
            return Err(Error::Sealed {
                key_file: key_file.into(),
            });
        }
        if let Some(file) = &self.passphrase_file {
            return Ok(sealed.unseal(&Passphrase::from_file(file)?)?);
        }
        check_terminal(Error::NoTerminalToUnseal)?;
        let prompt = format!("Passphrase for {}: ", key_file.display());
        for _ in 1..PROMPTS_MAX {
            match ask(&prompt).and_then(|passphrase| Ok(sealed.unseal(&passphrase)?)) {
                Err(e) if e.is_mistyping() => eprintln!("Not that one: {e}. Once more."),
                done => return done,
            }
        }
        Ok(sealed.unseal(&ask(&prompt)?)?)
    }
}

impl Error {
    /// The process's exit code: 2 if another command line would do, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::NoIdentity { .. }
            | Error::Sealed { .. }
            | Error::NoTerminalToUnseal
            | Error::NoTerminalToSeal
            | Error::Store(store::Error::NoHome) => 2,
            Error::Store(_)
            | Error::PassphrasesDiffer
            | Error::Passphrase(_)
            | Error::Prompt(_) => 1,
        }
    }

    fn is_mistyping(&self) -> bool {
        matches!(
            self,
            Error::PassphrasesDiffer
                | Error::Passphrase(_)
                | Error::Store(store::Error::KeyFile {
                    fault: KeyFault::WrongPassphrase,
                    ..
                })
        )
    }
}

/// Where the service manager has put the passphrase, if it has. A path is no secret; the passphrase is
/// never in the environment.
fn credential() -> Option<PathBuf> {
    let directory = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?);
    let path = directory.join(CREDENTIAL);
    (directory.is_absolute() && path.exists()).then_some(path)
}

/// The passphrase that seals `key_file` now: of a file, or asked for once.
///
/// # Errors
///
/// A file that is none, or nobody to ask.
pub fn passphrase_of_now(file: Option<&Path>, key_file: &Path) -> Result<Passphrase, Error> {
    match file {
        Some(file) => Ok(Passphrase::from_file(file)?),
        None => {
            check_terminal(Error::NoTerminalToUnseal)?;
            ask(&format!("Passphrase of now for {}: ", key_file.display()))
        }
    }
}

/// A passphrase to seal something with: of a file, or asked for twice.
///
/// # Errors
///
/// A file that is none, or nobody to ask.
pub fn new_passphrase(file: Option<&Path>) -> Result<Passphrase, Error> {
    let passphrase = match file {
        Some(file) => Passphrase::from_file(file)?,
        None => ask_for_new()?,
    };
    if passphrase.is_short() {
        eprintln!(
            "warning: the passphrase has fewer than {PASSPHRASE_CHARACTERS_ADVISED} \
             characters; whoever copies the key file may guess it"
        );
    }
    Ok(passphrase)
}

fn ask_for_new() -> Result<Passphrase, Error> {
    check_terminal(Error::NoTerminalToSeal)?;
    eprintln!(
        "Choose a passphrase to seal the node's key and store with: five or six random words are good. Nobody \
         can recover it."
    );
    for _ in 1..PROMPTS_MAX {
        match ask_twice() {
            Err(e) if e.is_mistyping() => eprintln!("Not taken: {e}. Once more."),
            done => return done,
        }
    }
    ask_twice()
}

fn ask_twice() -> Result<Passphrase, Error> {
    let passphrase = ask("New passphrase: ")?;
    if !ask("The same again: ")?.agrees_with(&passphrase) {
        return Err(Error::PassphrasesDiffer);
    }
    Ok(passphrase)
}

fn ask(prompt: &str) -> Result<Passphrase, Error> {
    let typed = rpassword::prompt_password(prompt).map_err(Error::Prompt)?;
    Ok(Passphrase::new(&Zeroizing::new(typed))?)
}

fn check_terminal(otherwise: Error) -> Result<(), Error> {
    std::fs::File::options()
        .read(true)
        .write(true)
        .open(TERMINAL)
        .map(drop)
        .map_err(|_| otherwise)
}
