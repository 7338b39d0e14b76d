//! The audit log: entries, the node's verdict, and its export.

use crate::control::codec::Carries;
use crate::control::message::Newest;
use crate::control::{HEAD_BYTES_MAX, Malformed};
use crate::pb;
use admin::AuditVerdict;

impl Carries<Newest> for pb::AuditEntriesRequest {
    fn write(Newest(count): Newest) -> Self {
        Self { count }
    }

    fn read(self) -> Result<Newest, Malformed> {
        Ok(Newest(self.count))
    }
}

impl Carries<Vec<String>> for pb::AuditEntriesReply {
    fn write(entries: Vec<String>) -> Self {
        Self { entries }
    }

    fn read(self) -> Result<Vec<String>, Malformed> {
        Ok(self.entries)
    }
}

impl Carries<Option<String>> for pb::VerifyAuditRequest {
    fn write(earlier: Option<String>) -> Self {
        Self { earlier }
    }

    fn read(self) -> Result<Option<String>, Malformed> {
        match self.earlier {
            Some(line) if line.len() > HEAD_BYTES_MAX => Err(Malformed::Length("the head")),
            earlier => Ok(earlier),
        }
    }
}

impl Carries<AuditVerdict> for pb::VerifyAuditReply {
    fn write(verdict: AuditVerdict) -> Self {
        let (head, fault) = match verdict {
            AuditVerdict::Holds { head } => (Some(head), None),
            AuditVerdict::Broken { fault } => (None, Some(fault)),
        };
        Self { head, fault }
    }

    fn read(self) -> Result<AuditVerdict, Malformed> {
        match (self.head, self.fault) {
            (_, Some(fault)) => Ok(AuditVerdict::Broken { fault }),
            (Some(head), None) => Ok(AuditVerdict::Holds { head }),
            (None, None) => Err(Malformed::Missing("the verdict")),
        }
    }
}

impl Carries<Vec<u8>> for pb::ExportAuditPart {
    fn write(data: Vec<u8>) -> Self {
        Self { data }
    }

    fn read(self) -> Result<Vec<u8>, Malformed> {
        Ok(self.data)
    }
}
