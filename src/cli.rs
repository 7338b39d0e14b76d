//! The command line: one file a subcommand.

pub mod home;
pub mod id;
