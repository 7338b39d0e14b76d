//! The peers that the node is paired with.

use std::collections::HashMap;

use admin::{Peer, PeerEntry, PeerNumber};
use jiff::Timestamp;
use store::Store;
use tonic::Status;

use super::context::Context;

/// Pairs the node with a peer.
pub(super) async fn add(context: &Context, entry: PeerEntry) -> Result<Peer, Status> {
    if entry.id == context.handle.id() {
        return Err(Status::invalid_argument("this is the node's own id"));
    }
    let added = context.store.change(move |store| {
        let number = store.add_peer(&entry, Timestamp::now())?;
        store.peer(number)
    });
    added.await
}

/// Puts another name, address or policy in the place of a peer's.
pub(super) async fn change(context: &Context, peer: Peer) -> Result<(), Status> {
    let changed = context
        .store
        .change(move |store| store.change_peer(peer.number, &peer.entry, Timestamp::now()));
    changed.await
}

/// Ends a pairing.
pub(super) async fn remove(context: &Context, peer: PeerNumber) -> Result<(), Status> {
    let removed = context
        .store
        .change(move |store| store.remove_peer(peer, Timestamp::now()));
    removed.await
}

/// All peers.
pub(super) async fn all(context: &Context) -> Result<Vec<Peer>, Status> {
    context.store.read(Store::peers).await
}

/// What people here call the peers.
pub(super) fn peer_names(store: &Store) -> Result<HashMap<PeerNumber, String>, store::Error> {
    let peers = store.peers()?.into_iter();
    Ok(peers.map(|peer| (peer.number, peer.entry.name)).collect())
}

/// What a peer is called, or its number where it is no longer paired.
pub(super) fn name_of(names: &HashMap<PeerNumber, String>, peer: PeerNumber) -> String {
    names
        .get(&peer)
        .cloned()
        .unwrap_or_else(|| format!("peer {peer}"))
}
