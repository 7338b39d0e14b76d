//! `tacit audit`: what happened on a node, checked and exported.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use tempfile::NamedTempFile;

use super::node_link::{NodeArgs, refusal, strange};
use super::{Exit, Failure, output};
use admin::{AuditVerdict, SessionNumber};
use client::Newest;
use pairing::NodeId;
use store::audit::Head;
use store::audit::export::{self, ExportError};

/// Bytes of a file with a head, at most: one line, or a whole export's last one.
const HEAD_FILE_BYTES_MAX: u64 = 64 << 20;

/// Read, check and export a node's audit log; it names nobody
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    entries: EntriesArgs,
}

const EXAMPLES: &str = "\
Examples:
  tacit audit                                    the newest entries, a line of JSON each
  tacit audit export 2026-11.log                 a file to keep elsewhere
  tacit audit verify                             has the node check its log
  tacit audit verify 2026-12.log --earlier 2026-11.log    checks a file without the node

Exit code: 0 done, and the log holds; 2 bad input; 3 refused; 4 the log does not hold; 5 the node cannot be reached.";

#[derive(clap::Args, Debug)]
struct EntriesArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// How many entries, 200 at most
    #[arg(long, value_name = "COUNT", default_value = "50", value_parser = clap::value_parser!(u32).range(1..=200))]
    last: u32,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Check the log: the node's own, or a file that was exported
    #[command(after_help = "Example:\n  tacit audit verify 2026-12.log --earlier 2026-11.log")]
    Verify(VerifyArgs),
    /// Write the whole log to a file
    #[command(after_help = "Example:\n  tacit audit export 2026-11.log")]
    Export(ExportArgs),
    /// Write the receipt of a session to a file: what both sides signed
    #[command(after_help = "Example:\n  tacit audit receipt 12 session-12.receipt")]
    Receipt(ReceiptArgs),
}

#[derive(clap::Args, Debug)]
struct VerifyArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// A file that tacit audit export wrote; without one the running node checks its own log
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// A file that was exported earlier and kept elsewhere, or its last line: the log must go on from it
    #[arg(long, value_name = "FILE")]
    earlier: Option<PathBuf>,

    /// Whose log it must be
    #[arg(long, value_name = "ID", requires = "file")]
    of: Option<NodeId>,
}

#[derive(clap::Args, Debug)]
struct ExportArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// Where to write it; never over another file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(clap::Args, Debug)]
struct ReceiptArgs {
    #[command(flatten)]
    node: NodeArgs,

    /// The session's number
    session: i64,

    /// Where to write it; never over another file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the subcommand.
///
/// # Errors
/// A log that does not hold, bad input, or a node that is not there or refuses.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        None => entries(&args.entries),
        Some(Command::Verify(args)) => verify(args),
        Some(Command::Export(args)) => exported(args),
        Some(Command::Receipt(args)) => {
            let node = args.node.connect()?;
            let session = SessionNumber::new(args.session);
            let receipt = node.ask(node.client().receipt(session))?;
            let mut file = Whole::at(&args.file)?;
            file.write(&receipt)?;
            file.finish()?;
            Ok(Exit::Clean)
        }
    }
}

fn entries(args: &EntriesArgs) -> Result<Exit, Failure> {
    let node = args.node.connect()?;
    for entry in node.ask(node.client().audit_entries(Newest(args.last)))? {
        output::print(&entry)?;
    }
    Ok(Exit::Clean)
}

fn verify(args: &VerifyArgs) -> Result<Exit, Failure> {
    let earlier = args.earlier.as_deref().map(head).transpose()?;
    let Some(path) = &args.file else {
        let node = args.node.connect()?;
        let earlier = earlier.map(|head| head.to_line());
        return match node.ask(node.client().verify_audit(earlier))? {
            AuditVerdict::Holds { head } => holds(&Head::from_line(&head).map_err(|_| strange())?),
            AuditVerdict::Broken { fault } => Err(broken(&fault)),
        };
    };
    let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
    match export::verify(BufReader::new(file), args.of.as_ref(), earlier.as_ref()) {
        Ok(verified) => {
            output::print(&format!("Node {}", verified.node))?;
            holds(&verified.head)
        }
        Err(ExportError::Fault(fault)) => Err(broken(&fault.to_string())),
        Err(ExportError::Io(error)) => Err(Failure::file(path, &error)),
        Err(ExportError::Store(error)) => Err(super::node_link::failed(&error)),
    }
}

fn holds(head: &Head) -> Result<Exit, Failure> {
    output::print(&format!(
        "The log holds, from its first entry to number {} of {}.",
        head.seq, head.at
    ))?;
    Ok(Exit::Clean)
}

fn broken(fault: &str) -> Failure {
    Failure {
        message: format!("the audit log does not hold: {fault}"),
        hint: Some(
            "keep this file and the store as they are; somebody changed what the node had written"
                .into(),
        ),
        exit: Exit::Misbehaved,
    }
}

/// The head in a file: by itself, or at the end of an export.
fn head(path: &Path) -> Result<Head, Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(HEAD_FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    let last = text.trim_end().lines().last().unwrap_or("");
    Head::from_line(last).map_err(|_| {
        Failure::bad_input(
            format!("{}: there is no head of an audit log in it", path.display()),
            "give a file that tacit audit export wrote, or its last line",
        )
    })
}

fn exported(args: &ExportArgs) -> Result<Exit, Failure> {
    let mut file = Whole::at(&args.file)?;
    let node = args.node.connect()?;
    node.block_on(async {
        let parts = node.client().export_audit().await;
        let mut parts = parts.map_err(|error| refusal(&error))?;
        while let Some(part) = parts.next().await.map_err(|error| refusal(&error))? {
            file.write(&part)?;
        }
        Ok(())
    })?;
    file.finish()?;
    eprintln!(
        "The log is in {}. Keep a copy where nobody of the node's machine can change it.",
        args.file.display()
    );
    Ok(Exit::Clean)
}

/// A file that appears whole or not at all, for its owner alone, and never over another.
struct Whole {
    path: PathBuf,
    out: BufWriter<NamedTempFile>,
}

impl Whole {
    fn at(path: &Path) -> Result<Self, Failure> {
        if std::fs::symlink_metadata(path).is_ok() {
            return Err(Failure::bad_input(
                format!("{}: the file is there already", path.display()),
                "give another path",
            ));
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(folder).map_err(|error| Failure::file(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            out: BufWriter::new(file),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.out.write_all(bytes);
        written.map_err(|error| Failure::file(&self.path, &error))
    }

    fn finish(self) -> Result<(), Failure> {
        let Self { path, out } = self;
        let failed = |error: &std::io::Error| Failure::file(&path, error);
        let file = out.into_inner().map_err(|error| failed(error.error()))?;
        file.as_file().sync_all().map_err(|error| failed(&error))?;
        file.persist_noclobber(&path)
            .map(drop)
            .map_err(|error| failed(&error.error))
    }
}
