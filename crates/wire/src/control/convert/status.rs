//! How a node stands with its peers.

use super::{ms, time};
use crate::control::Malformed;
use crate::control::codec::Carries;
use crate::pb::{self, Doing};
use admin::status::{Activity, NodeStatus, PairStatus, PeerStatus, PeopleOnLists};
use admin::{ApprovalNumber, Left, PeerNumber};
use protocol::{ByClass, KeyClass};

impl Carries<NodeStatus> for pb::GetStatusReply {
    fn write(status: NodeStatus) -> Self {
        let peer = |peer: PeerStatus| pb::PeerStatus {
            peer: peer.peer.number(),
            name: peer.name,
            pair: Some(pair_form(peer.pair)),
            theirs: budget_forms(&peer.theirs),
            ours: budget_forms(&peer.ours),
        };
        Self {
            id: status.id.to_string(),
            people: status.people.map(|people| pb::PeopleOnLists {
                held: people.held,
                requested: people.requested,
            }),
            log_ahead_ms: status.log_ahead.map(ms),
            peers: status.peers.into_iter().map(peer).collect(),
        }
    }

    fn read(self) -> Result<NodeStatus, Malformed> {
        let peer = |form: pb::PeerStatus| {
            Ok(PeerStatus {
                peer: PeerNumber::new(form.peer),
                name: form.name,
                pair: pair_status(form.pair.unwrap_or_default())?,
                theirs: budget(form.theirs)?,
                ours: budget(form.ours)?,
            })
        };
        let id = self.id.parse();
        Ok(NodeStatus {
            id: id.map_err(|_| Malformed::Unknown("the id of a node"))?,
            people: self.people.map(|people| PeopleOnLists {
                held: people.held,
                requested: people.requested,
            }),
            log_ahead: self.log_ahead_ms.map(time).transpose()?,
            peers: self.peers.into_iter().map(peer).collect::<Result<_, _>>()?,
        })
    }
}

impl Carries<Option<PeerNumber>> for pb::RunNowRequest {
    fn write(peer: Option<PeerNumber>) -> Self {
        Self {
            peer: peer.map(PeerNumber::number),
        }
    }

    fn read(self) -> Result<Option<PeerNumber>, Malformed> {
        Ok(self.peer.map(PeerNumber::new))
    }
}

impl Carries<u32> for pb::RunNowReply {
    fn write(peers: u32) -> Self {
        Self { peers }
    }

    fn read(self) -> Result<u32, Malformed> {
        Ok(self.peers)
    }
}

/// How a node stands with a peer, as a message.
pub(super) fn pair_form(pair: PairStatus) -> pb::PairStatus {
    let mut form = pb::PairStatus {
        next_ms: pair.next.map(ms),
        answered_ms: pair.answered.map(ms),
        changing: pair.changing,
        ..pb::PairStatus::default()
    };
    if let Some((at, trouble)) = pair.trouble {
        (form.trouble, form.trouble_ms) = (Some(trouble), Some(ms(at)));
    }
    let doing = match pair.activity {
        Activity::Nothing => Doing::Nothing,
        Activity::Preparing => Doing::Preparing,
        Activity::AwaitingApproval(approval) => {
            form.approval = Some(approval.number());
            Doing::AwaitingApproval
        }
        Activity::AwaitingPeer => Doing::AwaitingPeer,
        Activity::Running { done, all } => {
            (form.done, form.of) = (Some(done), Some(all));
            Doing::Running
        }
        Activity::Settling => Doing::Settling,
    };
    form.doing = doing.into();
    form
}

/// How a node stands with a peer, of a message.
pub(super) fn pair_status(form: pb::PairStatus) -> Result<PairStatus, Malformed> {
    let doing = Doing::try_from(form.doing);
    Ok(PairStatus {
        activity: match doing.map_err(|_| Malformed::Unknown("what a node does"))? {
            Doing::Nothing | Doing::Unspecified => Activity::Nothing,
            Doing::Preparing => Activity::Preparing,
            Doing::AwaitingApproval => {
                let approval = form.approval.ok_or(Malformed::Missing("the approval"))?;
                Activity::AwaitingApproval(ApprovalNumber::new(approval))
            }
            Doing::AwaitingPeer => Activity::AwaitingPeer,
            Doing::Running => Activity::Running {
                done: form.done.unwrap_or(0),
                all: form.of.unwrap_or(0),
            },
            Doing::Settling => Activity::Settling,
        },
        next: form.next_ms.map(time).transpose()?,
        trouble: match (form.trouble_ms, form.trouble) {
            (Some(at), Some(trouble)) => Some((time(at)?, trouble)),
            _ => None,
        },
        answered: form.answered_ms.map(time).transpose()?,
        changing: form.changing,
    })
}

fn budget_forms(left: &ByClass<Left>) -> Vec<pb::BudgetLeft> {
    let form = |(class, left): (KeyClass, &Left)| pb::BudgetLeft {
        class: class.name().to_owned(),
        elements: left.elements,
        sessions: left.sessions,
        more_at_ms: left.more_at.map(ms),
    };
    left.iter().map(form).collect()
}

fn budget(forms: Vec<pb::BudgetLeft>) -> Result<ByClass<Left>, Malformed> {
    let of = |class: KeyClass| {
        let form = forms.iter().find(|form| form.class == class.name());
        let left = |form: &pb::BudgetLeft| {
            Ok(Left {
                elements: form.elements,
                sessions: form.sessions,
                more_at: form.more_at_ms.map(time).transpose()?,
            })
        };
        form.map(left).transpose()
    };
    Ok(ByClass {
        narrow: of(KeyClass::Narrow)?.ok_or(Malformed::Missing("the narrow class"))?,
        wide: of(KeyClass::Wide)?,
    })
}
