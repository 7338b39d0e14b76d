//! Whether a session may run, and when: the schedule, what failed before, officers, the budget, and the
//! mediator.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use super::setup::{Trouble, can_call, no_terms, settler};
use super::{Memory, Worker, after};
use crate::settle::{AtRelay, Settler};
use admin::policy::Approval;
use admin::{ApprovalNumber, Peer};
use protocol::Role;
use store::approvals::ApprovalState;

/// How much later than the peer the node with the higher id calls: a part of the schedule, and at most this.
const GRACE_PART: u32 = 4;
const GRACE_MAX: Duration = Duration::from_secs(60);
/// For how long an officer's refusal holds where there is no schedule.
const REFUSED_PAUSE: Duration = Duration::from_secs(3600);

impl Worker {
    /// When this side is to call; `None` if it cannot, or waits for an officer.
    pub(super) async fn due(&self, peer: &Peer, memory: &mut Memory) -> Option<Timestamp> {
        let now = Timestamp::now();
        if peer.entry.policy.approval == Approval::ByItself {
            memory.approval = None;
        }
        if let Some(number) = memory.approval {
            let state = self
                .blocking(move |handle, _| Ok(handle.store().approval(number)?))
                .await;
            match state {
                Ok(ApprovalState::Waiting) => return None,
                Ok(ApprovalState::Refused) => {
                    let pause = peer
                        .entry
                        .policy
                        .schedule_s
                        .map_or(REFUSED_PAUSE, |schedule_s| {
                            Duration::from_secs(schedule_s.into())
                        });
                    (memory.last, memory.wanted) = (Some(now), false);
                    (memory.approval, memory.refused_until) = (None, Some(after(now, pause)));
                }
                _ => memory.approval = None,
            }
        }
        if !can_call(peer) {
            return None;
        }
        let scheduled = peer.entry.policy.schedule_s.map(|schedule_s| {
            let schedule = Duration::from_secs(schedule_s.into());
            let grace = match self.handle.id() > peer.entry.id {
                true => (schedule / GRACE_PART).min(GRACE_MAX),
                false => Duration::ZERO,
            };
            // A clock that was set back makes nothing wait longer than a schedule.
            let since = memory.last.map(|last| last.min(now));
            since.map_or(memory.began.min(now), |last| after(last, schedule)) + grace
        });
        let wanted = memory.wanted.then_some(now);
        let due = [scheduled, wanted].into_iter().flatten().min()?;
        let retry = memory
            .retry_at
            .map(|at| after(now, at.duration_since(Instant::now())));
        let waits = [retry, memory.not_before, memory.refused_until];
        Some(waits.into_iter().flatten().fold(due, Timestamp::max))
    }

    /// Whether a session may run now: `None` while it waits for an officer; else the approval that it uses up.
    pub(super) async fn may(
        &self,
        peer: &Peer,
        memory: &mut Memory,
    ) -> Result<Option<Option<ApprovalNumber>>, Trouble> {
        let policy = peer.entry.policy.clone();
        let now = Timestamp::now();
        let refused = memory.refused_until.is_some_and(|until| until > now);
        if policy.approval == Approval::ByHand && refused {
            return Ok(None);
        }
        let note = !memory.noted_lately();
        let may = self.blocking(move |handle, peer| {
            let store = handle.store();
            let role = Role::Responder;
            let terms = policy.terms(role, handle.schema()).ok_or_else(no_terms)?;
            let asked = terms
                .ceilings
                .map(|_, ceilings| ceilings.of(role.other()).requested);
            match store.check_budget(peer, asked, now) {
                Err(store::Error::OverBudget(over)) => {
                    if note {
                        store.note_over_budget(peer, &over, now)?;
                    }
                    return Err(Trouble {
                        text: format!("the peer's budget here is used up: {over}"),
                        not_before: over.resets_at,
                    });
                }
                checked => checked?,
            }
            if policy.approval == Approval::ByItself {
                return Ok((None, true));
            }
            let approval = store.ask_approval(peer, now)?;
            let given = store.approval(approval)? == ApprovalState::Approved;
            Ok((Some(approval), given))
        });
        let may = may.await;
        if may
            .as_ref()
            .is_err_and(|trouble| trouble.not_before.is_some())
            && note
        {
            memory.refused_noted = Some(Instant::now());
        }
        match may? {
            (approval, true) => Ok(Some(approval)),
            (approval, false) => {
                memory.approval = approval;
                Ok(None)
            }
        }
    }

    /// The mediator of the sessions with this peer, if there is one: asked first, so that nothing is spent
    /// on a session that could not be signed.
    pub(super) async fn settler(&self, peer: &Peer) -> Result<Option<AtRelay>, Trouble> {
        let policy = &peer.entry.policy;
        let settler = settler(
            &self.handle,
            policy.mediator.as_deref(),
            &self.settings.limits,
        )?;
        let (Some(settler), Some(descriptor)) = (settler, policy.descriptor()) else {
            return Ok(None);
        };
        let told = timeout(self.settings.patience.mediator, settler.time()).await;
        match told {
            Ok(Ok(now)) if now > descriptor.until => Err(Trouble::text(
                "the mediator's descriptor is out of date: tacit peer change --mediator takes the new one"
                    .into(),
            )),
            Ok(Ok(_)) => Ok(Some(settler)),
            Ok(Err(fault)) => Err(Trouble::text(fault.to_string())),
            Err(_) => Err(Trouble::text("the mediator does not answer".into())),
        }
    }
}
