//! `tacit completions`: completion scripts for shells.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Exit, Failure};

/// Print the completion script of a shell
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell to print it for
    shell: Shell,
}

const EXAMPLES: &str = "\
Example:
  tacit completions bash > ~/.local/share/bash-completion/completions/tacit";

/// Runs the subcommand.
///
/// # Errors
/// None; the script goes to standard output.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    clap_complete::generate(
        args.shell,
        &mut Cli::command(),
        "tacit",
        &mut std::io::stdout(),
    );
    Ok(Exit::Clean)
}
