//! The calls of `control.proto`, for a caller whom the gate let in: translates and nothing else.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::forms;
use super::gate::{Caller, Gate};
use super::results::{self, name_of, peer_names};
use crate::handle::{Handle, NotNow};
use admin::{ClientNumber, PeerNumber, QueryNumber, SessionNumber};
use identity::{KeyClass, Person, Schema};
use protocol::ListKind;
use store::approvals::ApprovalState;
use store::audit::Head;
use store::audit::export::ExportError;
use store::budget::Direction;
use store::{self, Store};
use wire::control::{self as pb, Control, Header, Malformed};

/// Sessions told at most, and without a number given.
const SESSIONS: (u32, u32) = (1000, 100);
/// Entries of the audit log told at most, and without a number given; 200 fit into one message.
const ENTRIES: (u32, u32) = (200, 50);
/// Queries told at most.
const QUERIES_TOLD_MAX: usize = 1000;
/// Parts of an exported log that wait to be taken, and the bytes of each.
const PARTS_WAITING_MAX: usize = 2;
const PART_BYTES: usize = 64 << 10;
/// A session in progress changes all the time; a watcher looks again after this at the earliest.
const WATCH_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a head that somebody kept, at most.
const HEAD_BYTES_MAX: usize = 1024;

/// The desk at which callers are served.
pub(super) struct Desk(pub Arc<Gate>);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Control for Desk {
    type WatchQueryStream = BoxStream<pb::QueryUpdate>;
    type QueryResultsStream = BoxStream<pb::Results>;
    type StandingResultsStream = BoxStream<pb::Results>;
    type ExportAuditStream = BoxStream<pb::ExportAuditPart>;

    async fn import_list(
        &self,
        request: Request<Streaming<pb::ImportListRequest>>,
    ) -> Answered<pb::ImportListReply> {
        let client = caller(&request)?.client;
        let imported = super::importing::import(&self.0, client, request.into_inner());
        imported.await.map(Response::new)
    }

    async fn list_info(&self, _: Request<pb::ListInfoRequest>) -> Answered<pb::ListInfoReply> {
        let read = self.0.store(|store| {
            Ok(pb::ListInfoReply {
                held: store.list(ListKind::Held)?.map(forms::list_form),
                requested: store.list(ListKind::Requested)?.map(forms::list_form),
            })
        });
        read.await.map(Response::new)
    }

    async fn withdraw_list(
        &self,
        request: Request<pb::WithdrawListRequest>,
    ) -> Answered<pb::WithdrawListReply> {
        let client = caller(&request)?.client;
        let kind = pb::list_numbered(request.into_inner().kind).map_err(malformed)?;
        self.change(move |store| store.withdraw(kind, Some(client), Timestamp::now()))
            .await?;
        Ok(Response::new(pb::WithdrawListReply {}))
    }

    async fn add_peer(&self, request: Request<pb::AddPeerRequest>) -> Answered<pb::AddPeerReply> {
        let entry = forms::peer_entry(request.into_inner().entry).map_err(malformed)?;
        if entry.id == self.0.handle.id() {
            return Err(Status::invalid_argument("this is the node's own id"));
        }
        let added = self.change(move |store| {
            let number = store.add_peer(&entry, Timestamp::now())?;
            store.peer(number)
        });
        let peer = added.await?;
        Ok(Response::new(pb::AddPeerReply {
            peer: Some(forms::peer_form(&peer)),
        }))
    }

    async fn change_peer(
        &self,
        request: Request<pb::ChangePeerRequest>,
    ) -> Answered<pb::ChangePeerReply> {
        let request = request.into_inner();
        let number = PeerNumber::new(request.number);
        let entry = forms::peer_entry(request.entry).map_err(malformed)?;
        self.change(move |store| store.change_peer(number, &entry, Timestamp::now()))
            .await?;
        Ok(Response::new(pb::ChangePeerReply {}))
    }

    async fn remove_peer(
        &self,
        request: Request<pb::RemovePeerRequest>,
    ) -> Answered<pb::RemovePeerReply> {
        let number = PeerNumber::new(request.into_inner().number);
        self.change(move |store| store.remove_peer(number, Timestamp::now()))
            .await?;
        Ok(Response::new(pb::RemovePeerReply {}))
    }

    async fn list_peers(&self, _: Request<pb::ListPeersRequest>) -> Answered<pb::ListPeersReply> {
        let peers = self.0.store(Store::peers).await?;
        Ok(Response::new(pb::ListPeersReply {
            peers: peers.iter().map(forms::peer_form).collect(),
        }))
    }

    async fn enrol_client(
        &self,
        request: Request<pb::EnrolClientRequest>,
    ) -> Answered<pb::EnrolClientReply> {
        let request = request.into_inner();
        let name = forms::client_name(request.name).map_err(malformed)?;
        let role = forms::role(request.role).map_err(malformed)?;
        let credential = forms::credential(request.credential).map_err(malformed)?;
        let enrolled =
            self.change(move |store| store.enrol(&name, role, credential, Timestamp::now()));
        let number = enrolled.await?.number();
        self.0.look_at_keys().await?;
        Ok(Response::new(pb::EnrolClientReply { number }))
    }

    async fn change_role(
        &self,
        request: Request<pb::ChangeRoleRequest>,
    ) -> Answered<pb::ChangeRoleReply> {
        let request = request.into_inner();
        let number = ClientNumber::new(request.number);
        let role = forms::role(request.role).map_err(malformed)?;
        self.change(move |store| store.change_role(number, role, Timestamp::now()))
            .await?;
        Ok(Response::new(pb::ChangeRoleReply {}))
    }

    async fn remove_client(
        &self,
        request: Request<pb::RemoveClientRequest>,
    ) -> Answered<pb::RemoveClientReply> {
        let number = ClientNumber::new(request.into_inner().number);
        self.change(move |store| store.remove_client(number, Timestamp::now()))
            .await?;
        self.0.look_at_keys().await?;
        Ok(Response::new(pb::RemoveClientReply {}))
    }

    async fn list_clients(
        &self,
        _: Request<pb::ListClientsRequest>,
    ) -> Answered<pb::ListClientsReply> {
        let clients = self.0.store(Store::clients).await?;
        Ok(Response::new(pb::ListClientsReply {
            clients: clients.iter().map(forms::client_form).collect(),
        }))
    }

    async fn submit_query(
        &self,
        request: Request<pb::SubmitQueryRequest>,
    ) -> Answered<pb::SubmitQueryReply> {
        let client = caller(&request)?.client;
        let request = request.into_inner();
        let header = request.header.ok_or(Malformed::Missing("the header"));
        let header = header.and_then(Header::try_from).map_err(malformed)?;
        check_schema(&self.0.handle, header.schema)?;
        let people = pb::people(request.people, header.columns.len()).map_err(malformed)?;
        let mut ids: Vec<&str> = people.iter().map(|person| &*person.record_id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|two| two[0] == two[1]) {
            return Err(Status::invalid_argument("two records have the same id"));
        }
        let narrow = |person: &Person| {
            let mut classes = person.keys.iter().map(|(kind, _)| kind.class());
            classes.any(|class| class == KeyClass::Narrow)
        };
        if !people.iter().all(narrow) {
            let peers = self.0.store(Store::peers).await?;
            if peers.iter().all(|peer| peer.entry.policy.wide.is_none()) {
                return Err(Status::failed_precondition(
                    "somebody in the query has only keys that several people may share, and no peer is \
                     asked about such keys: give a full date of birth or a number",
                ));
            }
        }
        let submitted = self.change(move |store| {
            store.submit_under(client, &header.columns, &people, Timestamp::now())
        });
        let number = submitted.await?.number();
        Ok(Response::new(pb::SubmitQueryReply { number }))
    }

    async fn withdraw_query(
        &self,
        request: Request<pb::WithdrawQueryRequest>,
    ) -> Answered<pb::WithdrawQueryReply> {
        let client = caller(&request)?.client;
        let query = QueryNumber::new(request.into_inner().number);
        self.change(move |store| store.withdraw_query(query, client, Timestamp::now()))
            .await?;
        Ok(Response::new(pb::WithdrawQueryReply {}))
    }

    async fn list_queries(
        &self,
        request: Request<pb::ListQueriesRequest>,
    ) -> Answered<pb::ListQueriesReply> {
        let client = caller(&request)?.client;
        let queries = self.0.store(move |store| store.queries_of(client)).await?;
        let queries = queries.iter().take(QUERIES_TOLD_MAX);
        let form = |query: &store::queries::QueryInfo| pb::QueryInfo {
            number: query.number.number(),
            submitted_ms: forms::ms(query.submitted),
            open: query.open,
        };
        Ok(Response::new(pb::ListQueriesReply {
            queries: queries.map(form).collect(),
        }))
    }

    async fn watch_query(
        &self,
        request: Request<pb::WatchQueryRequest>,
    ) -> Answered<Self::WatchQueryStream> {
        let caller = caller(&request)?;
        let query = QueryNumber::new(request.into_inner().number);
        let mut changes = self.0.handle.watch();
        changes.borrow_and_update();
        // Before the stream begins, so that a query that is not the caller's is refused.
        let mut update = self.standing_of(caller, query).await?;
        let (outgoing, incoming) = mpsc::channel(1);
        let desk = Self(self.0.clone());
        tokio::spawn(async move {
            loop {
                let done = is_answered(&update);
                let sent = timeout(desk.0.limits.stall, outgoing.send(Ok(update.clone()))).await;
                if done || !matches!(sent, Ok(Ok(()))) {
                    return;
                }
                // The next one that differs from what the client knows.
                loop {
                    tokio::select! {
                        changed = changes.changed() => if changed.is_err() { return },
                        () = outgoing.closed() => return,
                    }
                    sleep(WATCH_PAUSE).await;
                    let now = match desk.0.readmit(caller).await {
                        Ok(()) => desk.standing_of(caller, query).await,
                        Err(refusal) => Err(refusal),
                    };
                    match now {
                        Ok(now) if now == update => {}
                        Ok(now) => {
                            update = now;
                            break;
                        }
                        Err(refusal) => {
                            let _ = timeout(desk.0.limits.stall, outgoing.send(Err(refusal))).await;
                            return;
                        }
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(incoming))))
    }

    async fn query_results(
        &self,
        request: Request<pb::QueryResultsRequest>,
    ) -> Answered<Self::QueryResultsStream> {
        let caller = caller(&request)?;
        let query = QueryNumber::new(request.into_inner().number);
        let results = results::of_query(&self.0, caller, query);
        results.await.map(Response::new)
    }

    async fn standing_results(
        &self,
        request: Request<pb::StandingResultsRequest>,
    ) -> Answered<Self::StandingResultsStream> {
        let caller = caller(&request)?;
        let found_only = request.into_inner().found_only;
        let results = results::standing(&self.0, caller, found_only);
        results.await.map(Response::new)
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Answered<pb::ListSessionsReply> {
        let count = at_most(request.into_inner().count, SESSIONS);
        let read = self.0.store(move |store| {
            let names = peer_names(store)?;
            let sessions = store.sessions(count)?.into_iter();
            let form = |session: store::sessions::SessionInfo| {
                forms::session_form(&session, name_of(&names, session.peer))
            };
            Ok(sessions.map(form).collect())
        });
        let sessions = read.await?;
        Ok(Response::new(pb::ListSessionsReply { sessions }))
    }

    async fn get_receipt(
        &self,
        request: Request<pb::GetReceiptRequest>,
    ) -> Answered<pb::GetReceiptReply> {
        let session = SessionNumber::new(request.into_inner().session);
        let receipt = self.0.store(move |store| store.receipt(session)).await?;
        let receipt = receipt.ok_or(Status::not_found("this session has no receipt"))?;
        Ok(Response::new(pb::GetReceiptReply {
            receipt: receipt.encode().to_vec(),
        }))
    }

    async fn list_approvals(
        &self,
        _: Request<pb::ListApprovalsRequest>,
    ) -> Answered<pb::ListApprovalsReply> {
        let read = self.0.store(|store| {
            let names = peer_names(store)?;
            let form = |approval: store::approvals::ApprovalRequest| pb::ApprovalInfo {
                number: approval.number.number(),
                peer: approval.peer.number(),
                peer_name: name_of(&names, approval.peer),
                asked_ms: forms::ms(approval.asked),
                approved: approval.state == ApprovalState::Approved,
            };
            Ok(store.approvals()?.into_iter().map(form).collect())
        });
        let approvals = read.await?;
        Ok(Response::new(pb::ListApprovalsReply { approvals }))
    }

    async fn decide(&self, request: Request<pb::DecideRequest>) -> Answered<pb::DecideReply> {
        let client = caller(&request)?.client;
        let request = request.into_inner();
        let (approval, approved) = (forms::approval_number(request.number), request.approved);
        self.change(move |store| store.decide(approval, approved, Some(client), Timestamp::now()))
            .await?;
        Ok(Response::new(pb::DecideReply {}))
    }

    async fn get_status(&self, _: Request<pb::GetStatusRequest>) -> Answered<pb::GetStatusReply> {
        let handle = self.0.handle.clone();
        let read = self.0.store(move |store| {
            let now = Timestamp::now();
            let people = |kind| Ok::<_, store::Error>(store.list(kind)?.map(|list| list.people));
            let status_of = |peer: admin::Peer| {
                let left = |direction| store.budget_left(peer.number, direction, now);
                Ok(pb::PeerStatus {
                    peer: peer.number.number(),
                    name: peer.entry.name,
                    pair: Some(forms::pair_form(&handle.pair(peer.number))),
                    theirs: forms::budget_forms(&left(Direction::Answered)?),
                    ours: forms::budget_forms(&left(Direction::Asked)?),
                })
            };
            Ok(pb::GetStatusReply {
                id: handle.id().to_string(),
                held_people: people(ListKind::Held)?,
                requested_people: people(ListKind::Requested)?,
                peers: store
                    .peers()?
                    .into_iter()
                    .map(status_of)
                    .collect::<Result<_, store::Error>>()?,
            })
        });
        read.await.map(Response::new)
    }

    async fn run_now(&self, request: Request<pb::RunNowRequest>) -> Answered<pb::RunNowReply> {
        let one = request.into_inner().peer.map(PeerNumber::new);
        let handle = self.0.handle.clone();
        let asked = self.0.store(move |store| {
            let peers = match one {
                Some(peer) => vec![peer],
                None => store.peers()?.into_iter().map(|peer| peer.number).collect(),
            };
            let (mut asked, mut refusal) = (0, None);
            for peer in peers {
                match handle.run_now(peer) {
                    Ok(()) => asked += 1,
                    Err(NotNow::Store(error)) => return Err(error),
                    Err(why) => refusal = Some(why.to_string()),
                }
            }
            Ok((asked, refusal))
        });
        match asked.await? {
            (0, Some(refusal)) => Err(Status::failed_precondition(refusal)),
            (peers, _) => Ok(Response::new(pb::RunNowReply { peers })),
        }
    }

    async fn audit_entries(
        &self,
        request: Request<pb::AuditEntriesRequest>,
    ) -> Answered<pb::AuditEntriesReply> {
        let count = at_most(request.into_inner().count, ENTRIES);
        let entries = self.0.store(move |store| store.last_entries(count)).await?;
        Ok(Response::new(pb::AuditEntriesReply { entries }))
    }

    async fn verify_audit(
        &self,
        request: Request<pb::VerifyAuditRequest>,
    ) -> Answered<pb::VerifyAuditReply> {
        let earlier = match request.into_inner().earlier {
            None => None,
            Some(line) if line.len() > HEAD_BYTES_MAX => {
                return Err(malformed(Malformed::Length("the head")));
            }
            Some(line) => {
                let head = Head::from_line(&line);
                Some(head.map_err(|_| malformed(Malformed::Unknown("the head")))?)
            }
        };
        let verdict = self
            .0
            .store(move |store| store.verify_audit(earlier.as_ref()));
        let (head, fault) = match verdict.await? {
            Ok(head) => (Some(head.to_line()), None),
            Err(fault) => (None, Some(fault.to_string())),
        };
        Ok(Response::new(pb::VerifyAuditReply { head, fault }))
    }

    async fn export_audit(
        &self,
        _: Request<pb::ExportAuditRequest>,
    ) -> Answered<Self::ExportAuditStream> {
        // Into a file first, which has no name: a reader that is slow must not hold the store.
        let home = self.0.handle.store().home().to_owned();
        let exported = self.0.store(move |store| {
            let failed = |source| store::Error::Io {
                doing: "write an export in",
                path: home.clone(),
                source,
            };
            let file = tempfile::tempfile_in(&home).map_err(failed)?;
            let mut out = io::BufWriter::new(&file);
            match store.export_audit(&mut out) {
                Ok(_) => {}
                Err(ExportError::Store(error)) => return Err(error),
                Err(ExportError::Io(error)) => return Err(failed(error)),
                Err(ExportError::Fault(_)) => return Err(store::Error::DamagedStore),
            }
            drop(out);
            Ok(file)
        });
        let file = exported.await?;
        let (outgoing, incoming) = mpsc::channel(PARTS_WAITING_MAX);
        let limit = self.0.limits.stall;
        tokio::spawn(async move {
            if let Err(error) = send_file(file, &outgoing, limit).await {
                let refusal = Status::internal(error.to_string());
                let _ = timeout(limit, outgoing.send(Err(refusal))).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(incoming))))
    }
}

impl Desk {
    /// Changes the store, and lets the daemon and the watchers know.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, Status> {
        let handle = self.0.handle.clone();
        let changed = self.0.store(move |store| {
            let done = work(store)?;
            // Here, for the client may be gone by now.
            handle.stored();
            Ok(done)
        });
        changed.await
    }

    /// How a query stands with each peer.
    async fn standing_of(
        &self,
        caller: Caller,
        query: QueryNumber,
    ) -> Result<pb::QueryUpdate, Status> {
        let handle = self.0.handle.clone();
        let read = self.0.store(move |store| {
            let answers = store.answers(query, caller.client)?;
            let peers = store.peers()?.into_iter().map(|peer| {
                let answer = answers.iter().find(|answer| answer.peer == peer.number);
                pb::QueryAtPeer {
                    peer: peer.number.number(),
                    name: peer.entry.name,
                    answered_ms: answer.map(|answer| forms::ms(answer.at)),
                    pair: Some(forms::pair_form(&handle.pair(peer.number))),
                }
            });
            Ok(pb::QueryUpdate {
                peers: peers.collect(),
            })
        });
        read.await
    }
}

/// Whom the gate let in.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().copied();
    caller.ok_or(Status::internal(
        "a call that did not come through the gate",
    ))
}

/// Whether every paired peer has answered; without a peer nobody has.
fn is_answered(update: &pb::QueryUpdate) -> bool {
    let mut peers = update.peers.iter();
    !update.peers.is_empty() && peers.all(|peer| peer.answered_ms.is_some())
}

fn at_most(count: u32, (max, default): (u32, u32)) -> u32 {
    match count {
        0 => default,
        count => count.min(max),
    }
}

async fn send_file(
    mut file: std::fs::File,
    outgoing: &mpsc::Sender<Result<pb::ExportAuditPart, Status>>,
    limit: Duration,
) -> io::Result<()> {
    use std::io::{Read, Seek};
    file.rewind()?;
    loop {
        let read = tokio::task::spawn_blocking(move || {
            let mut data = Vec::with_capacity(PART_BYTES);
            let read = file.by_ref().take(PART_BYTES as u64).read_to_end(&mut data);
            read.map(|_| (file, data))
        });
        let (rest, data) = read.await.map_err(io::Error::other)??;
        file = rest;
        if data.is_empty() {
            return Ok(());
        }
        let part = pb::ExportAuditPart { data };
        if !matches!(timeout(limit, outgoing.send(Ok(part))).await, Ok(Ok(()))) {
            return Ok(());
        }
    }
}

fn malformed(error: Malformed) -> Status {
    Status::invalid_argument(error.to_string())
}

/// All that a client may learn of what went wrong in the store. These texts hold numbers, bounds and
/// paths of the node's home, and clients are of the node's own house.
pub(super) fn status(error: store::Error) -> Status {
    use store::Error;
    let text = error.to_string();
    match error {
        Error::NoSuch { .. } => Status::not_found(text),
        Error::Exists { .. } => Status::already_exists(text),
        Error::WrongState { .. } | Error::LastOfficer => Status::failed_precondition(text),
        Error::TooLong { .. } | Error::RecordTwice { .. } | Error::Policy(_) => {
            Status::invalid_argument(text)
        }
        Error::OverBudget(_) => Status::resource_exhausted(text),
        Error::DiskFull => Status::unavailable(text),
        Error::Altered { .. } | Error::DamagedStore | Error::DiskFailed { .. } => {
            tracing::error!(error = text, "store");
            Status::data_loss(text)
        }
        Error::NoHome
        | Error::Io { .. }
        | Error::FileOpenToOthers { .. }
        | Error::DirectoryOpenToOthers { .. }
        | Error::OwnedBySomebodyElse { .. }
        | Error::NotAFile { .. }
        | Error::FileExists { .. }
        | Error::KeyFile { .. }
        | Error::PassphraseFile { .. }
        | Error::NotOurs { .. }
        | Error::NotAnId { .. }
        | Error::TooMany { .. }
        | Error::OutOfMemory { .. }
        | Error::CostOutOfBounds
        | Error::NoRandomness
        | Error::HomeOpenToOthers { .. }
        | Error::NoStore { .. }
        | Error::StoreExists { .. }
        | Error::InUse { .. }
        | Error::ForeignStore { .. }
        | Error::NewerStore { .. }
        | Error::OtherNode
        | Error::WrongPassphrase
        | Error::Busy
        | Error::NoWal
        | Error::Database(_) => {
            tracing::error!(error = text, "store");
            Status::internal(text)
        }
    }
}

/// Keys that were made under another schema than the node's would match nobody.
pub(super) fn check_schema(handle: &Handle, schema: Schema) -> Result<(), Status> {
    if schema == handle.schema() {
        return Ok(());
    }
    let name = handle.schema().name();
    Err(Status::failed_precondition(format!(
        "this node matches under the schema {name}: use --schema {name}"
    )))
}
