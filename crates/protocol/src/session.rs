//! One side of one session, from the offer to the answers.
//!
//! [`Session::receive`] takes the peer's next message and only checks that it may come now;
//! [`Session::advance`] does the next piece of work and says what to do with it. Each state is
//! consumed by the step that leaves it, so no step can be skipped, repeated or reordered. After an
//! error every call gives [`Error::Over`]. What the caller must do in order: each [`Step`] before
//! the next `advance`.

mod legs;
mod signing;

use super::agreement::{MediatorTime, SignedAgreement};
use super::commitment::{Commitment, Committer};
use super::offer::{Offer, session_id, sha256};
use super::release::{Held, Receipt, Release};
use super::requester::Request;
use super::table::PreparedTable;
use super::{
    ByClass, CHUNKS_IN_FLIGHT_MAX, Error, Message, PeerMisbehaved, Role, SessionId, SignedState,
    Terms,
};
use element::HashedIdentity;
use legs::{Legs, Unsigned};
use pairing::{NodeId, NodeKey, Signature};
use rand_core::CryptoRng;
use signing::{Signed, bad_deadline, decode_agreement, open};
use std::collections::VecDeque;
use std::sync::Arc;

/// What one side brings to a session.
pub struct Setup {
    pub role: Role,
    pub key: Arc<NodeKey>,
    pub peer: NodeId,
    pub terms: Terms,
    /// Requested identities; those that coincide are folded.
    pub requested: ByClass<Vec<HashedIdentity>>,
    pub table: PreparedTable,
}

/// What the caller does next.
#[must_use]
pub enum Step {
    Send(Message),
    /// Keep this durably before anything that comes after it.
    Persist(Persist),
    /// Ask the mediator for its time and hand it to [`Session::time`].
    AskTime,
    /// Nothing can be done before the peer's next message.
    Wait,
    /// Both sides have their answers; the session is over.
    Done(Box<Outcome>),
}

/// What must be on disk before the next message leaves.
pub enum Persist {
    /// The prepared table is spent: it must never serve again.
    TableUsed,
    /// This side is about to sign.
    Signed(Arc<SignedState>),
    /// Both signatures are here: what the mediator settles on.
    Agreed(SessionId, Box<SignedAgreement>),
    /// The peer's release has come, and opens its tables.
    PeerReleased(SessionId, Box<Release>),
}

/// What a session gives.
pub struct Outcome {
    pub session: SessionId,
    /// The requested identities that the peer holds.
    pub held: Held,
    pub receipt: Receipt,
}

impl std::fmt::Debug for Outcome {
    /// Names the session, and nothing of what was found.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outcome")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// How far this side has bound itself: what an interrupted session means for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing is signed: the session can simply be run again, with a fresh table.
    Unsigned,
    /// This side has signed: the peer, with the mediator's help, may still learn its answers.
    Signed,
    /// This side has released: the peer has its answers, or can have them.
    Released,
}

/// Elements done and to be done while the lists are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Own elements answered and checked.
    pub answered: usize,
    pub to_answer: usize,
    /// The peer's elements evaluated.
    pub evaluated: usize,
    pub to_evaluate: usize,
}

/// One side of one session.
pub struct Session {
    own: Own,
    state: State,
    outbox: VecDeque<Step>,
    inbox: VecDeque<Message>,
    standing: Standing,
    signed: Option<Arc<SignedState>>,
    receipt: Option<Receipt>,
    progress: Progress,
}

/// What stays the same throughout.
struct Own {
    role: Role,
    key: Arc<NodeKey>,
    id: NodeId,
    peer: NodeId,
    terms: Terms,
}

/// Named for what it waits for.
enum State {
    AwaitAnswer {
        prepared: Prepared,
        offer: Vec<u8>,
    },
    AwaitOffer {
        prepared: Prepared,
    },
    AwaitCommitment(Box<Committed>),
    Asking(Box<Legs>),
    AwaitInitiatorSignature(Box<Unsigned>),
    AwaitTimeToPropose(Box<Unsigned>),
    AwaitTimeToSign {
        unsigned: Box<Unsigned>,
        deadline: MediatorTime,
        signature: Signature,
    },
    AwaitResponderSignature(Box<Signed>),
    AwaitTimeToRelease(Box<Signed>),
    AwaitRelease {
        signed: Box<Signed>,
        released: bool,
    },
    Opening {
        signed: Box<Signed>,
        release: Release,
    },
    /// The terms differ; said once what was queued before has left.
    Differing(Error),
    Over,
}

/// The lists of this side, ready to be asked and to answer.
struct Prepared {
    requests: ByClass<Request>,
    table: PreparedTable,
}

/// Both offers are known and agree; this side has committed.
struct Committed {
    prepared: Prepared,
    bound: Bound,
}

/// What names the session and this side's commitment in it.
struct Bound {
    session: SessionId,
    offer_digest: [u8; 32],
    answer_digest: [u8; 32],
    commitment: Commitment,
}

impl Session {
    /// Starts a session: an initiator has its Offer to send, a responder waits for one.
    ///
    /// # Errors
    /// [`Error::AboveCeiling`], [`Error::TableDoesNotFit`]: nothing was sent.
    pub fn new(setup: Setup, rng: &mut impl CryptoRng) -> Result<Self, Error> {
        let Setup {
            role,
            key,
            peer,
            terms,
            requested,
            table,
        } = setup;
        terms.check()?;
        if key.id() == peer {
            return Err(Error::OwnPeer);
        }
        let fits = table.mediator == terms.mediator
            && requested.wide.is_some() == terms.ceilings.wide.is_some()
            && table.classes.as_ref().map(|_, class| class.ceiling)
                == terms.ceilings.map(|_, c| c.of(role).held);
        if !fits {
            return Err(Error::TableDoesNotFit);
        }
        let requests = requested
            .zip(terms.ceilings)
            .try_map(|class, (list, ceilings)| {
                Request::new(class, list, ceilings.of(role).requested, rng)
            })?;
        let prepared = Prepared { requests, table };
        let own = Own {
            role,
            id: key.id(),
            key,
            peer,
            terms,
        };
        let total = |role: Role| {
            own.terms
                .ceilings
                .iter()
                .map(|(_, c)| c.of(role).requested.elements())
                .sum()
        };
        let progress = Progress {
            to_answer: total(role),
            to_evaluate: total(role.other()),
            ..Progress::default()
        };
        let mut outbox = VecDeque::new();
        let state = match role {
            Role::Initiator => {
                let offer = Offer::new(own.terms.clone(), rng).encode();
                outbox.push_back(Step::Send(Message::Offer(offer.clone())));
                State::AwaitAnswer { prepared, offer }
            }
            Role::Responder => State::AwaitOffer { prepared },
        };
        Ok(Self {
            own,
            state,
            outbox,
            inbox: VecDeque::new(),
            standing: Standing::Unsigned,
            signed: None,
            receipt: None,
            progress,
        })
    }

    /// Takes the peer's next message. Cheap: work is left to [`advance`](Self::advance).
    ///
    /// # Errors
    /// The peer aborted, sent what cannot come now, or ran ahead of what it may: the session is over.
    pub fn receive(&mut self, message: Message) -> Result<(), Error> {
        let result = self.accept(message);
        self.over_on_error(result)
    }

    /// Does the next piece of work, on all cores, and says what to do.
    ///
    /// # Errors
    /// The session is over; [`standing`](Self::standing) says what that means.
    pub fn advance(&mut self, rng: &mut impl CryptoRng) -> Result<Step, Error> {
        let result = self.next_step(rng);
        self.over_on_error(result)
    }

    /// Makes what can be made of what has already come, when nothing can be sent or received any more:
    /// opens the peer's tables if its release is there, keeps the agreement if its signature is.
    /// `None` when there are no answers. Nothing is signed or released here.
    ///
    /// # Errors
    /// The peer said why it ended the session, or its last message was a cheat.
    pub fn wind_up(&mut self, rng: &mut impl CryptoRng) -> Result<Option<Outcome>, Error> {
        let result = self.take_last_messages(rng);
        self.outbox.clear();
        match std::mem::replace(&mut self.state, State::Over) {
            State::Opening { signed, release } if result.is_ok() => {
                open(*signed, &release).map(Some)
            }
            _ => result.map(|()| None),
        }
    }

    /// Answers [`Step::AskTime`].
    ///
    /// # Errors
    /// Too little of the settling window is left, or the peer's deadline is out of range.
    pub fn time(&mut self, now: MediatorTime, rng: &mut impl CryptoRng) -> Result<(), Error> {
        let result = self.with_time(now, rng);
        self.over_on_error(result)
    }

    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// What this side kept when it signed; the mediator's word or the peer's release can still open it.
    pub fn signed(&self) -> Option<&Arc<SignedState>> {
        self.signed.as_ref()
    }

    /// The agreement and releases so far, also after an error: evidence of what the peer is bound to.
    pub fn receipt(&self) -> Option<&Receipt> {
        self.receipt.as_ref()
    }

    pub fn progress(&self) -> Progress {
        self.progress
    }

    fn over_on_error<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_err() {
            self.state = State::Over;
            self.outbox.clear();
            self.inbox.clear();
        }
        result
    }

    fn accept(&mut self, message: Message) -> Result<(), Error> {
        match (&mut self.state, message) {
            (State::Over, _) => Err(Error::Over),
            // What this side came to stands, whatever comes now.
            (State::Differing(_) | State::Opening { .. }, _) => Ok(()),
            (State::Asking(legs), Message::Table(chunk)) => Ok(legs.take_table(chunk)?),
            (state, Message::Table(_)) => Err(out_of_order(state.awaits(), "a table chunk")),
            (state, message) => {
                if let Message::Evaluated(chunk) = &message {
                    match state {
                        State::Asking(legs) => legs.note_received(chunk.class)?,
                        state => return Err(out_of_order(state.awaits(), name(&message))),
                    }
                }
                let kind = std::mem::discriminant(&message);
                let waiting = self
                    .inbox
                    .iter()
                    .filter(|held| std::mem::discriminant(*held) == kind)
                    .count();
                if waiting >= CHUNKS_IN_FLIGHT_MAX {
                    return Err(PeerMisbehaved::TooManyInFlight {
                        max: CHUNKS_IN_FLIGHT_MAX,
                    }
                    .into());
                }
                self.inbox.push_back(message);
                Ok(())
            }
        }
    }

    fn take_last_messages(&mut self, rng: &mut impl CryptoRng) -> Result<(), Error> {
        while let Some(message) = self.inbox.pop_front() {
            let state = std::mem::replace(&mut self.state, State::Over);
            self.state = match (state, message) {
                (state @ State::Opening { .. }, _) => state,
                (_, Message::Abort(reason)) => return Err(Error::PeerAborted(reason)),
                (state @ State::AwaitResponderSignature(_), message @ Message::Agreement(_))
                | (state @ State::AwaitRelease { .. }, message @ Message::Release(_)) => {
                    self.on_message(state, message, rng)?
                }
                (state, _) => state,
            };
        }
        Ok(())
    }

    /// A signature or release binds this side from the moment it is handed out to be sent.
    fn note_leaving(&mut self, step: &Step) {
        match step {
            Step::Send(Message::Agreement(_)) => self.standing = Standing::Signed,
            Step::Send(Message::Release(_)) => self.standing = Standing::Released,
            _ => {}
        }
    }

    fn next_step(&mut self, rng: &mut impl CryptoRng) -> Result<Step, Error> {
        loop {
            if let Some(step) = self.outbox.pop_front() {
                self.note_leaving(&step);
                return Ok(step);
            }
            let state = std::mem::replace(&mut self.state, State::Over);
            self.state = match state {
                State::Over => return Err(Error::Over),
                State::Differing(error) => return Err(error),
                State::Opening { signed, release } => {
                    return Ok(Step::Done(Box::new(open(*signed, &release)?)));
                }
                State::Asking(mut legs) => {
                    let step = legs.advance(&mut self.inbox, rng)?;
                    (self.progress.answered, self.progress.evaluated) = legs.progress();
                    match step {
                        legs::Next::Send(message) => {
                            self.state = State::Asking(legs);
                            return Ok(Step::Send(message));
                        }
                        legs::Next::Wait => {
                            self.state = State::Asking(legs);
                            return Ok(Step::Wait);
                        }
                        legs::Next::Complete => self.legs_complete(*legs)?,
                    }
                }
                waiting => match self.inbox.pop_front() {
                    None => {
                        self.state = waiting;
                        return Ok(Step::Wait);
                    }
                    Some(message) => self.on_message(waiting, message, rng)?,
                },
            };
        }
    }

    fn on_message(
        &mut self,
        state: State,
        message: Message,
        rng: &mut impl CryptoRng,
    ) -> Result<State, Error> {
        match (state, message) {
            (_, Message::Abort(reason)) => Err(Error::PeerAborted(reason)),
            (State::AwaitOffer { prepared }, Message::Offer(offer)) => {
                let theirs = Offer::decode(&offer, "the offer");
                let answer = Offer::new(self.own.terms.clone(), rng).encode();
                self.outbox
                    .push_back(Step::Send(Message::Answer(answer.clone())));
                self.agree_on(theirs, prepared, &offer, &answer, rng)
            }
            (State::AwaitAnswer { prepared, offer }, Message::Answer(answer)) => self.agree_on(
                Offer::decode(&answer, "the answer"),
                prepared,
                &offer,
                &answer,
                rng,
            ),
            (State::AwaitCommitment(committed), Message::Commitment(bytes)) => {
                self.start_legs(*committed, &bytes)
            }
            (State::AwaitInitiatorSignature(unsigned), Message::Agreement(bytes)) => {
                let (deadline, signature) = decode_agreement(&bytes)?;
                if self.own.terms.mediator.can_settle() {
                    self.outbox.push_back(Step::AskTime);
                    return Ok(State::AwaitTimeToSign {
                        unsigned,
                        deadline,
                        signature,
                    });
                }
                if deadline != NO_DEADLINE {
                    return Err(bad_deadline(deadline, NO_DEADLINE.0, NO_DEADLINE.0));
                }
                self.countersign(*unsigned, deadline, signature)
            }
            (State::AwaitResponderSignature(mut signed), Message::Agreement(bytes)) => {
                let (deadline, signature) = decode_agreement(&bytes)?;
                if deadline != signed.agreement.deadline {
                    return Err(bad_deadline(
                        deadline,
                        signed.agreement.deadline.0,
                        signed.agreement.deadline.0,
                    ));
                }
                signed.responder_signature = Some(signature);
                self.both_signed(&mut signed, None)?;
                if self.own.terms.mediator.can_settle() {
                    Ok(State::AwaitRelease {
                        signed,
                        released: false,
                    })
                } else {
                    self.release(&mut signed, rng);
                    Ok(State::AwaitRelease {
                        signed,
                        released: true,
                    })
                }
            }
            (
                State::AwaitRelease {
                    mut signed,
                    released,
                },
                Message::Release(bytes),
            ) => {
                let release = Release::decode(&bytes).ok_or(PeerMisbehaved::Malformed {
                    message: "the release",
                })?;
                let state = &signed.state;
                release.verify(
                    &state.session,
                    state.role.other(),
                    &state.mediator,
                    state.peer_release(),
                )?;
                self.outbox.push_back(Step::Persist(Persist::PeerReleased(
                    state.session,
                    Box::new(release.clone()),
                )));
                if !released {
                    self.release(&mut signed, rng);
                }
                self.note_release(&mut signed, self.own.role.other(), &release);
                Ok(State::Opening { signed, release })
            }
            (state, message) => Err(out_of_order(state.awaits(), name(&message))),
        }
    }

    /// Compares the terms; when they agree, commits.
    fn agree_on(
        &mut self,
        theirs: Result<Offer, Error>,
        prepared: Prepared,
        offer: &[u8],
        answer: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<State, Error> {
        let theirs = match theirs {
            Ok(theirs) => theirs.terms,
            // A responder's answer still leaves, so that the peer can say the same.
            Err(error @ Error::TermsDiffer(_)) => return Ok(State::Differing(error)),
            Err(error) => return Err(error),
        };
        if let Err(difference) = self.own.terms.compare(&theirs) {
            return Ok(State::Differing(difference.into()));
        }
        let (offer_digest, answer_digest) = (sha256(offer), sha256(answer));
        let (initiator, responder) = self.own.parties();
        let mediator = self.own.terms.mediator.encoded();
        let session = session_id(
            &initiator,
            &responder,
            mediator,
            &offer_digest,
            &answer_digest,
        );
        let commitment = Commitment::to(
            &prepared.table,
            self.own.committer(&session, self.own.role),
            rng,
        );
        self.outbox.push_back(Step::Persist(Persist::TableUsed));
        self.outbox
            .push_back(Step::Send(Message::Commitment(commitment.encode())));
        let bound = Bound {
            session,
            offer_digest,
            answer_digest,
            commitment,
        };
        Ok(State::AwaitCommitment(Box::new(Committed {
            prepared,
            bound,
        })))
    }

    fn start_legs(&mut self, committed: Committed, bytes: &[u8]) -> Result<State, Error> {
        let Committed { prepared, bound } = committed;
        let theirs = Commitment::decode(bytes, self.own.terms.ceilings.wide.is_some()).ok_or(
            PeerMisbehaved::Malformed {
                message: "the commitment",
            },
        )?;
        let peer_held = self
            .own
            .terms
            .ceilings
            .map(|_, ceilings| ceilings.of(self.own.role.other()).held);
        theirs.fits(peer_held, &bound.commitment)?;
        theirs.verify(self.own.committer(&bound.session, self.own.role.other()))?;
        let legs = Legs::new(self.own.role, &self.own.terms, prepared, bound, theirs);
        Ok(State::Asking(Box::new(legs)))
    }

    fn legs_complete(&mut self, legs: Legs) -> Result<State, Error> {
        let unsigned = legs.finish().ok_or(Error::Over)?;
        match self.own.role {
            Role::Responder => Ok(State::AwaitInitiatorSignature(Box::new(unsigned))),
            Role::Initiator if self.own.terms.mediator.can_settle() => {
                self.outbox.push_back(Step::AskTime);
                Ok(State::AwaitTimeToPropose(Box::new(unsigned)))
            }
            Role::Initiator => self.propose(unsigned, NO_DEADLINE),
        }
    }
}

impl Own {
    /// Initiator's and responder's ids.
    fn parties(&self) -> (NodeId, NodeId) {
        match self.role {
            Role::Initiator => (self.id, self.peer),
            Role::Responder => (self.peer, self.id),
        }
    }

    fn committer<'a>(&'a self, session: &'a SessionId, role: Role) -> Committer<'a> {
        let (own, peer) = if role == self.role {
            (&self.id, &self.peer)
        } else {
            (&self.peer, &self.id)
        };
        Committer {
            session,
            role,
            own,
            peer,
            mediator: self.terms.mediator.encoded(),
        }
    }
}

impl State {
    fn awaits(&self) -> &'static str {
        match self {
            Self::AwaitAnswer { .. } => "the answer",
            Self::AwaitOffer { .. } => "the offer",
            Self::AwaitCommitment(_) => "the commitment",
            Self::Asking(_) => "a chunk of the lists",
            Self::AwaitInitiatorSignature(_)
            | Self::AwaitResponderSignature(_)
            | Self::AwaitTimeToSign { .. }
            | Self::AwaitTimeToPropose(_) => "the agreement",
            Self::AwaitTimeToRelease(_) | Self::AwaitRelease { .. } => "the release",
            Self::Opening { .. } | Self::Differing(_) | Self::Over => "nothing",
        }
    }
}

/// The deadline of an agreement that nobody can settle.
const NO_DEADLINE: MediatorTime = MediatorTime(0);

fn name(message: &Message) -> &'static str {
    match message {
        Message::Offer(_) => "an offer",
        Message::Answer(_) => "an answer",
        Message::Commitment(_) => "a commitment",
        Message::Blinded(_) => "a blinded chunk",
        Message::Evaluated(_) => "an evaluated chunk",
        Message::Table(_) => "a table chunk",
        Message::Agreement(_) => "an agreement",
        Message::Release(_) => "a release",
        Message::Abort(_) => "an abort",
    }
}

fn out_of_order(expected: &'static str, found: &'static str) -> Error {
    PeerMisbehaved::OutOfOrder { expected, found }.into()
}
