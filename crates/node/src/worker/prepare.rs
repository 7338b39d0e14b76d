//! Prepares what sessions with one peer take: sealed tables of the held list, question sets of what is asked.
//! Works in the store, for as long as the ceilings make it, and blocks.

use jiff::Timestamp;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use super::no_session::NoSession;
use super::stock::{Basis, Fit, Plan, Prepared, Questions};
use crate::asking::{self, Asking};
use crate::handle::Handle;
use admin::Peer;
use identity::HashedIdentity;
use protocol::{ByClass, ListKind, PreparedTable, QuestionSet, Role, Terms};
use store::Store;

/// The terms that the policy for a peer makes.
pub(super) fn terms(handle: &Handle, peer: &Peer, role: Role) -> Result<Terms, NoSession> {
    let terms = peer.entry.policy.terms(role, handle.schema());
    terms.ok_or_else(|| NoSession::because("the policy for this peer makes no terms"))
}

/// What sessions with this peer are to be prepared for and from now.
pub(super) fn basis(handle: &Handle, peer: &Peer) -> Result<Basis, NoSession> {
    let (store, role) = (handle.store(), Role::Initiator);
    let terms = terms(handle, peer, role)?;
    let held = store.list(ListKind::Held)?.ok_or_else(|| {
        // An empty list would answer no about everybody, which is not what nobody has said yet.
        NoSession::because("no held list was imported yet, so no session runs")
    })?;
    check_schema(handle, ListKind::Held)?;
    check_schema(handle, ListKind::Requested)?;
    Ok(Basis {
        fit: Fit {
            mediator: terms.mediator,
            held: terms.ceilings.map(|_, ceilings| ceilings.of(role).held),
            requested: terms.ceilings.map(|_, c| c.of(role).requested),
        },
        held: held.version,
        asks: store.asks(peer.number)?,
    })
}

/// Keys that were made under another schema match nobody: a list that has such keys must not be asked or
/// answered from.
pub(super) fn check_schema(handle: &Handle, kind: ListKind) -> Result<(), NoSession> {
    let name = match kind {
        ListKind::Held => "held",
        ListKind::Requested => "requested",
    };
    match handle.store().list(kind)? {
        Some(list) if list.header.schema_digest != hex::encode(handle.schema().digest()) => {
            Err(NoSession::because(format!(
                "the {name} list was imported under another matching schema: import it again"
            )))
        }
        _ => Ok(()),
    }
}

/// Prepares what is planned. `None` when the held list was replaced meanwhile: the next plan is of the new one.
pub(super) fn prepare(
    handle: &Handle,
    peer: &Peer,
    plan: &Plan,
) -> Result<Option<Prepared>, NoSession> {
    let store = handle.store();
    let before = still_there(store, peer, plan)?;
    let mut prepared = Prepared::default();
    if plan.same_held {
        prepared.tables.clone_from(&before.tables);
    }
    let missing = plan.sessions.saturating_sub(prepared.tables.len());
    if missing > 0 {
        let Basis { fit, .. } = &plan.basis;
        let elements = store.elements(ListKind::Held, fit.held.wide.is_some())?;
        for _ in 0..missing {
            let held = elements.identities.clone();
            let mut rng = UnwrapErr(SysRng);
            let table = PreparedTable::prepare(held, fit.held, fit.mediator, &mut rng, |_| ())?;
            match store.keep_prepared(peer.number, elements.version, &table) {
                Ok(table) => prepared.tables.push_back(table),
                Err(store::Error::WrongState { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }
    prepare_questions(store, peer, plan, &before, &mut prepared)?;
    Ok(Some(prepared))
}

/// Discards what will not serve any more, and gives what of the plan is still there: a list that was withdrawn
/// has taken it along.
fn still_there(store: &Store, peer: &Peer, plan: &Plan) -> Result<Prepared, NoSession> {
    let mut before = plan.before.clone();
    let questions: Vec<_> = before.questions.iter().map(|set| set.number).collect();
    store.discard_unused_but(peer.number, before.tables.make_contiguous(), &questions)?;
    let (tables, questions) = store.unused(peer.number)?;
    before.tables.retain(|table| tables.contains(table));
    before
        .questions
        .retain(|set| questions.contains(&set.number));
    Ok(before)
}

fn prepare_questions(
    store: &Store,
    peer: &Peer,
    plan: &Plan,
    before: &Prepared,
    prepared: &mut Prepared,
) -> Result<(), NoSession> {
    if plan.same_asks {
        prepared.questions.clone_from(&before.questions);
        if prepared.questions.len() >= plan.sessions {
            return Ok(());
        }
    }
    let read = Timestamp::now();
    let Asking {
        identities,
        list,
        left_out,
    } = asking::gather(store, peer.number, &peer.entry.policy)?;
    if left_out > 0 {
        tracing::warn!(
            peer = peer.number.number(),
            left_out,
            "queries that the ceiling has no room for wait"
        );
    }
    if !plan.same_asks {
        for before in &before.questions {
            if let Some(questions) = changed(store, peer, before, identities.clone())? {
                prepared.questions.push_back(Questions {
                    read,
                    list,
                    ..questions
                });
            }
        }
    }
    while prepared.questions.len() < plan.sessions {
        let requested = identities.clone();
        let ceilings = plan.basis.fit.requested;
        let set = QuestionSet::prepare(requested, ceilings, &mut UnwrapErr(SysRng))?;
        let number = store.keep_questions(peer.number, &set, None)?;
        prepared
            .questions
            .push_back(Questions { number, read, list });
    }
    Ok(())
}

/// A set as the one before, brought to what is asked now: as dear as what has changed. The one before goes on
/// serving meanwhile, but of the two only one ever serves.
fn changed(
    store: &Store,
    peer: &Peer,
    before: &Questions,
    identities: ByClass<Vec<HashedIdentity>>,
) -> Result<Option<Questions>, NoSession> {
    let Some(mut set) = store.questions(before.number)? else {
        return Ok(None);
    };
    set.update(identities, &mut UnwrapErr(SysRng))?;
    let number = store.keep_questions(peer.number, &set, Some(before.number))?;
    Ok(Some(Questions { number, ..*before }))
}
