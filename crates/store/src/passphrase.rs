//! The passphrase that a node's key is sealed under: typed in, or read from a private file.
//!
//! Never an argument and never in the environment, where other processes could see it.

use std::io;
use std::path::Path;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

pub use super::error::PASSPHRASE_BYTES_MAX;
use super::error::{Error, PassphraseFault};
use super::owner_only;

/// Characters below which a passphrase deserves a warning.
pub const PASSPHRASE_CHARACTERS_ADVISED: usize = 12;

/// A passphrase, not empty, in Unicode normal form C; wiped on drop.
///
/// Normalised so that a letter such as й is the same from every keyboard and system.
/// Source: RFC 8265 §4.2 (OpaqueString).
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes what somebody typed, without its line end.
    ///
    /// # Errors
    ///
    /// Refuses an empty text, one longer than [`PASSPHRASE_BYTES_MAX`], and control characters.
    pub fn new(typed: &str) -> Result<Self, PassphraseFault> {
        if typed.is_empty() {
            return Err(PassphraseFault::Empty);
        }
        if typed.len() > PASSPHRASE_BYTES_MAX {
            return Err(PassphraseFault::TooLong);
        }
        if typed.contains(['\n', '\r']) {
            return Err(PassphraseFault::SeveralLines);
        }
        if typed.contains(char::is_control) {
            return Err(PassphraseFault::NotText);
        }
        // Normal form C is at most three times as long: no growing, no copies left behind.
        let mut own = Zeroizing::new(String::with_capacity(3 * typed.len()));
        own.extend(typed.nfc().map(|c| match c {
            // > Non-ASCII spaces are mapped to the SPACE character.
            '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}' => ' ',
            other => other,
        }));
        Ok(Self(own))
    }

    /// Reads the one line of a file that only this user, or root, may read.
    ///
    /// One line end after it is left out. May be a pipe.
    ///
    /// # Errors
    ///
    /// Those of [`Passphrase::new`], and those of a file that cannot be read or is open to others.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        Self::from_line(
            path,
            &owner_only::read_named(path, PASSPHRASE_BYTES_MAX + 2)?,
        )
    }

    fn from_line(path: &Path, content: &[u8]) -> Result<Self, Error> {
        let fault = |fault| Error::PassphraseFile {
            path: path.into(),
            fault,
        };
        let text = std::str::from_utf8(content).map_err(|_| {
            fault(if content.len() > PASSPHRASE_BYTES_MAX {
                PassphraseFault::TooLong
            } else {
                PassphraseFault::NotText
            })
        })?;
        let line = text.strip_suffix('\n').unwrap_or(text);
        Self::new(line.strip_suffix('\r').unwrap_or(line)).map_err(fault)
    }

    /// Reads a credential that the service manager hands this process: one line, as in a file. Who else
    /// may read it is the service manager's business, which shows in no mode.
    ///
    /// # Errors
    ///
    /// Those of [`Passphrase::new`], and a credential that is not there.
    pub fn from_credential(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Io {
            doing: "read",
            path: path.into(),
            source,
        };
        let mut content = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES_MAX + 3));
        let file = std::fs::File::open(path).map_err(failed)?;
        let most = PASSPHRASE_BYTES_MAX as u64 + 3;
        io::Read::read_to_end(&mut io::Read::take(file, most), &mut content).map_err(failed)?;
        Self::from_line(path, &content)
    }

    /// Whether it has fewer than [`PASSPHRASE_CHARACTERS_ADVISED`] characters, and so is easily guessed.
    pub fn is_short(&self) -> bool {
        self.0.chars().count() < PASSPHRASE_CHARACTERS_ADVISED
    }

    /// Whether both are the same, to confirm a new one; not in constant time, as both are typed here.
    pub fn agrees_with(&self, other: &Passphrase) -> bool {
        self.0 == other.0
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(content: &[u8]) -> Result<Passphrase, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        Passphrase::from_file(file.path())
    }

    fn fault(content: &[u8]) -> PassphraseFault {
        match read(content) {
            Err(Error::PassphraseFile { fault, .. }) => fault,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("accepted"),
        }
    }

    #[test]
    fn one_line_end_is_left_out_and_spaces_are_kept() {
        for content in ["correct horse ", "correct horse \n", "correct horse \r\n"] {
            assert_eq!(
                read(content.as_bytes()).unwrap().as_bytes(),
                b"correct horse "
            );
        }
    }

    #[test]
    fn each_fault_is_named() {
        assert_eq!(fault(b""), PassphraseFault::Empty);
        assert_eq!(fault(b"\n"), PassphraseFault::Empty);
        assert_eq!(fault(b"one\ntwo\n"), PassphraseFault::SeveralLines);
        assert_eq!(fault(b"one\n\n"), PassphraseFault::SeveralLines);
        assert_eq!(fault(b"one\0two"), PassphraseFault::NotText);
        assert_eq!(fault(b"\xcf\xe0\xf0\xee\xeb\xfc"), PassphraseFault::NotText);
        assert_eq!(fault(&[b'x'; 1025]), PassphraseFault::TooLong);
        assert_eq!(fault(&[b'x'; 100_000]), PassphraseFault::TooLong);
        assert!(read(&[b'x'; 1024]).is_ok());
    }

    #[test]
    fn composed_and_decomposed_letters_are_the_same() {
        let composed = Passphrase::new("Київ\u{a0}їжак").unwrap();
        let decomposed = Passphrase::new("Киі\u{308}в і\u{308}жак").unwrap();
        assert!(composed.agrees_with(&decomposed));
    }

    #[test]
    fn short_means_fewer_than_twelve_characters_not_bytes() {
        assert!(Passphrase::new("їжачок їжак").unwrap().is_short());
        assert!(!Passphrase::new("їжачок їжаки").unwrap().is_short());
    }

    #[test]
    fn a_file_open_to_others_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "correct horse").unwrap();
        for mode in [0o640, 0o604, 0o620, 0o644] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            let refused = Passphrase::from_file(file.path());
            assert!(matches!(refused, Err(Error::FileOpenToOthers { mode: m, .. }) if m == mode));
        }
    }

    #[test]
    fn a_directory_and_a_missing_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refused = Passphrase::from_file(dir.path());
        assert!(matches!(refused, Err(Error::NotAFile { .. })));
        let refused = Passphrase::from_file(&dir.path().join("none"));
        assert!(matches!(refused, Err(Error::Io { doing: "open", .. })));
    }
}
