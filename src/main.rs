//! `tacit`: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use tacit::cli::id;

/// Private matching of two delegations' lists of people
#[derive(Parser)]
#[command(name = "tacit", version)]
enum Command {
    Id(id::IdArgs),
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Id(args) => match id::run(&args, &mut std::io::stdout().lock()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("error: {e}");
                ExitCode::from(e.exit_code())
            }
        },
    }
}
