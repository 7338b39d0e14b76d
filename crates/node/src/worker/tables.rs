//! The stock of sealed tables for one peer: how many fit its policy and the held list, and one more. Works
//! in the store, and blocks.

use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use super::no_session::NoSession;
use crate::handle::Handle;
use admin::Peer;
use protocol::{ListKind, PreparedTable, Role, Terms};
use store::prepared::Fit;

/// The terms that the policy for a peer makes.
pub(super) fn terms(handle: &Handle, peer: &Peer, role: Role) -> Result<Terms, NoSession> {
    let terms = peer.entry.policy.terms(role, handle.schema());
    terms.ok_or_else(|| NoSession::because("the policy for this peer makes no terms"))
}

/// The sizes and the mediator that a table for this peer is made for.
pub(super) fn fit(handle: &Handle, peer: &Peer) -> Result<Fit, NoSession> {
    let role = Role::Initiator;
    let terms = terms(handle, peer, role)?;
    Ok(Fit {
        peer: peer.number,
        mediator: terms.mediator,
        held: terms.ceilings.map(|_, ceilings| ceilings.of(role).held),
    })
}

/// How many tables there are for this peer.
pub(super) fn stock(handle: &Handle, peer: &Peer) -> Result<u32, NoSession> {
    handle.store().list(ListKind::Held)?.ok_or_else(|| {
        // An empty list would answer no about everybody, which is not what nobody has said yet.
        NoSession::because("no held list was imported yet, so no session runs")
    })?;
    check_schema(handle, ListKind::Held)?;
    Ok(handle.store().prepared_count(&fit(handle, peer)?)?)
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

/// Computes one more table.
pub(super) fn prepare(handle: &Handle, peer: &Peer) -> Result<(), NoSession> {
    let (store, fit) = (handle.store(), fit(handle, peer)?);
    let elements = store.elements(ListKind::Held, fit.held.wide.is_some())?;
    let mut rng = UnwrapErr(SysRng);
    let table = PreparedTable::prepare(
        elements.identities,
        fit.held,
        fit.mediator,
        &mut rng,
        |_| (),
    )?;
    match store.keep_prepared(&fit, elements.version, &table) {
        // Imported meanwhile: the next round prepares from the new list.
        Ok(_) | Err(store::Error::WrongState { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
