//! Who may use the node.

use admin::{Client, ClientNumber, NewClient, RoleChange};
use jiff::Timestamp;
use store::Store;
use tonic::Status;

use super::context::Context;

/// Lets somebody use the node.
pub(super) async fn enrol(context: &Context, new: NewClient) -> Result<ClientNumber, Status> {
    let enrolled = context.store.change(move |store| {
        let now = Timestamp::now();
        store.enrol(&new.name, new.role, new.credential, now)
    });
    let number = enrolled.await?;
    context.authorizer.read_keys().await?;
    Ok(number)
}

/// Gives a client another role.
pub(super) async fn change_role(context: &Context, change: RoleChange) -> Result<(), Status> {
    let changed = context
        .store
        .change(move |store| store.change_role(change.client, change.role, Timestamp::now()));
    changed.await
}

/// Shuts a client out.
pub(super) async fn remove(context: &Context, client: ClientNumber) -> Result<(), Status> {
    let removed = context
        .store
        .change(move |store| store.remove_client(client, Timestamp::now()));
    removed.await?;
    context.authorizer.read_keys().await
}

/// All clients.
pub(super) async fn all(context: &Context) -> Result<Vec<Client>, Status> {
    context.store.read(Store::clients).await
}
