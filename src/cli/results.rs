//! Results of a session: a table for eyes, and files to work through.
//!
//! Every requested record that was asked about has one row: its id, the answer, the kinds of keys
//! that matched, then the requester's own columns. Strong answers come first, then those to
//! confirm, possible ones, and the rest. Files appear whole or not at all, readable by their owner
//! alone, and never over another file unless that is asked for.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rust_xlsxwriter::{Format, Workbook, XlsxError};
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use crate::cli::Failure;
use crate::cli::table::{self, printable};
use identity::grade::PersonAnswer;
use identity::{Answer, Field, KeyKind, List, Person};

/// The columns that every results file begins with; the last where several peers may have answered.
const OWN_COLUMNS: [&str; 4] = ["record_id", "answer", "keys", "peer"];
const NAME_FIELDS: [Field; 4] = [
    Field::FullName,
    Field::FamilyName,
    Field::GivenName,
    Field::Patronymic,
];
/// The rows and columns a sheet can have, its header among them.
const SHEET_ROWS_MAX: usize = 1_048_576;

/// What a results file is, by the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultsFormat {
    Csv,
    Xlsx,
    Json,
}

/// A results file that may be written: its name says its format, and nothing is in the way.
#[derive(Debug, Clone)]
pub struct ResultsFile {
    path: PathBuf,
    format: ResultsFormat,
    force: bool,
}

impl ResultsFile {
    /// Checks, before a session begins, that results can be written to `path` at its end.
    ///
    /// # Errors
    /// An unknown ending, no such directory, or a file that is there already while `force` is not given.
    pub fn at(path: &Path, force: bool) -> Result<Self, Failure> {
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .map(str::to_ascii_lowercase);
        let format = match ending.as_deref() {
            Some("csv") => ResultsFormat::Csv,
            Some("xlsx") => ResultsFormat::Xlsx,
            Some("json") => ResultsFormat::Json,
            _ => {
                return Err(Failure::bad_input(
                    format!("{}: results of which format?", path.display()),
                    "end the name with .csv, .xlsx or .json",
                ));
            }
        };
        let directory = directory(path);
        if !directory.is_dir() {
            return Err(Failure::bad_input(
                format!("{}: there is no such directory", directory.display()),
                "make it first, or give another path",
            ));
        }
        let there = std::fs::symlink_metadata(path);
        if there.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
            return Err(Failure::bad_input(
                format!("{}: this is a directory", path.display()),
                "give a file's path",
            ));
        }
        if there.is_ok() && !force {
            return Err(already_there(path));
        }
        Ok(Self {
            path: path.to_owned(),
            format,
            force,
        })
    }
}

fn directory(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn already_there(path: &Path) -> Failure {
    Failure::bad_input(
        format!("{}: the file is there already", path.display()),
        "give another path, or --force",
    )
}

/// One answer about one record.
#[derive(Clone, Copy)]
pub struct ResultRow<'a> {
    pub person: &'a Person,
    /// `None` where the record has not been asked about yet.
    pub answer: Option<Answer>,
    pub kinds: &'a [KeyKind],
    /// Who answers, where several peers do.
    pub peer: Option<&'a str>,
}

/// Answers about the people of a requested list, in order.
pub struct Results<'a> {
    /// The headers as the list has them.
    header: &'a [String],
    /// Which column is the record's id, and which ones are its name.
    id: Option<usize>,
    name: Vec<usize>,
    schema: Option<&'static str>,
    left_out: u32,
    /// Sorted by answer.
    rows: Vec<ResultRow<'a>>,
    /// Whether several peers may have answered.
    of_peers: bool,
}

impl<'a> Results<'a> {
    /// Puts answers beside the list they are about: `answers[i]` is of `list.people[i]`.
    pub fn new(list: &'a List, answers: &'a [PersonAnswer]) -> Self {
        let rows = list.people.iter().zip(answers);
        let rows = rows.map(|(person, answer)| ResultRow {
            person,
            answer: Some(answer.answer),
            kinds: &answer.kinds,
            peer: None,
        });
        let place = |field| list.columns.index_of(field);
        Self {
            header: list.header(),
            id: place(Field::RecordId),
            name: NAME_FIELDS.into_iter().filter_map(place).collect(),
            schema: Some(list.schema.name()),
            left_out: list.report.rows_left_out,
            rows: sorted(rows.collect()),
            of_peers: false,
        }
    }

    /// Answers of several peers about records whose cells have these headers.
    pub fn of_peers(header: &'a [String], rows: Vec<ResultRow<'a>>) -> Self {
        let place = |field| {
            header
                .iter()
                .position(|name| Field::of_header(name) == Some(field))
        };
        Self {
            header,
            id: place(Field::RecordId),
            name: NAME_FIELDS.into_iter().filter_map(place).collect(),
            schema: None,
            left_out: 0,
            rows: sorted(rows),
            of_peers: true,
        }
    }

    /// How many rows have an answer.
    pub fn count(&self, answer: Answer) -> usize {
        self.count_of(Some(answer))
    }

    fn count_of(&self, answer: Option<Answer>) -> usize {
        self.rows.iter().filter(|row| row.answer == answer).count()
    }

    /// One line: "14 asked about: 7 strong, 0 to confirm, 2 possible, 5 not held".
    pub fn count_line(&self) -> String {
        let left_out = match self.left_out {
            0 => String::new(),
            count => format!("; {count} rows with errors were not asked about"),
        };
        let waiting = match self.count_of(None) {
            0 => String::new(),
            count => format!("; {count} not asked about yet"),
        };
        format!(
            "{} asked about: {} strong, {} to confirm, {} possible, {} not found{left_out}{waiting}",
            self.rows.len() - self.count_of(None),
            self.count(Answer::Strong),
            self.count(Answer::Confirm),
            self.count(Answer::Possible),
            self.count(Answer::None),
        )
    }

    /// A table for eyes: id, answer, keys and the name, at most `rows_max` rows; the file has all.
    pub fn table(&self, rows_max: usize) -> String {
        let mut table = match self.of_peers {
            true => table::with_header(["record_id", "answer", "keys", "peer", "name"]),
            false => table::with_header(["record_id", "answer", "keys", "name"]),
        };
        for row in self.rows.iter().take(rows_max) {
            let mut cells = vec![
                printable(&row.person.record_id),
                answer_name(row.answer).to_owned(),
                keys(row.kinds),
            ];
            cells.extend(row.peer.filter(|_| self.of_peers).map(printable));
            cells.push(self.name(row.person));
            table.add_row(cells);
        }
        let hidden = self.rows.len().saturating_sub(rows_max);
        if hidden == 0 {
            table.to_string()
        } else {
            format!("{table}\nand {hidden} rows more; the file of --output has them all")
        }
    }

    /// The results as JSON: counts, then one object a record with the requester's own columns under `record`.
    pub fn to_json(&self) -> Value {
        let records: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let own: Map<String, Value> = self
                    .header
                    .iter()
                    .enumerate()
                    .map(|(place, name)| (name.clone(), json!(cell(row.person, place))))
                    .collect();
                let keys: Vec<&str> = row.kinds.iter().map(|kind| kind.label()).collect();
                let mut record = json!({
                    "record_id": &*row.person.record_id, "answer": answer_name(row.answer),
                    "keys": keys, "line": row.person.line, "record": own,
                });
                if self.of_peers {
                    record["peer"] = json!(row.peer);
                }
                record
            })
            .collect();
        let counts: Map<String, Value> = Answer::ALL
            .into_iter()
            .map(|answer| (answer.name().to_owned(), json!(self.count(answer))))
            .collect();
        let waiting = self.count_of(None);
        let mut results = json!({
            "asked": self.rows.len() - waiting,
            "not_asked": self.left_out as usize + waiting,
            "counts": counts,
            "results": records,
        });
        if let Some(schema) = self.schema {
            results["schema"] = schema.into();
        }
        results
    }

    /// Prints the results as CSV.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_csv(&self, out: &mut impl Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(self.header().iter().map(|name| for_spreadsheet(name)))?;
        for row in &self.rows {
            writer.write_record(self.cells(row).map(|cell| for_spreadsheet(&cell)))?;
        }
        writer.flush()
    }

    /// Writes the results: whole, for the owner alone, and never over a file that came there in between.
    ///
    /// # Errors
    /// A file that cannot be written, or is there already.
    pub fn write(&self, file: &ResultsFile) -> Result<(), Failure> {
        let path = &file.path;
        let failed = |error: io::Error| Failure::file(path, &error);
        // Mode 0600 from the beginning.
        let mut temporary = NamedTempFile::new_in(directory(path)).map_err(failed)?;
        let mut out = BufWriter::new(temporary.as_file_mut());
        match file.format {
            ResultsFormat::Csv => self.write_csv(&mut out),
            ResultsFormat::Xlsx => self.write_xlsx(&mut out),
            ResultsFormat::Json => serde_json::to_writer_pretty(&mut out, &self.to_json())
                .map_err(io::Error::from)
                .and_then(|()| out.write_all(b"\n")),
        }
        .and_then(|()| out.flush())
        .map_err(failed)?;
        drop(out);
        temporary.as_file().sync_all().map_err(failed)?;
        let persisted = if file.force {
            temporary.persist(path)
        } else {
            temporary.persist_noclobber(path)
        };
        persisted
            .map(|_| ())
            .map_err(|error| match error.error.kind() {
                io::ErrorKind::AlreadyExists => already_there(path),
                _ => failed(error.error),
            })
    }

    /// Every cell as text, so that no program reads a formula, a date or a number into it.
    fn write_xlsx(&self, out: &mut (impl Write + io::Seek + Send)) -> io::Result<()> {
        if self.rows.len() >= SHEET_ROWS_MAX {
            return Err(io::Error::other(
                "more rows than a sheet can have; write .csv or .json",
            ));
        }
        let mut workbook = Workbook::new();
        let sheet = workbook.add_worksheet();
        sheet.set_name("results").map_err(sheet_error)?;
        let bold = Format::new().set_bold();
        for (column, name) in (0_u16..).zip(self.header()) {
            sheet
                .write_string_with_format(0, column, name, &bold)
                .map_err(sheet_error)?;
        }
        for (row, result) in (1_u32..).zip(&self.rows) {
            for (column, text) in (0_u16..).zip(self.cells(result)) {
                // A sheet's cell holds 32,767 characters.
                let text: String = text.chars().take(32_767).collect();
                sheet.write_string(row, column, text).map_err(sheet_error)?;
            }
        }
        sheet.set_freeze_panes(1, 0).map_err(sheet_error)?;
        workbook.save_to_writer(out).map_err(sheet_error)
    }

    /// A row of a file.
    fn cells<'r>(&'r self, row: &'r ResultRow<'a>) -> impl Iterator<Item = Cow<'r, str>> {
        let ours = [
            Cow::Borrowed(&*row.person.record_id),
            Cow::Borrowed(answer_name(row.answer)),
            Cow::Owned(keys(row.kinds)),
        ];
        let peer = self.of_peers.then(|| Cow::Borrowed(row.peer.unwrap_or("")));
        let own = self
            .carried()
            .map(|place| Cow::Borrowed(cell(row.person, place)));
        ours.into_iter().chain(peer).chain(own)
    }

    /// The requester's own columns that are carried through: all but the record id.
    fn carried(&self) -> impl Iterator<Item = usize> {
        let id = self.id;
        (0..self.header.len()).filter(move |place| Some(*place) != id)
    }

    /// Our columns, then the requester's; one that is named like ours gets "(list)" behind it.
    fn header(&self) -> Vec<String> {
        let ours = match self.of_peers {
            true => &OWN_COLUMNS[..],
            false => &OWN_COLUMNS[..3],
        };
        let own = self.carried().map(|place| {
            let name = &self.header[place];
            if ours.contains(&name.as_str()) {
                format!("{name} (list)")
            } else {
                name.clone()
            }
        });
        let ours = ours.iter().map(|name| (*name).to_owned());
        ours.chain(own).collect()
    }

    fn name(&self, person: &Person) -> String {
        let words = self
            .name
            .iter()
            .map(|place| printable(cell(person, *place)));
        let words: Vec<String> = words.filter(|word| !word.trim().is_empty()).collect();
        words.join(" ")
    }
}

/// Strong answers first; within one answer the list's own order stays.
fn sorted(mut rows: Vec<ResultRow>) -> Vec<ResultRow> {
    rows.sort_by_key(|row| (row.answer.is_none(), row.answer));
    rows
}

fn answer_name(answer: Option<Answer>) -> &'static str {
    answer.map_or("not asked yet", Answer::name)
}

fn sheet_error(error: XlsxError) -> io::Error {
    match error {
        XlsxError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

fn cell(person: &Person, place: usize) -> &str {
    person
        .columns
        .as_ref()
        .and_then(|cells| cells.cell(place))
        .unwrap_or("")
}

fn keys(kinds: &[KeyKind]) -> String {
    let labels: Vec<&str> = kinds.iter().map(|kind| kind.label()).collect();
    labels.join(" ")
}

/// A cell that a spreadsheet program will not take for a formula.
///
/// One that begins with `=`, `@`, tab or carriage return, or with `+` or `-` and is not a plain
/// number, gets an apostrophe before it; so does one that already begins with an apostrophe and
/// such a sign, so that taking one apostrophe away always gives back what the list had.
fn for_spreadsheet(text: &str) -> String {
    if is_risky(text.trim_start_matches('\'')) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn is_risky(text: &str) -> bool {
    let mut letters = text.chars();
    match letters.next() {
        Some('=' | '@' | '\t' | '\r') => true,
        Some('+' | '-') => !letters
            .all(|letter| letter.is_ascii_digit() || matches!(letter, ' ' | '.' | ',' | '(' | ')')),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use identity::list::{self, ListOptions};
    use identity::{ListKind, Schema};

    fn list() -> List {
        let text = "id,surname,name,dob,answer,note\n1,Бойко,Іван,1990-02-03,a,=1+1\n2,Кравець,Петро,1991-03-04,b,+380 50\n3,Мельник,Юрій,1992-05-06,c,\"x, y\"\n";
        let options = ListOptions {
            carry_columns: true,
            ..ListOptions::new(ListKind::Requested, jiff::civil::date(2026, 1, 1))
        };
        list::read(Cursor::new(text), Schema::default(), &options, |_| {}).unwrap()
    }

    fn answers() -> Vec<PersonAnswer> {
        vec![
            PersonAnswer {
                answer: Answer::None,
                kinds: vec![],
            },
            PersonAnswer {
                answer: Answer::Possible,
                kinds: vec![KeyKind::N4],
            },
            PersonAnswer {
                answer: Answer::Strong,
                kinds: vec![KeyKind::N1, KeyKind::N2],
            },
        ]
    }

    #[test]
    fn results_are_sorted_and_carry_the_requesters_columns() {
        let (list, answers) = (list(), answers());
        let mut out = Vec::new();
        Results::new(&list, &answers).write_csv(&mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "record_id,answer,keys,surname,name,dob,answer (list),note\n\
             3,strong,N1 N2,Мельник,Юрій,1992-05-06,c,\"x, y\"\n\
             2,possible,N4,Кравець,Петро,1991-03-04,b,+380 50\n\
             1,none,,Бойко,Іван,1990-02-03,a,'=1+1\n"
        );
    }

    #[test]
    fn a_results_file_is_never_overwritten_unless_forced() {
        let (list, answers) = (list(), answers());
        let results = Results::new(&list, &answers);
        let directory = tempfile::tempdir().unwrap();
        for name in ["r.csv", "r.xlsx", "r.json"] {
            let path = directory.path().join(name);
            let file = ResultsFile::at(&path, false).unwrap();
            results.write(&file).unwrap();
            assert!(results.write(&file).is_err(), "{name} is there now");
            assert!(ResultsFile::at(&path, false).is_err());
            results
                .write(&ResultsFile::at(&path, true).unwrap())
                .unwrap();
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                assert_eq!(
                    std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                    0o600
                );
            }
        }
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            3,
            "no temporary file is left"
        );
        assert!(ResultsFile::at(&directory.path().join("r.txt"), false).is_err());
        assert!(ResultsFile::at(&directory.path().join("no/r.csv"), false).is_err());
    }

    #[test]
    fn a_workbook_of_results_is_read_back_as_it_was() {
        let (list, answers) = (list(), answers());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("r.xlsx");
        Results::new(&list, &answers)
            .write(&ResultsFile::at(&path, false).unwrap())
            .unwrap();
        let options = ListOptions {
            carry_columns: true,
            ..ListOptions::new(ListKind::Requested, jiff::civil::date(2026, 1, 1))
        };
        let again = list::read(
            std::fs::File::open(&path).unwrap(),
            Schema::default(),
            &options,
            |_| {},
        )
        .unwrap();
        assert_eq!(again.people.len(), 3);
        assert_eq!(
            again.people[2].columns.as_ref().unwrap().iter().last(),
            Some("=1+1")
        );
    }

    #[test]
    fn cells_are_safe_in_a_spreadsheet_and_come_back_by_taking_one_apostrophe_away() {
        for (cell, written) in [
            ("=cmd|x", "'=cmd|x"),
            ("@sum", "'@sum"),
            ("+1-cmd", "'+1-cmd"),
            ("-", "-"),
            ("-12,5", "-12,5"),
            ("'=x", "''=x"),
            ("О'Коннор", "О'Коннор"),
        ] {
            assert_eq!(for_spreadsheet(cell), written);
        }
    }

    #[test]
    fn the_count_line_says_every_answer() {
        let (list, answers) = (list(), answers());
        let results = Results::new(&list, &answers);
        assert_eq!(
            results.count_line(),
            "3 asked about: 1 strong, 0 to confirm, 1 possible, 1 not found"
        );
        assert!(results.table(200).contains("Мельник Юрій"));
        assert_eq!(results.to_json()["results"][0]["record_id"], "3");
    }
}
