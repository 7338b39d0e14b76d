//! The calls of `control.proto`, for a caller who was let in: hands each on to its subject.

use std::sync::Arc;

use admin::list::{Imported, StoredLists};
use admin::query::{QueryAtPeer, QuerySummary};
use admin::session::{ApprovalSummary, SessionSummary};
use admin::{
    AuditVerdict, Client, ClientNumber, Decision, NewClient, NodeStatus, Peer, PeerEntry,
    PeerNumber, QueryNumber, RoleChange, SessionNumber,
};
use protocol::ListKind;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::authorizer::Caller;
use super::context::Context;
use super::{audit, clients, lists, peers, queries, results, sessions, status};
use wire::control::Control;
use wire::control::message::{FoundOnly, ImportPart, NewQuery, Newest, ResultsPart};

/// The control service, as the generated server calls it.
pub(super) struct ControlService(pub Arc<Context>);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Control for ControlService {
    type WatchQueryStream = BoxStream<Vec<QueryAtPeer>>;
    type QueryResultsStream = BoxStream<ResultsPart>;
    type StandingResultsStream = BoxStream<ResultsPart>;
    type ExportAuditStream = BoxStream<Vec<u8>>;

    async fn import_list(&self, request: Request<Streaming<ImportPart>>) -> Answered<Imported> {
        let client = Caller::of(&request)?.client;
        let imported = lists::import(&self.0, client, request.into_inner());
        imported.await.map(Response::new)
    }

    async fn list_info(&self, _: Request<()>) -> Answered<StoredLists> {
        lists::info(&self.0).await.map(Response::new)
    }

    async fn withdraw_list(&self, request: Request<ListKind>) -> Answered<()> {
        let client = Caller::of(&request)?.client;
        let withdrawn = lists::withdraw(&self.0, client, request.into_inner());
        withdrawn.await.map(Response::new)
    }

    async fn add_peer(&self, request: Request<PeerEntry>) -> Answered<Peer> {
        let added = peers::add(&self.0, request.into_inner());
        added.await.map(Response::new)
    }

    async fn change_peer(&self, request: Request<Peer>) -> Answered<()> {
        let changed = peers::change(&self.0, request.into_inner());
        changed.await.map(Response::new)
    }

    async fn remove_peer(&self, request: Request<PeerNumber>) -> Answered<()> {
        let removed = peers::remove(&self.0, request.into_inner());
        removed.await.map(Response::new)
    }

    async fn list_peers(&self, _: Request<()>) -> Answered<Vec<Peer>> {
        peers::all(&self.0).await.map(Response::new)
    }

    async fn enrol_client(&self, request: Request<NewClient>) -> Answered<ClientNumber> {
        let enrolled = clients::enrol(&self.0, request.into_inner());
        enrolled.await.map(Response::new)
    }

    async fn change_role(&self, request: Request<RoleChange>) -> Answered<()> {
        let changed = clients::change_role(&self.0, request.into_inner());
        changed.await.map(Response::new)
    }

    async fn remove_client(&self, request: Request<ClientNumber>) -> Answered<()> {
        let removed = clients::remove(&self.0, request.into_inner());
        removed.await.map(Response::new)
    }

    async fn list_clients(&self, _: Request<()>) -> Answered<Vec<Client>> {
        clients::all(&self.0).await.map(Response::new)
    }

    async fn submit_query(&self, request: Request<NewQuery>) -> Answered<QueryNumber> {
        let client = Caller::of(&request)?.client;
        let submitted = queries::submit(&self.0, client, request.into_inner());
        submitted.await.map(Response::new)
    }

    async fn withdraw_query(&self, request: Request<QueryNumber>) -> Answered<()> {
        let client = Caller::of(&request)?.client;
        let withdrawn = queries::withdraw(&self.0, client, request.into_inner());
        withdrawn.await.map(Response::new)
    }

    async fn list_queries(&self, request: Request<()>) -> Answered<Vec<QuerySummary>> {
        let client = Caller::of(&request)?.client;
        queries::of_client(&self.0, client).await.map(Response::new)
    }

    async fn watch_query(&self, request: Request<QueryNumber>) -> Answered<Self::WatchQueryStream> {
        let caller = Caller::of(&request)?;
        let updates = queries::watch(&self.0, caller, request.into_inner());
        updates.await.map(Response::new)
    }

    async fn query_results(
        &self,
        request: Request<QueryNumber>,
    ) -> Answered<Self::QueryResultsStream> {
        let caller = Caller::of(&request)?;
        let results = results::of_query(&self.0, caller, request.into_inner());
        results.await.map(Response::new)
    }

    async fn standing_results(
        &self,
        request: Request<FoundOnly>,
    ) -> Answered<Self::StandingResultsStream> {
        let caller = Caller::of(&request)?;
        let results = results::standing(&self.0, caller, request.into_inner());
        results.await.map(Response::new)
    }

    async fn list_sessions(&self, request: Request<Newest>) -> Answered<Vec<SessionSummary>> {
        let newest = sessions::newest(&self.0, request.into_inner());
        newest.await.map(Response::new)
    }

    async fn get_receipt(&self, request: Request<SessionNumber>) -> Answered<Vec<u8>> {
        let receipt = sessions::receipt(&self.0, request.into_inner());
        receipt.await.map(Response::new)
    }

    async fn list_approvals(&self, _: Request<()>) -> Answered<Vec<ApprovalSummary>> {
        sessions::approvals(&self.0).await.map(Response::new)
    }

    async fn decide(&self, request: Request<Decision>) -> Answered<()> {
        let client = Caller::of(&request)?.client;
        let decided = sessions::decide(&self.0, client, request.into_inner());
        decided.await.map(Response::new)
    }

    async fn get_status(&self, request: Request<()>) -> Answered<NodeStatus> {
        let caller = Caller::of(&request)?;
        status::of_node(&self.0, caller).await.map(Response::new)
    }

    async fn run_now(&self, request: Request<Option<PeerNumber>>) -> Answered<u32> {
        let asked = status::run_now(&self.0, request.into_inner());
        asked.await.map(Response::new)
    }

    async fn audit_entries(&self, request: Request<Newest>) -> Answered<Vec<String>> {
        let entries = audit::entries(&self.0, request.into_inner());
        entries.await.map(Response::new)
    }

    async fn verify_audit(&self, request: Request<Option<String>>) -> Answered<AuditVerdict> {
        let verdict = audit::verify(&self.0, request.into_inner());
        verdict.await.map(Response::new)
    }

    async fn export_audit(&self, _: Request<()>) -> Answered<Self::ExportAuditStream> {
        audit::export(&self.0).await.map(Response::new)
    }
}
