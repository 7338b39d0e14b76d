//! Who may use a node, as what.

use super::check_name;
use crate::control::Malformed;
use crate::control::codec::Carries;
use crate::pb;
use admin::client::{self as clients, CLIENT_NAME_BYTES_MAX};
use admin::{Client, ClientNumber, NewClient, RoleChange};

impl Carries<NewClient> for pb::EnrolClientRequest {
    fn write(client: NewClient) -> Self {
        Self {
            name: client.name,
            role: role_number(client.role),
            credential: Some(credential_form(client.credential)),
        }
    }

    fn read(self) -> Result<NewClient, Malformed> {
        check_name(&self.name, CLIENT_NAME_BYTES_MAX, "the name of a client")?;
        Ok(NewClient {
            name: self.name,
            role: role(self.role)?,
            credential: credential(self.credential)?,
        })
    }
}

impl Carries<ClientNumber> for pb::EnrolClientReply {
    fn write(client: ClientNumber) -> Self {
        Self {
            number: client.number(),
        }
    }

    fn read(self) -> Result<ClientNumber, Malformed> {
        Ok(ClientNumber::new(self.number))
    }
}

impl Carries<RoleChange> for pb::ChangeRoleRequest {
    fn write(change: RoleChange) -> Self {
        Self {
            number: change.client.number(),
            role: role_number(change.role),
        }
    }

    fn read(self) -> Result<RoleChange, Malformed> {
        Ok(RoleChange {
            client: ClientNumber::new(self.number),
            role: role(self.role)?,
        })
    }
}

impl Carries<ClientNumber> for pb::RemoveClientRequest {
    fn write(client: ClientNumber) -> Self {
        Self {
            number: client.number(),
        }
    }

    fn read(self) -> Result<ClientNumber, Malformed> {
        Ok(ClientNumber::new(self.number))
    }
}

impl Carries<Vec<Client>> for pb::ListClientsReply {
    fn write(clients: Vec<Client>) -> Self {
        Self {
            clients: clients.iter().map(client_form).collect(),
        }
    }

    fn read(self) -> Result<Vec<Client>, Malformed> {
        self.clients.into_iter().map(client).collect()
    }
}

/// The number of a role.
pub fn role_number(role: clients::ClientRole) -> i32 {
    match role {
        clients::ClientRole::Clerk => pb::Role::Clerk.into(),
        clients::ClientRole::Officer => pb::Role::Officer.into(),
        clients::ClientRole::Auditor => pb::Role::Auditor.into(),
    }
}

/// The role of that number.
///
/// # Errors
/// [`Malformed::Unknown`].
pub fn role(number: i32) -> Result<clients::ClientRole, Malformed> {
    match pb::Role::try_from(number) {
        Ok(pb::Role::Clerk) => Ok(clients::ClientRole::Clerk),
        Ok(pb::Role::Officer) => Ok(clients::ClientRole::Officer),
        Ok(pb::Role::Auditor) => Ok(clients::ClientRole::Auditor),
        Ok(pb::Role::Unspecified) | Err(_) => Err(Malformed::Unknown("the role")),
    }
}

/// A credential as a message.
pub fn credential_form(credential: clients::Credential) -> pb::Credential {
    use pb::credential::Credential as Form;
    pb::Credential {
        credential: Some(match credential {
            clients::Credential::User(user) => Form::User(user),
            clients::Credential::Key(id) => Form::Key(id.to_string()),
        }),
    }
}

/// A credential of a message.
///
/// # Errors
/// [`Malformed`].
pub fn credential(form: Option<pb::Credential>) -> Result<clients::Credential, Malformed> {
    use pb::credential::Credential as Form;
    match form.and_then(|form| form.credential) {
        Some(Form::User(user)) => Ok(clients::Credential::User(user)),
        Some(Form::Key(id)) => {
            let id = id.parse();
            let id = id.map_err(|_| Malformed::Unknown("the key of a client"))?;
            Ok(clients::Credential::Key(id))
        }
        None => Err(Malformed::Missing("the credential")),
    }
}

/// A client as a message.
fn client_form(client: &clients::Client) -> pb::Client {
    pb::Client {
        number: client.number.number(),
        name: client.name.clone(),
        role: role_number(client.role),
        credential: Some(credential_form(client.credential)),
    }
}

/// A client of a message.
///
/// # Errors
/// [`Malformed`].
fn client(form: pb::Client) -> Result<clients::Client, Malformed> {
    Ok(clients::Client {
        number: ClientNumber::new(form.number),
        role: role(form.role)?,
        credential: credential(form.credential)?,
        name: form.name,
    })
}
