//! Who may call what: the one table, which `docs/control.md` shows.

use admin::ClientRole;

const OFFICER: &[ClientRole] = &[ClientRole::Officer];
const ASKING: &[ClientRole] = &[ClientRole::Clerk, ClientRole::Officer];
const READING: &[ClientRole] = &[ClientRole::Officer, ClientRole::Auditor];

/// Every call of `control.proto` and the roles that may make it.
pub const CALLS: [(&str, &[ClientRole]); 26] = [
    ("ImportList", OFFICER),
    ("ListInfo", OFFICER),
    ("WithdrawList", OFFICER),
    ("AddPeer", OFFICER),
    ("ChangePeer", OFFICER),
    ("RemovePeer", OFFICER),
    ("ListPeers", OFFICER),
    ("EnrolClient", OFFICER),
    ("ChangeRole", OFFICER),
    ("RemoveClient", OFFICER),
    ("ListClients", OFFICER),
    ("SubmitQuery", ASKING),
    ("WithdrawQuery", ASKING),
    ("ListQueries", ASKING),
    ("WatchQuery", ASKING),
    ("QueryResults", ASKING),
    ("StandingResults", OFFICER),
    ("ListSessions", READING),
    ("GetReceipt", READING),
    ("ListApprovals", READING),
    ("Decide", OFFICER),
    ("GetStatus", ASKING),
    ("RunNow", ASKING),
    ("AuditEntries", READING),
    ("VerifyAudit", READING),
    ("ExportAudit", READING),
];

/// The call of that name and who may make it.
pub(super) fn call(name: &str) -> Option<(&'static str, &'static [ClientRole])> {
    CALLS.into_iter().find(|(call, _)| *call == name)
}
