//! Who may use this node, as what: clerks, officers, auditors, each with one credential.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::audit::Event;
use super::cell_cipher::{Cell, Tag};
use super::database::{Store, Tx};
use super::error::Error;
use admin::client::CLIENT_NAME_BYTES_MAX;
use admin::{Client, ClientNumber, ClientRole, Credential};

/// Clients at most.
pub const CLIENTS_MAX: usize = 1000;

#[derive(Serialize, Deserialize)]
struct SealedClient {
    name: String,
    role: ClientRole,
    user: Option<u32>,
    key: Option<String>,
}

impl Store {
    /// Lets somebody use this node.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if the credential is known, [`Error::TooLong`].
    pub fn enrol(
        &self,
        name: &str,
        role: ClientRole,
        credential: Credential,
        now: Timestamp,
    ) -> Result<ClientNumber, Error> {
        if name.len() > CLIENT_NAME_BYTES_MAX {
            return Err(Error::TooLong {
                what: "the name of a client, in bytes,",
                max: CLIENT_NAME_BYTES_MAX,
            });
        }
        self.write(|tx| {
            let clients = tx.clients()?;
            if clients.len() >= CLIENTS_MAX {
                return Err(Error::TooLong {
                    what: "the list of clients",
                    max: CLIENTS_MAX,
                });
            }
            if clients.iter().any(|client| client.credential == credential) {
                return Err(Error::Exists { what: "the client" });
            }
            // Who comes again gets the old number: its queries, answers and audit entries name it.
            let number = tx.query_row(
                "INSERT INTO client (tag, active, sealed) VALUES (?, 0, x'')
                 ON CONFLICT (tag) DO UPDATE SET active = 0 RETURNING id",
                [tag(tx, credential)],
                |row| row.get(0),
            )?;
            let client = Client {
                number,
                name: name.to_owned(),
                role,
                credential,
            };
            tx.put_client(&client)?;
            let event = Event::ClientEnrolled {
                client: number,
                role,
            };
            tx.append(now, &event)?;
            Ok(number)
        })
    }

    /// Gives a client another role.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`]; [`Error::LastOfficer`] if no officer would be left.
    pub fn change_role(
        &self,
        number: ClientNumber,
        role: ClientRole,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write(|tx| {
            let client = tx.client(number)?;
            if role != ClientRole::Officer {
                tx.keep_an_officer(number)?;
            }
            tx.put_client(&Client { role, ..client })?;
            let event = Event::RoleChanged {
                client: number,
                role,
            };
            tx.append(now, &event).map(drop)
        })
    }

    /// Shuts a client out; its queries and answers stay.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuch`]; [`Error::LastOfficer`] if no officer would be left.
    pub fn remove_client(&self, number: ClientNumber, now: Timestamp) -> Result<(), Error> {
        self.write(|tx| {
            tx.client(number)?;
            tx.keep_an_officer(number)?;
            tx.execute("UPDATE client SET active = 0 WHERE id = ?", [number])?;
            tx.append(now, &Event::ClientRemoved { client: number })
                .map(drop)
        })
    }

    /// The client with this credential, if it is enrolled.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`] and those of the database.
    pub fn client_with(&self, credential: Credential) -> Result<Option<Client>, Error> {
        self.read(|tx| {
            let number: Option<ClientNumber> = tx
                .prepare_cached("SELECT id FROM client WHERE tag = ? AND active = 1")?
                .query_row([tag(tx, credential)], |row| row.get(0))
                .optional()?;
            let client = number.map(|number| tx.client(number)).transpose()?;
            // The tag only finds the row; what is sealed in it counts.
            match client {
                Some(client) if client.credential != credential => {
                    Err(Error::Altered { table: "client" })
                }
                client => Ok(client),
            }
        })
    }

    /// All clients.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`] and those of the database.
    pub fn clients(&self) -> Result<Vec<Client>, Error> {
        self.read(|tx| tx.clients())
    }
}

impl Tx<'_> {
    pub(super) fn client(&self, number: ClientNumber) -> Result<Client, Error> {
        let sealed: Option<Vec<u8>> = self
            .prepare_cached("SELECT sealed FROM client WHERE id = ? AND active = 1")?
            .query_row([number], |row| row.get(0))
            .optional()?;
        let sealed = sealed.ok_or(Error::NoSuch {
            what: "client",
            number: number.number(),
        })?;
        self.open_client(number, &sealed)
    }

    fn clients(&self) -> Result<Vec<Client>, Error> {
        let mut query =
            self.prepare_cached("SELECT id, sealed FROM client WHERE active = 1 ORDER BY id")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        rows.map(|row| {
            let (number, sealed) = row?;
            self.open_client(number, &sealed)
        })
        .collect()
    }

    /// Refuses to take the last officer: nobody could do anything on the node any more. To be asked in
    /// the transaction that takes the officer, or two at once would each see the other.
    fn keep_an_officer(&self, client: ClientNumber) -> Result<(), Error> {
        let clients = self.clients()?;
        let mut officers = clients
            .iter()
            .filter(|client| client.role == ClientRole::Officer);
        match (officers.next(), officers.next()) {
            (Some(last), None) if last.number == client => Err(Error::LastOfficer),
            _ => Ok(()),
        }
    }

    fn put_client(&self, client: &Client) -> Result<(), Error> {
        let (user, key) = match client.credential {
            Credential::User(user) => (Some(user), None),
            Credential::Key(key) => (None, Some(key.to_string())),
        };
        let kept = SealedClient {
            name: client.name.clone(),
            role: client.role,
            user,
            key,
        };
        let text = serde_json::to_vec(&kept).map_err(|_| Error::DamagedStore)?;
        let sealed = self
            .cells
            .seal(cell(&client.number.number().to_be_bytes()), &text)?;
        self.execute(
            "UPDATE client SET active = 1, sealed = ? WHERE id = ?",
            params![sealed, client.number],
        )?;
        Ok(())
    }

    fn open_client(&self, number: ClientNumber, sealed: &[u8]) -> Result<Client, Error> {
        let text = self
            .cells
            .open(cell(&number.number().to_be_bytes()), sealed)?;
        let kept: SealedClient = serde_json::from_slice(&text).map_err(|_| Error::DamagedStore)?;
        let credential = match (kept.user, kept.key) {
            (Some(user), None) => Credential::User(user),
            (None, Some(key)) => Credential::Key(key.parse().map_err(|_| Error::DamagedStore)?),
            _ => return Err(Error::DamagedStore),
        };
        Ok(Client {
            number,
            name: kept.name,
            role: kept.role,
            credential,
        })
    }
}

fn tag(tx: &Tx, credential: Credential) -> Tag {
    match credential {
        Credential::User(user) => tx.cells.tag("client user", &[&user.to_be_bytes()]),
        Credential::Key(key) => tx.cells.tag("client key", &[key.as_bytes()]),
    }
}

fn cell(row: &[u8; 8]) -> Cell<'_> {
    Cell {
        table: "client",
        column: "sealed",
        row,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{TestHome, key, now};

    #[test]
    fn a_client_is_found_by_its_credential_while_it_is_enrolled() {
        let home = TestHome::new();
        let store = home.create();
        let officer = Credential::User(1000);
        let clerk = Credential::Key(key().id());
        let one = store
            .enrol("Olena", ClientRole::Officer, officer, now())
            .unwrap();
        let two = store
            .enrol("Ivan", ClientRole::Clerk, clerk, now())
            .unwrap();
        let again = store.enrol("Ivan", ClientRole::Clerk, clerk, now());
        assert!(matches!(again, Err(Error::Exists { .. })));
        store.change_role(two, ClientRole::Auditor, now()).unwrap();
        let found = store.client_with(clerk).unwrap().unwrap();
        assert_eq!(
            (found.number, found.role, found.name.as_str()),
            (two, ClientRole::Auditor, "Ivan")
        );
        assert_eq!(store.client_with(Credential::User(0)).unwrap(), None);
        let other = Credential::User(1001);
        store
            .enrol("Maria", ClientRole::Officer, other, now())
            .unwrap();
        store.remove_client(one, now()).unwrap();
        assert_eq!(store.client_with(officer).unwrap(), None);
        assert_eq!(store.clients().unwrap().len(), 2);
    }

    #[test]
    fn the_last_officer_is_neither_removed_nor_given_another_role() {
        let home = TestHome::new();
        let store = home.create();
        let enrol = |user, role| store.enrol("x", role, Credential::User(user), now());
        let officer = enrol(1, ClientRole::Officer).unwrap();
        let clerk = enrol(2, ClientRole::Clerk).unwrap();
        let heads = store.audit_head().unwrap();
        assert!(matches!(
            store.remove_client(officer, now()),
            Err(Error::LastOfficer)
        ));
        for role in [ClientRole::Clerk, ClientRole::Auditor] {
            let refused = store.change_role(officer, role, now());
            assert!(matches!(refused, Err(Error::LastOfficer)));
        }
        assert_eq!(store.audit_head().unwrap(), heads, "nothing was changed");
        store
            .change_role(officer, ClientRole::Officer, now())
            .unwrap();
        store.remove_client(clerk, now()).unwrap();
        let other = enrol(3, ClientRole::Officer).unwrap();
        store
            .change_role(officer, ClientRole::Clerk, now())
            .unwrap();
        assert!(matches!(
            store.remove_client(other, now()),
            Err(Error::LastOfficer)
        ));
    }

    /// Each thread waits for the other before its transaction, so that a count of officers made before it
    /// has seen both.
    #[test]
    fn of_two_officers_taken_at_once_one_stays() {
        for removed in [[true, true], [true, false], [false, false]] {
            let home = TestHome::new();
            let store = home.create();
            let officers = [1, 2].map(|user| {
                let credential = Credential::User(user);
                store
                    .enrol("x", ClientRole::Officer, credential, now())
                    .unwrap()
            });
            store.meet_before_each_write(2);
            let take = |one: usize| match removed[one] {
                true => store.remove_client(officers[one], now()),
                false => store.change_role(officers[one], ClientRole::Clerk, now()),
            };
            let taken = std::thread::scope(|threads| {
                let first = threads.spawn(|| take(0));
                [take(1), first.join().unwrap()]
            });
            assert!(
                matches!(
                    taken,
                    [Ok(()), Err(Error::LastOfficer)] | [Err(Error::LastOfficer), Ok(())]
                ),
                "{taken:?}"
            );
            let clients = store.clients().unwrap();
            let officers = clients
                .iter()
                .filter(|client| client.role == ClientRole::Officer);
            assert_eq!(officers.count(), 1);
        }
    }
}
