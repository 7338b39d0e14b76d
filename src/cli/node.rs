//! `tacit node`: the daemon that a delegation leaves running.

use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::net::TcpListener;

use super::home::HomeArgs;
use super::stops::Stops;
use super::{Exit, Failure, output};
use node::config::{CONFIG_BYTES_MAX, CONFIG_FILE, Config};
use node::control::{self, Control, ensure_owner};
use node::daemon::{self, Daemon};
use node::handle::Handle;
use node::monitoring::Monitoring;
use node::socket::Socket;
use store::audit::Event;
use store::{self, Cost, Store};

/// Run this delegation's node: it keeps the lists, meets its peers on schedule, and answers its clerks
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where the node keeps its things [default: $XDG_DATA_HOME/tacit or ~/.local/share/tacit]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,

    /// Take the passphrase from a file that nobody else may read, instead of asking for it; a service
    /// manager may hand it over as the credential tacit.passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// The configuration [default: node.toml in the home, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Read the configuration, say how the node would run, and end
    #[arg(long)]
    check: bool,
}

const EXAMPLES: &str = "\
Examples, to begin with:
  tacit id                                  make the node's key; exchange ids, compare the words
  tacit node                                run the node; the first time it makes its store
  tacit peer add odesa tacit1… --address 192.0.2.7:7447
  tacit list import held held.csv
  tacit query requested.csv

node.toml, where every line may be left out:
  listen = \"0.0.0.0:7447\"        # where paired peers come
  metrics = \"127.0.0.1:9447\"     # /health and /metrics, for everybody on this machine
  metrics_socket = \"/run/tacit/metrics.sock\"  # the same with sizes of lists, for some
  clients = \"0.0.0.0:7449\"       # clerks on other machines, by their keys";

/// Runs the subcommand.
///
/// # Errors
/// A bad configuration, a wrong passphrase, a store or an address that cannot be had.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let home = store::home_dir(args.home.clone()).map_err(|error| failed(&error))?;
    let config = read_config(args, &home)?;
    if args.check {
        return say(&config, &home);
    }
    let store = Arc::new(open_store(args, &home)?);
    let runtime = tokio::runtime::Runtime::new().map_err(|error| failed(&error))?;
    // A second subscriber could only be a test's.
    let _ = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .try_init();
    let ended = runtime.block_on(work(store, &config, &home));
    // A table that is being prepared is of no use any more.
    runtime.shutdown_background();
    ended
}

fn read_config(args: &Args, home: &Path) -> Result<Config, Failure> {
    let path = args
        .config
        .clone()
        .unwrap_or_else(|| home.join(CONFIG_FILE));
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if args.config.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Config::default());
        }
        Err(error) => return Err(Failure::file(&path, &error)),
    };
    let mut text = String::new();
    file.take(CONFIG_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| Failure::file(&path, &error))?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(Failure::bad_input(
            format!("{}: longer than {CONFIG_BYTES_MAX} bytes", path.display()),
            "is this the configuration?",
        ));
    }
    Config::parse(&text).map_err(|fault| {
        Failure::bad_input(
            format!("{}: {fault}", path.display()),
            "tacit node --help shows an example; tacit node --check reads it without running",
        )
    })
}

fn say(config: &Config, home: &Path) -> Result<Exit, Failure> {
    let or = |value: &Option<String>, otherwise: &str| {
        value.clone().unwrap_or_else(|| otherwise.to_owned())
    };
    output::print(&format!(
        "The configuration is good.\n\
         peers come to:     {}\n\
         clients:           {}\n\
         remote clients:    {}\n\
         health, metrics:   {}\n\
         with sizes:        {}\n\
         matching schema:   {}\n\
         prepared sessions: {} for each peer; changes serve every {} s",
        or(
            &config.listen,
            "no address; this node calls, or meets peers at a relay"
        ),
        config.control(home).socket.display(),
        or(&config.clients, "none"),
        or(&config.metrics, "none"),
        config
            .metrics_socket()
            .map_or("none".into(), |(path, _)| path.display().to_string()),
        config.schema,
        config.prepared_tables,
        config.tick_seconds,
    ))?;
    Ok(Exit::Clean)
}

/// Opens the store, and makes it if there is none.
fn open_store(args: &Args, home: &Path) -> Result<Store, Failure> {
    let home_args = HomeArgs {
        home: args.home.clone(),
        no_passphrase: false,
        passphrase_file: args.passphrase_file.clone(),
    };
    let (key, passphrase) = home_args
        .open_node()
        .map_err(|error| Failure::home(&error))?;
    let (key, now) = (Arc::new(key), Timestamp::now());
    let exists = Store::exists(home).map_err(|error| failed(&error))?;
    let store = if exists {
        Store::open(home, key, &passphrase, now)
    } else {
        let made = Store::create(home, key, &passphrase, Cost::DEFAULT, now);
        if made.is_ok() {
            eprintln!("Made the node's store in {}.", home.display());
        }
        made
    };
    store.map_err(|error| {
        let hint = match &error {
            store::Error::InUse { .. } => Some("a node runs here already: tacit status"),
            store::Error::NewerStore { .. } => Some("run the newer version of tacit"),
            store::Error::DamagedStore => Some("docs/operating.md says how to restore a backup"),
            _ => None,
        };
        Failure {
            hint: hint.map(str::to_owned),
            ..failed(&error)
        }
    })
}

async fn work(store: Arc<Store>, config: &Config, home: &Path) -> Result<Exit, Failure> {
    let mut stops = Stops::new().map_err(|error| failed(&error))?;
    let now = Timestamp::now();
    let uid = rustix::process::getuid().as_raw();
    ensure_owner(&store, uid, now).map_err(|error| failed(&error))?;
    let digest = config.digest();
    store
        .record(&Event::ConfigChanged { digest }, now)
        .map_err(|error| failed(&error))?;
    let handle = Handle::with_schema(store.clone(), config.schema());
    let daemon = Daemon::open(handle.clone(), config.settings())
        .await
        .map_err(|error| cannot_listen("listen", &error))?;
    let control = Control::bind(handle.clone(), config.control(home))
        .await
        .map_err(|error: control::Error| cannot_listen("the clients' socket or address", &error))?;
    let monitoring = Monitoring::new(handle.clone());
    let mut watched = tokio::task::JoinSet::new();
    if let Some(address) = &config.metrics {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| cannot_listen("metrics", &error))?;
        watched.spawn(monitoring.clone().serve(listener));
    }
    if let Some((path, mode)) = config.metrics_socket() {
        let socket = Socket::bind(path, mode)
            .await
            .map_err(|error| cannot_listen("metrics_socket", &error))?;
        watched.spawn(monitoring.clone().serve_socket(socket));
    }
    let address = daemon
        .address()
        .map_err(|error: daemon::Error| failed(&error))?;
    eprintln!(
        "{} is ready{}. Clients: {}",
        handle.id(),
        address.map_or(String::new(), |address| format!(
            ", peers come to {address}"
        )),
        config.control(home).socket.display(),
    );
    notify("READY=1");
    if let Some(newest) = store.log_ahead_of(now).map_err(|error| failed(&error))? {
        tracing::warn!(
            "the clock says {now:.0}, but the audit log goes on to {newest:.0}: one of both is wrong"
        );
    }
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let wait = |mut stopped: tokio::sync::watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let serving = tokio::spawn(control.serve(wait(stopped.clone())));
    let (telling, stopping) = (monitoring.clone(), stop.clone());
    tokio::spawn(async move {
        stops.next().await;
        eprintln!("Stopping; sessions that run may end first. Once more to stop at once.");
        notify("STOPPING=1");
        telling.stopping().await;
        let _ = stopping.send(true);
        stops.next().await;
        // Whatever had to be kept is on disk before each message: as after a loss of power.
        std::process::exit(i32::from(Exit::Cancelled as u8));
    });
    let ended = daemon.run(wait(stopped)).await;
    let _ = stop.send(true);
    let _ = serving.await;
    watched.shutdown().await;
    ended.map_err(|error| failed(&error))?;
    eprintln!("Stopped.");
    Ok(Exit::Clean)
}

fn cannot_listen(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::bad_input(
        format!("{what}: {error}"),
        "use an address of this machine and a port that is free (node.toml)",
    )
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure {
        message: error.to_string(),
        hint: None,
        exit: Exit::Failed,
    }
}

/// Tells the service manager how the node is, if it asked to be told (sd_notify(3)).
fn notify(state: &str) {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => std::os::unix::net::SocketAddr::from_abstract_name(name),
        None => std::os::unix::net::SocketAddr::from_pathname(&path),
    };
    // Nobody to tell is no reason not to run.
    if let (Ok(socket), Ok(address)) = (UnixDatagram::unbound(), address) {
        let _ = socket.send_to_addr(state.as_bytes(), &address);
    }
}
