//! What a list is made of as far as the protocol can tell: hashed identities of two key classes, in
//! two lists a side.
//!
//! The floor under both `identity`, which makes elements of people, and `protocol`, which matches
//! elements and knows nothing of people. It computes nothing.
//!
//! # Example
//!
//! A side's requested list where both sides turned the wide class on, and how many elements it has:
//!
//! ```
//! use element::{ByClass, HashedIdentity, KeyClass, ListKind};
//!
//! let elements = ByClass {
//!     narrow: vec![HashedIdentity::from_bytes([1; 32]), HashedIdentity::from_bytes([2; 32])],
//!     wide: Some(vec![HashedIdentity::from_bytes([3; 32])]),
//! };
//! let counts = elements.as_ref().map(|_class, elements| elements.len());
//! assert_eq!(counts, ByClass { narrow: 2, wide: Some(1) });
//! assert_eq!(counts.get(KeyClass::Wide), Some(&1));
//!
//! // A session without the wide class drops what was made for it.
//! let ceilings = ByClass { narrow: 1024, wide: None };
//! assert_eq!(counts.zip(ceilings), ByClass { narrow: (2, 1024), wide: None });
//!
//! assert_eq!(ListKind::Requested.to_string(), "requested");
//! ```
#![warn(missing_docs, unreachable_pub)]

/// Which of the two classes of match keys a key is of; each has its own OPRF key, table, ceilings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyClass {
    /// Keys that name one person: document, service and tax number, whole name with birth date.
    Narrow,
    /// Keys that several people may share; used only where both sides' policy turns them on.
    Wide,
}

impl KeyClass {
    /// The class's name, under the schema digest and for people: `narrow` or `wide`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Narrow => "narrow",
            Self::Wide => "wide",
        }
    }
}

/// SHA-512/256 of one match key: all of a person that the protocol ever touches. Guessable, so never logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashedIdentity([u8; 32]);

impl HashedIdentity {
    /// Wraps 32 bytes that are already the hash of a match key.
    #[inline]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, as they are blinded and hashed into tags.
    #[inline]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl AsRef<[u8]> for HashedIdentity {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Which of a side's two lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// People this side holds.
    Held,
    /// People this side asks about.
    Requested,
}

impl ListKind {
    /// The list's name, on command lines and for people: `held` or `requested`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Requested => "requested",
        }
    }
}

impl std::fmt::Display for ListKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One value for each key class of a session; the wide class only when both sides turned it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByClass<T> {
    /// The narrow class's, which every session has.
    pub narrow: T,
    /// The wide class's; `None` in a session that is without it.
    pub wide: Option<T>,
}

impl<T> ByClass<T> {
    /// The classes that there are with their values, narrow first: the order of everything that is hashed or sent.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (KeyClass, &T)> {
        std::iter::once((KeyClass::Narrow, &self.narrow))
            .chain(self.wide.iter().map(|wide| (KeyClass::Wide, wide)))
    }

    /// The values of the classes that there are, narrow first.
    #[inline]
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        std::iter::once(&mut self.narrow).chain(self.wide.iter_mut())
    }

    /// One class's value; `None` for the wide class of a session that is without it.
    #[inline]
    pub fn get(&self, class: KeyClass) -> Option<&T> {
        match class {
            KeyClass::Narrow => Some(&self.narrow),
            KeyClass::Wide => self.wide.as_ref(),
        }
    }

    /// The same, to be changed.
    #[inline]
    pub fn get_mut(&mut self, class: KeyClass) -> Option<&mut T> {
        match class {
            KeyClass::Narrow => Some(&mut self.narrow),
            KeyClass::Wide => self.wide.as_mut(),
        }
    }

    /// Calls `f` for each class that there is, narrow first.
    #[inline]
    pub fn map<U>(self, mut f: impl FnMut(KeyClass, T) -> U) -> ByClass<U> {
        ByClass {
            narrow: f(KeyClass::Narrow, self.narrow),
            wide: self.wide.map(|wide| f(KeyClass::Wide, wide)),
        }
    }

    /// Calls `f` for each class that there is, narrow first, until one fails.
    ///
    /// # Errors
    /// That of the first class that failed; the wide one is then not tried.
    #[inline]
    pub fn try_map<U, E>(
        self,
        mut f: impl FnMut(KeyClass, T) -> Result<U, E>,
    ) -> Result<ByClass<U>, E> {
        Ok(ByClass {
            narrow: f(KeyClass::Narrow, self.narrow)?,
            wide: self.wide.map(|wide| f(KeyClass::Wide, wide)).transpose()?,
        })
    }

    /// Borrows every value, as [`Option::as_ref`] does.
    #[inline]
    pub fn as_ref(&self) -> ByClass<&T> {
        ByClass {
            narrow: &self.narrow,
            wide: self.wide.as_ref(),
        }
    }

    /// Pairs two values of the same session class by class; a class that only one has is dropped.
    #[inline]
    pub fn zip<U>(self, other: ByClass<U>) -> ByClass<(T, U)> {
        ByClass {
            narrow: (self.narrow, other.narrow),
            wide: self.wide.zip(other.wide),
        }
    }
}

/// The byte that stands for a key class in every hash and layout: 1 or 2.
// Never 0, so that zeroed bytes name no class.
#[inline]
pub fn class_byte(class: KeyClass) -> u8 {
    match class {
        KeyClass::Narrow => 1,
        KeyClass::Wide => 2,
    }
}
