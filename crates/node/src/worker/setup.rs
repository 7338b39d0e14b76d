//! What a session begins with: a table, what it asks, and the journal that it keeps. Works in the store, and
//! blocks.

use std::collections::HashSet;

use jiff::Timestamp;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use super::course::Course;
use super::journal::StoreJournal;
use super::no_session::NoSession;
use super::schedule::Permit;
use super::tables::{check_schema, fit, terms};
use crate::asking::{self, Asking};
use crate::handle::Handle;
use admin::{Peer, PeerNumber};
use identity::HashedIdentity;
use protocol::{self, Session};
use protocol::{ListKind, Role};
use store::sessions::Start;

/// What a session begins with.
pub(super) struct Begun {
    pub session: Session,
    pub journal: StoreJournal,
    pub asked: HashSet<HashedIdentity>,
    pub asked_at: Timestamp,
}

/// Takes a table, gathers what is asked, and sets a session up.
pub(super) fn begin(
    handle: Handle,
    peer: &Peer,
    role: Role,
    permit: Permit,
) -> Result<Begun, NoSession> {
    let (store, now) = (handle.store().clone(), Timestamp::now());
    let policy = &peer.entry.policy;
    let terms = terms(&handle, peer, role)?;
    check_schema(&handle, ListKind::Requested)?;
    let Asking {
        identities,
        at,
        left_out,
    } = asking::gather(&store, peer.number, policy, now)?;
    if left_out > 0 {
        tracing::warn!(
            peer = peer.number.number(),
            left_out,
            "queries that the ceiling has no room for wait"
        );
    }
    let fit = fit(&handle, peer)?;
    let (table, prepared) = store
        .reserve_prepared(&fit)?
        .ok_or_else(|| NoSession::because("no table is ready yet"))?;
    let start = Start {
        peer: peer.number,
        role,
        table,
        answered: terms
            .ceilings
            .map(|_, ceilings| ceilings.of(role.other()).requested),
        asked: terms
            .ceilings
            .map(|_, ceilings| ceilings.of(role).requested),
        approval: permit.into_approval(),
        mediator: policy.mediator.clone(),
        policy: policy.clone(),
        asked_at: at,
    };
    let asked = identities
        .iter()
        .flat_map(|(_, list)| list.iter().copied())
        .collect();
    let setup = protocol::Setup {
        role,
        key: store.key().clone(),
        peer: peer.entry.id,
        terms,
        requested: identities,
        table: prepared,
    };
    match Session::new(setup, &mut UnwrapErr(SysRng)) {
        Ok(session) => Ok(Begun {
            session,
            journal: StoreJournal {
                handle,
                start,
                session: None,
                course: Course::new(),
            },
            asked,
            asked_at: at,
        }),
        Err(error) => {
            store.put_back_prepared(table)?;
            Err(error.into())
        }
    }
}

/// When the last session began that this peer answered, and whether one is wanted at once: queries that
/// a process before this one had no session for, where no schedule will bring one.
pub(super) fn left_by_the_last(
    handle: &Handle,
    peer: PeerNumber,
) -> Result<(Option<Timestamp>, bool), NoSession> {
    let store = handle.store();
    let policy = store.peer(peer)?.entry.policy;
    let last = store.last_answered(peer)?.map(|info| info.started);
    let wanted =
        policy.on_demand && policy.schedule_s.is_none() && !store.queries_to_ask(peer)?.is_empty();
    Ok((last, wanted))
}
