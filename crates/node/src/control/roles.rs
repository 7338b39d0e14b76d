//! Who may call what: the one table, which `docs/control.md` shows.

use admin::Role;

const OFFICER: &[Role] = &[Role::Officer];
const ASKING: &[Role] = &[Role::Clerk, Role::Officer];
const READING: &[Role] = &[Role::Officer, Role::Auditor];

/// Every call of `control.proto` and the roles that may make it.
pub const CALLS: [(&str, &[Role]); 26] = [
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
pub(super) fn call(name: &str) -> Option<(&'static str, &'static [Role])> {
    CALLS.into_iter().find(|(call, _)| *call == name)
}
