//! A node's key as the channel knows it.

use std::fmt;

/// An Ed25519 public key that a node presents in the TLS handshake, in RFC 8032 encoding.
pub type PublicKey = [u8; 32];

/// Prints a public key in hexadecimal.
pub(super) struct Hex<'a>(pub(super) &'a PublicKey);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
