//! The bounds of a list that every format keeps to. `docs/matching.md` §1.

/// The longest cell, in bytes of UTF-8; a longer one ends the reading.
pub const CELL_BYTES_MAX: usize = 64 * 1024;
/// The most columns a list may have.
pub const COLUMNS_MAX: usize = 256;
/// The most rows a list may have.
pub const ROWS_MAX: u32 = 20_000_000;
