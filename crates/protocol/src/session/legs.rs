//! Both legs of a session at once, for every key class.
//!
//! The order of work keeps both sides busy: ask as far as may be ahead, then answer and check in the
//! order in which the peer's chunks came, then send tables.

use std::collections::VecDeque;

use element::{ByClass, KeyClass};
use rand_core::CryptoRng;

use super::local::{Bound, Prepared};
use crate::commitment::Commitment;
use crate::error::{Error, PeerMisbehaved};
use crate::holder::Holder;
use crate::leg::Leg;
use crate::limits::CHUNKS_IN_FLIGHT_MAX;
use crate::message::{Message, TableChunk};
use crate::requester::{Asked, Promised, Requester};
use crate::role::Role;
use crate::table::{PreparedTable, ReleaseSecret};
use crate::terms::Terms;
use crate::transcript::Transcripts;

/// Both legs while lists are asked, answered and tables pass.
pub(super) struct Legs {
    role: Role,
    bound: Bound,
    theirs: Commitment,
    requesters: ByClass<Requester>,
    holders: ByClass<Holder>,
    secret: ReleaseSecret,
}

/// What comes next.
pub(super) enum Next {
    Send(Message),
    Wait,
    Complete,
}

/// Both legs are complete; the keys are gone, and nothing is evaluated any more.
pub(super) struct Unsigned {
    pub(super) bound: Bound,
    pub(super) theirs: Commitment,
    pub(super) asked: ByClass<Asked>,
    pub(super) transcripts: Transcripts,
    pub(super) secret: ReleaseSecret,
}

impl Legs {
    pub(super) fn new(
        role: Role,
        terms: &Terms,
        prepared: Prepared,
        bound: Bound,
        theirs: Commitment,
    ) -> Self {
        let leg = |holder, class| Leg {
            session: bound.session,
            holder,
            class,
        };
        let promised =
            theirs
                .classes
                .as_ref()
                .zip(terms.ceilings)
                .map(|_, (committed, ceilings)| Promised {
                    key: committed.key,
                    table_digest: committed.table_digest,
                    table_ceiling: ceilings.of(role.other()).held,
                });
        let requesters =
            prepared
                .questions
                .classes
                .zip(promised)
                .map(|class, (questions, promised)| {
                    Requester::new(leg(role.other(), class), questions, promised)
                });
        let PreparedTable {
            release: secret,
            classes,
            ..
        } = prepared.table;
        let holders = classes
            .zip(terms.ceilings)
            .map(|class, (prepared, ceilings)| {
                Holder::new(
                    leg(role, class),
                    prepared,
                    ceilings.of(role.other()).requested,
                )
            });
        Self {
            role,
            bound,
            theirs,
            requesters,
            holders,
            secret,
        }
    }

    /// Own elements answered and checked, the peer's evaluated.
    pub(super) fn progress(&self) -> (usize, usize) {
        (
            self.requesters
                .iter()
                .map(|(_, requester)| requester.answered())
                .sum(),
            self.holders
                .iter()
                .map(|(_, holder)| holder.evaluated())
                .sum(),
        )
    }

    /// Does the next piece of work, taking the peer's chunks from `inbox` in the order they came.
    pub(super) fn advance(
        &mut self,
        inbox: &mut VecDeque<Message>,
        rng: &mut impl CryptoRng,
    ) -> Result<Next, Error> {
        loop {
            if let Some(chunk) = self.ask() {
                return Ok(Next::Send(chunk));
            }
            if self.complete() {
                return Ok(Next::Complete);
            }
            match inbox.pop_front() {
                Some(Message::Blinded(chunk)) => {
                    let class = chunk.class;
                    if class == KeyClass::Wide && !self.holders.narrow.evaluated_all() {
                        return Err(Error::out_of_order(
                            "a blinded chunk of the narrow class",
                            "one of the wide class",
                        ));
                    }
                    let holder = self
                        .holders
                        .get_mut(class)
                        .ok_or(PeerMisbehaved::ClassNotAgreed)?;
                    return Ok(Next::Send(Message::Evaluated(holder.evaluate(chunk, rng)?)));
                }
                Some(Message::Evaluated(chunk)) => {
                    let class = chunk.class;
                    if class == KeyClass::Wide && !self.requesters.narrow.answered_all() {
                        return Err(Error::out_of_order(
                            "an evaluated chunk of the narrow class",
                            "one of the wide class",
                        ));
                    }
                    self.requesters
                        .get_mut(class)
                        .ok_or(PeerMisbehaved::ClassNotAgreed)?
                        .unblind(chunk)?;
                }
                Some(Message::Abort(reason)) => return Err(Error::PeerAborted(reason)),
                Some(message) => {
                    return Err(Error::out_of_order("a chunk of the lists", message.name()));
                }
                None => {
                    return Ok(self
                        .next_table_chunk()
                        .map_or(Next::Wait, |chunk| Next::Send(Message::Table(chunk))));
                }
            }
        }
    }

    /// Notes an evaluated chunk that has come and is not checked yet.
    pub(super) fn note_received(&mut self, class: KeyClass) -> Result<(), PeerMisbehaved> {
        self.requesters
            .get_mut(class)
            .ok_or(PeerMisbehaved::ClassNotAgreed)?
            .note_received()
    }

    pub(super) fn take_table(&mut self, chunk: TableChunk) -> Result<(), PeerMisbehaved> {
        if !self
            .requesters
            .iter()
            .all(|(_, requester)| requester.received_all())
        {
            return Err(PeerMisbehaved::OutOfOrder {
                expected: "an evaluated chunk",
                found: "a table chunk",
            });
        }
        if chunk.class == KeyClass::Wide && !self.requesters.narrow.table_complete() {
            return Err(PeerMisbehaved::OutOfOrder {
                expected: "a table chunk of the narrow class",
                found: "one of the wide class",
            });
        }
        self.requesters
            .get_mut(chunk.class)
            .ok_or(PeerMisbehaved::ClassNotAgreed)?
            .take_table(chunk)
    }

    /// `None` while something is left to do.
    pub(super) fn finish(self) -> Option<Unsigned> {
        let asked = self
            .requesters
            .try_map(|_, requester| requester.finish().ok_or(()))
            .ok()?;
        let own_leg = asked.as_ref().map(|_, asked| asked.transcript);
        let their_leg = self.holders.map(|_, holder| holder.finish());
        let transcripts = match self.role {
            Role::Initiator => Transcripts {
                initiator_asks: own_leg,
                responder_asks: their_leg,
            },
            Role::Responder => Transcripts {
                initiator_asks: their_leg,
                responder_asks: own_leg,
            },
        };
        Some(Unsigned {
            bound: self.bound,
            theirs: self.theirs,
            asked,
            transcripts,
            secret: self.secret,
        })
    }

    fn ask(&mut self) -> Option<Message> {
        let in_flight: usize = self
            .requesters
            .iter()
            .map(|(_, requester)| requester.in_flight())
            .sum();
        if in_flight >= CHUNKS_IN_FLIGHT_MAX {
            return None;
        }
        self.requesters
            .values_mut()
            .find_map(|requester| requester.ask())
            .map(Message::Blinded)
    }

    /// A side's tables leave only after the peer's last blinded chunk of every class has arrived.
    fn next_table_chunk(&mut self) -> Option<TableChunk> {
        if !self
            .holders
            .iter()
            .all(|(_, holder)| holder.evaluated_all())
        {
            return None;
        }
        self.holders
            .values_mut()
            .find_map(|holder| holder.next_table_chunk())
    }

    fn complete(&self) -> bool {
        self.requesters
            .iter()
            .all(|(_, requester)| requester.complete())
            && self.holders.iter().all(|(_, holder)| holder.complete())
    }
}
