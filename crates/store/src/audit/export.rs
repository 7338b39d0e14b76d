//! The audit log as a file for auditors, and the check of such a file without the store.
//!
//! UTF-8 text of lines, each a JSON object and ended by one line feed:
//!
//! 1. `{"tacit_audit":1,"node":"tacit1…"}`
//! 2. the entries, from the first, byte for byte as they were hashed:
//!    `{"seq":1,"at":"2026-…Z","prev":"…","event":"…",…}`. `prev` is the SHA-256, in hexadecimal, of
//!    the line before, without its line feed; in the first entry SHA-256(`tacit/v1/audit` ‖ the 32 bytes
//!    of the node's id).
//! 3. `{"head":{"seq":…,"at_ms":…,"hash":"…","signature":"…"}}`: number, time in milliseconds since 1970
//!    and SHA-256 of the last entry, and the node's Ed25519 signature over `tacit/v1/audit-head` ‖ seq ‖
//!    at_ms ‖ hash (8, 8 and 32 bytes, integers big-endian).
//!
//! A head by itself, line 3 alone, is what an auditor keeps to compare a later export with.

use std::io::{BufRead, Read, Write};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::chain::{AuditFault, Chain, ENTRY_BYTES_MAX, Head, continues};
use crate::database::Store;
use crate::error::Error;
use crate::time::to_ms;
use pairing::{NodeId, Signature};

#[derive(Serialize, Deserialize)]
struct Title {
    tacit_audit: u32,
    node: String,
}

#[derive(Serialize, Deserialize)]
struct HeadLine {
    head: HeadFields,
}

#[derive(Serialize, Deserialize)]
struct HeadFields {
    seq: u64,
    at_ms: i64,
    hash: String,
    signature: String,
}

/// What a file that holds was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub node: NodeId,
    pub head: Head,
}

/// Why an export was not written or not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] Error),
    #[error("the audit log cannot be written or read: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Fault(#[from] AuditFault),
}

impl Store {
    /// Writes the whole log; entries are handed on as they are, checked or not.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written, or an entry not be opened.
    pub fn export_audit(&self, out: &mut impl Write) -> Result<Head, ExportError> {
        let node = self.key().id().to_string();
        let title = Title {
            tacit_audit: 1,
            node,
        };
        writeln!(out, "{}", json(&title))?;
        let head = self.read(|tx| {
            tx.each_entry(|_, line| writeln!(out, "{line}"))??;
            tx.head()?.ok_or(ExportError::Store(Error::DamagedStore))
        })?;
        writeln!(out, "{}", head.to_line())?;
        out.flush()?;
        Ok(head)
    }
}

impl Head {
    /// The head as one line of JSON, without a line feed.
    pub fn to_line(&self) -> String {
        json(&HeadLine {
            head: HeadFields {
                seq: self.seq,
                at_ms: to_ms(self.at),
                hash: hex::encode(self.hash),
                signature: hex::encode(self.signature.as_bytes()),
            },
        })
    }

    /// Reads what [`Head::to_line`] writes; also the last line of a whole export.
    ///
    /// # Errors
    ///
    /// [`AuditFault::NoHead`]. Whose signature it is, [`Head::check`] says.
    pub fn from_line(line: &str) -> Result<Self, AuditFault> {
        let parsed: HeadLine =
            serde_json::from_str(line.trim_end()).map_err(|_| AuditFault::NoHead)?;
        let fields = parsed.head;
        let (mut hash, mut signature) = ([0; 32], [0; 64]);
        hex::decode_to_slice(&fields.hash, &mut hash).map_err(|_| AuditFault::NoHead)?;
        hex::decode_to_slice(&fields.signature, &mut signature).map_err(|_| AuditFault::NoHead)?;
        Ok(Self {
            seq: fields.seq,
            at: Timestamp::from_millisecond(fields.at_ms).map_err(|_| AuditFault::NoHead)?,
            hash,
            signature: Signature::from_bytes(signature),
        })
    }
}

/// Checks an exported log, one line in memory at a time.
///
/// `node` is whose log it must be, where that is known; `earlier` a head that the log must go on from.
///
/// # Errors
///
/// The first fault found.
pub fn verify(
    mut log: impl BufRead,
    node: Option<&NodeId>,
    earlier: Option<&Head>,
) -> Result<Verified, ExportError> {
    let mut lines = Lines {
        log: &mut log,
        number: 0,
    };
    let title = lines.next()?.ok_or(AuditFault::Foreign)?;
    let title: Title = serde_json::from_str(&title).map_err(|_| AuditFault::Foreign)?;
    if title.tacit_audit != 1 {
        return Err(AuditFault::Foreign.into());
    }
    let named: NodeId = title.node.parse().map_err(|_| AuditFault::Foreign)?;
    if node.is_some_and(|node| *node != named) {
        return Err(AuditFault::OtherNode.into());
    }
    let mut chain = Chain::new(&named);
    let mut earlier_seen = None;
    while let Some(line) = lines.next()? {
        if let Ok(head) = Head::from_line(&line) {
            if lines.next()?.is_some() {
                return Err(AuditFault::NoHead.into());
            }
            chain.ends_at(&head, &named)?;
            continues(earlier, earlier_seen, chain.seq(), &named)?;
            return Ok(Verified { node: named, head });
        }
        chain.follow(&line)?;
        if earlier.is_some_and(|head| head.seq == chain.seq()) {
            earlier_seen = Some(chain.hash());
        }
    }
    Err(AuditFault::NoHead.into())
}

struct Lines<'a, R> {
    log: &'a mut R,
    number: u64,
}

impl<R: BufRead> Lines<'_, R> {
    /// The next line without its line feed; `None` at the end.
    fn next(&mut self) -> Result<Option<String>, ExportError> {
        self.number += 1;
        let fault = AuditFault::Line { line: self.number };
        let mut line = Vec::new();
        let bytes_max = ENTRY_BYTES_MAX as u64 + 1;
        self.log
            .by_ref()
            .take(bytes_max)
            .read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.pop() != Some(b'\n') {
            return Err(fault.into());
        }
        String::from_utf8(line).map(Some).map_err(|_| fault.into())
    }
}

fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("plain fields always make JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Event;
    use crate::tests::{TestHome, key, now};

    fn exported() -> (String, Head) {
        let home = TestHome::new();
        let store = home.create();
        store.record(&Event::NodeStarted, now()).unwrap();
        let earlier = store.audit_head().unwrap();
        store.record(&Event::NodeStopped, now()).unwrap();
        let mut out = Vec::new();
        store.export_audit(&mut out).unwrap();
        (String::from_utf8(out).unwrap(), earlier)
    }

    fn fault(log: &str, earlier: Option<&Head>) -> AuditFault {
        match verify(log.as_bytes(), None, earlier) {
            Err(ExportError::Fault(fault)) => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_export_holds_and_names_its_node() {
        let (log, earlier) = exported();
        assert_eq!(log.lines().count(), 5);
        let verified = verify(log.as_bytes(), Some(&key().id()), Some(&earlier)).unwrap();
        assert_eq!((verified.node, verified.head.seq), (key().id(), 3));
        let other = pairing::NodeKey::from_seed(&[9; 32]).id();
        let refused = verify(log.as_bytes(), Some(&other), None);
        assert!(matches!(
            refused,
            Err(ExportError::Fault(AuditFault::OtherNode))
        ));
        let last = log.lines().last().unwrap();
        assert_eq!(Head::from_line(last).unwrap().to_line(), last);
    }

    #[test]
    fn every_changed_byte_of_an_export_is_found() {
        let (log, earlier) = exported();
        for i in 0..log.len() {
            let mut altered = log.clone().into_bytes();
            altered[i] ^= 1;
            // Hexadecimal digits may be written in two ways; the signature then is the same.
            let same = String::from_utf8_lossy(&altered).to_lowercase() == log;
            let found = verify(&altered[..], Some(&key().id()), Some(&earlier));
            assert!(same || found.is_err(), "byte {i}");
        }
    }

    #[test]
    fn every_removed_repeated_or_swapped_line_is_found() {
        let (log, _) = exported();
        let lines: Vec<&str> = log.split_inclusive('\n').collect();
        for i in 0..lines.len() {
            let mut without = lines.clone();
            without.remove(i);
            fault(&without.concat(), None);
            let mut twice = lines.clone();
            twice.insert(i, lines[i]);
            fault(&twice.concat(), None);
            if i > 0 {
                let mut swapped = lines.clone();
                swapped.swap(i, i - 1);
                fault(&swapped.concat(), None);
            }
        }
        assert_eq!(fault("", None), AuditFault::Foreign);
        assert_eq!(
            fault(&"x".repeat(10_000), None),
            AuditFault::Line { line: 1 }
        );
        for cut in 1..log.len() {
            fault(&log[..cut], None);
        }
    }
}
