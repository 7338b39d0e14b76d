//! tacit: privacy-preserving list matching.

pub mod cli;
pub mod exchange;
pub mod identity;
pub mod node;
pub mod oprf;
pub mod pairing;
pub mod relay;
pub mod store;
pub mod transport;
pub mod wire;
