//! Checks of the house itself, which neither the compiler nor clippy makes: files of one crate that
//! use each other in a circle, and how long files are and how much of them is told.
//!
//! Handed the workspace's folder; reads sources, never builds or changes anything.

pub mod circles;
pub mod house;
mod names;
mod packages;
mod tree;
mod uses;

pub use packages::{Package, packages, root};
