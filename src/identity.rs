//! Record → normal form → match keys → hashed identity.

/// Which of the two classes of match keys a key is of; each has its own OPRF key, table, ceilings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyClass {
    Narrow,
    Wide,
}

/// SHA-512/256 of one match key: all of a person that the protocol ever touches. Guessable, so never logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashedIdentity([u8; 32]);

impl HashedIdentity {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for HashedIdentity {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
