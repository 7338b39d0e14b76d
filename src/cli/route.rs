//! How two sides meet: one waits at an open port and the other connects, or both go through a relay;
//! and which mediator they agree on.

use std::str::FromStr;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tonic::Code;

use super::advice::channel_failure;
use super::asking::Asking;
use super::progress::Progress;
use super::{Exit, Failure};
use node::settle::{MediatorClient, MediatorFault};
use pairing::{NodeId, NodeKey};
use protocol::{Descriptor, Role};
use transport::{
    self, Channel, Limits, Listener, PinnedTls, RelayConnection, call_over, connect, dial_through,
    listen_through, serve_over,
};

/// How long a relay may be away before a session.
const RELAY_WAIT_S: u64 = 60;

/// How to meet the peer.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct RouteArgs {
    /// Wait for the peer at this address of this machine
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["connect", "via"])]
    pub listen: Option<String>,

    /// Connect to the peer at this address
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "via")]
    pub connect: Option<String>,

    /// Meet the peer at this relay, by its id and address: both sides dial out and neither needs an
    /// open port
    #[arg(
        long,
        value_name = "ID@HOST:PORT",
        required_unless_present_any = ["listen", "connect", "mediator", "finish"]
    )]
    pub via: Option<Via>,

    /// The mediator's descriptor (tacitm1…), which it gave to both sides: neither can then walk off with
    /// its answers alone. Without --via, --listen or --connect its relay is also where to meet
    #[arg(long, value_name = "DESCRIPTOR")]
    pub mediator: Option<Descriptor>,

    /// How long to wait for the peer to be there [default: 600, with --connect 60]; with --finish, for
    /// the mediator [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub wait: Option<u64>,
}

/// A relay by its key and address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    pub id: NodeId,
    pub address: String,
}

impl FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, address) = text
            .trim()
            .split_once('@')
            .ok_or("write the relay's id and its address: tacit1…@relay.example:7448")?;
        let id = id
            .parse()
            .map_err(|error| format!("the relay's id: {error}"))?;
        if address
            .rsplit_once(':')
            .is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err())
        {
            return Err("the relay's address is not of the form host:port".into());
        }
        let address = address.to_owned();
        Ok(Self { id, address })
    }
}

/// Where the two meet, and who settles.
#[derive(Debug, Clone)]
pub struct Meeting {
    pub point: MeetingPoint,
    /// The mediator, and where it is asked.
    pub mediator: Option<(Descriptor, String)>,
}

/// Where the two meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeetingPoint {
    Listen(String),
    Connect(String),
    Through(Via),
}

impl RouteArgs {
    /// What the options come to.
    ///
    /// # Errors
    /// Options that contradict each other, or leave open where to go.
    pub fn meeting(&self, own: &NodeId, peer: &NodeId) -> Result<Meeting, Failure> {
        if let Some(via) = &self.via
            && (via.id == *peer || via.id == *own)
        {
            let whose = if via.id == *own {
                "this node's own"
            } else {
                "the peer's"
            };
            return Err(Failure::bad_input(
                format!("--via has {whose} id"),
                "give the relay's id, which its host prints with tacit id",
            ));
        }
        let mediator = match &self.mediator {
            Some(descriptor) => Some((descriptor.clone(), self.asked_at(descriptor)?)),
            None => None,
        };
        let point = match (&self.listen, &self.connect, &self.via, &mediator) {
            (Some(address), ..) => MeetingPoint::Listen(address.clone()),
            (_, Some(address), ..) => MeetingPoint::Connect(address.clone()),
            (_, _, Some(via), _) => MeetingPoint::Through(via.clone()),
            (_, _, _, Some((descriptor, address))) => MeetingPoint::Through(Via {
                id: descriptor.mediator,
                address: address.clone(),
            }),
            _ => {
                return Err(Failure::bad_input(
                    "where is the peer to be met?",
                    "give --via, --listen, --connect or --mediator",
                ));
            }
        };
        Ok(Meeting { point, mediator })
    }

    /// Where the mediator is asked: at its relay, by whichever option says where that is.
    pub fn asked_at(&self, descriptor: &Descriptor) -> Result<String, Failure> {
        match &self.via {
            Some(via) if via.id == descriptor.mediator => Ok(via.address.clone()),
            Some(via) if via.address == descriptor.address => Err(Failure::bad_input(
                format!(
                    "--via and --mediator name two keys for the relay at {}: {} and {}",
                    via.address, via.id, descriptor.mediator
                ),
                "ask the mediator which is right, and compare its eight words over the telephone (tacit id ID prints them)",
            )),
            _ if !descriptor.address.is_empty() => Ok(descriptor.address.clone()),
            Some(_) => Err(Failure::bad_input(
                "the descriptor does not say where its mediator is, and --via is another relay",
                "ask the mediator for a descriptor with an address (tacit relay descriptor --address HOST:PORT)",
            )),
            None => Err(Failure::bad_input(
                "the descriptor does not say where its mediator is",
                format!(
                    "add --via {}@HOST:PORT, with the address that the mediator gives you",
                    descriptor.mediator
                ),
            )),
        }
    }

    /// For the peer to be there.
    fn wait(&self, point: &MeetingPoint) -> Duration {
        let default_s = if matches!(point, MeetingPoint::Connect(_)) {
            60
        } else {
            600
        };
        Duration::from_secs(self.wait.unwrap_or(default_s))
    }

    /// For relay and mediator, which are there before the peer.
    pub fn relay_wait(&self) -> Duration {
        Duration::from_secs(self.wait.unwrap_or(RELAY_WAIT_S))
    }
}

impl MeetingPoint {
    /// Who begins: the side that connects; at a relay, where both do, the one with the lower id.
    pub fn role(&self, own: &NodeId, peer: &NodeId) -> Role {
        match self {
            Self::Listen(_) => Role::Responder,
            Self::Connect(_) => Role::Initiator,
            Self::Through(_) if own < peer => Role::Initiator,
            Self::Through(_) => Role::Responder,
        }
    }
}

/// Makes sure, before any work, that the relay is there and lets this node in, and that the mediator
/// still takes new sessions under its descriptor.
///
/// # Errors
/// What keeps this session from ever coming about.
pub async fn look_ahead(
    meeting: &Meeting,
    asking: Option<&Asking<'_>>,
    key: &NodeKey,
    args: &RouteArgs,
    progress: &Progress,
) -> Result<(), Failure> {
    let until = Instant::now() + args.relay_wait();
    if let (Some(asking), Some((descriptor, address))) = (asking, &meeting.mediator) {
        let ask = async || match asking.time().await {
            Ok(now) => Ok(now),
            Err(MediatorFault::Channel(error)) => Err(error),
            Err(MediatorFault::Refused(_)) => Err(transport::Error::Gone),
        };
        let now = persist(ask, until, address, key, progress).await?;
        if now > descriptor.until {
            return Err(out_of_date(descriptor));
        }
    }
    let MeetingPoint::Through(via) = &meeting.point else {
        return Ok(());
    };
    if meeting
        .mediator
        .as_ref()
        .is_some_and(|(_, address)| *address == via.address)
    {
        return Ok(());
    }
    let tls = pinned(key, &via.id)?;
    let limits = Limits::default();
    let ask = async || {
        RelayConnection::connect(&via.address, &tls, &limits)
            .await?
            .time()
            .await
    };
    persist(ask, until, &via.address, key, progress)
        .await
        .map(drop)
}

/// Asks again for as long as that may help.
async fn persist<T>(
    ask: impl AsyncFn() -> Result<T, transport::Error>,
    until: Instant,
    address: &str,
    key: &NodeKey,
    progress: &Progress,
) -> Result<T, Failure> {
    let mut pause = Limits::default().pause_first;
    let mut said = false;
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if !error.may_pass() || Instant::now() + pause >= until {
            return Err(relay_failure(&error, address, &key.id()));
        }
        if !std::mem::replace(&mut said, true) {
            progress.say(format!(
                "The relay at {address} is not there yet; trying again."
            ));
        }
        sleep(pause).await;
        pause = (pause * 2).min(Limits::default().pause_max);
    }
}

/// Opens the channel to the peer.
///
/// # Errors
/// It did not come about; whose doing that is.
pub async fn open(
    point: &MeetingPoint,
    listener: Option<Listener>,
    (key, peer): (&NodeKey, &NodeId),
    args: &RouteArgs,
    progress: &Progress,
) -> Result<Channel, Failure> {
    let tls = pinned(key, peer)?;
    let wait = args.wait(point);
    let limits = Limits {
        wait,
        ..Limits::default()
    };
    let seconds = wait.as_secs();
    let failed = |error| channel_failure(&error);
    let (line, spinner) = match (point, &listener) {
        (MeetingPoint::Listen(_), Some(listener)) => (
            format!(
                "Waiting at {} for {peer}, for up to {seconds} s.",
                listener.address()
            ),
            "waiting for the peer",
        ),
        (MeetingPoint::Listen(address), None) | (MeetingPoint::Connect(address), _) => (
            format!("Connecting to {peer} at {address}, for up to {seconds} s."),
            "connecting",
        ),
        (MeetingPoint::Through(via), _) => (
            format!(
                "Waiting at the relay {} for {peer}, for up to {seconds} s.",
                via.address
            ),
            "waiting for the peer",
        ),
    };
    progress.say(line);
    let spinner = progress.spinner(spinner);
    let opened = match (point, listener) {
        (MeetingPoint::Listen(_), Some(listener)) => listener
            .accept(&tls, &limits, |from, error| {
                let why = channel_failure(&error).message;
                progress.say(format!("Turned away {from}: {why}."));
            })
            .await
            .map_err(failed),
        (MeetingPoint::Listen(address) | MeetingPoint::Connect(address), _) => {
            connect(address, &tls, &limits).await.map_err(failed)
        }
        (MeetingPoint::Through(via), _) => through(via, key, peer, &tls, wait).await,
    };
    spinner.finish_and_clear();
    opened
}

/// Meets the peer at a relay. One that went away just when the relay joined the two may come again.
async fn through(
    via: &Via,
    key: &NodeKey,
    peer: &NodeId,
    tls: &PinnedTls,
    wait: Duration,
) -> Result<Channel, Failure> {
    let to_relay = pinned(key, &via.id)?;
    let until = Instant::now() + wait;
    let pause = Limits::default().pause_first;
    loop {
        let limits = Limits {
            wait: until.saturating_duration_since(Instant::now()),
            ..Limits::default()
        };
        let dials = key.id() < *peer;
        let tunnel = if dials {
            dial_through(&via.address, &to_relay, peer, &limits).await
        } else {
            listen_through(&via.address, &to_relay, peer, &limits).await
        };
        let tunnel = tunnel.map_err(|error| relay_failure(&error, &via.address, &key.id()))?;
        let channel = if dials {
            call_over(tunnel, tls, &limits).await
        } else {
            serve_over(tunnel, tls, &limits).await
        };
        match channel {
            Ok(channel) => return Ok(channel),
            Err(error) if error.may_pass() && Instant::now() + pause < until => sleep(pause).await,
            Err(error) => return Err(channel_failure(&error)),
        }
    }
}

/// The settling point takes no new sessions.
pub fn out_of_date(descriptor: &Descriptor) -> Failure {
    let until = i64::try_from(descriptor.until.0).ok();
    let until = until.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    Failure {
        message: match until {
            Some(until) => format!(
                "the mediator's descriptor is out of date: it was good for sessions until {until}"
            ),
            None => "the mediator's descriptor is out of date".into(),
        },
        hint: Some(
            "ask the mediator for a new one (tacit relay descriptor); both sides need the same"
                .into(),
        ),
        exit: Exit::Refused,
    }
}

/// TLS of this node with whoever has the key of `other`.
fn pinned(key: &NodeKey, other: &NodeId) -> Result<PinnedTls, Failure> {
    PinnedTls::new(key.seed(), *other.as_bytes()).map_err(|error| channel_failure(&error))
}

/// Whose doing it is that a relay is no help, and what to do.
pub fn relay_failure(error: &transport::Error, address: &str, own: &NodeId) -> Failure {
    use transport::Error;
    let (exit, message, hint) = match error {
        Error::WrongKey { presented } => (
            Exit::Refused,
            match NodeId::from_bytes(*presented) {
                Ok(id) => format!("the relay at {address} has another key than the one named: {id}"),
                Err(_) => format!("the relay at {address} has an invalid key"),
            },
            "compare the relay's eight words with the mediator over the telephone (tacit id ID prints them)".to_owned(),
        ),
        Error::KeyRefused => (
            Exit::Refused,
            format!("the relay at {address} does not let this node in"),
            format!("ask the mediator to enrol this node: tacit relay enrol {own}"),
        ),
        Error::Refused { code } => match Code::from_i32(*code) {
            Code::NotFound => (
                Exit::Unreachable,
                format!("the peer does not wait at the relay {address}"),
                "have they started, at the same relay and with your id as --peer? --wait SECONDS waits longer".to_owned(),
            ),
            Code::AlreadyExists => (
                Exit::Refused,
                format!("another tacit of this node took its place at the relay {address}"),
                "is another match with this peer running, here or on another machine?".to_owned(),
            ),
            Code::PermissionDenied => (
                Exit::Refused,
                format!("the relay at {address} no longer lets this node in"),
                format!("ask the mediator to enrol this node: tacit relay enrol {own}"),
            ),
            Code::ResourceExhausted => (
                Exit::Refused,
                format!("a quota of the relay at {address} is used up"),
                "try again later, or ask the mediator".to_owned(),
            ),
            _ => (
                Exit::Unreachable,
                format!("the relay at {address} turned this node away: {error}"),
                "try again in a minute, or ask the mediator".to_owned(),
            ),
        },
        Error::NobodyCame { .. } => (
            Exit::Unreachable,
            format!("the peer did not come to the relay {address}"),
            "have they started, at the same relay and with your id as --peer? --wait SECONDS waits longer".to_owned(),
        ),
        Error::Unreachable(_) | Error::Gone | Error::HandshakeTimedOut => (
            Exit::Unreachable,
            format!("the relay at {address}: {}", relays(error)),
            "is the address right, and the relay running? --wait SECONDS waits longer".to_owned(),
        ),
        Error::NotTls | Error::Incompatible | Error::Misbehaved(_) => (
            Exit::Unreachable,
            format!("what is at {address} is no tacit relay, or of another version ({error})"),
            "compare the address with the mediator".to_owned(),
        ),
        _ => {
            let failure = channel_failure(error);
            (failure.exit, format!("the relay at {address}: {}", failure.message), failure.hint.unwrap_or_default())
        }
    };
    Failure {
        message,
        hint: Some(hint),
        exit,
    }
}

/// The error's words are about a peer; here they are about the relay.
fn relays(error: &transport::Error) -> String {
    match error {
        transport::Error::Unreachable(kind) => format!("it cannot be reached ({kind})"),
        transport::Error::Gone => "it broke the connection off".into(),
        _ => "it does not answer".into(),
    }
}
