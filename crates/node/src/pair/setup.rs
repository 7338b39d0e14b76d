//! What a session begins with and leaves: its table, what it asks, the books it keeps while it runs, and
//! the answers. Works in the store, and blocks.

use std::collections::HashSet;
use std::io;

use jiff::Timestamp;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use tokio::sync::OwnedRwLockReadGuard;

use super::course::{Course, Reached};
use super::ending::{Found, Ran};
use crate::asking::{self, Asking};
use crate::handle::{Doing, Handle};
use crate::settle::AtRelay;
use crate::{Cause, Owner};
use admin::{ApprovalNumber, Peer, PeerNumber, SessionNumber};
use identity::HashedIdentity;
use protocol::{self, ListKind, Persist, PreparedTable, Progress, Role, Session, session};
use store::prepared::Fit;
use store::sessions::{End, Start};
use transport::{self, Channel, Limits, PinnedTls, call_over, connect, dial_through};

/// What a session begins with.
pub(super) struct Begun {
    pub session: Session,
    pub books: Books,
    pub asked: HashSet<HashedIdentity>,
    pub asked_at: Timestamp,
}

/// Keeps what a session must have kept.
pub(super) struct Books {
    pub handle: Handle,
    pub start: Start,
    pub session: Option<SessionNumber>,
    pub course: Course,
    /// Keeps imports from beginning meanwhile.
    pub runs: Option<OwnedRwLockReadGuard<()>>,
}

/// Why there is no session, in words that name nobody.
pub(super) struct Trouble {
    pub text: String,
    pub not_before: Option<Timestamp>,
}

impl Owner for Books {
    fn keep(&mut self, state: Persist) -> io::Result<()> {
        let (store, now) = (self.handle.store(), Timestamp::now());
        let number = || {
            self.session
                .ok_or_else(|| io::Error::other("no session was started"))
        };
        match state {
            // The course first, then the store: what is being written down is not cut off meanwhile.
            Persist::TableUsed => {
                self.course
                    .reach(Reached::Committed)
                    .map_err(io::Error::other)?;
                let number = store
                    .start_session(&self.start, now)
                    .map_err(io::Error::other)?;
                self.session = Some(number);
                Ok(())
            }
            Persist::Signed(state) => {
                self.course
                    .reach(Reached::Signed)
                    .map_err(io::Error::other)?;
                store
                    .keep_signed(number()?, &state, &self.start.policy, now)
                    .map_err(io::Error::other)
            }
            Persist::Agreed(_, agreed) => store
                .keep_agreed(number()?, agreed.signed())
                .map_err(io::Error::other),
            Persist::PeerReleased(_, release) => store
                .keep_released(number()?, &release)
                .map_err(io::Error::other),
        }
    }

    fn progress(&mut self, progress: Progress) {
        self.handle.set(self.start.peer, |pair| {
            pair.doing = Doing::Running(progress)
        });
    }

    fn left_to_the_mediator(&mut self, _cause: &Cause) {
        // That may take as long as the settling window.
        self.runs = None;
        self.handle
            .set(self.start.peer, |pair| pair.doing = Doing::Settling);
    }
}

impl Trouble {
    pub(super) fn text(text: String) -> Self {
        Self {
            text,
            not_before: None,
        }
    }
}

impl From<store::Error> for Trouble {
    fn from(error: store::Error) -> Self {
        Self::text(error.to_string())
    }
}

impl From<protocol::Error> for Trouble {
    fn from(error: protocol::Error) -> Self {
        Self::text(error.to_string())
    }
}

impl From<&transport::Error> for Trouble {
    fn from(error: &transport::Error) -> Self {
        Self::text(error.to_string())
    }
}

pub(super) fn no_terms() -> Trouble {
    Trouble::text("the policy for this peer makes no terms".into())
}

/// Opens a channel to the peer, once.
pub(super) async fn dial(
    handle: Handle,
    limits: Limits,
    peer: Peer,
) -> Result<Channel, transport::Error> {
    let key = handle.store().key();
    let tls = PinnedTls::new(key.seed(), *peer.entry.id.as_bytes())?;
    let limits = Limits {
        wait: limits.attempt,
        ..limits
    };
    let descriptor = peer
        .entry
        .policy
        .descriptor()
        .filter(|_| peer.entry.by_relay);
    match (descriptor, &peer.entry.address) {
        (Some(descriptor), _) => {
            let relay = PinnedTls::new(key.seed(), *descriptor.mediator.as_bytes())?;
            let tunnel = dial_through(&descriptor.address, &relay, &peer.entry.id, &limits).await?;
            call_over(tunnel, &tls, &limits).await
        }
        (None, Some(address)) => connect(address, &tls, &limits).await,
        (None, None) => Err(transport::Error::AddressMalformed),
    }
}

/// Whether this side knows a way to the peer; else the peer comes to it.
pub(super) fn can_call(peer: &Peer) -> bool {
    peer.entry.address.is_some() || peer.entry.by_relay
}

/// Whom to ask about a session under this descriptor.
pub(super) fn settler(
    handle: &Handle,
    descriptor: Option<&str>,
    limits: &Limits,
) -> Result<Option<AtRelay>, Trouble> {
    let Some(text) = descriptor else {
        return Ok(None);
    };
    let descriptor = text
        .parse()
        .map_err(|error: protocol::descriptor::InvalidDescriptor| {
            Trouble::text(error.to_string())
        })?;
    let limits = Limits {
        wait: limits.attempt,
        ..limits.clone()
    };
    AtRelay::new(&descriptor, handle.store().key(), limits)
        .map(Some)
        .map_err(|error| Trouble::from(&error))
}

/// The sizes and the mediator that a table for this peer is made for.
pub(super) fn fit(handle: &Handle, peer: &Peer) -> Result<Fit, Trouble> {
    let role = Role::Initiator;
    let terms = peer
        .entry
        .policy
        .terms(role, handle.schema())
        .ok_or_else(no_terms)?;
    Ok(Fit {
        peer: peer.number,
        mediator: terms.mediator,
        held: terms.ceilings.map(|_, ceilings| ceilings.of(role).held),
    })
}

/// How many tables there are for this peer.
pub(super) fn stock(handle: &Handle, peer: &Peer) -> Result<u32, Trouble> {
    handle.store().list(ListKind::Held)?.ok_or_else(|| {
        // An empty list would answer no about everybody, which is not what nobody has said yet.
        Trouble::text("no held list was imported yet, so no session runs".into())
    })?;
    check_schema(handle, ListKind::Held)?;
    Ok(handle.store().prepared_count(&fit(handle, peer)?)?)
}

/// Keys that were made under another schema match nobody: a list that has such keys must not be asked or
/// answered from.
fn check_schema(handle: &Handle, kind: ListKind) -> Result<(), Trouble> {
    let name = match kind {
        ListKind::Held => "held",
        ListKind::Requested => "requested",
    };
    match handle.store().list(kind)? {
        Some(list) if list.header.schema_digest != hex::encode(handle.schema().digest()) => {
            Err(Trouble::text(format!(
                "the {name} list was imported under another matching schema: import it again"
            )))
        }
        _ => Ok(()),
    }
}

pub(super) fn prepare(handle: &Handle, peer: &Peer) -> Result<(), Trouble> {
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

/// Takes a table, gathers what is asked, and sets a session up.
pub(super) fn begin(
    handle: Handle,
    peer: &Peer,
    role: Role,
    approval: Option<ApprovalNumber>,
) -> Result<Begun, Trouble> {
    let (store, now) = (handle.store().clone(), Timestamp::now());
    let policy = &peer.entry.policy;
    let terms = policy.terms(role, handle.schema()).ok_or_else(no_terms)?;
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
        .ok_or_else(|| Trouble::text("no table is ready yet".into()))?;
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
        approval,
        mediator: policy.mediator.clone(),
        policy: policy.clone(),
        asked_at: at,
    };
    let asked = identities
        .iter()
        .flat_map(|(_, list)| list.iter().copied())
        .collect();
    let setup = session::Setup {
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
            books: Books {
                handle,
                start,
                session: None,
                course: Course::new(),
                runs: None,
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

pub(super) fn keep_answers(
    handle: &Handle,
    peer: &Peer,
    number: SessionNumber,
    ran: &Ran,
    found: &Found,
) -> Result<(), Trouble> {
    check_schema(handle, ListKind::Requested)?;
    let store = handle.store();
    let policy = &peer.entry.policy;
    let schema = handle.schema();
    let answers = asking::answers(
        store,
        peer.number,
        policy,
        schema,
        (&ran.asked, ran.wide),
        &found.held,
    )?;
    let end = End {
        outcome: found.how,
        blame: None,
        receipt: found.receipt.as_ref(),
        asked_at: ran.started,
        answers: &answers,
    };
    Ok(store.end_session(number, &end, Timestamp::now())?)
}

/// When the last session began that this peer answered, and whether one is wanted at once: queries that
/// a process before this one had no session for, where no schedule will bring one.
pub(super) fn left_by_the_last(
    handle: &Handle,
    peer: PeerNumber,
) -> Result<(Option<Timestamp>, bool), Trouble> {
    let store = handle.store();
    let policy = store.peer(peer)?.entry.policy;
    let last = store.last_answered(peer)?.map(|info| info.started);
    let wanted =
        policy.on_demand && policy.schedule_s.is_none() && !store.queries_to_ask(peer)?.is_empty();
    Ok((last, wanted))
}
