//! A client of a node: every call of its control service, in tacit's own types. `docs/control.md`.
//!
//! A [`Client`] is one connection, over the node's socket or over TLS with both keys pinned; the node knows
//! the caller by it and decides each call by the caller's role. This crate holds no key, reads no list and
//! links no store: a list is read and hashed by who calls, with `identity`.
//!
//! ```no_run
//! use std::path::Path;
//!
//! # async fn example() -> Result<(), client::Error> {
//! let node = client::Client::local(Path::new("/var/lib/tacit/control.sock")).await?;
//! for peer in node.status().await?.peers {
//!     println!("{}: {}", peer.name, peer.pair.activity.name());
//! }
//! # Ok(())
//! # }
//! ```

#![warn(unreachable_pub)]

mod error;

use std::path::Path;

use admin::list::{Imported, StoredLists};
use admin::query::{QueryAtPeer, QuerySummary};
use admin::session::{ApprovalSummary, SessionSummary};
use admin::{
    AuditVerdict, ClientNumber, Decision, NewClient, NodeStatus, Peer, PeerEntry, PeerNumber,
    QueryNumber, RoleChange, SessionNumber,
};
use protocol::ListKind;
use tokio_stream::Stream;
use tonic::{Response, Status, Streaming};
use transport::{ControlConnection, ControlSender, Limits, PinnedTls};
use wire::control::ControlClient;

pub use error::{Error, Refusal};
pub use wire::control::message::{FoundOnly, Header, ImportPart, NewQuery, Newest, ResultsPart};

/// A connection to a node, and the calls over it; any number of them at once.
pub struct Client {
    link: ControlConnection,
}

/// What a node tells one after the other, until the call is over.
pub struct Replies<'a, T> {
    stream: Streaming<T>,
    client: &'a Client,
}

impl<T> Replies<'_, T> {
    /// The next one; `None` at the end.
    ///
    /// # Errors
    /// As those of every call; nothing comes after one.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        let next = self.stream.message().await;
        next.map_err(|status| self.client.error(&status))
    }
}

/// Every call fails with [`Error`]: the connection, the node's refusal, or a reply that makes no sense.
impl Client {
    /// Connects to a node of this machine at its socket.
    ///
    /// # Errors
    /// [`Error::Connection`].
    pub async fn local(socket: &Path) -> Result<Self, Error> {
        let link = ControlConnection::local(socket, &Limits::default()).await?;
        Ok(Self { link })
    }

    /// Connects to a node on another machine at `address`, host:port, whose key `tls` pins.
    ///
    /// # Errors
    /// [`Error::Connection`]; perhaps only with the first call, if this client is not enrolled.
    pub async fn remote(address: &str, tls: &PinnedTls) -> Result<Self, Error> {
        let link = ControlConnection::remote(address, tls, &Limits::default()).await?;
        Ok(Self { link })
    }

    // ---- Lists

    /// Puts a list in the place of the one before: a start, batches, an end. Without the end, or with a bad
    /// record, nothing changes.
    pub async fn import_list(
        &self,
        parts: impl Stream<Item = ImportPart> + Send + 'static,
    ) -> Result<Imported, Error> {
        self.got(self.calls().import_list(parts).await)
    }

    /// What the node has of the two standing lists, without their records.
    pub async fn lists(&self) -> Result<StoredLists, Error> {
        self.got(self.calls().list_info(()).await)
    }

    /// Takes a list out with all its records.
    pub async fn withdraw_list(&self, kind: ListKind) -> Result<(), Error> {
        self.got(self.calls().withdraw_list(kind).await)
    }

    // ---- Peers

    /// Pairs the node with a peer.
    pub async fn add_peer(&self, entry: PeerEntry) -> Result<Peer, Error> {
        self.got(self.calls().add_peer(entry).await)
    }

    /// Puts another name, address or policy in the place of a peer's; its id stays.
    pub async fn change_peer(&self, peer: Peer) -> Result<(), Error> {
        self.got(self.calls().change_peer(peer).await)
    }

    /// Ends a pairing; what was counted against the peer stays.
    pub async fn remove_peer(&self, peer: PeerNumber) -> Result<(), Error> {
        self.got(self.calls().remove_peer(peer).await)
    }

    /// All peers, in the order in which they were added first.
    pub async fn peers(&self) -> Result<Vec<Peer>, Error> {
        self.got(self.calls().list_peers(()).await)
    }

    // ---- Clients

    /// Lets somebody use the node.
    pub async fn enrol_client(&self, new: NewClient) -> Result<ClientNumber, Error> {
        self.got(self.calls().enrol_client(new).await)
    }

    /// Gives a client another role.
    pub async fn change_role(&self, change: RoleChange) -> Result<(), Error> {
        self.got(self.calls().change_role(change).await)
    }

    /// Shuts a client out; its queries and answers stay.
    pub async fn remove_client(&self, client: ClientNumber) -> Result<(), Error> {
        self.got(self.calls().remove_client(client).await)
    }

    /// All clients.
    pub async fn clients(&self) -> Result<Vec<admin::Client>, Error> {
        self.got(self.calls().list_clients(()).await)
    }

    // ---- Queries and answers

    /// Asks all peers about a few people, beside the standing list.
    pub async fn submit_query(&self, query: NewQuery) -> Result<QueryNumber, Error> {
        self.got(self.calls().submit_query(query).await)
    }

    /// No longer asks a query; its answers stay.
    pub async fn withdraw_query(&self, query: QueryNumber) -> Result<(), Error> {
        self.got(self.calls().withdraw_query(query).await)
    }

    /// The caller's own queries, the newest first.
    pub async fn queries(&self) -> Result<Vec<QuerySummary>, Error> {
        self.got(self.calls().list_queries(()).await)
    }

    /// How one of the caller's queries stands with each peer, again whenever that changes; ends when every
    /// paired peer has answered.
    pub async fn watch_query(
        &self,
        query: QueryNumber,
    ) -> Result<Replies<'_, Vec<QueryAtPeer>>, Error> {
        self.replies(self.calls().watch_query(query).await)
    }

    /// The answers to one of the caller's queries: a header, then records.
    pub async fn query_results(
        &self,
        query: QueryNumber,
    ) -> Result<Replies<'_, ResultsPart>, Error> {
        self.replies(self.calls().query_results(query).await)
    }

    /// The answers about the standing requested list: a header, then records.
    pub async fn standing_results(
        &self,
        found_only: FoundOnly,
    ) -> Result<Replies<'_, ResultsPart>, Error> {
        self.replies(self.calls().standing_results(found_only).await)
    }

    // ---- Sessions

    /// The last sessions, the newest first: 1000 at most, 100 for 0.
    pub async fn sessions(&self, count: Newest) -> Result<Vec<SessionSummary>, Error> {
        self.got(self.calls().list_sessions(count).await)
    }

    /// The canonical text of what both sides signed of a session.
    pub async fn receipt(&self, session: SessionNumber) -> Result<Vec<u8>, Error> {
        self.got(self.calls().get_receipt(session).await)
    }

    /// The sessions that wait for an officer, and those approved that have not begun.
    pub async fn approvals(&self) -> Result<Vec<ApprovalSummary>, Error> {
        self.got(self.calls().list_approvals(()).await)
    }

    /// Lets a session run, or not.
    pub async fn decide(&self, decision: Decision) -> Result<(), Error> {
        self.got(self.calls().decide(decision).await)
    }

    /// How the node stands with its peers.
    pub async fn status(&self) -> Result<NodeStatus, Error> {
        self.got(self.calls().get_status(()).await)
    }

    /// Has a session run at once with `peer`, or with every peer whose policy allows it; gives with how many.
    /// A peer can then tell when somebody asked.
    pub async fn run_now(&self, peer: Option<PeerNumber>) -> Result<u32, Error> {
        self.got(self.calls().run_now(peer).await)
    }

    // ---- Audit log

    /// The newest entries, one JSON object each, the oldest first: 200 at most, 50 for 0.
    pub async fn audit_entries(&self, count: Newest) -> Result<Vec<String>, Error> {
        self.got(self.calls().audit_entries(count).await)
    }

    /// Has the node check its whole log, and that it goes on from the head that was exported `earlier`, one
    /// line of JSON.
    pub async fn verify_audit(&self, earlier: Option<String>) -> Result<AuditVerdict, Error> {
        self.got(self.calls().verify_audit(earlier).await)
    }

    /// The whole log, in parts of a file that can be checked without the node.
    pub async fn export_audit(&self) -> Result<Replies<'_, Vec<u8>>, Error> {
        self.replies(self.calls().export_audit(()).await)
    }

    fn calls(&self) -> ControlClient<ControlSender> {
        self.link.calls()
    }

    fn got<T>(&self, answer: Result<Response<T>, Status>) -> Result<T, Error> {
        let answer = answer.map(Response::into_inner);
        answer.map_err(|status| self.error(&status))
    }

    fn replies<T>(
        &self,
        answer: Result<Response<Streaming<T>>, Status>,
    ) -> Result<Replies<'_, T>, Error> {
        let stream = self.got(answer)?;
        Ok(Replies {
            stream,
            client: self,
        })
    }

    fn error(&self, status: &Status) -> Error {
        Error::of(status, &self.link)
    }
}
