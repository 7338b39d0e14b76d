//! What a list is made of as far as the protocol can tell: hashed identities of two key classes, in
//! two lists a side.
//!
//! The floor under both `identity`, which makes elements of people, and `protocol`, which matches
//! elements and knows nothing of people. It computes nothing.

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
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl AsRef<[u8]> for HashedIdentity {
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
    pub narrow: T,
    pub wide: Option<T>,
}

impl<T> ByClass<T> {
    pub fn iter(&self) -> impl Iterator<Item = (KeyClass, &T)> {
        std::iter::once((KeyClass::Narrow, &self.narrow))
            .chain(self.wide.iter().map(|wide| (KeyClass::Wide, wide)))
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        std::iter::once(&mut self.narrow).chain(self.wide.iter_mut())
    }

    pub fn get(&self, class: KeyClass) -> Option<&T> {
        match class {
            KeyClass::Narrow => Some(&self.narrow),
            KeyClass::Wide => self.wide.as_ref(),
        }
    }

    pub fn get_mut(&mut self, class: KeyClass) -> Option<&mut T> {
        match class {
            KeyClass::Narrow => Some(&mut self.narrow),
            KeyClass::Wide => self.wide.as_mut(),
        }
    }

    pub fn map<U>(self, mut f: impl FnMut(KeyClass, T) -> U) -> ByClass<U> {
        ByClass {
            narrow: f(KeyClass::Narrow, self.narrow),
            wide: self.wide.map(|wide| f(KeyClass::Wide, wide)),
        }
    }

    pub fn try_map<U, E>(
        self,
        mut f: impl FnMut(KeyClass, T) -> Result<U, E>,
    ) -> Result<ByClass<U>, E> {
        Ok(ByClass {
            narrow: f(KeyClass::Narrow, self.narrow)?,
            wide: self.wide.map(|wide| f(KeyClass::Wide, wide)).transpose()?,
        })
    }

    pub fn as_ref(&self) -> ByClass<&T> {
        ByClass {
            narrow: &self.narrow,
            wide: self.wide.as_ref(),
        }
    }

    /// Pairs two values of the same session class by class; a class that only one has is dropped.
    pub fn zip<U>(self, other: ByClass<U>) -> ByClass<(T, U)> {
        ByClass {
            narrow: (self.narrow, other.narrow),
            wide: self.wide.zip(other.wide),
        }
    }
}

/// The byte that stands for a key class in every hash and layout.
pub fn class_byte(class: KeyClass) -> u8 {
    match class {
        KeyClass::Narrow => 1,
        KeyClass::Wide => 2,
    }
}
