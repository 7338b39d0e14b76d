//! `tacit match --finish`: the end of sessions that were signed and cut off, by what the peer still
//! sent or by the mediator's verdict.

use std::path::Path;

use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use super::advice::{FINISH_HINT, OFFICER_HINT, cause_failure, evidence_hint};
use super::asking::Asking;
use super::delivery::Delivery;
use super::progress::Progress;
use super::results::{Results, ResultsFile};
use super::route::{RouteArgs, relay_failure};
use super::runtime::runtime;
use super::session::graded;
use super::stops::StopWord;
use super::{Exit, Failure};
use admin::Outcome;
use node::disposition::{Next, Recourse, standing_of};
use node::settle::by_verdict;
use node::{Cause, Patience};
use pairing::{NodeId, NodeKey};
use protocol::Matches;
use store::unfinished::{Entry, Unfinished, UnfinishedSession};

/// What was said on the command line.
pub struct Options<'a> {
    pub peer: Option<NodeId>,
    pub route: &'a RouteArgs,
    pub output: Option<&'a Path>,
    pub force: bool,
    pub json: bool,
    /// Give up what cannot be finished, and keep it as evidence.
    pub set_aside: bool,
}

/// Finishes every session in `home` that is unfinished.
///
/// # Errors
/// The first that could not be finished; the others were tried all the same.
pub fn run(
    home: &Path,
    key: &NodeKey,
    options: &Options,
    progress: &Progress,
) -> Result<Exit, Failure> {
    let mut failures = Vec::new();
    let mut sessions = Vec::new();
    for entry in Unfinished::of(home, key)
        .all()
        .map_err(|error| Failure::store(&error))?
    {
        match entry {
            Entry::Session(found) if options.peer.is_none_or(|peer| peer == found.about.peer) => {
                sessions.push(found);
            }
            Entry::Session(_) => {}
            Entry::Busy => progress.say("A session is left alone: another tacit match runs it."),
            Entry::Unreadable(error) => failures.push(Failure::store(&error)),
        }
    }
    if options.output.is_some() && sessions.len() > 1 {
        return Err(Failure::bad_input(
            format!(
                "{} sessions are unfinished, and --output is one file",
                sessions.len()
            ),
            "finish them without --output (each writes where it was told to), or one after the other with --peer",
        ));
    }
    if sessions.is_empty() && failures.is_empty() {
        progress.say("No session is unfinished.");
    }
    for found in sessions {
        if let Err(failure) = finish(*found, home, key, options, progress) {
            failures.push(failure);
        }
    }
    let mut failures = failures.into_iter();
    let first = failures.next();
    for failure in failures {
        progress.say(failure.to_string());
    }
    first.map_or(Ok(Exit::Clean), Err)
}

/// Says no to a new session with a peer while another is unfinished: its answers come first.
///
/// # Errors
/// There is one.
pub fn refuse_while_unfinished(
    home: &Path,
    key: &NodeKey,
    peer: &NodeId,
    progress: &Progress,
) -> Result<(), Failure> {
    for entry in Unfinished::of(home, key)
        .all()
        .map_err(|error| Failure::store(&error))?
    {
        match entry {
            Entry::Session(found) if found.about.peer == *peer => {
                return Err(Failure::bad_input(
                    format!(
                        "the session of {} with this peer was signed and is unfinished",
                        moment(&found)
                    ),
                    format!("{FINISH_HINT}; then run this again"),
                ));
            }
            Entry::Session(_) | Entry::Busy => {}
            Entry::Unreadable(error) => progress.say(format!("Note: {error}.")),
        }
    }
    Ok(())
}

/// Ends one session and delivers its answers.
fn finish(
    found: UnfinishedSession,
    home: &Path,
    key: &NodeKey,
    options: &Options,
    progress: &Progress,
) -> Result<(), Failure> {
    let about = &found.about;
    let output = match options.output {
        Some(path) => Some(path.to_owned()),
        None => about.output.clone(),
    };
    let force = options.force || (options.output.is_none() && about.force);
    let file = output
        .as_ref()
        .map(|path| ResultsFile::at(path, force))
        .transpose()?;
    progress.say(format!(
        "The session of {} with {}:",
        moment(&found),
        about.peer
    ));
    let (held, settled) = match end(&found, key, options.route, progress) {
        Ok(ended) => ended,
        Err(unended) => {
            let folder = Unfinished::of(home, key);
            return Err(without_answers(found, &folder, unended, options.set_aside));
        }
    };
    let delivery = Delivery {
        peer: about.peer,
        output,
        json: options.json || about.json,
    };
    let answers = graded(&found.requested, &held, about.peer_people);
    let results = Results::new(&found.requested, &answers);
    let session = found.state.session;
    delivery.deliver(file, &results, &session, settled, progress)?;
    found.erase().map_err(|error| Failure::store(&error))
}

/// Why a session has no answers.
enum Unended {
    /// Something was in the way that says nothing of the session.
    Here(Failure),
    /// With what people are told, where that is not what the cause is called.
    By(Box<Cause>, Option<Failure>),
}

/// The peer's tables opened by its release or by the mediator's verdict, and whether by the latter.
fn end(
    found: &UnfinishedSession,
    key: &NodeKey,
    route: &RouteArgs,
    progress: &Progress,
) -> Result<(Matches, bool), Unended> {
    if let Some(release) = &found.release {
        let verified = found.state.verify_release(release);
        let opened = verified
            .and_then(|release| found.state.open(&release))
            .map_err(protocol::Error::from);
        return match opened {
            Ok(held) => Ok((held, false)),
            Err(error) => Err(Unended::By(Box::new(error.into()), None)),
        };
    }
    let Some((descriptor, kept_address)) = &found.about.mediator else {
        return Err(Unended::By(Box::new(Cause::ReleaseLost), None));
    };
    let address = match &route.via {
        Some(via) if via.id == descriptor.mediator => via.address.clone(),
        Some(via) => {
            return Err(Unended::Here(Failure::bad_input(
                format!(
                    "--via is {}, and this session's mediator is {}",
                    via.id, descriptor.mediator
                ),
                "leave --via out, or give the mediator's new address with its id",
            )));
        }
        None => kept_address.clone(),
    };
    let mediator = (descriptor.clone(), address);
    let asking = Asking::of(&mediator, key, progress, route.relay_wait()).map_err(Unended::Here)?;
    asking.leave_to_it();
    let agreed = found.agreed.clone().or_else(|| found.state.both_signed());
    let patience = Patience::default();
    let runtime = runtime().map_err(Unended::Here)?;
    let stop = StopWord::listen(&runtime).map_err(Unended::Here)?;
    let verdict = async {
        let spinner = progress.spinner("asking the mediator");
        let ended = tokio::select! {
            ended = by_verdict(&found.state, agreed, &asking, &patience) => ended,
            () = asking.gave_up() => Err(Cause::Cancelled),
            () = stop.said() => Err(Cause::Cancelled),
        };
        spinner.finish_and_clear();
        ended
    };
    match runtime.block_on(verdict) {
        Ok(outcome) => Ok((outcome.matches, true)),
        Err(cause @ Cause::Cancelled) => {
            let away = asking
                .fault()
                .map(|fault| relay_failure(&fault, &mediator.1, &key.id()));
            Err(Unended::By(Box::new(cause), away))
        }
        Err(cause) => Err(Unended::By(Box::new(cause), None)),
    }
}

/// What becomes of a session that has no answers now.
fn without_answers(
    found: UnfinishedSession,
    folder: &Unfinished,
    unended: Unended,
    give_up: bool,
) -> Failure {
    let standing = standing_of(&found.state, found.agreed.as_ref());
    let age = jiff::Timestamp::now().duration_since(found.about.begun);
    let recourse = Recourse::after(age, found.about.mediator.is_some());
    let (cause, mut failure) = match unended {
        Unended::Here(failure) => (None, failure),
        Unended::By(cause, said) => {
            let failure = said.unwrap_or_else(|| cause_failure(&cause));
            (Some(*cause), failure)
        }
    };
    let next = cause.as_ref().map_or(Next::Later, |cause| {
        cause.disposition(standing, recourse).next
    });
    let proof = cause.as_ref().and_then(Cause::proof);
    let put_away = match next {
        Next::Over(outcome) => {
            if outcome == Outcome::Unanswered {
                failure.hint = Some(OFFICER_HINT.into());
            }
            found.erase()
        }
        Next::AskMediator | Next::Later if !give_up => {
            failure
                .message
                .push_str(".\n       The session stays as it is: tacit match --finish tries again");
            Ok(())
        }
        Next::KeepAsEvidence(_) | Next::AskMediator | Next::Later => found
            .set_aside(folder, proof, &mut UnwrapErr(SysRng))
            .map(|directory| failure.hint = Some(evidence_hint(&directory))),
    };
    if let Err(error) = put_away {
        failure.message.push_str(&format!(".\n       {error}"));
    }
    failure
}

/// When the session began, for people.
fn moment(found: &UnfinishedSession) -> String {
    let begun = jiff::ZonedDateTime::new(found.about.begun, jiff::tz::TimeZone::system());
    begun.strftime("%Y-%m-%d %H:%M").to_string()
}
