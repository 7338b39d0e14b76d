//! The first officer of a node.

use admin::{ClientRole, Credential};
use jiff::Timestamp;
use store::Store;

/// Sees to it that a node has an officer: enrols the user it runs as where there is none.
///
/// Whoever is that user can read the store's files and end the process, so nothing is given away.
///
/// # Errors
/// Those of the store.
pub fn ensure_owner(store: &Store, uid: u32, now: Timestamp) -> Result<(), store::Error> {
    let clients = store.clients()?;
    if clients
        .iter()
        .any(|client| client.role == ClientRole::Officer)
    {
        return Ok(());
    }
    let owner = Credential::User(uid);
    match clients.iter().find(|client| client.credential == owner) {
        Some(client) => store.change_role(client.number, ClientRole::Officer, now),
        None => store
            .enrol("owner", ClientRole::Officer, owner, now)
            .map(drop),
    }
}
