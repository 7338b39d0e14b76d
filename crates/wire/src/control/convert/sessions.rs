//! Sessions, and what officers decide about them.

use super::{ms, time};
use crate::control::Malformed;
use crate::control::codec::Carries;
use crate::control::message::Newest;
use crate::pb;
use admin::session::{ApprovalSummary, SessionSummary};
use admin::{ApprovalNumber, Blame, Decision, Outcome, PeerNumber, SessionNumber, Stage};
use protocol::SessionId;

impl Carries<Newest> for pb::ListSessionsRequest {
    fn write(Newest(count): Newest) -> Self {
        Self { count }
    }

    fn read(self) -> Result<Newest, Malformed> {
        Ok(Newest(self.count))
    }
}

impl Carries<Vec<SessionSummary>> for pb::ListSessionsReply {
    fn write(sessions: Vec<SessionSummary>) -> Self {
        Self {
            sessions: sessions.into_iter().map(session_form).collect(),
        }
    }

    fn read(self) -> Result<Vec<SessionSummary>, Malformed> {
        self.sessions.into_iter().map(session).collect()
    }
}

impl Carries<SessionNumber> for pb::GetReceiptRequest {
    fn write(session: SessionNumber) -> Self {
        Self {
            session: session.number(),
        }
    }

    fn read(self) -> Result<SessionNumber, Malformed> {
        Ok(SessionNumber::new(self.session))
    }
}

impl Carries<Vec<u8>> for pb::GetReceiptReply {
    fn write(receipt: Vec<u8>) -> Self {
        Self { receipt }
    }

    fn read(self) -> Result<Vec<u8>, Malformed> {
        Ok(self.receipt)
    }
}

impl Carries<Vec<ApprovalSummary>> for pb::ListApprovalsReply {
    fn write(approvals: Vec<ApprovalSummary>) -> Self {
        let approval = |approval: ApprovalSummary| pb::ApprovalInfo {
            number: approval.number.number(),
            peer: approval.peer.number(),
            peer_name: approval.peer_name,
            asked_ms: ms(approval.asked),
            approved: approval.approved,
        };
        Self {
            approvals: approvals.into_iter().map(approval).collect(),
        }
    }

    fn read(self) -> Result<Vec<ApprovalSummary>, Malformed> {
        let approval = |form: pb::ApprovalInfo| {
            Ok(ApprovalSummary {
                number: ApprovalNumber::new(form.number),
                peer: PeerNumber::new(form.peer),
                peer_name: form.peer_name,
                asked: time(form.asked_ms)?,
                approved: form.approved,
            })
        };
        self.approvals.into_iter().map(approval).collect()
    }
}

impl Carries<Decision> for pb::DecideRequest {
    fn write(decision: Decision) -> Self {
        Self {
            number: decision.approval.number(),
            approved: decision.approved,
        }
    }

    fn read(self) -> Result<Decision, Malformed> {
        Ok(Decision {
            approval: ApprovalNumber::new(self.number),
            approved: self.approved,
        })
    }
}

fn session_form(session: SessionSummary) -> pb::SessionInfo {
    let ended = match session.stage {
        Stage::Committed | Stage::Signed => None,
        Stage::Ended { at, outcome, blame } => Some((at, outcome, blame)),
    };
    pb::SessionInfo {
        number: session.number.number(),
        peer: session.peer.number(),
        peer_name: session.peer_name,
        started_ms: ms(session.started),
        id: session.id.map(|id| id.0.to_vec()),
        stage: session.stage.name().to_owned(),
        ended_ms: ended.map(|(at, _, _)| ms(at)),
        outcome: ended.map(|(_, outcome, _)| outcome.name().to_owned()),
        blame: ended.and_then(|(_, _, blame)| blame.map(|blame| blame.name().to_owned())),
    }
}

fn session(form: pb::SessionInfo) -> Result<SessionSummary, Malformed> {
    let id = |id: Vec<u8>| {
        let id = id
            .try_into()
            .map_err(|_| Malformed::Length("the id of a session"));
        id.map(SessionId)
    };
    let outcome = |name: String| {
        let outcome = Outcome::ALL.into_iter().find(|known| known.name() == name);
        outcome.ok_or(Malformed::Unknown("an outcome"))
    };
    let blame = |name: String| {
        let blame = Blame::ALL.into_iter().find(|known| known.name() == name);
        blame.ok_or(Malformed::Unknown("whose doing it was"))
    };
    let stage = match (&*form.stage, form.ended_ms, form.outcome) {
        ("committed", _, _) => Stage::Committed,
        ("signed", _, _) => Stage::Signed,
        ("ended", Some(at), Some(name)) => Stage::Ended {
            at: time(at)?,
            outcome: outcome(name)?,
            blame: form.blame.map(blame).transpose()?,
        },
        _ => return Err(Malformed::Unknown("the stage of a session")),
    };
    Ok(SessionSummary {
        number: SessionNumber::new(form.number),
        peer: PeerNumber::new(form.peer),
        peer_name: form.peer_name,
        started: time(form.started_ms)?,
        id: form.id.map(id).transpose()?,
        stage,
    })
}
