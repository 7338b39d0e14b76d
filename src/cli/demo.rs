//! `tacit demo`: two invented delegations match on this machine through a relay, over the real stack;
//! then one of them is killed in the middle, and both have their answers all the same.

mod delegation;
mod show;

use std::future::pending;
use std::io::{self, Cursor};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use delegation::{A, B, Delegation, NOBODY, Side};

use super::advice::{cause_failure, session_failure};
use super::asking::Asking;
use super::list_file::today;
use super::progress::Progress;
use super::route::{MeetingPoint, RouteArgs, Via, open};
use super::runtime::runtime;
use super::session::{exchange, graded, prepare};
use super::terms::TermsArgs;
use super::{Exit, Failure};
use identity::{self, List, ListOptions, Schema, list};
use node::Patience;
use node::disposition::Recourse;
use node::settle::by_verdict;
use pairing::{NodeId, NodeKey};
use protocol::{Descriptor, Persist, SignedState};
use relay::mediator::system_clock;
use relay::{self, Relay, serve};
use store::enrolled;

/// A mediator in this very process answers at once, or not at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// See two invented delegations match on this machine: both sides' answers, what an eavesdropper and the
/// relay saw, and a session that one side is killed in
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Also match the wide key class, which finds more people and confuses more
    #[arg(long)]
    wide: bool,
}

const EXAMPLES: &str = "\
Examples:
  tacit demo
  tacit demo --wide

The people are invented. The lists are samples/*.csv of the source; nothing stays on disk.";

/// The relay with its mediator, in this process.
struct Host {
    relay: Arc<Relay>,
    via: Via,
    descriptor: Descriptor,
    /// Of its settling key; goes with it.
    home: tempfile::TempDir,
}

/// Runs the subcommand.
///
/// # Errors
/// The demonstration did not work on this machine.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let terms = TermsArgs {
        ceiling: 1024,
        wide: args.wide,
    };
    let host = runtime.block_on(Host::start())?;
    let (a, b) = runtime.block_on(match_between(&A, &B, &terms, &host))?;
    let bytes = runtime.block_on(host.bytes());
    let (quiet, _) = runtime.block_on(match_between(&NOBODY, &NOBODY, &terms, &host))?;
    let bytes_quiet = runtime.block_on(host.bytes()) - bytes;

    let mut out = std::io::stdout().lock();
    let nodes = [a.own, b.own];
    let (a, b, quiet) = (a.side, b.side, quiet.side);
    show::side(&mut out, (&A, &a), (&B, &b))
        .and_then(|()| show::side(&mut out, (&B, &b), (&A, &a)))
        .and_then(|()| show::eavesdropper(&mut out, &a, &b, &quiet))
        .and_then(|()| show::relay(&mut out, nodes, (bytes, bytes_quiet)))
        .map_err(|error| failed(&error))?;

    let (a, b) = runtime.block_on(broken_off_between(&A, &B, &terms, &host))?;
    let settled = host.settled()?;
    show::settled(&mut out, (&A, &a), (&B, &b), settled).map_err(|error| failed(&error))?;
    Ok(Exit::Clean)
}

/// A node of the demonstration.
struct Node {
    delegation: &'static Delegation,
    key: Arc<NodeKey>,
    peer: NodeId,
    terms: TermsArgs,
    via: Via,
    descriptor: Descriptor,
}

struct Ran {
    own: NodeId,
    side: Side,
}

impl Host {
    async fn start() -> Result<Self, Failure> {
        let home = tempfile::tempdir().map_err(|error| failed(&error))?;
        let key = Arc::new(NodeKey::generate(&mut UnwrapErr(SysRng)));
        let relay = Relay::open(home.path(), key, system_clock(), relay::Limits::default());
        let relay = relay.map_err(|error| failed(&error))?;
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.map_err(|error| failed(&error))?;
        let address = listener.local_addr().map_err(|error| failed(&error))?;
        let address = address.to_string();
        let descriptor = relay.mediator().descriptor(&address);
        let descriptor = descriptor.ok_or_else(|| died("the mediator has no descriptor"))?;
        tokio::spawn(serve(relay.clone(), listener, pending(), Duration::ZERO));
        Ok(Self {
            via: Via {
                id: relay.id(),
                address,
            },
            relay,
            descriptor,
            home,
        })
    }

    /// Two nodes with fresh keys that know each other's, and lets them in.
    fn nodes(
        &self,
        a: &'static Delegation,
        b: &'static Delegation,
        terms: &TermsArgs,
    ) -> Result<(Node, Node), Failure> {
        let mut rng = UnwrapErr(SysRng);
        let keys = [(); 2].map(|()| Arc::new(NodeKey::generate(&mut rng)));
        let ids = [keys[0].id(), keys[1].id()];
        enrolled::add(self.home.path(), &ids).map_err(|error| Failure::store(&error))?;
        self.relay
            .reread_enrolled()
            .map_err(|error| failed(&error))?;
        let node = |delegation, own: usize| Node {
            delegation,
            key: keys[own].clone(),
            peer: ids[1 - own],
            terms: terms.clone(),
            via: self.via.clone(),
            descriptor: self.descriptor.clone(),
        };
        Ok((node(a, 0), node(b, 1)))
    }

    /// What went through it, once every tunnel has ended.
    async fn bytes(&self) -> u64 {
        while !self.relay.rooms().tunnels().is_empty() {
            tokio::task::yield_now().await;
        }
        self.relay.counters().bytes.load(Relaxed)
    }

    /// Sessions that it settled.
    fn settled(&self) -> Result<u64, Failure> {
        let summary = self.relay.mediator().summary();
        Ok(summary.map_err(|error| Failure::store(&error))?.settled)
    }
}

/// Each node in a task of its own; both dial out, with TCP, TLS and gRPC to the relay, and TLS and gRPC
/// from one to the other inside.
async fn match_between(
    a: &'static Delegation,
    b: &'static Delegation,
    terms: &TermsArgs,
    host: &Host,
) -> Result<(Ran, Ran), Failure> {
    let (a, b) = host.nodes(a, b, terms)?;
    let (a, b) = (
        tokio::spawn(a.run(|_| Ok(()))),
        tokio::spawn(b.run(|_| Ok(()))),
    );
    let gone = |_| died("a node of the demonstration died");
    Ok((a.await.map_err(gone)??, b.await.map_err(gone)??))
}

/// The same, but A is killed when both have the agreement with both signatures, and comes back with
/// what it had kept.
async fn broken_off_between(
    a: &'static Delegation,
    b: &'static Delegation,
    terms: &TermsArgs,
    host: &Host,
) -> Result<(Side, Side), Failure> {
    let (a, b) = host.nodes(a, b, terms)?;
    let (agreed, mut both) = mpsc::unbounded_channel();
    let disk = Arc::new(Mutex::new(Vec::new()));
    // A machine of its own, that can be switched off.
    let machine = runtime()?;
    let (_on, off) = std::sync::mpsc::channel::<()>();
    let (kept, says) = (disk.clone(), agreed.clone());
    let again = a.again();
    let killed = machine.spawn(a.run(move |state| match state {
        Persist::Signed(state) => state.encode(|part| {
            lock(&kept).extend_from_slice(part);
            Ok(())
        }),
        Persist::Agreed(..) => {
            let _ = says.send(());
            // It never gets any further.
            let _ = off.recv();
            Err(io::ErrorKind::Interrupted.into())
        }
        _ => Ok(()),
    }));
    let left = tokio::spawn(b.run(move |state| {
        if matches!(state, Persist::Agreed(..)) {
            let _ = agreed.send(());
        }
        Ok(())
    }));
    for _ in 0..2 {
        both.recv()
            .await
            .ok_or_else(|| died("a node of the demonstration died"))?;
    }
    machine.shutdown_background();
    drop(killed);
    let gone = |_| died("a node of the demonstration died");
    let left = left.await.map_err(gone)??;
    let kept = std::mem::take(&mut *lock(&disk));
    Ok((again.finish(&kept).await?, left.side))
}

impl Node {
    fn lists(&self) -> Result<(List, List), Failure> {
        let schema = Schema::default();
        Ok((
            read(self.delegation.held, identity::ListKind::Held, schema)?,
            read(
                self.delegation.requested,
                identity::ListKind::Requested,
                schema,
            )?,
        ))
    }

    /// The same node after its machine was switched off.
    fn again(&self) -> Self {
        Self {
            delegation: self.delegation,
            key: self.key.clone(),
            peer: self.peer,
            terms: self.terms.clone(),
            via: self.via.clone(),
            descriptor: self.descriptor.clone(),
        }
    }

    async fn run(self, keep: impl FnMut(Persist) -> io::Result<()>) -> Result<Ran, Failure> {
        let progress = Progress::new(true);
        let (held, requested) = self.lists()?;
        let mediator = self.descriptor.terms();
        let mediator = mediator.map_err(|error| failed(&error))?;
        let terms = self.terms.terms(Schema::default(), mediator);
        let point = MeetingPoint::Through(self.via.clone());
        let own = self.key.id();
        let role = point.role(&own, &self.peer);
        let key = self.key.clone();
        let session = prepare(role, key, self.peer, &terms, &held, &requested, &progress)?;
        let asked = (self.descriptor.clone(), self.via.address.clone());
        let asking = Asking::of(&asked, &self.key, &progress, PATIENCE)?;
        let route = RouteArgs::default();
        let channel = open(&point, None, (&self.key, &self.peer), &route, &progress).await?;
        let traffic = channel.traffic();
        let patience = Patience::default();
        let asking = Some(&asking);
        let ended = exchange(
            session,
            channel,
            &patience,
            &progress,
            keep,
            asking,
            pending(),
        )
        .await;
        let outcome = ended.map_err(|ended| session_failure(&ended, Recourse::Nobody))?;
        let answers = graded(&requested, &outcome.matches, self.terms.people());
        let side = Side {
            held,
            requested,
            answers,
            traffic,
        };
        Ok(Ran { own, side })
    }

    /// Ends a session from what was kept of it.
    async fn finish(self, kept: &[u8]) -> Result<Side, Failure> {
        let progress = Progress::new(true);
        let (held, requested) = self.lists()?;
        let state = SignedState::decode(kept).ok_or_else(|| died("what was kept is lost"))?;
        let asked = (self.descriptor.clone(), self.via.address.clone());
        let asking = Asking::of(&asked, &self.key, &progress, PATIENCE)?;
        let patience = Patience::default();
        let ended = by_verdict(&state, state.both_signed(), &asking, &patience).await;
        let outcome = ended.map_err(|cause| cause_failure(&cause))?;
        Ok(Side {
            answers: graded(&requested, &outcome.matches, self.terms.people()),
            held,
            requested,
            traffic: Arc::default(),
        })
    }
}

fn read(bytes: &'static [u8], kind: identity::ListKind, schema: Schema) -> Result<List, Failure> {
    let options = ListOptions {
        carry_columns: true,
        ..ListOptions::new(kind, today())
    };
    list::read(Cursor::new(bytes), schema, &options, |_| ()).map_err(|error| failed(&error))
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(error: &dyn std::error::Error) -> Failure {
    died(&error.to_string())
}

fn died(message: &str) -> Failure {
    Failure::failed(message)
}
