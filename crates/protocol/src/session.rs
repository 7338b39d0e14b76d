//! One side of one session, from the offer to the answers.
//!
//! [`Session::receive`] takes the peer's next message and only checks that it may come now;
//! [`Session::advance`] does the next piece of work and says what to do with it. Each state is
//! consumed by the step that leaves it, so no step can be skipped, repeated or reordered. After an
//! error every call gives [`Error::Over`]. What the caller must do in order: each [`Step`] before
//! the next `advance`.

mod legs;
mod local;
mod output;
mod signing;
mod state;
mod step;

use std::collections::VecDeque;
use std::sync::Arc;

use pairing::{NodeId, NodeKey};
use rand_core::CryptoRng;

use crate::commitment::Commitment;
use crate::digest::sha256;
use crate::error::{Error, PeerMisbehaved};
use crate::limits::CHUNKS_IN_FLIGHT_MAX;
use crate::mediator::MediatorTime;
use crate::message::Message;
use crate::offer::Offer;
use crate::questions::QuestionSet;
use crate::receipt::Receipt;
use crate::release::VerifiedRelease;
use crate::role::Role;
use crate::session_id::session_id;
use crate::signed::SignedState;
use crate::table::PreparedTable;
use crate::terms::Terms;
use legs::Legs;
use local::{Bound, LocalSide, Prepared};
use output::Output;
use signing::Signing;
use state::{Agreed, Committed, State};

pub use step::{Outcome, Persist, Progress, Standing, Step, WoundUp};

/// What one side brings to a session.
pub struct Setup {
    /// Who begins.
    pub role: Role,
    /// Signs the agreement.
    pub key: Arc<NodeKey>,
    /// Who must be at the other end.
    pub peer: NodeId,
    /// What the peer must have set alike.
    pub terms: Terms,
    /// What this side asks, for the same ceilings and key classes as the terms name.
    pub questions: QuestionSet,
    /// Prepared under the same mediator, ceilings and key classes as the terms name.
    pub table: PreparedTable,
}

/// One side of one session.
pub struct Session {
    own: LocalSide,
    state: State,
    out: Output,
    inbox: VecDeque<Message>,
    progress: Progress,
}

impl Session {
    /// Starts a session: an initiator has its Offer to send, a responder waits for one.
    ///
    /// # Errors
    /// [`Error::TableDoesNotFit`], [`Error::QuestionsDoNotFit`] and those of the terms: nothing was sent.
    pub fn new(setup: Setup, rng: &mut impl CryptoRng) -> Result<Self, Error> {
        let Setup {
            role,
            key,
            peer,
            terms,
            questions,
            table,
        } = setup;
        terms.check()?;
        if key.id() == peer {
            return Err(Error::OwnPeer);
        }
        let fits = table.mediator == terms.mediator
            && table.classes.as_ref().map(|_, class| class.ceiling)
                == terms.ceilings.map(|_, c| c.of(role).held);
        if !fits {
            return Err(Error::TableDoesNotFit);
        }
        if questions.ceilings() != terms.ceilings.map(|_, c| c.of(role).requested) {
            return Err(Error::QuestionsDoNotFit);
        }
        let prepared = Prepared { questions, table };
        let own = LocalSide {
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
        let mut out = Output::new();
        let state = match role {
            Role::Initiator => {
                let offer = Offer::new(own.terms.clone(), rng).encode();
                out.send(Message::Offer(offer.clone()));
                State::AwaitAnswer { prepared, offer }
            }
            Role::Responder => State::AwaitOffer { prepared },
        };
        Ok(Self {
            own,
            state,
            out,
            inbox: VecDeque::new(),
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
    /// Nothing is signed or released here.
    pub fn wind_up(&mut self, rng: &mut impl CryptoRng) -> WoundUp {
        let result = self.take_last_messages(rng);
        let persist = self.out.take_persists();
        let ended = match self.take_state() {
            State::Opening { agreed, release } if result.is_ok() => {
                open(*agreed, &release).map(Some)
            }
            _ => result.map(|()| None),
        };
        WoundUp { persist, ended }
    }

    /// Answers [`Step::AskTime`].
    ///
    /// # Errors
    /// Too little of the settling window is left, or the peer's deadline is out of range.
    pub fn time(&mut self, now: MediatorTime, rng: &mut impl CryptoRng) -> Result<(), Error> {
        let state = self.take_state();
        let result = self
            .signing()
            .with_time(state, now, rng)
            .map(|state| self.state = state);
        self.over_on_error(result)
    }

    /// How far this side has bound itself by what was taken out to be sent.
    pub fn standing(&self) -> Standing {
        self.out.standing
    }

    /// What this side kept when it signed; the mediator's word or the peer's release can still open it.
    pub fn signed(&self) -> Option<&Arc<SignedState>> {
        self.out.signed.as_ref()
    }

    /// The agreement and releases so far, also after an error: evidence of what the peer is bound to.
    pub fn receipt(&self) -> Option<&Receipt> {
        self.out.receipt.as_ref()
    }

    /// Bytes that both sides send in the whole session, about; they follow from the ceilings alone.
    pub fn bytes(&self) -> u64 {
        self.own.terms.bytes()
    }

    /// How far both legs have come.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    fn over_on_error<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_err() {
            self.state = State::Over;
            self.out.clear();
            self.inbox.clear();
        }
        result
    }

    /// Takes the state out; what does not put one back leaves the session over.
    fn take_state(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Over)
    }

    fn signing(&mut self) -> Signing<'_> {
        Signing {
            own: &self.own,
            out: &mut self.out,
        }
    }

    fn accept(&mut self, message: Message) -> Result<(), Error> {
        match (&mut self.state, message) {
            (State::Over, _) => Err(Error::Over),
            // What this side came to stands, whatever comes now.
            (State::Differing(_) | State::Opening { .. }, _) => Ok(()),
            (State::Asking(legs), Message::Table(chunk)) => Ok(legs.take_table(chunk)?),
            (state, Message::Table(_)) => Err(Error::out_of_order(state.awaits(), "a table chunk")),
            (state, message) => {
                if let Message::Evaluated(chunk) = &message {
                    match state {
                        State::Asking(legs) => legs.note_received(chunk.class)?,
                        state => return Err(Error::out_of_order(state.awaits(), message.name())),
                    }
                }
                let kind = std::mem::discriminant(&message);
                let waiting = self
                    .inbox
                    .iter()
                    .filter(|queued| std::mem::discriminant(*queued) == kind)
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
            let state = self.take_state();
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

    fn next_step(&mut self, rng: &mut impl CryptoRng) -> Result<Step, Error> {
        loop {
            // Everything queued leaves before the next piece of work, whose state may be the last.
            if let Some(step) = self.out.next() {
                return Ok(step);
            }
            let state = self.take_state();
            self.state = match state {
                State::Over => return Err(Error::Over),
                State::Differing(error) => return Err(error),
                State::Opening { agreed, release } => {
                    return Ok(Step::Done(Box::new(open(*agreed, &release)?)));
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
                        legs::Next::Complete => {
                            let unsigned = legs.finish().ok_or(Error::Over)?;
                            self.signing().start(unsigned)?
                        }
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
                // > The responder sends its Answer also when it does not agree.
                self.out.send(Message::Answer(answer.clone()));
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
                self.signing().take_initiators(unsigned, &bytes)
            }
            (State::AwaitResponderSignature(signed), Message::Agreement(bytes)) => {
                self.signing().take_responders(*signed, &bytes, rng)
            }
            (State::AwaitRelease { agreed, released }, Message::Release(bytes)) => {
                self.signing().take_release(agreed, released, &bytes, rng)
            }
            (state, message) => Err(Error::out_of_order(state.awaits(), message.name())),
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
        // > Before its own Commitment leaves, a side durably marks its table as used.
        self.out.persist(Persist::TableUsed);
        self.out.send(Message::Commitment(commitment.encode()));
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
        // > No blinded element leaves before both commitments have been exchanged and the peer's has been verified.
        theirs.fits(peer_held, &bound.commitment)?;
        theirs.verify(self.own.committer(&bound.session, self.own.role.other()))?;
        let legs = Legs::new(self.own.role, &self.own.terms, prepared, bound, theirs);
        Ok(State::Asking(Box::new(legs)))
    }
}

/// Opens the peer's tables, which takes all cores for a while.
fn open(agreed: Agreed, release: &VerifiedRelease) -> Result<Outcome, Error> {
    Ok(Outcome {
        session: agreed.signed.state.session,
        matches: agreed.signed.state.open(release)?,
        receipt: agreed.receipt,
    })
}
