//! List files on the command line: how they are opened, and how their columns are mapped.

use std::fs::File;
use std::path::Path;

use crate::cli::Failure;
use identity::list::{self, ListOptions};
use identity::{Field, List, ListKind, Schema};

/// How to read the lists given to a subcommand.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct ListArgs {
    /// Say which header a field has where tacit does not know it; repeat for more fields
    #[arg(long = "column", value_name = "FIELD=HEADER", value_parser = column)]
    pub columns: Vec<(Field, String)>,

    /// The match schema; both sides must use the same
    #[arg(long, value_name = "NAME", value_parser = schema)]
    pub schema: Option<Schema>,
}

impl ListArgs {
    /// The schema that was asked for, or the one that is best.
    pub fn schema(&self) -> Schema {
        self.schema.unwrap_or_default()
    }

    /// Options for reading, with today's date by the system's clock and time zone.
    pub fn options(&self, kind: ListKind, carry_columns: bool) -> ListOptions {
        ListOptions {
            columns: self.columns.clone(),
            carry_columns,
            ..ListOptions::new(kind, today())
        }
    }

    /// Reads a list whole; `progress` hears how many rows were read.
    ///
    /// # Errors
    /// A file that cannot be opened, or that is no list. Bad rows are in the list's report.
    pub fn read(
        &self,
        path: &Path,
        options: &ListOptions,
        progress: impl FnMut(u32),
    ) -> Result<List, Failure> {
        let file = open(path)?;
        list::read(file, self.schema(), options, progress)
            .map_err(|error| Failure::list(path, &error))
    }
}

/// Opens a list file.
///
/// # Errors
/// A file that is not there, is a directory, or may not be read.
pub fn open(path: &Path) -> Result<File, Failure> {
    let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
    let is_file = file
        .metadata()
        .map_err(|error| Failure::file(path, &error))?
        .is_file();
    if is_file {
        return Ok(file);
    }
    Err(Failure::bad_input(
        format!("{}: this is not a file", path.display()),
        "give the path of a CSV, XLSX or JSON lines file; a pipe cannot be read twice, so save it first",
    ))
}

/// Today, by the system's clock and time zone.
pub fn today() -> jiff::civil::Date {
    jiff::ZonedDateTime::now().date()
}

fn column(text: &str) -> Result<(Field, String), String> {
    let (name, header) = text
        .split_once('=')
        .ok_or("write FIELD=HEADER, as in family_name=\"Name 1\"")?;
    let field = Field::named(name.trim()).ok_or_else(|| {
        let names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
        format!("no field {:?}; there are {}", name.trim(), names.join(", "))
    })?;
    if header.trim().is_empty() {
        return Err("the header is empty".to_owned());
    }
    Ok((field, header.trim().to_owned()))
}

fn schema(text: &str) -> Result<Schema, String> {
    Schema::named(text).ok_or_else(|| {
        let names: Vec<&str> = Schema::ALL.iter().map(|schema| schema.name()).collect();
        format!("no such schema; there are {}", names.join(", "))
    })
}
