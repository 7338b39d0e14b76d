//! `tacit check`: how each row of a list is read, and what is wrong or doubtful with it.
//!
//! Prints readings of the user's own file to stdout, which is its purpose; nothing is logged.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cli::list_file::{ListArgs, open};
use crate::cli::{Exit, Failure};
use identity::list::{self, ScannedRow};
use identity::{Field, KeyKind, ListError, ListKind, ListReport, RowIssue, Severity};

/// Check a list: how every row is read, with errors and warnings by line and column
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  tacit check held.csv\n  tacit check requested.xlsx --issues-only\n  \
                        tacit check list.csv --column family_name=\"Name 1\" --json\n\n\
                        Exit code: 0 clean, 7 warnings only, 2 errors or a file that is no list."
)]
pub struct Args {
    /// The list: CSV (UTF-8, UTF-16, windows-1251), XLSX or JSON lines
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Show only rows with errors or warnings
    #[arg(long)]
    pub issues_only: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub list: ListArgs,
}

/// Reads a list and prints how.
///
/// # Errors
/// A file that cannot be read as a list at all.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let stdout = io::stdout().lock();
    let mut out = BufWriter::new(stdout);
    match print(args, &mut out) {
        Ok(report) => Ok(exit(&report)),
        Err(PrintError::Failure(failure)) => Err(failure),
        // Whoever read our output has seen enough.
        Err(PrintError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Exit::Clean)
        }
        Err(PrintError::Output(error)) => Err(Failure::bad_input(
            format!("stdout: {error}"),
            "is the disk full?",
        )),
    }
}

fn exit(report: &ListReport) -> Exit {
    if report.rows_with_errors > 0 {
        Exit::BadInput
    } else if report.rows_with_warnings > 0 {
        Exit::Warnings
    } else {
        Exit::Clean
    }
}

/// Why printing stopped: the list, or whoever reads the output.
enum PrintError {
    Failure(Failure),
    Output(io::Error),
}

impl From<io::Error> for PrintError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn print(args: &Args, out: &mut impl Write) -> Result<ListReport, PrintError> {
    let schema = args.list.schema();
    let file = open(&args.file).map_err(PrintError::Failure)?;
    // Begun with the first row, so that a file that is no list prints nothing.
    let opening = format!("{{\"schema\":{},\"rows\":[\n", json!(schema.name()));
    let mut written = Ok(());
    let mut first = true;
    let scanned = list::scan(
        file,
        schema,
        &args.list.options(ListKind::Requested, false),
        |row| {
            if written.is_err() || args.issues_only && row.issues.is_empty() {
                return;
            }
            written = if args.json {
                let before = if first { opening.as_str() } else { ",\n" };
                write!(out, "{before}{}", row_json(&row))
            } else {
                write_row(out, &row)
            };
            first = false;
        },
    );
    written?;
    let (columns, report) =
        scanned.map_err(|error| PrintError::Failure(Failure::list(&args.file, &error)))?;
    if report.rows == 0 {
        return Err(PrintError::Failure(Failure::list(
            &args.file,
            &ListError::NoRows,
        )));
    }
    let known: Vec<(Field, &str)> = Field::ALL
        .into_iter()
        .filter(|field| columns.index_of(*field).is_some())
        .map(|field| (field, columns.header_of(field)))
        .collect();
    if args.json {
        let known: serde_json::Map<String, Value> = known
            .iter()
            .map(|(field, header)| (field.name().to_owned(), json!(header)))
            .collect();
        if first {
            write!(out, "{opening}")?;
        }
        writeln!(
            out,
            "],\n\"columns\":{},\n\"summary\":{}}}",
            Value::Object(known),
            summary_json(&report)
        )?;
    } else {
        write_summary(out, &known, &report)?;
    }
    out.flush()?;
    Ok(report)
}

/// One row for people: who it is, what is folded of it, which keys it gives, what is wrong.
fn write_row(out: &mut impl Write, row: &ScannedRow) -> io::Result<()> {
    let record = &row.record;
    write!(out, "line {}  {}", row.line, or_dash(&row.record_id))?;
    let family: Vec<&str> = record
        .family
        .iter()
        .map(|family| family.word.as_str())
        .collect();
    let birth = record
        .birth
        .map(|birth| birth.to_string())
        .unwrap_or_default();
    let words = [
        family.join(" / "),
        record.given_word.clone(),
        record.patronymic_word.clone(),
        birth,
    ];
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| !word.is_empty())
        .collect();
    writeln!(out, "  {}", or_dash(&words.join(" · ")))?;
    let folds: Vec<&str> = record
        .family
        .iter()
        .map(|family| family.skeleton.as_str())
        .collect();
    let mut parts = vec![folds.join(" / ")];
    parts.extend(record.given_part().map(str::to_owned));
    parts.extend(record.patronymic_part().map(str::to_owned));
    writeln!(
        out,
        "    folds {}  keys {}",
        or_dash(&parts.join(" · ")),
        or_dash(&kinds(row).join(" "))
    )?;
    for issue in &row.issues {
        writeln!(out, "    {}", described(issue))?;
    }
    Ok(())
}

/// An issue for people: "error, date_of_birth: the date cannot be read".
fn described(issue: &RowIssue) -> String {
    let severity = severity_name(issue.reason.severity());
    match issue.field {
        Some(field) => format!("{severity}, {}: {}", field.name(), issue.reason),
        None => format!("{severity}: {}", issue.reason),
    }
}

fn write_summary(
    out: &mut impl Write,
    known: &[(Field, &str)],
    report: &ListReport,
) -> io::Result<()> {
    writeln!(out, "\n{}", report.format)?;
    let columns: Vec<String> = known
        .iter()
        .map(|(field, header)| {
            if field.name() == *header {
                field.name().to_owned()
            } else {
                format!("{} ({header})", field.name())
            }
        })
        .collect();
    writeln!(out, "columns: {}", columns.join(", "))?;
    for (code, count) in &report.counts {
        writeln!(out, "  {count:>7}  {}", code.replace('_', " "))?;
    }
    writeln!(
        out,
        "{} rows: {} used, {} with errors ({} left out), {} with warnings; {} look like an earlier row's person",
        report.rows,
        report.people,
        report.rows_with_errors,
        report.rows_left_out,
        report.rows_with_warnings,
        report.people_twice
    )
}

fn row_json(row: &ScannedRow) -> Value {
    let record = &row.record;
    let family: Vec<Value> = record
        .family
        .iter()
        .map(|family| json!({ "word": family.word, "phonemes": family.phonemes, "skeleton": family.skeleton }))
        .collect();
    let issues: Vec<Value> = row
        .issues
        .iter()
        .map(|issue| {
            json!({
                "severity": severity_name(issue.reason.severity()),
                "column": issue.field.map(Field::name),
                "code": issue.reason.code(),
                "message": issue.reason.to_string(),
            })
        })
        .collect();
    json!({
        "line": row.line,
        "record_id": &*row.record_id,
        "used": row.is_used(),
        "family": family,
        "given": { "word": record.given_word, "class": record.given_part() },
        "patronymic": { "word": record.patronymic_word, "class": record.patronymic_part() },
        "date_of_birth": record.birth.map(|birth| birth.to_string()),
        "document_number": record.document,
        "service_number": record.service,
        "tax_id": record.tax,
        "keys": kinds(row),
        "issues": issues,
    })
}

fn summary_json(report: &ListReport) -> Value {
    json!({
        "format": report.format,
        "rows": report.rows,
        "used": report.people,
        "rows_with_errors": report.rows_with_errors,
        "rows_left_out": report.rows_left_out,
        "rows_with_warnings": report.rows_with_warnings,
        "people_twice": report.people_twice,
        "counts": report.counts,
    })
}

/// The kinds of keys a row gives, each once.
fn kinds(row: &ScannedRow) -> Vec<&'static str> {
    let mut kinds: Vec<KeyKind> = row.keys.iter().map(|(kind, _)| *kind).collect();
    kinds.dedup();
    kinds.into_iter().map(KeyKind::label).collect()
}

const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "—" } else { text }
}
