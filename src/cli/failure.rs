//! How a subcommand ends: an exit code, and when it failed a message with a hint.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use super::{home, id};
use identity::ListError;
use node::disposition::ExitClass;

/// How a subcommand ended, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, and nothing to say.
    Clean = 0,
    /// Something on this machine failed: disk, key, a bug.
    Failed = 1,
    /// Bad input: arguments, a file, or rows with errors.
    BadInput = 2,
    /// The two sides are set up differently, or one is not who the other expects.
    Refused = 3,
    /// The peer broke the protocol.
    Misbehaved = 4,
    /// The peer cannot be reached, does not come, went away or stopped.
    Unreachable = 5,
    /// Done; some rows have warnings, none has errors.
    Warnings = 7,
    /// Stopped by the user.
    Cancelled = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<ExitClass> for Exit {
    fn from(class: ExitClass) -> Self {
        match class {
            ExitClass::Failed => Self::Failed,
            ExitClass::BadInput => Self::BadInput,
            ExitClass::Refused => Self::Refused,
            ExitClass::Misbehaved => Self::Misbehaved,
            ExitClass::Unreachable => Self::Unreachable,
            ExitClass::Stopped => Self::Cancelled,
        }
    }
}

/// Why a subcommand did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    pub message: String,
    pub hint: Option<String>,
    pub exit: Exit,
}

impl Failure {
    /// Something on this machine that is nobody's input, and about which there is nothing to advise.
    pub fn failed(error: impl fmt::Display) -> Self {
        Self {
            message: error.to_string(),
            hint: None,
            exit: Exit::Failed,
        }
    }

    /// Bad input, with what the user can do about it.
    pub fn bad_input(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: Some(hint.into()),
            exit: Exit::BadInput,
        }
    }

    /// A list file that cannot be read as a whole.
    pub fn list(path: &Path, error: &ListError) -> Self {
        Self::bad_input(format!("{}: {error}", path.display()), error.hint())
    }

    /// This node's key is not to be had.
    pub fn home(error: &home::Error) -> Self {
        let exit = if error.exit_code() == 2 {
            Exit::BadInput
        } else {
            Exit::Failed
        };
        Self {
            message: error.to_string(),
            hint: None,
            exit,
        }
    }

    /// Something in the home cannot be read or kept.
    pub fn store(error: &store::Error) -> Self {
        let hint = match error {
            store::Error::NotOurs { .. } => Some(
                "nothing was changed: put a backup in its place if it was damaged, or the key that it was written under; else move it away".into(),
            ),
            _ => None,
        };
        Self {
            message: error.to_string(),
            hint,
            exit: Exit::Failed,
        }
    }

    /// The id could not be made or printed.
    pub fn id(error: &id::Error) -> Self {
        let exit = if error.exit_code() == 2 {
            Exit::BadInput
        } else {
            Exit::Failed
        };
        Self {
            message: error.to_string(),
            hint: None,
            exit,
        }
    }

    /// A file that cannot be opened or written.
    pub fn file(path: &Path, error: &std::io::Error) -> Self {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => "is the path right?",
            std::io::ErrorKind::PermissionDenied => "may you read and write there?",
            _ => "is the disk full or gone?",
        };
        Self::bad_input(format!("{}: {error}", path.display()), hint)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
