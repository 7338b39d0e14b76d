//! Printing to stdout: a reader that has gone away is no error.

use std::io::{self, Write};

use crate::cli::Failure;

/// Prints a text and a line end.
///
/// # Errors
/// Output that fails for another reason than that nobody reads it any more.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::bad_input(
            format!("stdout: {error}"),
            "is the disk full?",
        )),
        _ => Ok(()),
    }
}
