//! `tacit`: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use tacit::cli::{Cli, run};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit.into()
        }
    }
}
