//! What a failure between the two sides means to people, and what they can do about it.
//!
//! Handed causes of `node`, `protocol` and `transport`; decides nothing: what becomes of a session is its disposition.

use std::path::Path;

use super::Failure;
use super::terms::ceiling_for;
use admin::Outcome;
use node::disposition::{ExitClass, Next, Recourse};
use node::{Cause, Ended};
use pairing::NodeId;
use protocol::Standing;
use protocol::{self, AbortReason};
/// What a failed session means for people, and what to do. `recourse`: who can end it, from what is kept.
pub fn session_failure(ended: &Ended, recourse: Recourse) -> Failure {
    let mut failure = cause_failure(&ended.cause);
    let next = ended.cause.disposition(ended.standing, recourse).next;
    match (next, ended.standing) {
        (Next::Over(Outcome::NeverSettled), _) | (_, Standing::Unsigned) => {}
        (Next::AskMediator | Next::Later, _) => {
            failure.message.push_str(
                ".\n       This side has signed, and what it takes to have its answers is kept",
            );
            failure.hint = Some(FINISH_HINT.into());
        }
        (_, Standing::Released) => failure.message.push_str(
            ".\n       It ended after this side had opened its table: the peer may have its answers, you have none.\n       \
             Write down when this was, and do not run another match with this peer before an officer has decided",
        ),
        // What the mediator gave the peer nobody knows here.
        (Next::KeepAsEvidence(Outcome::Unanswered), _) => failure.message.push_str(
            ".\n       It ended after this side had signed: the peer may have its answers, you have none.\n       \
             Write down when this was, and do not run another match with this peer before an officer has decided",
        ),
        (Next::Over(_) | Next::KeepAsEvidence(_), Standing::Signed) => failure.message.push_str(
            ".\n       It ended after this side had signed and before it opened its table: neither side has answers",
        ),
    }
    failure
}

/// What to do about a session that is kept.
pub const FINISH_HINT: &str = "finish it with tacit match --finish, from the same home";

/// What to do where the peer may have answers, and this side has none.
pub const OFFICER_HINT: &str =
    "do not run another match with this peer before an officer has decided";

/// Why a session gave no answers, and what to do.
pub fn cause_failure(cause: &Cause) -> Failure {
    let hint = match cause {
        Cause::Exchange(error) => return own_failure(error),
        Cause::Channel(error) => return channel_failure(error),
        Cause::Cancelled => {
            return Failure {
                message: "stopped before there were answers".into(),
                hint: Some(
                    "nothing was written; run the match again on both sides when you are ready"
                        .into(),
                ),
                exit: cause.exit_class().into(),
            };
        }
        Cause::Stalled { .. } | Cause::TooSlow { .. } | Cause::ReleaseLate { .. } => {
            "is their program still running, and the line still up? Then run the match again on both sides"
        }
        Cause::NoMediator => "give --mediator, the same on both sides",
        Cause::NoTime(_) => {
            "is the mediator's relay running? Then run the match again on both sides"
        }
        Cause::EpochOver => {
            "ask the mediator for a new descriptor (tacit relay descriptor); both sides need the same"
        }
        Cause::NeverSettled => "run the match again on both sides",
        Cause::MediatorRefused(_) => {
            "note the time and this message, and talk to the mediator; tacit match --finish --set-aside gives the session up"
        }
        Cause::MediatorMisbehaved { .. } => {
            "note the time and this message, and talk to the mediator"
        }
        Cause::ReleaseLost => OFFICER_HINT,
        Cause::NotKept(_) => "is the disk full or gone? Then run the match again on both sides",
    };
    Failure {
        message: cause.to_string(),
        hint: Some(hint.to_owned()),
        exit: cause.exit_class().into(),
    }
}

/// What broke a session in the protocol, and what to do.
pub fn own_failure(error: &protocol::Error) -> Failure {
    use protocol::Error;
    let hint = match error {
        Error::TermsDiffer(_) => {
            "both sides must run the same version of tacit with the same --ceiling, --wide, --schema and --mediator".to_owned()
        }
        Error::PeerMisbehaved(_) => {
            "the peer's program is broken, or it cheats: note the time and this message, and talk to them before another try".to_owned()
        }
        Error::PeerAborted(AbortReason::Misbehaved) => {
            "compare the versions of tacit on both sides; if they are the same, somebody is cheating".to_owned()
        }
        Error::PeerAborted(_) => {
            "ask them what happened there, then run the match again on both sides".to_owned()
        }
        Error::AboveCeiling { elements, .. } => match ceiling_for(*elements) {
            Some(ceiling) => {
                format!("agree with the other side on --ceiling {ceiling}, and run both with it")
            }
            None => "split the list: no ceiling is that large".to_owned(),
        },
        Error::TooLate { .. } => {
            "is the line slow? Run the match again on both sides".to_owned()
        }
        Error::TableDoesNotFit
        | Error::QuestionsDoNotFit
        | Error::TermsUnusable { .. }
        | Error::OwnPeer
        | Error::Over => {
            "this should not happen: please report it, with the version and this message".to_owned()
        }
    };
    Failure {
        message: error.to_string(),
        hint: Some(hint),
        exit: ExitClass::from(error).into(),
    }
}

/// Why there is no channel, and what to do.
pub fn channel_failure(error: &transport::Error) -> Failure {
    use transport::Error;
    let message = match error {
        Error::WrongKey { presented } | Error::OnlyWrongKeysCame { presented } => {
            match NodeId::from_bytes(*presented) {
                Ok(id) => format!("another node is there than the one named with --peer: {id}"),
                Err(_) => "a node with an invalid key is there".to_owned(),
            }
        }
        Error::KeyRefused => "the other side does not accept this node's key".to_owned(),
        _ => error.to_string(),
    };
    let hint = match error {
        Error::WrongKey { .. } | Error::OnlyWrongKeysCame { .. } => {
            "compare the id with the peer over the telephone, word by word (tacit id ID prints the words)"
        }
        Error::KeyRefused => "give them your id again (tacit id) for their --peer",
        Error::Refused { .. } => "is another match already running there?",
        Error::Misbehaved(_) => {
            "what is there may not be tacit, or cheats: check the address and talk to them"
        }
        Error::NotTls | Error::Incompatible => {
            "is this the address of their tacit, and the same version?"
        }
        Error::AddressMalformed => "write host:port, as in 192.0.2.7:7447",
        Error::NameUnknown => "check the spelling, or give the IP address",
        Error::CannotListen(_) => "use an address of this machine and a port that is free",
        Error::KeyUnusable | Error::MessageTooLong { .. } => "please report this",
        Error::Unreachable(_) => {
            "is their side started with --listen, and the port open in their firewall?"
        }
        Error::NobodyCame { .. } => {
            "have they started with --connect to this address? --wait SECONDS waits longer"
        }
        Error::HandshakeTimedOut | Error::Displaced | Error::Gone | Error::Unfinished => {
            "run the match again on both sides"
        }
    };
    Failure {
        message,
        hint: Some(hint.to_owned()),
        exit: ExitClass::from(error).into(),
    }
}

/// What to do with evidence.
pub fn evidence_hint(directory: &Path) -> String {
    format!(
        "note the time and this message; what was signed is kept, sealed, in {}",
        directory.display()
    )
}
