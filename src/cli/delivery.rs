//! The answers of a session, shown on standard output and written to the file that was named.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use super::Failure;
use super::progress::Progress;
use super::results::{Results, ResultsFile};
use pairing::NodeId;
use protocol::SessionId;

/// Rows of the table on a terminal, which nobody scrolls further back; elsewhere it has all.
const TABLE_ROWS_MAX: usize = 200;

/// Where answers go, and from whom they are.
pub struct Delivery {
    pub peer: NodeId,
    pub output: Option<PathBuf>,
    pub json: bool,
}

impl Delivery {
    /// Shows the answers of `session` and writes them to `file`; `settled`: the mediator gave them.
    ///
    /// # Errors
    /// They could not be written; they were shown, if anybody could see them.
    pub fn deliver(
        &self,
        file: Option<ResultsFile>,
        results: &Results,
        session: &SessionId,
        settled: bool,
        progress: &Progress,
    ) -> Result<(), Failure> {
        if settled {
            progress.say("Settled by the mediator: the peer left after the agreement.");
        }
        // What was learnt is shown even where it cannot be written: the session cannot be run again for it.
        let written = file.map_or(Ok(()), |file| results.write(&file));
        self.show(results, session, settled)
            .map_err(|error| Failure::failed(format!("stdout: {error}")))?;
        written?;
        if let Some(path) = &self.output {
            progress.say(format!("The answers are in {}.", path.display()));
        }
        Ok(())
    }

    fn show(&self, results: &Results, session: &SessionId, settled: bool) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            let mut json = results.to_json();
            json["peer"] = self.peer.to_string().into();
            json["session"] = hex::encode(session.0).into();
            json["ended"] = if settled { "settled" } else { "released" }.into();
            serde_json::to_writer_pretty(&mut out, &json)?;
            return writeln!(out);
        }
        let rows_max = if out.is_terminal() {
            TABLE_ROWS_MAX
        } else {
            usize::MAX
        };
        writeln!(out, "{}", results.table(rows_max))?;
        writeln!(out, "{}", results.count_line())
    }
}
