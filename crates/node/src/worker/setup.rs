//! What a session begins with: a table and a question set that are ready, and the journal that it keeps.
//! Works in the store, and blocks. What it reads is as long as the ceilings, whatever is in the lists.

use jiff::Timestamp;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use super::course::Course;
use super::journal::StoreJournal;
use super::no_session::NoSession;
use super::prepare::terms;
use super::schedule::Permit;
use super::stock::Taken;
use crate::handle::Handle;
use admin::{Peer, PeerNumber};
use identity::HashedIdentity;
use protocol::Role;
use protocol::{self, Session};
use store::sessions::Start;

/// What a session begins with.
pub(super) struct Begun {
    pub session: Session,
    pub journal: StoreJournal,
    /// Every entry of its question set, padding among them.
    pub asked: Vec<HashedIdentity>,
    /// When the lists were read that it asks.
    pub asked_at: Timestamp,
    /// The version of the requested list.
    pub asked_list: i64,
    pub started: Timestamp,
}

/// Takes out of the store what is ready, and sets a session up with it; `None` if it is not there any more.
///
/// # Errors
/// Nothing is taken then.
pub(super) fn begin(
    handle: Handle,
    peer: &Peer,
    role: Role,
    permit: Permit,
    taken: Taken,
) -> Result<Option<Begun>, NoSession> {
    let store = handle.store().clone();
    let policy = &peer.entry.policy;
    let terms = terms(&handle, peer, role)?;
    let start = Start {
        peer: peer.number,
        role,
        ready: taken.ready,
        answered: terms
            .ceilings
            .map(|_, ceilings| ceilings.of(role.other()).requested),
        asked: terms
            .ceilings
            .map(|_, ceilings| ceilings.of(role).requested),
        approval: permit.into_approval(),
        mediator: policy.mediator.clone(),
        policy: policy.clone(),
        asked_at: taken.read,
        asked_list: taken.list,
    };
    let Some((table, questions)) = store.reserve(taken.ready)? else {
        return Ok(None);
    };
    let asked = questions.entries().copied().collect();
    let setup = protocol::Setup {
        role,
        key: store.key().clone(),
        peer: peer.entry.id,
        terms,
        questions,
        table,
    };
    match Session::new(setup, &mut UnwrapErr(SysRng)) {
        Ok(session) => Ok(Some(Begun {
            session,
            journal: StoreJournal {
                handle,
                start,
                session: None,
                course: Course::new(),
            },
            asked,
            asked_at: taken.read,
            asked_list: taken.list,
            started: Timestamp::now(),
        })),
        Err(error) => {
            store.put_back(taken.ready)?;
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
    let wanted = policy.on_demand
        && policy.schedule_s.is_none()
        && store.queries_to_ask(peer)?.next().is_some();
    Ok((last, wanted))
}
