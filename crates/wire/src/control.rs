//! What a node and its own clients say to each other, ours and generated. `proto/tacit/v1/control.proto`.

use std::collections::HashMap;

use super::pb;
use identity::list::{CELL_BYTES_MAX, COLUMNS_MAX, Cells};
use identity::{self, HashedIdentity, Schema};
use protocol::ListKind as Kind;

pub use pb::control_client::ControlClient;
pub use pb::control_server::{Control, ControlServer};
pub use pb::{
    AddPeerReply, AddPeerRequest, AnsweringPeer, Approval, ApprovalInfo, AuditEntriesReply,
    AuditEntriesRequest, BudgetLeft, ChangePeerReply, ChangePeerRequest, ChangeRoleReply,
    ChangeRoleRequest, ClassPolicy, Client, Credential, DecideReply, DecideRequest, Doing,
    EnrolClientReply, EnrolClientRequest, ExportAuditPart, ExportAuditRequest, GetReceiptReply,
    GetReceiptRequest, GetStatusReply, GetStatusRequest, ImportEnd, ImportListReply,
    ImportListRequest, ImportStart, ListApprovalsReply, ListApprovalsRequest, ListClientsReply,
    ListClientsRequest, ListHeader, ListInfoReply, ListInfoRequest, ListKind, ListPeersReply,
    ListPeersRequest, ListQueriesReply, ListQueriesRequest, ListSessionsReply, ListSessionsRequest,
    PairStatus, PairedPeer, PeerEntry, PeerStatus, Person, PersonBatch, Policy, QueryAtPeer,
    QueryInfo, QueryResultsRequest, QueryUpdate, RecordAnswer, RecordAnswers, RecordBatch,
    RemoveClientReply, RemoveClientRequest, RemovePeerReply, RemovePeerRequest, Results,
    ResultsHeader, Role, RunNowReply, RunNowRequest, SessionInfo, StandingResultsRequest,
    StoredList, SubmitQueryReply, SubmitQueryRequest, VerifyAuditReply, VerifyAuditRequest,
    WatchQueryRequest, WithdrawListReply, WithdrawListRequest, WithdrawQueryReply,
    WithdrawQueryRequest,
};
pub use pb::{credential, import_list_request, results};

/// The service's name in paths and in server reflection.
pub const CONTROL_SERVICE: &str = "tacit.v1.Control";
/// Its descriptor, for server reflection.
pub const CONTROL_DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/control.binpb"));
/// Longest message of the service, in encoded bytes.
pub const CONTROL_MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Records of one message at most.
pub const BATCH_PEOPLE_MAX: usize = 1000;
/// Hashed keys of one record at most.
pub const KEYS_PER_PERSON_MAX: usize = 4096;
/// Bytes of a record's id and cells together, so that it comes back in one message with its answers.
pub const RECORD_BYTES_MAX: usize = 768 << 10;

/// What is wrong with a message of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} is not one of those that there are")]
    Unknown(&'static str),
    #[error("{0} has another length or number than it may have")]
    Length(&'static str),
    /// The keys would never match, or match somebody else.
    #[error(
        "the list was read by another version of the schema than this node has; use a client of \
         the same version"
    )]
    OtherSchema,
}

/// A header that was checked.
pub struct Header {
    pub columns: Vec<String>,
    pub schema: Schema,
}

impl TryFrom<ListHeader> for Header {
    type Error = Malformed;

    fn try_from(header: ListHeader) -> Result<Self, Malformed> {
        let bytes: usize = header.columns.iter().map(String::len).sum();
        if header.columns.len() > COLUMNS_MAX || bytes > CELL_BYTES_MAX {
            return Err(Malformed::Length("the header"));
        }
        let schema = Schema::named(&header.schema).ok_or(Malformed::Unknown("the schema"))?;
        if header.schema_digest != schema.digest() {
            return Err(Malformed::OtherSchema);
        }
        Ok(Self {
            columns: header.columns,
            schema,
        })
    }
}

impl From<&Header> for ListHeader {
    fn from(header: &Header) -> Self {
        Self {
            columns: header.columns.clone(),
            schema: header.schema.name().to_owned(),
            schema_digest: header.schema.digest().to_vec(),
        }
    }
}

impl From<&identity::Person> for Person {
    fn from(person: &identity::Person) -> Self {
        let key = |(kind, identity): &(identity::KeyKind, HashedIdentity)| pb::Key {
            kind: kind_number(*kind),
            identity: prost::bytes::Bytes::copy_from_slice(identity.as_bytes()),
        };
        let cells = person.columns.iter().flat_map(Cells::iter);
        Self {
            record_id: person.record_id.to_string(),
            line: person.line,
            cells: cells.map(str::to_owned).collect(),
            keys: person.keys.iter().map(key).collect(),
        }
    }
}

/// How long a record is in a message.
pub fn person_bytes(person: &Person) -> usize {
    prost::Message::encoded_len(person)
}

/// A record as a client sent it, under a header of `columns` columns.
///
/// # Errors
/// What is wrong with it.
pub fn person(person: Person, columns: usize) -> Result<identity::Person, Malformed> {
    if person.record_id.is_empty() {
        return Err(Malformed::Missing("a record's id"));
    }
    if person.cells.len() != columns {
        return Err(Malformed::Length("a record's cells"));
    }
    let bytes: usize = person.cells.iter().map(String::len).sum();
    let longest = person.cells.iter().map(String::len).max().unwrap_or(0);
    if longest.max(person.record_id.len()) > CELL_BYTES_MAX
        || bytes + person.record_id.len() > RECORD_BYTES_MAX
    {
        return Err(Malformed::Length("a record"));
    }
    if person.keys.is_empty() || person.keys.len() > KEYS_PER_PERSON_MAX {
        return Err(Malformed::Length("a record's keys"));
    }
    let key = |key: pb::Key| {
        let identity = key.identity.as_ref().try_into();
        let identity = identity.map_err(|_| Malformed::Length("a hashed key"))?;
        Ok((
            kind_numbered(key.kind)?,
            HashedIdentity::from_bytes(identity),
        ))
    };
    Ok(identity::Person {
        line: person.line,
        record_id: person.record_id.into(),
        columns: (columns > 0).then(|| Cells::new(person.cells.iter().map(String::as_str))),
        keys: person.keys.into_iter().map(key).collect::<Result<_, _>>()?,
    })
}

/// The records of one message.
///
/// # Errors
/// None or too many of them, or what is wrong with one.
pub fn people(people: Vec<Person>, columns: usize) -> Result<Vec<identity::Person>, Malformed> {
    if people.is_empty() || people.len() > BATCH_PEOPLE_MAX {
        return Err(Malformed::Length("the list of records"));
    }
    people
        .into_iter()
        .map(|sent| person(sent, columns))
        .collect()
}

/// The number of a list's kind.
pub fn list_number(kind: Kind) -> i32 {
    match kind {
        Kind::Held => ListKind::Held.into(),
        Kind::Requested => ListKind::Requested.into(),
    }
}

/// The list's kind of that number.
///
/// # Errors
/// [`Malformed::Unknown`].
pub fn list_numbered(number: i32) -> Result<Kind, Malformed> {
    match ListKind::try_from(number) {
        Ok(ListKind::Held) => Ok(Kind::Held),
        Ok(ListKind::Requested) => Ok(Kind::Requested),
        Ok(ListKind::Unspecified) | Err(_) => Err(Malformed::Unknown("the list")),
    }
}

/// The number of an answer.
pub fn answer_number(answer: Option<identity::Answer>) -> i32 {
    let number = match answer {
        None => pb::Answer::Unspecified,
        Some(identity::Answer::Strong) => pb::Answer::Strong,
        Some(identity::Answer::Confirm) => pb::Answer::Confirm,
        Some(identity::Answer::Possible) => pb::Answer::Possible,
        Some(identity::Answer::None) => pb::Answer::None,
    };
    number.into()
}

/// The answer of that number; `None` where the peer was not asked.
///
/// # Errors
/// [`Malformed::Unknown`].
pub fn answer_numbered(number: i32) -> Result<Option<identity::Answer>, Malformed> {
    Ok(
        match pb::Answer::try_from(number).map_err(|_| Malformed::Unknown("an answer"))? {
            pb::Answer::Unspecified => None,
            pb::Answer::Strong => Some(identity::Answer::Strong),
            pb::Answer::Confirm => Some(identity::Answer::Confirm),
            pb::Answer::Possible => Some(identity::Answer::Possible),
            pb::Answer::None => Some(identity::Answer::None),
        },
    )
}

/// The number of a kind of keys.
pub fn kind_number(kind: identity::KeyKind) -> i32 {
    use identity::KeyKind as Kind;
    let number = match kind {
        Kind::Doc => pb::KeyKind::Doc,
        Kind::Srv => pb::KeyKind::Srv,
        Kind::Tax => pb::KeyKind::Tax,
        Kind::N1 => pb::KeyKind::N1,
        Kind::N2 => pb::KeyKind::N2,
        Kind::N3 => pb::KeyKind::N3,
        Kind::N4 => pb::KeyKind::N4,
        Kind::N5 => pb::KeyKind::N5,
        Kind::N6 => pb::KeyKind::N6,
        Kind::N7 => pb::KeyKind::N7,
        Kind::N8 => pb::KeyKind::N8,
        Kind::N9 => pb::KeyKind::N9,
        Kind::N10 => pb::KeyKind::N10,
        Kind::N11 => pb::KeyKind::N11,
        Kind::N12 => pb::KeyKind::N12,
        Kind::N13 => pb::KeyKind::N13,
        Kind::N14 => pb::KeyKind::N14,
        Kind::N15 => pb::KeyKind::N15,
    };
    number.into()
}

/// The kind of keys of that number.
///
/// # Errors
/// [`Malformed::Unknown`].
pub fn kind_numbered(number: i32) -> Result<identity::KeyKind, Malformed> {
    static KINDS: std::sync::OnceLock<HashMap<i32, identity::KeyKind>> = std::sync::OnceLock::new();
    let kinds = KINDS.get_or_init(|| {
        let all = identity::KeyKind::ALL.into_iter();
        all.map(|kind| (kind_number(kind), kind)).collect()
    });
    let kind = kinds.get(&number).copied();
    kind.ok_or(Malformed::Unknown("the kind of a key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent() -> Person {
        Person {
            record_id: "7".into(),
            line: 2,
            cells: vec!["Шевченко".into(), String::new()],
            keys: identity::KeyKind::ALL
                .map(|kind| pb::Key {
                    kind: kind_number(kind),
                    identity: vec![kind_number(kind) as u8; 32].into(),
                })
                .to_vec(),
        }
    }

    #[test]
    fn a_record_comes_over_as_it_was() {
        let read = person(sent(), 2).unwrap();
        assert_eq!((&*read.record_id, read.line), ("7", 2));
        assert_eq!(read.keys.len(), identity::KeyKind::ALL.len());
        assert!(Person::from(&read) == sent());
    }

    #[test]
    fn a_record_that_breaks_a_bound_is_refused() {
        let refused = |change: fn(&mut Person)| {
            let mut record = sent();
            change(&mut record);
            person(record, 2).err()
        };
        assert!(refused(|_| ()).is_none());
        let length = |what| Some(Malformed::Length(what));
        assert!(refused(|p| p.record_id.clear()) == Some(Malformed::Missing("a record's id")));
        assert!(refused(|p| drop(p.cells.pop())) == length("a record's cells"));
        assert!(refused(|p| p.keys.clear()) == length("a record's keys"));
        assert!(refused(|p| p.keys[0].identity = vec![0; 31].into()) == length("a hashed key"));
        assert!(refused(|p| p.keys[0].kind = 4) == Some(Malformed::Unknown("the kind of a key")));
        assert!(refused(|p| p.cells[0] = "x".repeat(CELL_BYTES_MAX + 1)) == length("a record"));
        let many = |count| (0..count).map(|_| sent()).collect();
        assert!(people(many(0), 2).is_err() && people(many(1001), 2).is_err());
        assert!(people(many(1000), 2).is_ok());
    }

    #[test]
    fn a_header_under_another_digest_is_refused() {
        let header = Header {
            columns: vec!["id".into()],
            schema: Schema::default(),
        };
        let mut sent = ListHeader::from(&header);
        assert!(Header::try_from(sent.clone()).is_ok());
        sent.schema_digest[0] ^= 1;
        assert!(Header::try_from(sent.clone()).err() == Some(Malformed::OtherSchema));
        sent.schema = "persons-v9".into();
        assert!(Header::try_from(sent).err() == Some(Malformed::Unknown("the schema")));
    }
}
