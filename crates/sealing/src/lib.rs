//! Sealing bytes for one place, and laying bytes out in one way.
//!
//! Whatever tacit hides, on a disk or until a table is released, is sealed here: ChaCha20-Poly1305
//! (RFC 8439) under a [`SealingKey`], with the *place* it belongs to as associated data. A place is any
//! text that tells where the sealed bytes stand (a table's row, a file's name, a number of chunks);
//! what is moved to another place does not open. Whatever has a layout of its own is written with a
//! [`Writer`] and read with a [`Reader`]: integers big-endian, every part at its place, nothing left over.
//!
//! This crate is handed keys, nonces and bytes. It draws nothing at random, touches no file and no clock,
//! and gives no reason why something did not open: an altered text, another key and another place look
//! alike.
//!
//! Who seals what, and under which nonce, is told where it is done: the store's cells, the files of a
//! home, keys under a passphrase, and tables (`docs/protocol.md` §6).
//!
//! # Example
//!
//! A number and a name, written down and sealed for the row that they belong to:
//!
//! ```
//! use sealing::{Nonce, Reader, SealingKey, Writer, derive};
//!
//! let mut writer = Writer::with_room(64);
//! writer.u32(7);
//! writer.bytes_u32(b"Olena");
//! let plain = writer.finish();
//!
//! // A key that comes from a secret and a salt seals one text only, so any nonce will do.
//! let key = SealingKey::new(derive(&[1; 32], b"a salt", &[b"example"]));
//! let mut sealed = Vec::new();
//! key.seal_onto(&mut sealed, Nonce::ONCE, b"row 3", &plain);
//! assert_eq!(sealed.len(), plain.len() + sealing::TAG_BYTES);
//!
//! assert!(key.open(Nonce::ONCE, b"row 4", &sealed).is_none());
//! let opened = key.open(Nonce::ONCE, b"row 3", &sealed).ok_or("altered")?;
//!
//! let mut reader = Reader::new(&opened);
//! assert_eq!(reader.u32(), Some(7));
//! assert_eq!(reader.bytes_u32(), Some(&b"Olena"[..]));
//! assert_eq!(reader.at_end(), Some(()));
//! # Ok::<(), &str>(())
//! ```
#![warn(missing_docs, unreachable_pub)]

mod aead;
mod layout;

pub use aead::{KEY_BYTES, NONCE_BYTES, Nonce, SealingKey, TAG_BYTES, derive};
pub use layout::{Reader, Writer, put_text};
