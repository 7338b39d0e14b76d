//! `tacit relay`: host a relay with its mediator, and say who may use it.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use serde_json::Value;
use tokio::net::{TcpListener, UnixListener};

use super::home::HomeArgs;
use super::stops::Stops;
use super::{Exit, Failure, output};
use pairing::NodeId;
use relay::mediator::system_clock;
use relay::{Limits, Mediator, Monitoring, Relay, serve};
use store::{self, enrolled};
use transport::server::ACCEPT_PAUSE;

/// The socket in the relay's home on which a running relay tells its status.
const STATUS_SOCKET: &str = "status.sock";
/// For a running relay to tell its status.
const STATUS_WAIT: Duration = Duration::from_secs(10);
/// The status of a relay with all its quotas used up has some 300 KB.
const STATUS_BYTES_MAX: u64 = 4 << 20;

/// Host a relay with its mediator: nodes meet there without open ports, and it settles what one side breaks off
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
To begin with, as a user of its own:
  tacit id                                         make the relay's key
  tacit relay enrol tacit1… tacit1…                let two nodes in, by the ids they gave
  tacit relay descriptor --address relay.example:7448    the string that both delegations paste
  tacit relay run --listen 0.0.0.0:7448            host it";

#[derive(Subcommand, Debug)]
enum Command {
    /// Host the relay until it is told to stop
    Run(RunArgs),
    /// Let nodes in; a running relay takes notice within seconds
    Enrol(NodesArgs),
    /// Let nodes in no longer, and part with them
    Remove(NodesArgs),
    /// List the nodes that are let in
    List(HomeDirArgs),
    /// Show who is connected, the tunnels, and how many sessions were settled
    Status(StatusArgs),
    /// Print the mediator's descriptor, which both delegations paste
    Descriptor(DescriptorArgs),
}

#[derive(clap::Args, Debug)]
struct RunArgs {
    #[command(flatten)]
    home: HomeArgs,

    /// Where nodes connect
    #[arg(long, value_name = "HOST:PORT", default_value = "0.0.0.0:7448")]
    listen: String,

    /// Serve /health and /metrics (Prometheus) here; an address that only this machine reaches
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<String>,

    /// How long open tunnels may go on once the relay is told to stop
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    drain: u64,
}

#[derive(clap::Args, Debug)]
struct HomeDirArgs {
    /// Where the relay keeps its things [default: $XDG_DATA_HOME/tacit or ~/.local/share/tacit]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
struct NodesArgs {
    #[command(flatten)]
    dir: HomeDirArgs,

    /// The nodes' ids
    #[arg(value_name = "ID", required = true)]
    nodes: Vec<NodeId>,
}

#[derive(clap::Args, Debug)]
struct StatusArgs {
    #[command(flatten)]
    dir: HomeDirArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
struct DescriptorArgs {
    #[command(flatten)]
    home: HomeArgs,

    /// Where nodes reach the relay, to be part of the descriptor
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "",
        hide_default_value = true
    )]
    address: String,
}

/// Runs the subcommand.
///
/// # Errors
/// What cannot be read, written or listened on.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Command::Run(args) => host(args),
        Command::Enrol(args) => {
            let added = enrolled::add(&home(&args.dir)?, &args.nodes).map_err(stored)?;
            output::print(&format!("{added} enrolled"))?;
            Ok(Exit::Clean)
        }
        Command::Remove(args) => {
            let removed = enrolled::remove(&home(&args.dir)?, &args.nodes).map_err(stored)?;
            output::print(&format!("{removed} removed"))?;
            Ok(Exit::Clean)
        }
        Command::List(args) => {
            for id in enrolled::load(&home(args)?).map_err(stored)? {
                output::print(&id.to_string())?;
            }
            Ok(Exit::Clean)
        }
        Command::Status(args) => status(args),
        Command::Descriptor(args) => descriptor(args),
    }
}

fn host(args: &RunArgs) -> Result<Exit, Failure> {
    let key = args
        .home
        .load_key()
        .map_err(|error| Failure::home(&error))?;
    let home = store::home_dir(args.home.home.clone()).map_err(stored)?;
    // Ids, counts and durations; a second subscriber could only be a test's.
    let _ = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .try_init();
    let runtime = tokio::runtime::Runtime::new().map_err(|error| failed(&error))?;
    runtime.block_on(async {
        // Before it says that it is ready: whoever reads that may stop it at once.
        let mut stops = Stops::new().map_err(|error| failed(&error))?;
        let listener = bind(&args.listen).await?;
        let metrics = match &args.metrics {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        // Before the status socket: the lock on its database shows that no other relay runs here.
        let relay = Relay::open(&home, Arc::new(key), system_clock(), Limits::default());
        let relay = relay.map_err(|error| failed(&error))?;
        let socket = home.join(STATUS_SOCKET);
        let operators = bind_status_socket(&socket)?;
        eprintln!(
            "{} hosts a relay at {} for {} enrolled nodes.",
            relay.id(),
            args.listen,
            relay.enrolled()
        );
        let monitoring = Monitoring::new(relay.clone());
        let monitored = tokio::spawn(monitor(monitoring, operators, metrics));
        serve(
            relay,
            listener,
            stops.next(),
            Duration::from_secs(args.drain),
        )
        .await;
        monitored.abort();
        let _ = std::fs::remove_file(socket);
        Ok(Exit::Clean)
    })
}

async fn bind(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::bad_input(
            format!("cannot listen at {address}: {error}"),
            "use an address of this machine and a port that is free",
        )
    })
}

/// Makes the status socket, in place of one that a killed relay left: the database's lock has shown
/// that no other relay runs here.
fn bind_status_socket(socket: &Path) -> Result<UnixListener, Failure> {
    let _ = std::fs::remove_file(socket);
    let failed = |error| Failure::file(socket, &error);
    let listener = UnixListener::bind(socket).map_err(failed)?;
    // Until here only the home's own mode kept others out; the status holds ids and counts.
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Serves operators at the socket and, if there is one, at the address for scrapers.
async fn monitor(monitoring: Monitoring, socket: UnixListener, metrics: Option<TcpListener>) {
    let scraper = async || match &metrics {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    };
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => monitoring.serve(stream),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            accepted = scraper() => match accepted {
                Ok((stream, _)) => monitoring.serve(stream),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

fn status(args: &StatusArgs) -> Result<Exit, Failure> {
    let socket = home(&args.dir)?.join(STATUS_SOCKET);
    let text = ask(&socket).map_err(|error| Failure {
        message: format!("{}: {error}", socket.display()),
        hint: Some("does the relay run, with this home?".into()),
        exit: Exit::Unreachable,
    })?;
    if args.json {
        output::print(text.trim_end())?;
    } else {
        output::print(rendered(&text).trim_end())?;
    }
    Ok(Exit::Clean)
}

/// Asks a running relay over its socket.
fn ask(socket: &Path) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(STATUS_WAIT))?;
    stream.set_write_timeout(Some(STATUS_WAIT))?;
    stream.write_all(b"GET /status HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream
        .take(STATUS_BYTES_MAX)
        .read_to_string(&mut response)?;
    match response.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
        _ => Err(std::io::ErrorKind::InvalidData.into()),
    }
}

/// The status as an operator reads it.
fn rendered(text: &str) -> String {
    let Ok(status) = serde_json::from_str::<Value>(text) else {
        return text.to_owned();
    };
    let list = |name: &str| status[name].as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let mut out = format!("Relay {}\n", word(&status["id"]));
    let _ = writeln!(out, "enrolled nodes: {}", status["enrolled"]);
    for node in list("connected") {
        let _ = writeln!(
            out,
            "connected: {} ({})",
            word(&node["node"]),
            node["connections"]
        );
    }
    for wait in list("waiting") {
        let _ = writeln!(
            out,
            "waiting: {} for {}",
            word(&wait["node"]),
            word(&wait["for"])
        );
    }
    for tunnel in list("tunnels") {
        let nodes = (word(&tunnel["nodes"][0]), word(&tunnel["nodes"][1]));
        let (bytes, seconds) = (&tunnel["bytes"], &tunnel["seconds"]);
        let _ = writeln!(
            out,
            "tunnel: {} and {}, {bytes} bytes in {seconds} s",
            nodes.0, nodes.1
        );
    }
    let _ = writeln!(
        out,
        "since it started: {} tunnels, {} bytes\nsessions settled that can still be claimed: {}",
        status["tunnels_since_start"], status["bytes_since_start"], status["settled"]
    );
    out
}

fn descriptor(args: &DescriptorArgs) -> Result<Exit, Failure> {
    let key = args
        .home
        .load_key()
        .map_err(|error| Failure::home(&error))?;
    let home = store::home_dir(args.home.home.clone()).map_err(stored)?;
    let described = Mediator::describe(&home, &key, system_clock(), &args.address);
    let described = described.map_err(stored)?.ok_or_else(|| {
        Failure::bad_input(
            "the address does not fit a descriptor",
            "write host:port in at most 260 characters",
        )
    })?;
    output::print(&described.to_string())?;
    let until = i64::try_from(described.until.0).unwrap_or(i64::MAX);
    if let Ok(until) = jiff::Timestamp::from_second(until) {
        eprintln!("Good for sessions until {until}.");
    }
    Ok(Exit::Clean)
}

fn home(args: &HomeDirArgs) -> Result<PathBuf, Failure> {
    store::home_dir(args.home.clone()).map_err(stored)
}

fn stored(error: store::Error) -> Failure {
    failed(&error)
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure {
        message: error.to_string(),
        hint: None,
        exit: Exit::Failed,
    }
}
