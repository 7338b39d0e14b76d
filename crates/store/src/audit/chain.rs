//! How the log hangs together: each entry holds the hash of the line before it, and a signed head the
//! hash of the last.
//!
//! Is handed lines, one after the other, and knows nothing of what they tell.

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::Deserialize;

use crate::time::to_ms;
use pairing::{NodeId, Signature};

/// Bytes of an entry's line, at most.
pub const ENTRY_BYTES_MAX: usize = 4096;

/// The end of the chain at some moment, signed by the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of the last entry; the first is 1.
    pub seq: u64,
    pub at: Timestamp,
    /// SHA-256 of the last entry's line.
    pub hash: [u8; 32],
    pub signature: Signature,
}

/// Why a log does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditFault {
    #[error("the log is no tacit audit log of version 1")]
    Foreign,
    #[error("line {line} is longer than {ENTRY_BYTES_MAX} bytes, or not text")]
    Line { line: u64 },
    #[error("the log names another node")]
    OtherNode,
    #[error("entry {found} stands where entry {expected} was due: one was removed, added or moved")]
    OutOfOrder { expected: u64, found: u64 },
    #[error("entry {seq} does not follow from the one before it: one of the two was edited")]
    Broken { seq: u64 },
    #[error("the log ends at entry {found}, its head is of entry {expected}: it was cut off")]
    CutOff { expected: u64, found: u64 },
    #[error("the log has no head, or something after it")]
    NoHead,
    #[error("the head is not this node's signature")]
    HeadNotSigned,
    #[error("entry {seq} is not the one of the head given: the log was rewritten")]
    OtherHistory { seq: u64 },
    #[error("the log ends at entry {found}, before the head given (entry {expected})")]
    BeforeHead { expected: u64, found: u64 },
}

/// What the chain hangs together by; of an event it knows nothing.
#[derive(Deserialize)]
struct Link {
    seq: u64,
    prev: String,
}

/// Follows a chain from its first entry.
pub(crate) struct Chain {
    seq: u64,
    hash: [u8; 32],
}

impl Chain {
    pub(crate) fn new(node: &NodeId) -> Self {
        Self {
            seq: 0,
            hash: genesis(node),
        }
    }

    /// Number of the last entry that was followed; 0 before the first.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Hash of its line.
    pub(crate) fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Takes the next line.
    pub(crate) fn follow(&mut self, line: &str) -> Result<(), AuditFault> {
        let expected = self.seq + 1;
        let link: Link =
            serde_json::from_str(line).map_err(|_| AuditFault::Broken { seq: expected })?;
        // Before the hash: an entry that is missing is told as that, not as an edited one.
        if link.seq != expected {
            return Err(AuditFault::OutOfOrder {
                expected,
                found: link.seq,
            });
        }
        if link.prev != hex::encode(self.hash) {
            return Err(AuditFault::Broken { seq: expected });
        }
        self.seq = expected;
        self.hash = line_hash(line);
        Ok(())
    }

    /// Whether the chain's end is what `head` signs.
    pub(crate) fn ends_at(&self, head: &Head, node: &NodeId) -> Result<(), AuditFault> {
        head.check(node)?;
        if head.seq != self.seq {
            return Err(AuditFault::CutOff {
                expected: head.seq,
                found: self.seq,
            });
        }
        match head.hash == self.hash {
            true => Ok(()),
            false => Err(AuditFault::Broken { seq: self.seq }),
        }
    }
}

impl Head {
    /// Whether `node` signed it.
    ///
    /// # Errors
    ///
    /// [`AuditFault::HeadNotSigned`].
    pub fn check(&self, node: &NodeId) -> Result<(), AuditFault> {
        node.verify(&head_text(self.seq, self.at, &self.hash), &self.signature)
            .map_err(|_| AuditFault::HeadNotSigned)
    }
}

/// Whether the log has the entry of an earlier head, and the same one.
pub(crate) fn continues(
    earlier: Option<&Head>,
    seen: Option<[u8; 32]>,
    last: u64,
    node: &NodeId,
) -> Result<(), AuditFault> {
    let Some(head) = earlier else { return Ok(()) };
    head.check(node)?;
    match seen {
        Some(hash) if hash == head.hash => Ok(()),
        Some(_) => Err(AuditFault::OtherHistory { seq: head.seq }),
        None => Err(AuditFault::BeforeHead {
            expected: head.seq,
            found: last,
        }),
    }
}

/// What the first entry has in the place of a hash: SHA-256(`tacit/v1/audit` ‖ node id).
pub(crate) fn genesis(node: &NodeId) -> [u8; 32] {
    sha256(&[b"tacit/v1/audit", node.as_bytes().as_slice()].concat())
}

pub(crate) fn line_hash(line: &str) -> [u8; 32] {
    sha256(line.as_bytes())
}

/// `tacit/v1/audit-head` ‖ seq ‖ milliseconds since 1970 ‖ hash; integers of 8 bytes, big-endian.
pub(crate) fn head_text(seq: u64, at: Timestamp, hash: &[u8; 32]) -> Vec<u8> {
    let mut text = b"tacit/v1/audit-head".to_vec();
    text.extend_from_slice(&seq.to_be_bytes());
    text.extend_from_slice(&to_ms(at).to_be_bytes());
    text.extend_from_slice(hash);
    text
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}
