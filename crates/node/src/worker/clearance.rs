//! What the store says of a session that would run now: the peer's budget, and the officers' word.

use jiff::Timestamp;

use super::context::Context;
use super::no_session::{NoSession, Note};
use super::prepare::terms;
use super::schedule::{Clearance, Event};
use admin::policy::Approval;
use admin::{ApprovalNumber, Peer};
use protocol::Role;
use store::approvals::ApprovalState;

/// Whether the budget has room for a session, and what the officers say to it; asks them, where they decide.
pub(super) async fn clearance(context: &Context, peer: &Peer) -> Result<Clearance, NoSession> {
    let entry = peer.clone();
    let cleared = context.blocking(move |handle, peer| {
        let (store, now) = (handle.store(), Timestamp::now());
        let role = Role::Responder;
        let asked = terms(&handle, &entry, role)?
            .ceilings
            .map(|_, ceilings| ceilings.of(role.other()).requested);
        // The budget first: an officer is not asked for a session that could not run.
        match store.check_budget(peer, asked, now) {
            Err(store::Error::OverBudget(over)) => {
                return Err(NoSession {
                    text: format!("the peer's budget here is used up: {over}"),
                    budget_until: over.resets_at,
                    note: Some(Note::OverBudget(over)),
                });
            }
            checked => checked?,
        }
        if entry.entry.policy.approval == Approval::ByItself {
            return Ok(Clearance::ByItself);
        }
        let approval = store.ask_approval(peer, now)?;
        Ok(match store.approval(approval)? {
            ApprovalState::Approved => Clearance::Approved(approval),
            _ => Clearance::Waits(approval),
        })
    });
    cleared.await
}

/// What became of the approval that a session waits for; `None` while it waits.
pub(super) async fn decided(context: &Context, approval: ApprovalNumber) -> Option<Event> {
    let state = context.blocking(move |handle, _| Ok(handle.store().approval(approval)?));
    match state.await {
        Ok(ApprovalState::Waiting) => None,
        Ok(ApprovalState::Refused) => Some(Event::Refused),
        // The next clearance says what it has come to.
        _ => Some(Event::Approved),
    }
}
