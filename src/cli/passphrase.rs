//! `tacit passphrase`: another passphrase for a node's key and store, while the node is stopped.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;
use jiff::Timestamp;

use super::home;
use super::node_link::failed;
use super::{Exit, Failure, output};
use store::key_file::{self, KEY_FILE, StoredKey};
use store::{self, Cost, Store};

/// Change the passphrase of a node's key and store
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tacit passphrase change                    asks for both; the node must be stopped
  tacit passphrase change --passphrase-file old --new-passphrase-file new

Exit code: 0 done; 1 the key or the store cannot be opened; 2 the command line must say more; 3 the node runs.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Seal the key and the store under another passphrase; lists are not rewritten
    #[command(after_help = "Example:\n  tacit passphrase change")]
    Change(ChangeArgs),
}

#[derive(clap::Args, Debug)]
struct ChangeArgs {
    /// Where the node keeps its things [default: $XDG_DATA_HOME/tacit or ~/.local/share/tacit]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,

    /// Take the passphrase of now from a file that nobody else may read, instead of asking for it
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// Take the new passphrase from a file that nobody else may read, instead of asking for it
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
}

/// Runs the subcommand.
///
/// # Errors
/// A node that runs, a wrong passphrase, or files that cannot be read or written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let Command::Change(args) = &args.command;
    let home = store::home_dir(args.home.clone()).map_err(stored)?;
    let key_file = home.join(KEY_FILE);
    let Some(key) = key_file::load(&home).map_err(stored)? else {
        return Err(Failure::home(&home::Error::NoIdentity { key_file }));
    };
    if !Store::exists(&home).map_err(stored)? {
        return Err(stored(store::Error::NoStore { home }));
    }
    let now = home::passphrase_of_now(args.passphrase_file.as_deref(), &key_file);
    let now = now.map_err(|error| Failure::home(&error))?;
    let key = match key {
        StoredKey::Plain(key) => key,
        StoredKey::Sealed(sealed) => sealed.unseal(&now).map_err(stored)?,
    };
    let store = Store::open(&home, Arc::new(key), &now, Timestamp::now()).map_err(stored)?;
    let new = home::new_passphrase(args.new_passphrase_file.as_deref());
    let new = new.map_err(|error| Failure::home(&error))?;
    store
        .change_passphrase(&new, Cost::DEFAULT, Timestamp::now())
        .map_err(stored)?;
    output::print("The passphrase is changed. Backups made before open with the old one.")?;
    Ok(Exit::Clean)
}

fn stored(error: store::Error) -> Failure {
    let mut failure = failed(&error);
    if matches!(error, store::Error::InUse { .. }) {
        failure.exit = Exit::Refused;
        failure.hint =
            Some("stop the node first, and start it again with the new passphrase".into());
    }
    failure
}
