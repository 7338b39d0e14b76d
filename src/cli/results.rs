//! The answers for a requested list: a table for eyes, CSV and JSON for programs.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::{Exit, Failure};
use crate::exchange::SessionId;
use crate::identity::grade::PersonAnswer;
use crate::identity::{Answer, List};
use crate::pairing::NodeId;

/// What a session gave, ready to be shown.
pub struct Results<'a> {
    pub list: &'a List,
    pub answers: &'a [PersonAnswer],
    pub peer: NodeId,
    pub session: SessionId,
}

pub fn check_output(path: &Path, force: bool) -> Result<(), Failure> {
    if path.exists() && !force {
        return Err(Failure::bad_input(
            format!("{}: the file is there already", path.display()),
            "name another file, or overwrite it with --force",
        ));
    }
    Ok(())
}

impl Results<'_> {
    pub fn write(&self, path: &Path, force: bool) -> Result<(), Failure> {
        check_output(path, force)?;
        let mut out = String::from("record_id,answer,keys\n");
        for (person, answer) in self.list.people.iter().zip(self.answers) {
            out += &format!(
                "{},{},{}\n",
                person.record_id,
                answer.answer.name(),
                keys(answer)
            );
        }
        std::fs::write(path, out).map_err(|error| Failure::file(path, &error))
    }

    pub fn print(&self, as_json: bool, _output: Option<&Path>) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        let found = self
            .answers
            .iter()
            .filter(|a| a.answer != Answer::None)
            .count();
        let result = if as_json {
            let answers: Vec<_> = self.list.people.iter().zip(self.answers)
                .map(|(p, a)| json!({"record_id": p.record_id, "answer": a.answer.name(), "keys": keys(a)})).collect();
            writeln!(
                out,
                "{}",
                json!({"peer": self.peer.to_string(), "answers": answers})
            )
        } else {
            for (p, a) in self.list.people.iter().zip(self.answers) {
                let _ = writeln!(out, "{} {} {}", p.record_id, a.answer.name(), keys(a));
            }
            writeln!(out, "{found} of {} found", self.answers.len())
        };
        result.map_err(|error| Failure {
            message: error.to_string(),
            hint: None,
            exit: Exit::Failed,
        })
    }
}

fn keys(answer: &PersonAnswer) -> String {
    answer
        .kinds
        .iter()
        .map(|kind| kind.label())
        .collect::<Vec<_>>()
        .join(" ")
}
