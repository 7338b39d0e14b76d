//! Sessions against another implementation of the protocol: `second_opinion/tacit.py`, written in Python from
//! `docs/protocol.md` alone. Where the two do not understand each other, the page or one of them is wrong.
//!
//! Needs `python3`, 3.11 or later, and nothing that does not come with it.

pub mod sides;

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use self::sides::{NOW, Side, answers, identities, in_hex, name, rng, two_sides};
use protocol::{
    AgreementFault, Ceiling, Difference, Error, MediatorTime, Message, Outcome, PeerMisbehaved,
    Role, Session, Standing, Step, Terms,
};
use serde_json::{Value, json};

/// How long Python may work on one message.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn the_second_implementation_agrees_with_the_published_vectors() {
    assert_eq!(run(&["--self-test"]), "self-test passed\n");
}

#[test]
fn both_implementations_write_a_node_id_and_its_words_alike() {
    for role in [Role::Initiator, Role::Responder] {
        let id = Side::key(role).id();
        let written = format!("{id} {}\n", id.words().join(" "));
        assert_eq!(run(&["id", &hex::encode(Side::seed(role))]), written);
    }
}

#[test]
fn the_second_implementation_verifies_the_recorded_sessions() {
    let recorded = "tests/vectors/recorded-sessions.json";
    let verified = run(&["verify", recorded]);
    assert_eq!(
        verified.matches("all as they must be").count(),
        2,
        "{verified}"
    );
}

#[test]
fn both_implementations_come_to_the_right_answers_together() {
    for python in [Role::Initiator, Role::Responder] {
        for wide in [false, true] {
            for mediated in [false, true] {
                let case =
                    format!("Python is {python:?}, wide: {wide}, with a mediator: {mediated}");
                let played = play(python, two_sides(wide, mediated), None);
                let outcome = played.result.unwrap_or_else(|e| panic!("{case}: {e}"));
                let rust = in_hex(&outcome.matches);
                assert_eq!(rust, in_hex(&answers(python.other(), wide)), "{case}");
                assert_eq!(
                    played.python,
                    json!({"matches": in_hex(&answers(python, wide)), "error": null}),
                    "{case}"
                );
                assert!(outcome.receipt.initiator_release.is_some());
                assert!(outcome.receipt.responder_release.is_some());
            }
        }
    }
}

/// One element more than a chunk has, both ways round: the second chunk's index goes into proofs, running
/// hashes and nonces, and the number of chunks into the seals.
#[test]
fn both_implementations_agree_on_what_comes_after_the_first_chunk() {
    let numbers = |from: u32| identities(&(from..from + 4097).collect::<Vec<_>>());
    let mut both = two_sides(true, true);
    for side in &mut both {
        side.terms.ceilings.narrow = sides::ceilings([4097, 1, 1, 4097]);
        side.terms.ceilings.wide = Some(sides::ceilings([1, 4097, 4097, 1]));
    }
    let [initiator, responder] = &mut both;
    initiator.held.narrow = numbers(0);
    initiator.requested.narrow = identities(&[7]);
    initiator.held.wide = Some(identities(&[8]));
    initiator.requested.wide = Some(numbers(20_000));
    responder.held.narrow = identities(&[7]);
    responder.requested.narrow = numbers(4000);
    responder.held.wide = Some(numbers(24_000));
    responder.requested.wide = Some(identities(&[9]));
    let played = play(Role::Initiator, both, None);
    let outcome = played.result.unwrap_or_else(|e| panic!("{e}"));
    let hexed = |numbers: std::ops::Range<u32>| -> Vec<_> {
        let numbers: Vec<_> = numbers.collect();
        identities(&numbers).iter().map(hex::encode).collect()
    };
    assert_eq!(in_hex(&outcome.matches), [hexed(4000..4097), vec![]]);
    let matches = [hexed(7..8), hexed(24_000..24_097)];
    assert_eq!(played.python, json!({"matches": matches, "error": null}));
}

#[test]
fn both_implementations_find_that_their_terms_differ() {
    let differences: [fn(&mut Terms); 4] = [
        |terms| terms.schema_digest[31] ^= 1,
        |terms| {
            terms.ceilings.narrow.responder.requested = Ceiling::new(8).unwrap();
        },
        |terms| terms.reference.push('!'),
        |terms| terms.mediator = protocol::Mediator::None,
    ];
    for python in [Role::Initiator, Role::Responder] {
        for difference in differences {
            let mut both = two_sides(false, true);
            difference(&mut both[usize::from(python.byte()) - 1].terms);
            let played = play(python, both, None);
            assert!(matches!(played.result, Err(Error::TermsDiffer(_))));
            assert_eq!(played.python["error"], "terms that differ");
        }
    }
    let mut both = two_sides(false, false);
    both[1].terms.reference.clear();
    let played = play(Role::Responder, both, None);
    assert!(matches!(
        played.result,
        Err(Error::TermsDiffer(Difference::Reference))
    ));
}

/// The honest shape of the proof, but over the coefficients of RFC 9497, which depend on one pair each.
#[test]
fn a_batch_proof_with_the_coefficients_of_the_rfc_is_refused() {
    for python in [Role::Initiator, Role::Responder] {
        let played = cheat(python, "coefficients-of-the-rfc");
        assert_wrong_proof(&played);
    }
}

#[test]
fn one_element_evaluated_with_another_key_is_refused() {
    for python in [Role::Initiator, Role::Responder] {
        let played = cheat(python, "other-key-for-one");
        assert_wrong_proof(&played);
    }
}

/// Found only when the table opens: the receipt is there to show it.
#[test]
fn a_table_that_is_not_strictly_ascending_is_refused_with_evidence() {
    for python in [Role::Initiator, Role::Responder] {
        for trick in ["table-not-sorted", "tag-twice"] {
            let played = cheat(python, trick);
            assert_eq!(
                played.error(),
                &Error::PeerMisbehaved(PeerMisbehaved::TableNotSorted)
            );
            let receipt = played.session.receipt().expect("evidence");
            assert!(receipt.initiator_release.is_some());
            assert!(receipt.responder_release.is_some());
        }
    }
}

/// S + ℓ, which a verifier that reduces S would take.
#[test]
fn a_signature_whose_s_is_not_reduced_is_refused() {
    for python in [Role::Initiator, Role::Responder] {
        let played = cheat(python, "signature-with-another-s");
        let fault = AgreementFault::Signature(python);
        assert_eq!(
            played.error(),
            &Error::PeerMisbehaved(PeerMisbehaved::Agreement(fault))
        );
        assert_ne!(played.session.standing(), Standing::Released);
    }
}

#[test]
fn a_release_of_another_secret_than_the_committed_one_is_refused() {
    for python in [Role::Initiator, Role::Responder] {
        let played = cheat(python, "release-of-another-secret");
        assert_eq!(
            played.error(),
            &Error::PeerMisbehaved(PeerMisbehaved::WrongRelease)
        );
    }
}

fn assert_wrong_proof(played: &Played) {
    assert_eq!(
        played.error(),
        &Error::PeerMisbehaved(PeerMisbehaved::Elements {
            what: "the evaluated elements",
            chunk: 0,
            fault: oprf::Error::WrongProof,
        })
    );
    assert_eq!(played.session.standing(), Standing::Unsigned);
    assert_eq!(
        played.python["error"],
        "the peer ended the session, reason 1"
    );
}

fn cheat(python: Role, trick: &str) -> Played {
    play(python, two_sides(false, true), Some(trick))
}

/// What became of a session between the two.
struct Played {
    session: Session,
    result: Result<Outcome, Error>,
    python: Value,
}

impl Played {
    fn error(&self) -> &Error {
        match &self.result {
            Ok(_) => panic!("the session came to an end"),
            Err(error) => error,
        }
    }
}

/// Plays one session, Python in the given role.
fn play(python: Role, both: [Side; 2], trick: Option<&str>) -> Played {
    let [initiator, responder] = both;
    let (theirs, ours) = match python {
        Role::Initiator => (initiator, responder),
        Role::Responder => (responder, initiator),
    };
    let mut peer = Peer::spawn(&theirs, trick);
    let mut rng = rng(u64::from(python.byte()));
    let table = ours.prepare(&mut rng);
    let mut session = ours.start(table, &mut rng);
    let result = loop {
        let step = match session.advance(&mut rng) {
            Ok(step) => step,
            Err(error) => break Err(error),
        };
        let stepped = match step {
            Step::Send(message) => {
                peer.send(message);
                Ok(())
            }
            Step::Persist(_) => Ok(()),
            Step::AskTime => session.time(MediatorTime(NOW), &mut rng),
            Step::Wait => match peer.receive() {
                Ok(message) => session.receive(message),
                // Python has ended first; what it has to say about it decides the test.
                Err(result) => {
                    return Played {
                        session,
                        result: Err(Error::Over),
                        python: result,
                    };
                }
            },
            Step::Done(outcome) => break Ok(*outcome),
        };
        if let Err(error) = stepped {
            break Err(error);
        }
    };
    if let Err(error) = &result
        && let Some(reason) = error.abort_reason()
    {
        peer.send(Message::Abort(reason));
    }
    let python = peer.result();
    Played {
        session,
        result,
        python,
    }
}

/// `tacit.py play`: frames of a letter, a length of four bytes and the bytes.
struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    frames: Receiver<(u8, Vec<u8>)>,
}

impl Peer {
    fn spawn(side: &Side, trick: Option<&str>) -> Self {
        let terms = &side.terms;
        let settling_point = terms.mediator.can_settle().then(|| {
            let encoded = terms.mediator.encoded();
            hex::encode(encoded)
        });
        let row = |ceilings: &protocol::Ceilings| {
            [ceilings.initiator, ceilings.responder]
                .map(|side| [side.held.elements(), side.requested.elements()])
                .concat()
        };
        let wide = terms.ceilings.wide.as_ref().map_or(vec![0; 4], row);
        let config = json!({
            "role": name(side.role),
            "seed": hex::encode(Side::seed(side.role)),
            "peer": hex::encode(Side::key(side.role.other()).id().as_bytes()),
            "schema": terms.schema_name,
            "schema_digest": hex::encode(terms.schema_digest),
            "settling_point": settling_point,
            "ceilings": [row(&terms.ceilings.narrow), wide],
            "window": terms.window.seconds(),
            "reference": terms.reference,
            "held": in_hex(&side.held),
            "requested": in_hex(&side.requested),
            "now": NOW,
            "cheat": trick,
        });
        let mut child = python()
            .arg("play")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| no_python(&error));
        let mut output = child.stdout.take().unwrap();
        let (sender, frames) = channel();
        std::thread::spawn(move || {
            while let Ok(frame) = read_frame(&mut output) {
                if sender.send(frame).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take();
        let mut peer = Self {
            child,
            input,
            frames,
        };
        peer.write(b'C', config.to_string().as_bytes());
        peer
    }

    fn send(&mut self, message: Message) {
        self.write(b'M', &wire::encode(message));
    }

    fn write(&mut self, letter: u8, bytes: &[u8]) {
        let mut frame = vec![letter];
        frame.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        frame.extend_from_slice(bytes);
        // Python may be gone already: its result tells why.
        if let Some(input) = &mut self.input {
            let _ = input.write_all(&frame);
        }
    }

    /// The next message, or Python's result when it has ended.
    fn receive(&mut self) -> Result<Message, Value> {
        match self.frames.recv_timeout(PATIENCE) {
            Ok((b'M', bytes)) => {
                Ok(wire::decode(&bytes).unwrap_or_else(|error| panic!("from Python: {error}")))
            }
            Ok((_, bytes)) => Err(serde_json::from_slice(&bytes).unwrap()),
            Err(RecvTimeoutError::Timeout) => panic!("Python said nothing for {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("Python ended without a result"),
        }
    }

    /// What Python came to, its messages until then left out.
    fn result(mut self) -> Value {
        self.input = None;
        let result = loop {
            if let Err(result) = self.receive() {
                break result;
            }
        };
        let status = self.child.wait().unwrap();
        assert!(status.success(), "Python: {status}");
        result
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_frame(output: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0u8; 5];
    output.read_exact(&mut head)?;
    let [letter, length @ ..] = head;
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    output.read_exact(&mut bytes)?;
    Ok((letter, bytes))
}

/// Runs `tacit.py` to its end and gives what it wrote.
fn run(arguments: &[&str]) -> String {
    let output = python()
        .args(arguments)
        .output()
        .unwrap_or_else(|error| no_python(&error));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tacit.py {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn python() -> Command {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    command
        .arg(root.join("tests/second_opinion/tacit.py"))
        .current_dir(root);
    command
}

fn no_python(error: &io::Error) -> ! {
    panic!("these tests need python3, 3.11 or later, on the PATH: {error}")
}
