//! What is wrong in a list's rows, as lines for the terminal. They name places and reasons, never a cell.

use std::path::Path;

use identity::list::Columns;
use identity::{List, ListReport, RowIssue};

/// What is wrong in a list's rows, as lines for the terminal, at most `max` of them.
pub fn row_errors(path: &Path, list: &List, max: usize) -> Vec<String> {
    row_errors_in(path, &list.report, &list.columns, max)
}

/// The same of a list that was not kept.
pub fn row_errors_in(
    path: &Path,
    report: &ListReport,
    columns: &Columns,
    max: usize,
) -> Vec<String> {
    let place = |issue: &RowIssue| match issue.field {
        Some(field) => format!("line {}, column {}", issue.line, columns.header_of(field)),
        None => format!("line {}", issue.line),
    };
    let mut lines: Vec<String> = report
        .errors()
        .take(max)
        .map(|issue| format!("{}, {}: {}", path.display(), place(issue), issue.reason))
        .collect();
    let total = report.errors().count();
    if total > max {
        lines.push(format!(
            "… and {} more; tacit check {} shows all",
            total - max,
            path.display()
        ));
    }
    lines
}
