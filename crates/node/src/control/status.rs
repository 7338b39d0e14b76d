//! How the node stands with its peers, and sessions at once.

use admin::status::{PeerStatus, PeopleOnLists};
use admin::{NodeStatus, PairStatus, Peer, PeerNumber};
use jiff::Timestamp;
use protocol::ListKind;
use store::budget::Direction;
use tonic::Status;

use super::authorizer::Caller;
use super::context::Context;
use crate::handle::NotNow;

/// The call whose callers may know how long lists are.
const LIST_INFO: &str = "ListInfo";

/// The node with its lists and peers. How long the lists are hears who may ask for that.
pub(super) async fn of_node(context: &Context, caller: Caller) -> Result<NodeStatus, Status> {
    let handle = context.handle.clone();
    let sizes = context.authorizer.may_call(caller, LIST_INFO).await?;
    let read = context.store.read(move |store| {
        let now = Timestamp::now();
        let people = |kind| Ok::<_, store::Error>(store.list(kind)?.map(|list| list.people));
        let status_of = |peer: Peer| {
            let left = |direction| store.budget_left(peer.number, direction, now);
            Ok(PeerStatus {
                peer: peer.number,
                name: peer.entry.name,
                pair: pair_status(handle.pair(peer.number)),
                theirs: left(Direction::Answered)?,
                ours: left(Direction::Asked)?,
            })
        };
        let peers = store.peers()?.into_iter().map(status_of);
        Ok(NodeStatus {
            id: handle.id(),
            people: match sizes {
                true => Some(PeopleOnLists {
                    held: people(ListKind::Held)?,
                    requested: people(ListKind::Requested)?,
                }),
                false => None,
            },
            log_ahead: store.log_ahead_of(now)?,
            peers: peers.collect::<Result<_, store::Error>>()?,
        })
    });
    read.await
}

/// Has sessions run at once, with `one` peer or all; gives with how many.
pub(super) async fn run_now(context: &Context, one: Option<PeerNumber>) -> Result<u32, Status> {
    let handle = context.handle.clone();
    let asked = context.store.read(move |store| {
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
        (peers, _) => Ok(peers),
    }
}

/// How a pair stands, as clients are told: times as they travel.
pub(super) fn pair_status(pair: PairStatus) -> PairStatus {
    PairStatus {
        activity: pair.activity,
        next: pair.next.map(to_the_millisecond),
        trouble: pair.trouble.map(|(at, why)| (to_the_millisecond(at), why)),
        answered: pair.answered.map(to_the_millisecond),
        changing: pair.changing,
    }
}

/// A watcher is told again only of what it could see: a time that differs by less looks the same to it.
pub(super) fn to_the_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}
