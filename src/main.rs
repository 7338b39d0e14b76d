//! `tacit`: parse, run, exit code.

mod cli;

use std::panic::PanicHookInfo;
use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, run};

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(say_where));
    match run(Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit.into()
        }
    }
}

/// Says where the program failed, and not with which words: a panic's text may quote a list.
fn say_where(panic: &PanicHookInfo) {
    if let Some(place) = panic.location() {
        // The workbook library's panics are caught, and become an error that says which file.
        if !place.file().contains("calamine") {
            eprintln!(
                "tacit failed by itself at {}:{}. Please report this, with the version",
                place.file(),
                place.line()
            );
        }
    }
}
