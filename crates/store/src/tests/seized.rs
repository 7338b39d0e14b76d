//! What somebody finds on the disk of a stopped node.

use super::*;
use crate::answers::{Answers, MatchedRecord};
use crate::sessions::{End, Start};
use admin::{ClientRole, Credential, Outcome};
use identity::Answer;

fn contains(content: &[u8], part: &[u8]) -> bool {
    content.windows(part.len()).any(|window| window == part)
}

/// Everything is put in that has a name, a number or a key in it, also what is replaced and withdrawn.
#[test]
fn no_name_number_or_key_is_in_any_file_of_a_stopped_node() {
    let place = TestHome::new();
    let store = place.create();
    let peer = store.add_peer(&peer_entry(1), now()).unwrap();
    for kind in [ListKind::Held, ListKind::Requested] {
        import(&store, kind, &[(1, 5), (2, 5), (3, 5)]);
        import(&store, kind, &[(1, 6), (2, 5)]);
    }
    store.withdraw(ListKind::Requested, None, now()).unwrap();
    import(&store, ListKind::Requested, &[(9, 5)]);
    let clerk = store
        .enrol(
            "Olena Shevchuk",
            ClientRole::Clerk,
            Credential::User(1),
            now(),
        )
        .unwrap();
    let query = store.submit(clerk, &[person(4, 5)], now()).unwrap();
    let held = ByClass {
        narrow: Ceiling::new(4).unwrap(),
        wide: None,
    };
    let version = store.list(ListKind::Held).unwrap().unwrap().version;
    store.keep_prepared(peer, version, &prepared(4)).unwrap();
    store.keep_questions(peer, &questions(4), None).unwrap();
    let ready = ready(&store, peer);
    let table = prepared(4);
    let mut secrets = Vec::new();
    questions(4)
        .encode(|part| {
            secrets.extend(part.chunks_exact(32).map(<[u8]>::to_vec));
            Ok::<(), ()>(())
        })
        .unwrap();
    table
        .encode(|part| {
            if part.len() >= 32 {
                secrets.push(part.to_vec());
            }
            Ok::<(), ()>(())
        })
        .unwrap();
    let start = Start {
        peer,
        role: protocol::Role::Initiator,
        ready,
        answered: held,
        asked: held,
        approval: None,
        mediator: None,
        policy: store.peer(peer).unwrap().entry.policy,
        asked_at: now(),
        asked_list: 1,
    };
    let session = store.start_session(&start, now()).unwrap();
    let (state, receipt, _) = super::whole_sessions::played(table);
    store
        .keep_signed(session, &state, &start.policy, now())
        .unwrap();
    let found = MatchedRecord {
        record_id: "id-4".into(),
        answer: Answer::Strong,
        kinds: vec![KeyKind::N1],
    };
    let answers = Answers {
        asked: 1,
        list: None,
        wide: false,
        found: vec![found],
    };
    let end = End {
        outcome: Outcome::Answered,
        blame: None,
        receipt: Some(&receipt),
        asked_at: now(),
        answers: &[(Some(query), answers)],
    };
    let while_open = place.backup();
    store.end_session(session, &end, now()).unwrap();
    drop(store);

    let mut texts: Vec<Vec<u8>> = [
        "Шевченко",
        "Тарас",
        "1814-03-09",
        "Shevchuk",
        "peer 1",
        "192.0.2.1",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    texts.extend((1..10).map(|n| format!("id-{n}").into_bytes()));
    texts.push(peer_entry(1).id.to_string().into_bytes());
    texts.push(peer_entry(1).id.as_bytes().to_vec());
    texts.push(key().seed().to_vec());
    for n in 1..10 {
        for (_, identity) in person(n, 5).keys.into_iter().chain(person(n, 6).keys) {
            texts.push(identity.as_bytes().to_vec());
        }
    }
    texts.push(vec![7; 32]);
    texts.extend(secrets.iter().map(|secret| secret[..32].to_vec()));
    assert!(secrets.len() >= 3);

    let mut files = 0;
    for home in [place.home(), while_open] {
        for file in fs::read_dir(&home).unwrap() {
            let path = file.unwrap().path();
            let content = fs::read(&path).unwrap();
            files += 1;
            for text in &texts {
                assert!(
                    !contains(&content, text),
                    "{} in {path:?}",
                    String::from_utf8_lossy(text)
                );
                let digits = hex::encode(text);
                assert!(!contains(&content, digits.as_bytes()));
            }
        }
    }
    assert!(files >= 4, "both homes were searched");
    assert!(
        contains("ab Шевченко".as_bytes(), &texts[0]),
        "the search finds"
    );
}
