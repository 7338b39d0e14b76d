//! The protocol, sans-IO.

pub mod message;

/// Elements in one chunk of blinded or evaluated elements, and tags in one sealed table chunk.
pub const CHUNK_ELEMENTS_MAX: usize = 4096;
