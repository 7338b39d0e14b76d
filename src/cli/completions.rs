//! `tacit completions`: completion scripts for shells.

use clap_complete::Shell;

use super::{Exit, Failure};

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

/// Prints the script for `program`, which knows all subcommands.
///
/// # Errors
/// None; the script goes to standard output.
pub fn run(args: &Args, program: &mut clap::Command) -> Result<Exit, Failure> {
    clap_complete::generate(args.shell, program, "tacit", &mut std::io::stdout());
    Ok(Exit::Clean)
}
