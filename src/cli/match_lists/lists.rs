//! Reading the lists of a match: with the rows' errors, and what was read, said on standard error.

use std::path::Path;

use crate::cli::Failure;
use crate::cli::list_file::ListArgs;
use crate::cli::progress::Progress;
use crate::cli::row_errors::row_errors;
use identity::{List, ListKind, ListOptions, ListReport};

/// Row errors shown before the rest is only counted: they fit a screen.
const ERRORS_SHOWN_MAX: usize = 20;

/// How the lists of a match are read.
pub(super) struct Reading<'a> {
    pub lists: &'a ListArgs,
    /// Whether keys of the wide class are made too.
    pub wide: bool,
    /// Go on without the rows that have errors.
    pub skip_bad_rows: bool,
    pub progress: &'a Progress,
}

impl Reading<'_> {
    /// Reads the list of this kind.
    ///
    /// # Errors
    /// A file that is no list, or rows with errors that are not to be left out.
    pub(super) fn read(&self, path: &Path, kind: ListKind) -> Result<List, Failure> {
        let spinner = self.progress.spinner(&format!("reading the {kind} list"));
        let options = ListOptions {
            wide: self.wide,
            ..self.lists.options(kind, kind == ListKind::Requested)
        };
        let list = self
            .lists
            .read(path, &options, |rows| spinner.set_position(u64::from(rows)));
        spinner.finish_and_clear();
        let list = list?;
        if list.report.rows_with_errors > 0 {
            for line in row_errors(path, &list, ERRORS_SHOWN_MAX) {
                self.progress.say(line);
            }
            if !self.skip_bad_rows {
                return Err(refusal(path, &list.report));
            }
        }
        self.progress.say(what_was_read(kind, &list.report));
        if list.report.people == 0 {
            self.progress.say(format!(
                "Note: {} has no people, so nobody can be found in it.",
                path.display()
            ));
        }
        Ok(list)
    }
}

fn refusal(path: &Path, report: &ListReport) -> Failure {
    Failure::bad_input(
        format!(
            "{}: {} of {} rows have errors; nothing was sent",
            path.display(),
            report.rows_with_errors,
            report.rows
        ),
        format!(
            "mend them (tacit check {} shows how each is read), or leave them out with --skip-bad-rows",
            path.display()
        ),
    )
}

fn what_was_read(kind: ListKind, report: &ListReport) -> String {
    let mut line = format!(
        "Read the {kind} list: {} people in {} rows",
        report.people, report.rows
    );
    if report.people_twice > 0 {
        line.push_str(&format!(
            ", {} of them listed twice and folded",
            report.people_twice
        ));
    }
    if report.rows_left_out > 0 {
        line.push_str(&format!(", {} rows left out", report.rows_left_out));
    }
    line + "."
}
