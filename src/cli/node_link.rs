//! How the commands that use a running node reach it: the options, the connection, and what its
//! refusals mean.

use std::future::Future;
use std::path::PathBuf;

use tokio::runtime::Runtime;

use super::advice::channel_failure;
use super::home::HomeArgs;
use super::{Exit, Failure};
use client::{Client, Error, Refusal};
use node::control::SOCKET_FILE;
use pairing::NodeId;
use transport::{self, PinnedTls};

/// Which node, and how to reach it.
#[derive(clap::Args, Debug, Clone)]
pub struct NodeArgs {
    /// The node's home, where its socket is; with --node, the home of this client's own key
    /// [default: $XDG_DATA_HOME/tacit or ~/.local/share/tacit]
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,

    /// The node's socket [default: control.sock in its home]
    #[arg(long, value_name = "PATH", conflicts_with = "node")]
    pub socket: Option<PathBuf>,

    /// Use a node on another machine, which has enrolled this client's key (tacit id prints it)
    #[arg(long, value_name = "ID@HOST:PORT", value_parser = node)]
    pub node: Option<(NodeId, String)>,

    /// Take the passphrase of this client's own key from a file, instead of asking for it
    #[arg(long, value_name = "FILE", requires = "node")]
    pub passphrase_file: Option<PathBuf>,
}

/// A connection to the node, and what runs it.
pub struct NodeLink {
    runtime: Runtime,
    client: Client,
}

impl NodeArgs {
    /// Connects.
    ///
    /// # Errors
    /// The node is not there, or does not let this client in.
    pub fn connect(&self) -> Result<NodeLink, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(&error))?;
        let client = match &self.node {
            None => {
                let socket = self.socket()?;
                let client = runtime.block_on(Client::local(&socket));
                client.map_err(|error| {
                    let failure = refusal(&error);
                    Failure {
                        message: format!("{}: {}", socket.display(), failure.message),
                        ..failure
                    }
                })?
            }
            Some((id, address)) => {
                let home = HomeArgs {
                    home: self.home.clone(),
                    no_passphrase: false,
                    passphrase_file: self.passphrase_file.clone(),
                };
                let key = home.load_key().map_err(|error| Failure::home(&error))?;
                let tls = PinnedTls::new(key.seed(), *id.as_bytes());
                let tls = tls.map_err(|error| channel_failure(&error))?;
                let client = runtime.block_on(Client::remote(address, &tls));
                client.map_err(|error| refusal(&error))?
            }
        };
        Ok(NodeLink { runtime, client })
    }

    fn socket(&self) -> Result<PathBuf, Failure> {
        match &self.socket {
            Some(socket) => Ok(socket.clone()),
            None => store::home_dir(self.home.clone())
                .map(|home| home.join(SOCKET_FILE))
                .map_err(|error| failed(&error)),
        }
    }
}

impl NodeLink {
    /// The node's calls, to be waited for by [`NodeLink::ask`].
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Waits for one call, and says what its failing means.
    ///
    /// # Errors
    /// What the node refused, or that it is gone.
    pub fn ask<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        self.block_on(call).map_err(|error| refusal(&error))
    }

    /// Runs something that uses the node.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

/// What it means that a call came to nothing.
pub fn refusal(error: &Error) -> Failure {
    let why = match error {
        Error::Connection(error) => return unreachable(error),
        Error::Refused { why, .. } => *why,
        _ => return strange(),
    };
    let (exit, hint) = match why {
        Refusal::BadInput => (Exit::BadInput, None),
        Refusal::NotAllowed => (
            Exit::Refused,
            Some("an officer of the node decides who may do what: tacit client --help"),
        ),
        Refusal::NotNow => (Exit::Refused, None),
        Refusal::TooSlow => (Exit::Unreachable, None),
        Refusal::NoSuchCall => (
            Exit::Failed,
            Some("is the node of the same version of tacit?"),
        ),
        _ => (Exit::Failed, None),
    };
    Failure {
        message: error.to_string(),
        hint: hint.map(str::to_owned),
        exit,
    }
}

fn unreachable(error: &transport::Error) -> Failure {
    use std::io::ErrorKind;
    use transport::{Error, Misbehaviour};
    // A call on a connection that is over looks like this; between two nodes it would be a fault.
    let error = match error {
        Error::Misbehaved(Misbehaviour::Http2) => &Error::Gone,
        error => error,
    };
    let (exit, hint) = match error {
        Error::Unreachable(ErrorKind::PermissionDenied) => (
            Exit::Refused,
            "this user may not open the node's socket; ask its officer, or use --node",
        ),
        Error::Unreachable(_) | Error::Gone | Error::HandshakeTimedOut => (
            Exit::Unreachable,
            "does the node run? tacit node starts it; --home or --socket say which one is meant",
        ),
        Error::KeyRefused => (
            Exit::Refused,
            "an officer of the node enrols this key: tacit client enrol NAME --role clerk --key ID",
        ),
        _ => return channel_failure(error),
    };
    Failure {
        message: told(error),
        hint: Some(hint.to_owned()),
        exit,
    }
}

fn told(error: &transport::Error) -> String {
    match error {
        transport::Error::Unreachable(kind) => format!("the node cannot be reached: {kind}"),
        transport::Error::Gone => "the node went away".into(),
        transport::Error::KeyRefused => "the node does not know this key".into(),
        other => other.to_string(),
    }
}

/// Something on this machine failed.
pub fn failed(error: &dyn std::error::Error) -> Failure {
    Failure {
        message: error.to_string(),
        hint: None,
        exit: Exit::Failed,
    }
}

/// What the node sent is none of its messages: another version, or a bug.
pub fn strange() -> Failure {
    Failure {
        message: "the node's answer makes no sense".into(),
        hint: Some("is the node of the same version of tacit?".into()),
        exit: Exit::Failed,
    }
}

fn node(text: &str) -> Result<(NodeId, String), String> {
    let (id, address) = text
        .split_once('@')
        .ok_or("write ID@HOST:PORT, as in tacit1…@192.0.2.7:7449")?;
    let id = id.parse().map_err(|error| format!("the id: {error}"))?;
    match address.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok((id, address.to_owned()))
        }
        _ => Err("write the address as host:port".to_owned()),
    }
}
