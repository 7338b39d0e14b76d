//! Peers and what is agreed with each.

use super::check_name;
use crate::control::Malformed;
use crate::control::codec::Carries;
use crate::pb;
use admin::peer::{self as peers, PEER_TEXT_BYTES_MAX};
use admin::policy::{self, Budget, Sizes};
use admin::{Peer, PeerEntry, PeerNumber};

impl Carries<PeerEntry> for pb::AddPeerRequest {
    fn write(entry: PeerEntry) -> Self {
        Self {
            entry: Some(peer_entry_form(&entry)),
        }
    }

    fn read(self) -> Result<PeerEntry, Malformed> {
        peer_entry(self.entry)
    }
}

impl Carries<Peer> for pb::AddPeerReply {
    fn write(peer: Peer) -> Self {
        Self {
            peer: Some(peer_form(&peer)),
        }
    }

    fn read(self) -> Result<Peer, Malformed> {
        peer(self.peer.ok_or(Malformed::Missing("the peer"))?)
    }
}

impl Carries<Peer> for pb::ChangePeerRequest {
    fn write(peer: Peer) -> Self {
        Self {
            number: peer.number.number(),
            entry: Some(peer_entry_form(&peer.entry)),
        }
    }

    fn read(self) -> Result<Peer, Malformed> {
        Ok(Peer {
            number: PeerNumber::new(self.number),
            entry: peer_entry(self.entry)?,
        })
    }
}

impl Carries<PeerNumber> for pb::RemovePeerRequest {
    fn write(peer: PeerNumber) -> Self {
        Self {
            number: peer.number(),
        }
    }

    fn read(self) -> Result<PeerNumber, Malformed> {
        Ok(PeerNumber::new(self.number))
    }
}

impl Carries<Vec<Peer>> for pb::ListPeersReply {
    fn write(peers: Vec<Peer>) -> Self {
        Self {
            peers: peers.iter().map(peer_form).collect(),
        }
    }

    fn read(self) -> Result<Vec<Peer>, Malformed> {
        self.peers.into_iter().map(peer).collect()
    }
}

/// With the eight words of its id, for clients that cannot make them.
fn peer_form(peer: &Peer) -> pb::PairedPeer {
    pb::PairedPeer {
        number: peer.number.number(),
        entry: Some(peer_entry_form(&peer.entry)),
        words: peer.entry.id.words().map(str::to_owned).to_vec(),
    }
}

fn peer(form: pb::PairedPeer) -> Result<Peer, Malformed> {
    Ok(Peer {
        number: PeerNumber::new(form.number),
        entry: peer_entry(form.entry)?,
    })
}

/// A peer's entry as a message.
fn peer_entry_form(entry: &peers::PeerEntry) -> pb::PeerEntry {
    pb::PeerEntry {
        name: entry.name.clone(),
        id: entry.id.to_string(),
        address: entry.address.clone(),
        by_relay: entry.by_relay,
        policy: Some(policy_form(&entry.policy)),
    }
}

/// A peer's entry of a message.
///
/// # Errors
/// [`Malformed`].
fn peer_entry(form: Option<pb::PeerEntry>) -> Result<peers::PeerEntry, Malformed> {
    let form = form.ok_or(Malformed::Missing("the peer"))?;
    check_name(&form.name, PEER_TEXT_BYTES_MAX, "the name of a peer")?;
    if form.address.as_ref().is_some_and(String::is_empty) {
        return Err(Malformed::Missing("the address of a peer"));
    }
    Ok(peers::PeerEntry {
        name: form.name,
        id: form
            .id
            .parse()
            .map_err(|_| Malformed::Unknown("the id of a peer"))?,
        address: form.address,
        by_relay: form.by_relay,
        policy: policy(form.policy.ok_or(Malformed::Missing("the policy"))?)?,
    })
}

/// A policy as a message.
fn policy_form(policy: &policy::Policy) -> pb::Policy {
    pb::Policy {
        narrow: Some(class_form(&policy.narrow)),
        wide: policy.wide.as_ref().map(class_form),
        budget_window_s: policy.budget_window_s,
        approval: match policy.approval {
            policy::Approval::ByHand => pb::Approval::ByHand.into(),
            policy::Approval::ByItself => pb::Approval::ByItself.into(),
        },
        mediator: policy.mediator.clone(),
        settling_window_s: policy.settling_window_s,
        schedule_s: policy.schedule_s,
        on_demand: policy.on_demand,
    }
}

/// A policy of a message; its bounds the store checks.
///
/// # Errors
/// [`Malformed`].
fn policy(form: pb::Policy) -> Result<policy::Policy, Malformed> {
    Ok(policy::Policy {
        narrow: class(form.narrow.ok_or(Malformed::Missing("the narrow class"))?),
        wide: form.wide.map(class),
        budget_window_s: form.budget_window_s,
        approval: match pb::Approval::try_from(form.approval) {
            Ok(pb::Approval::ByHand) => policy::Approval::ByHand,
            Ok(pb::Approval::ByItself) => policy::Approval::ByItself,
            Ok(pb::Approval::Unspecified) | Err(_) => {
                return Err(Malformed::Unknown("the approval"));
            }
        },
        mediator: form.mediator,
        settling_window_s: form.settling_window_s,
        schedule_s: form.schedule_s,
        on_demand: form.on_demand,
    })
}

fn class_form(class: &policy::ClassPolicy) -> pb::ClassPolicy {
    pb::ClassPolicy {
        own_held: class.own.held,
        own_requested: class.own.requested,
        peer_held: class.peer.held,
        peer_requested: class.peer.requested,
        budget_elements: class.budget.elements,
        budget_sessions: class.budget.sessions,
    }
}

fn class(form: pb::ClassPolicy) -> policy::ClassPolicy {
    policy::ClassPolicy {
        own: Sizes {
            held: form.own_held,
            requested: form.own_requested,
        },
        peer: Sizes {
            held: form.peer_held,
            requested: form.peer_requested,
        },
        budget: Budget {
            elements: form.budget_elements,
            sessions: form.budget_sessions,
        },
    }
}
