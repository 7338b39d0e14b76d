//! `tacit schema`: what two sides must have alike for their lists to meet, and its digest.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cli::{Exit, Failure, output, table};
use identity::schema::{RULES, data_files, unicode_version};
use identity::{KeyKind, Schema};

/// Show the match schemas, their keys and digests: what both sides must agree on
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  tacit schema\n  tacit schema persons-v1 --json\n  tacit schema --data DIR\n\n\
                        Two nodes can match only with the same schema of the same digest."
)]
pub struct Args {
    /// One schema; without it all are listed, and the default one is shown
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Write the data files under the digest into this directory, to read or compare
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Prints one schema, and the names and digests of all.
///
/// # Errors
/// An unknown schema, or a directory that cannot be written to.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let schema = match &args.name {
        None => Schema::default(),
        Some(name) => Schema::named(name).ok_or_else(|| {
            let names: Vec<&str> = Schema::ALL.iter().map(|schema| schema.name()).collect();
            Failure::bad_input(
                format!("no schema {name:?}"),
                format!("there are {}", names.join(", ")),
            )
        })?,
    };
    if let Some(directory) = &args.data {
        write_data(directory)?;
    }
    let text = if args.json {
        to_json(schema).to_string()
    } else {
        to_text(schema)
    };
    output::print(&text)?;
    Ok(Exit::Clean)
}

fn write_data(directory: &PathBuf) -> Result<(), Failure> {
    std::fs::create_dir_all(directory).map_err(|error| Failure::file(directory, &error))?;
    for (name, text) in data_files() {
        let path = directory.join(name);
        let file =
            std::fs::File::create_new(&path).map_err(|error| Failure::file(&path, &error))?;
        std::io::Write::write_all(&mut &file, text.as_bytes())
            .map_err(|error| Failure::file(&path, &error))?;
    }
    Ok(())
}

fn to_text(schema: Schema) -> String {
    let mut out = String::new();
    for other in Schema::ALL {
        let mark = if other == Schema::default() {
            "  (default)"
        } else {
            ""
        };
        let _ = writeln!(out, "{}  {}{mark}", other.name(), hex(&other.digest()));
    }
    let mut keys = table::with_header(["key", "class", "grade", "parts"]);
    for kind in schema.kinds() {
        keys.add_row([
            kind.label().to_owned(),
            kind.class().name().to_owned(),
            kind.grade().name().to_owned(),
            parts(*kind).join(", "),
        ]);
    }
    let _ = writeln!(
        out,
        "\n{}: {RULES}, {}\n{keys}\n",
        schema.name(),
        unicode_version()
    );
    let _ = write!(
        out,
        "The digest covers name, rules, Unicode version, keys and these data files:"
    );
    for (name, text) in data_files() {
        let _ = write!(
            out,
            "\n  {name}  {} lines, {} bytes",
            text.lines().count(),
            text.len()
        );
    }
    out
}

fn to_json(schema: Schema) -> Value {
    let keys: Vec<Value> = schema
        .kinds()
        .iter()
        .map(|kind| {
            json!({
                "key": kind.label(), "class": kind.class().name(),
                "grade": kind.grade().name(), "parts": parts(*kind),
            })
        })
        .collect();
    let files: Vec<Value> = data_files()
        .map(|(name, text)| json!({ "name": name, "bytes": text.len() }))
        .collect();
    let schemas: Vec<Value> = Schema::ALL
        .iter()
        .map(|schema| json!({ "name": schema.name(), "digest": hex(&schema.digest()) }))
        .collect();
    json!({
        "name": schema.name(),
        "digest": hex(&schema.digest()),
        "default": Schema::default().name(),
        "rules": RULES,
        "unicode": unicode_version(),
        "keys": keys,
        "data_files": files,
        "schemas": schemas,
    })
}

fn parts(kind: KeyKind) -> Vec<&'static str> {
    kind.parts().iter().map(|part| part.label()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
