//! tacit: privacy-preserving list matching.

pub mod exchange;
pub mod identity;
pub mod oprf;
pub mod pairing;
pub mod transport;
pub mod wire;
