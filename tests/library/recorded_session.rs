//! Two small sessions, every message of them, as a vector for other implementations:
//! `vectors/recorded-sessions.json`. Seeded, so that a change of any byte on the wire shows here.
//!
//! A change of a dependency may change how randomness is drawn, and with it every byte, without a change of the
//! protocol. `second_opinion.rs` has the recording verified by another implementation; when that still passes,
//! record anew: `TACIT_RECORD=1 cargo test --release --test library recorded_session`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::Path;

use crate::second_opinion::sides::{
    NOW, Side, answers, in_hex, mediator_scalar, name, rng, two_sides,
};
use curve25519_dalek::{RistrettoPoint, Scalar};
use protocol::{MediatorTime, Message, Outcome, Role, Session, Step};
use rand_chacha::ChaCha20Rng;
use rand_core::{TryCryptoRng, TryRng};
use serde_json::{Value, json};

const PATH: &str = "tests/vectors/recorded-sessions.json";

#[test]
fn two_seeded_sessions_have_every_byte_of_the_recording() {
    let recorded = json!({
        "about": "Two sessions of docs/protocol.md. Bytes in hex, messages as protobuf in the order in which they were \
                  sent, lists and secrets by key class, narrow first. s, k and padding belong to the side's own table.",
        "sessions": [
            record("narrow class, no mediator", false, false),
            record("both classes, with a mediator", true, true),
        ],
    });
    let text = format!("{recorded:#}\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PATH);
    if std::env::var_os("TACIT_RECORD").is_some() {
        std::fs::write(path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(
        kept == text,
        "the sessions are no longer those of {PATH}; its head says what to do"
    );
}

fn record(title: &str, wide: bool, mediated: bool) -> Value {
    let sides = two_sides(wide, mediated);
    let mut drawn = sides.each_ref().map(|_| Recorder::new());
    let mut rngs = [rng(3), rng(4)];
    let mut sessions = Vec::new();
    for (i, side) in sides.iter().enumerate() {
        drawn[i].rng = rng(1 + i as u64);
        let table = side.prepare(&mut drawn[i]);
        sessions.push(side.clone().start(table, &mut rngs[i]));
    }
    let (messages, [initiator, responder]) = run(&mut sessions, &mut rngs);

    let receipt = &initiator.receipt;
    assert!(*receipt == responder.receipt);
    let text = receipt.agreement.agreement.encode();
    let described = |i: usize, outcome: &Outcome| {
        let side = &sides[i];
        let id = Side::key(side.role).id();
        let held = in_hex(&outcome.matches);
        assert_eq!(held, in_hex(&answers(side.role, wide)));
        let commitment = receipt.agreement.agreement.commitment(side.role);
        let publics = commitment.classes.iter().map(|(_, class)| &class.key);
        json!({
            "seed": hex::encode(Side::seed(side.role)),
            "id": hex::encode(id.as_bytes()),
            "written_id": id.to_string(),
            "held": in_hex(&side.held),
            "requested": in_hex(&side.requested),
            "matches": held,
            "s": drawn[i].secret_of(commitment.release.encoded()),
            "k": publics.map(|public| drawn[i].secret_of(public.encoded())).collect::<Vec<_>>(),
            "padding": drawn[i].padding(),
        })
    };
    json!({
        "name": title,
        "session_id": hex::encode(initiator.session.0),
        "mediator_scalar": mediated.then(|| hex::encode(mediator_scalar().as_bytes())),
        "initiator": described(0, &initiator),
        "responder": described(1, &responder),
        "messages": messages,
        "agreement_text": hex::encode(text),
    })
}

/// Runs both sides in turn, each until it waits. Gives the messages and both outcomes.
fn run(sessions: &mut [Session], rngs: &mut [ChaCha20Rng; 2]) -> (Vec<Value>, [Outcome; 2]) {
    let mut incoming = [VecDeque::new(), VecDeque::new()];
    let mut outcomes = [None, None];
    let mut messages = Vec::new();
    while outcomes.iter().any(Option::is_none) {
        let before = messages.len();
        for (i, role) in [Role::Initiator, Role::Responder].into_iter().enumerate() {
            while outcomes[i].is_none() {
                match sessions[i].advance(&mut rngs[i]).unwrap() {
                    Step::Send(message) => {
                        let kind = kind(&message);
                        let protobuf = hex::encode(wire::encode(message.clone()));
                        messages
                            .push(json!({"from": name(role), "kind": kind, "protobuf": protobuf}));
                        incoming[1 - i].push_back(message);
                    }
                    Step::Persist(_) => {}
                    Step::AskTime => sessions[i].time(MediatorTime(NOW), &mut rngs[i]).unwrap(),
                    Step::Wait => match incoming[i].pop_front() {
                        Some(message) => sessions[i].receive(message).unwrap(),
                        None => break,
                    },
                    Step::Done(outcome) => outcomes[i] = Some(*outcome),
                }
            }
        }
        let done = outcomes.iter().all(Option::is_some);
        assert!(done || messages.len() > before, "both sides wait");
    }
    (messages, outcomes.map(Option::unwrap))
}

fn kind(message: &Message) -> &'static str {
    match message {
        Message::Offer(_) => "offer",
        Message::Answer(_) => "answer",
        Message::Commitment(_) => "commitment",
        Message::Blinded(_) => "blinded",
        Message::Evaluated(_) => "evaluated",
        Message::Table(_) => "table",
        Message::Agreement(_) => "agreement",
        Message::Release(_) => "release",
        Message::Abort(_) => "abort",
    }
}

/// Randomness for a table that remembers what was drawn: 64 bytes at a time for scalars, the rest is padding, of
/// which no list here lacks none or two.
struct Recorder {
    rng: ChaCha20Rng,
    drawn: Vec<Vec<u8>>,
}

impl Recorder {
    fn new() -> Self {
        Self {
            rng: rng(0),
            drawn: Vec::new(),
        }
    }

    /// The scalar that was drawn for a public key.
    fn secret_of(&self, public: &[u8; 32]) -> String {
        self.scalars()
            .find(|scalar| RistrettoPoint::mul_base(scalar).compress().as_bytes() == public)
            .map(|scalar| hex::encode(scalar.as_bytes()))
            .expect("the secret was drawn from here")
    }

    fn scalars(&self) -> impl Iterator<Item = Scalar> {
        let wide = self.drawn.iter();
        let wide = wide.filter_map(|bytes| <&[u8; 64]>::try_from(&bytes[..]).ok());
        wide.map(Scalar::from_bytes_mod_order_wide)
    }

    /// For each class, the identities that filled the table up.
    fn padding(&self) -> Vec<Vec<String>> {
        let padding = self.drawn.iter().filter(|bytes| bytes.len() != 64);
        padding
            .map(|bytes| bytes.chunks(32).map(hex::encode).collect())
            .collect()
    }
}

impl TryRng for Recorder {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.rng.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.rng.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.rng.try_fill_bytes(bytes)?;
        self.drawn.push(bytes.to_vec());
        Ok(())
    }
}

impl TryCryptoRng for Recorder {}
