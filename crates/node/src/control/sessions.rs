//! Sessions, their receipts, and what waits for an officer.

use admin::session::{ApprovalSummary, SessionSummary};
use admin::{ClientNumber, Decision, SessionNumber};
use jiff::Timestamp;
use store::approvals::{ApprovalRequest, ApprovalState};
use store::sessions::SessionInfo;
use tonic::Status;

use super::context::Context;
use super::peers::{name_of, peer_names};
use wire::control::message::Newest;

/// Sessions told at most, and without a number given.
const SESSIONS: (u32, u32) = (1000, 100);

/// The last sessions, the newest first.
pub(super) async fn newest(
    context: &Context,
    count: Newest,
) -> Result<Vec<SessionSummary>, Status> {
    let (max, default) = SESSIONS;
    let read = context.store.read(move |store| {
        let names = peer_names(store)?;
        let told = |session: SessionInfo| SessionSummary {
            number: session.number,
            peer: session.peer,
            peer_name: name_of(&names, session.peer),
            started: session.started,
            id: session.id,
            stage: session.stage,
        };
        let sessions = store.sessions(count.at_most(max, default))?;
        Ok(sessions.into_iter().map(told).collect())
    });
    read.await
}

/// What both sides signed of a session, as its canonical text.
pub(super) async fn receipt(context: &Context, session: SessionNumber) -> Result<Vec<u8>, Status> {
    let receipt = context.store.read(move |store| store.receipt(session));
    let receipt = receipt.await?;
    let receipt = receipt.ok_or(Status::not_found("this session has no receipt"))?;
    Ok(receipt.encode())
}

/// The sessions that wait for an officer, and those approved that have not begun.
pub(super) async fn approvals(context: &Context) -> Result<Vec<ApprovalSummary>, Status> {
    let read = context.store.read(|store| {
        let names = peer_names(store)?;
        let told = |approval: ApprovalRequest| ApprovalSummary {
            number: approval.number,
            peer: approval.peer,
            peer_name: name_of(&names, approval.peer),
            asked: approval.asked,
            approved: approval.state == ApprovalState::Approved,
        };
        Ok(store.approvals()?.into_iter().map(told).collect())
    });
    read.await
}

/// Lets a session run, or not.
pub(super) async fn decide(
    context: &Context,
    client: ClientNumber,
    decision: Decision,
) -> Result<(), Status> {
    let Decision { approval, approved } = decision;
    let decided = context
        .store
        .change(move |store| store.decide(approval, approved, Some(client), Timestamp::now()));
    decided.await
}
