//! What came up in a list: counts and issues, and what only shows across rows. `docs/matching.md` §9.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use ring::digest::{SHA512_256, digest};

use super::error::ListError;
use super::limits::ROWS_MAX;
use super::scanned_row::ScannedRow;
use crate::field::Field;
use crate::issue::{Reason, RowIssue, Severity};
use crate::kind::Grade;

/// Row issues kept with their line; beyond this many only their counts are.
pub const ISSUES_KEPT_MAX: usize = 10_000;
/// What a list's reading brought up.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ListReport {
    /// What the file was found to be, for people: "CSV with semicolons, UTF-8".
    pub format: String,
    /// Rows with anything in them, the header aside.
    pub rows: u32,
    /// Records that are used.
    pub people: u32,
    /// Rows with at least one error.
    pub rows_with_errors: u32,
    /// Of those, the ones left out altogether; the others lose a number alone.
    pub rows_left_out: u32,
    /// Rows with a warning and no error.
    pub rows_with_warnings: u32,
    /// Records that share a strong key with an earlier one: the same person again. Their keys are
    /// folded into one; each keeps its own answer.
    pub people_twice: u32,
    /// How often each reason was given, by its code.
    pub counts: BTreeMap<&'static str, u32>,
    /// The first issues, at most [`ISSUES_KEPT_MAX`].
    pub issues: Vec<RowIssue>,
}

impl ListReport {
    /// The issues kept that are errors.
    pub fn errors(&self) -> impl Iterator<Item = &RowIssue> {
        self.issues
            .iter()
            .filter(|issue| issue.reason.severity() == Severity::Error)
    }

    /// The issues kept that are warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &RowIssue> {
        self.issues
            .iter()
            .filter(|issue| issue.reason.severity() == Severity::Warning)
    }

    fn count(&mut self, issue: RowIssue) {
        *self.counts.entry(issue.reason.code()).or_default() += 1;
        if self.issues.len() < ISSUES_KEPT_MAX {
            self.issues.push(issue);
        }
    }
}

/// What only shows across rows: ids and people that come twice; and the counts.
#[derive(Default)]
pub(super) struct ReportBuilder {
    report: ListReport,
    /// Hash of each record id, to its line.
    ids: HashMap<[u8; 16], u32>,
    /// The first half of each strong identity, to the line it came from first.
    strong: HashMap<[u8; 16], u32>,
}

impl ReportBuilder {
    /// Notes what the file was found to be.
    pub(super) fn set_format(&mut self, format: String) {
        self.report.format = format;
    }

    /// The report, once every row was added.
    pub(super) fn finish(self) -> ListReport {
        self.report
    }

    /// Counts one row, and adds to its issues what earlier rows make of it.
    pub(super) fn add(&mut self, row: &mut ScannedRow) -> Result<(), ListError> {
        self.report.rows += 1;
        // Before the row takes room in the maps below.
        if self.report.rows > ROWS_MAX {
            return Err(ListError::TooManyRows);
        }
        let line = row.line;
        if !row.record_id.is_empty() {
            match self
                .ids
                .entry(half(digest(&SHA512_256, row.record_id.as_bytes()).as_ref()))
            {
                Entry::Vacant(slot) => {
                    slot.insert(line);
                }
                Entry::Occupied(slot) => {
                    let reason = Reason::RecordIdTwice {
                        first_line: *slot.get(),
                    };
                    row.issues.push(RowIssue {
                        line,
                        field: Some(Field::RecordId),
                        reason,
                    });
                }
            }
        }
        // Only after the id was looked at: a row whose id came before is left out and is nobody twice.
        if row.is_used() {
            self.report.people += 1;
            if let Some(first_line) = self.same_person(row) {
                self.report.people_twice += 1;
                row.issues.push(RowIssue {
                    line,
                    field: None,
                    reason: Reason::SamePersonTwice { first_line },
                });
            }
        }
        self.count(row);
        Ok(())
    }

    /// The first earlier line that has one of this row's strong keys.
    fn same_person(&mut self, row: &ScannedRow) -> Option<u32> {
        let mut first = None;
        for (_, identity) in row
            .keys
            .iter()
            .filter(|(kind, _)| kind.grade() == Grade::Strong)
        {
            let line = *self
                .strong
                .entry(half(identity.as_bytes()))
                .or_insert(row.line);
            if line != row.line && first.is_none_or(|first| line < first) {
                first = Some(line);
            }
        }
        first
    }

    fn count(&mut self, row: &ScannedRow) {
        for issue in &row.issues {
            self.report.count(*issue);
        }
        let has = |severity| {
            row.issues
                .iter()
                .any(|issue| issue.reason.severity() == severity)
        };
        if has(Severity::Error) {
            self.report.rows_with_errors += 1;
            self.report.rows_left_out += u32::from(!row.is_used());
        } else if has(Severity::Warning) {
            self.report.rows_with_warnings += 1;
        }
    }
}

/// The first 16 bytes of a hash: 20 million of them still fit in memory, and no two coincide by chance.
fn half(hash: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(hash) {
        *to = *from;
    }
    out
}
