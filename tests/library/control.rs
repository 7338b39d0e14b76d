//! The control service from the outside: roles, lists, queries and answers, and clients that mean harm.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::time::Duration;

use crate::service::{Node, answers, batch, end, header, part, person, raw_calls, start};
use admin::{ClientRole, Credential, Policy};
use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use identity::Answer;
use jiff::Timestamp;
use node::control::roles::CALLS;
use node::control::{Control, ControlConfig, ControlLimits, ensure_owner};
use protocol::ListKind;
use store::audit::Event;
use tonic::{Code, Status};
use transport::ControlConnection;
use wire::control::convert::answers::answer_numbered;
use wire::control::convert::lists::list_number;
use wire::control::generated::{self as pb, import_list_request::Part};

const ROLES: [ClientRole; 3] = [ClientRole::Clerk, ClientRole::Officer, ClientRole::Auditor];

/// Sends one call by its path, with one empty message; gives the status it ends with and its bytes.
async fn call_raw(socket: &std::path::Path, path: &str, message: &[u8]) -> (Code, Vec<u8>) {
    let stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let running = tokio::spawn(connection);
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    let request = Request::post(format!("https://node.invalid{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(tonic::body::Body::new(Sent(Some(framed))))
        .unwrap();
    let answered = sender.send_request(request).await.unwrap();
    let ended = read(answered).await;
    running.abort();
    ended
}

/// A body of one piece.
struct Sent(Option<Vec<u8>>);

impl Body for Sent {
    type Data = hyper::body::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Status>>> {
        let data = self.0.take();
        std::task::Poll::Ready(data.map(|data| Ok(hyper::body::Frame::data(data.into()))))
    }
}

async fn read(answered: Response<Incoming>) -> (Code, Vec<u8>) {
    let code = |headers: &hyper::HeaderMap| {
        let status = headers.get("grpc-status")?;
        Some(Code::from_bytes(status.as_bytes()))
    };
    let mut ended = code(answered.headers());
    let (mut body, mut bytes) = (answered.into_body(), Vec::new());
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        match frame.unwrap().into_data() {
            Ok(data) => bytes.extend_from_slice(&data),
            Err(frame) => ended = code(frame.trailers_ref().unwrap()),
        }
    }
    (ended.expect("a call ends with a status"), bytes)
}

/// The table of `docs/control.md`.
fn documented() -> BTreeMap<String, Vec<String>> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/control.md"));
    let page = page.unwrap();
    let section = page.split("## Who may call what").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| {
        let line = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let (call, roles) = line.split_once(" | ")?;
        Some((
            call.to_owned(),
            roles.split(", ").map(str::to_owned).collect(),
        ))
    });
    rows.filter(|(call, _)| call != "call").collect()
}

fn failed_logins(node: &Node) -> Vec<(Option<i64>, String, u64)> {
    let lines = node.store().last_entries(10_000).unwrap();
    let entries = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    entries
        .filter(|entry: &serde_json::Value| entry["event"] == "login_failed")
        .map(|entry| {
            let call = entry["call"].as_str().unwrap().to_owned();
            (
                entry["client"].as_i64(),
                call,
                entry["times"].as_u64().unwrap(),
            )
        })
        .collect()
}

fn import(
    node: &Node,
    link: &ControlConnection,
    parts: Vec<pb::ImportListRequest>,
) -> Result<pb::ImportListReply, Status> {
    ask!(node, link, import_list(tokio_stream::iter(parts)))
}

fn submit(node: &Node, link: &ControlConnection, people: &[u32]) -> Result<i64, Status> {
    let request = pb::SubmitQueryRequest {
        header: Some(header(&["name"])),
        people: people.iter().map(|n| person(*n, &["Шевченко"])).collect(),
    };
    ask!(node, link, submit_query(request)).map(|reply| reply.number)
}

/// The records of a stream of results: id, cells and the answers' numbers; and the peers' names.
type Told = (Vec<String>, Vec<(String, Vec<String>, Vec<Option<Answer>>)>);

async fn told(mut stream: tonic::Streaming<pb::Results>) -> Result<Told, Status> {
    let (mut peers, mut records) = (Vec::new(), Vec::new());
    while let Some(results) = stream.message().await? {
        match results.part.unwrap() {
            pb::results::Part::Header(header) => {
                peers = header.peers.into_iter().map(|peer| peer.name).collect();
            }
            pb::results::Part::Records(batch) => {
                records.extend(batch.records.into_iter().map(|record| {
                    let answers = record.answers.iter();
                    let answers = answers.map(|one| answer_numbered(one.answer).unwrap());
                    (record.record_id, record.cells, answers.collect())
                }));
            }
        }
    }
    Ok((peers, records))
}

#[test]
fn every_call_asks_for_the_role_that_the_table_in_the_docs_gives() {
    let node = Node::start();
    let proto = include_str!("../../proto/tacit/v1/control.proto");
    let calls: Vec<&str> = proto
        .lines()
        .filter_map(|line| line.trim().strip_prefix("rpc ")?.split('(').next())
        .collect();
    assert_eq!(calls.len(), 26);
    let table = documented();
    assert_eq!(table.len(), calls.len());
    assert_eq!(CALLS.len(), calls.len());
    for call in calls {
        let path = format!("/tacit.v1.Control/{call}");
        for role in ROLES {
            node.own_role(role);
            let (code, _) = node.runtime.block_on(call_raw(&node.socket(), &path, &[]));
            let allowed = table[call].iter().any(|name| name == role.name());
            assert_eq!(
                code != Code::PermissionDenied,
                allowed,
                "{call} by {}: {code:?}",
                role.name()
            );
        }
        let own = node.own();
        node.store().remove_client(own, Timestamp::now()).unwrap();
        let (code, _) = node.runtime.block_on(call_raw(&node.socket(), &path, &[]));
        assert_eq!(code, Code::PermissionDenied, "{call} by nobody's client");
        let user = Credential::User(crate::service::own_user());
        let again = node
            .store()
            .enrol("own", ClientRole::Clerk, user, Timestamp::now());
        assert_eq!(again.unwrap(), own);
    }
}

#[test]
fn a_call_that_there_is_not_is_refused_and_told_from_one_that_is_not_allowed() {
    let node = Node::start();
    for path in [
        "/tacit.v1.Control/Nothing",
        "/other.Service/GetStatus",
        "/",
        "/x",
    ] {
        let (code, _) = node.runtime.block_on(call_raw(&node.socket(), path, &[]));
        assert_eq!(code, Code::Unimplemented, "{path}");
    }
}

#[test]
fn refused_calls_are_in_the_audit_log_once_and_then_counted() {
    let mut node = Node::start();
    node.own_role(ClientRole::Auditor);
    let own = node.own().number();
    let link = node.local();
    for _ in 0..50 {
        let refused = ask!(node, link, get_status(pb::GetStatusRequest {}))
            .err()
            .unwrap();
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
    assert_eq!(failed_logins(&node), [(Some(own), "GetStatus".into(), 1)]);
    node.store()
        .remove_client(node.own(), Timestamp::now())
        .unwrap();
    for _ in 0..3 {
        let refused = ask!(node, link, list_peers(pb::ListPeersRequest {}))
            .err()
            .unwrap();
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
    drop(link);
    node.stop();
    let mut written = failed_logins(&node);
    written.sort();
    let expected = [
        (None, "ListPeers".to_owned(), 1),
        (None, "ListPeers".to_owned(), 2),
        (Some(own), "GetStatus".to_owned(), 1),
        (Some(own), "GetStatus".to_owned(), 49),
    ];
    assert_eq!(written, expected);
    assert!(node.store().verify_audit(None).unwrap().is_ok());
}

#[test]
fn a_key_that_is_not_enrolled_does_not_get_through_the_handshake() {
    let node = Node::start();
    // The client's key travels last, so that the refusal may only show with the first call.
    let refused = match node.remote(9) {
        Err(error) => Some(error),
        Ok(link) => {
            assert!(ask!(node, link, get_status(pb::GetStatusRequest {})).is_err());
            link.fault()
        }
    };
    assert_eq!(refused, Some(transport::Error::KeyRefused));
    let (number, link) = node.enrol(9, ClientRole::Clerk);
    let status = ask!(node, link, get_status(pb::GetStatusRequest {}));
    assert_eq!(status.unwrap().id, node.handle.id().to_string());
    // Roles are read with every call, on connections that are open already as well.
    node.store()
        .remove_client(number, Timestamp::now())
        .unwrap();
    let status = ask!(node, link, get_status(pb::GetStatusRequest {}));
    assert_eq!(status.err().unwrap().code(), Code::PermissionDenied);
    let logins = failed_logins(&node);
    assert!(logins.contains(&(None, "connect".into(), 1)), "{logins:?}");
}

#[test]
fn a_clerk_sees_their_own_queries_and_nobody_elses() {
    let node = Node::start();
    let (_, one) = node.enrol(11, ClientRole::Clerk);
    let (_, two) = node.enrol(12, ClientRole::Clerk);
    let officer = node.local();
    let number = submit(&node, &one, &[1]).unwrap();
    for other in [&two, &officer] {
        let mut calls = raw_calls(other);
        let refused = node.runtime.block_on(async {
            let results = pb::QueryResultsRequest { number };
            let watch = pb::WatchQueryRequest { number };
            let withdraw = pb::WithdrawQueryRequest { number };
            let listed = calls.list_queries(pb::ListQueriesRequest {}).await.unwrap();
            assert!(listed.into_inner().queries.is_empty());
            [
                calls.query_results(results).await.err().unwrap().code(),
                calls.watch_query(watch).await.err().unwrap().code(),
                calls.withdraw_query(withdraw).await.err().unwrap().code(),
            ]
        });
        assert_eq!(refused, [Code::NotFound; 3]);
    }
    let listed = ask!(node, one, list_queries(pb::ListQueriesRequest {}));
    let listed = listed.unwrap().queries;
    assert!(listed.len() == 1 && listed[0].number == number && listed[0].open);
}

#[test]
fn how_long_the_lists_are_hears_who_may_ask_for_that_and_no_clerk() {
    let node = Node::start();
    let officer = node.local();
    let parts = vec![start(ListKind::Held), batch(0..7), end(7)];
    import(&node, &officer, parts).unwrap();
    let people = |link: &ControlConnection| {
        let status = ask!(node, link, get_status(pb::GetStatusRequest {}));
        status.unwrap().people
    };
    let lists = people(&officer).unwrap();
    assert_eq!((lists.held, lists.requested), (Some(7), None));
    let (_, clerk) = node.enrol(11, ClientRole::Clerk);
    assert!(people(&clerk).is_none());
    assert!(
        node.ok(&["status"])
            .contains("held list: 7 people; requested list: none")
    );
    node.own_role(ClientRole::Clerk);
    assert!(people(&officer).is_none());
    let said = node.ok(&["status"]);
    assert!(said.contains("held list: -; requested list: -"), "{said}");
}

#[test]
fn an_import_says_what_it_changed() {
    let node = Node::start();
    let link = node.local();
    let first = vec![
        start(ListKind::Held),
        batch(0..700),
        batch(700..1000),
        end(1000),
    ];
    let changed = import(&node, &link, first).unwrap();
    assert_eq!((changed.people, changed.added), (1000, 1000));
    assert_eq!(
        (changed.narrow_elements, changed.wide_elements),
        (1000, 1000)
    );
    let second = vec![
        start(ListKind::Held),
        batch(1..900),
        batch(5000..5003),
        end(902),
    ];
    let changed = import(&node, &link, second).unwrap();
    let told = (changed.added, changed.removed, changed.unchanged);
    assert_eq!(told, (3, 101, 899));
    let info = ask!(node, link, list_info(pb::ListInfoRequest {}));
    let info = info.unwrap();
    assert!(info.requested.is_none());
    assert_eq!(info.held.unwrap().people, 902);
    let kind = list_number(ListKind::Held);
    ask!(node, link, withdraw_list(pb::WithdrawListRequest { kind })).unwrap();
    assert_eq!(node.store().list(ListKind::Held).unwrap(), None);
    let nothing = import(&node, &link, vec![start(ListKind::Held), end(0)]).unwrap();
    assert_eq!(nothing.people, 0);
}

#[test]
fn an_import_that_is_not_whole_and_good_changes_nothing() {
    let node = Node::start();
    let link = node.local();
    let good = vec![start(ListKind::Requested), batch(0..10), end(10)];
    import(&node, &link, good).unwrap();
    let before = node.store().list(ListKind::Requested).unwrap();
    let mut other_schema = header(&["name"]);
    other_schema.schema_digest[0] ^= 1;
    let other_schema = part(Part::Start(pb::ImportStart {
        kind: list_number(ListKind::Requested),
        header: Some(other_schema),
    }));
    let begun = || start(ListKind::Requested);
    let without_keys = {
        let mut one = person(3, &["Шевченко"]);
        one.keys.clear();
        part(Part::Batch(pb::PersonBatch { people: vec![one] }))
    };
    let more_cells = {
        let people = vec![person(3, &["a", "b"])];
        part(Part::Batch(pb::PersonBatch { people }))
    };
    let nothing = pb::ImportListRequest { part: None };
    let cases = [
        ("cut off", vec![begun(), batch(5..9)], Code::Cancelled),
        ("nothing at all", vec![], Code::InvalidArgument),
        (
            "no header",
            vec![batch(5..9), end(4)],
            Code::InvalidArgument,
        ),
        (
            "two headers",
            vec![begun(), begun(), end(0)],
            Code::InvalidArgument,
        ),
        (
            "another count",
            vec![begun(), batch(5..9), end(5)],
            Code::InvalidArgument,
        ),
        (
            "after the end",
            vec![begun(), batch(5..9), end(4), batch(9..10)],
            Code::InvalidArgument,
        ),
        (
            "one record twice",
            vec![begun(), batch(5..9), batch(5..6), end(5)],
            Code::InvalidArgument,
        ),
        (
            "an empty batch",
            vec![begun(), batch(0..0), end(0)],
            Code::InvalidArgument,
        ),
        (
            "too large a batch",
            vec![begun(), batch(0..1001), end(1001)],
            Code::InvalidArgument,
        ),
        (
            "no keys",
            vec![begun(), without_keys, end(1)],
            Code::InvalidArgument,
        ),
        (
            "other columns",
            vec![begun(), more_cells, end(1)],
            Code::InvalidArgument,
        ),
        (
            "no part",
            vec![begun(), nothing, end(0)],
            Code::InvalidArgument,
        ),
        (
            "another schema",
            vec![other_schema, batch(5..9), end(4)],
            Code::InvalidArgument,
        ),
    ];
    for (what, parts, code) in cases {
        let refused = import(&node, &link, parts).err().expect(what);
        assert_eq!(refused.code(), code, "{what}: {}", refused.message());
        assert_eq!(
            node.store().list(ListKind::Requested).unwrap(),
            before,
            "{what}"
        );
    }
    let mut people = 0;
    let counted = node.store().each_person(ListKind::Requested, |_| {
        people += 1;
        Ok::<(), store::Error>(())
    });
    counted.unwrap();
    assert_eq!(people, 10);
}

/// With little patience altogether, and with little for one silence.
#[test]
fn an_import_that_stalls_gives_the_store_free_and_changes_nothing() {
    for (stall, patience) in [(200, 60_000), (60_000, 200)] {
        let node = Node::start_with(ControlLimits {
            stall: Duration::from_millis(stall),
            patience: Duration::from_millis(patience),
            ..ControlLimits::default()
        });
        let link = node.local();
        let parts = tokio_stream::iter(vec![start(ListKind::Held), batch(0..10)]);
        let stalled = tokio_stream::StreamExt::chain(parts, tokio_stream::pending());
        let (mut calls, other) = (raw_calls(&link), node.local());
        node.runtime.block_on(async {
            // Waits until the import lets the store go.
            let (imported, status) = tokio::join!(calls.import_list(stalled), async {
                raw_calls(&other).get_status(pb::GetStatusRequest {}).await
            });
            assert_eq!(imported.err().unwrap().code(), Code::DeadlineExceeded);
            assert!(status.is_ok());
        });
        assert_eq!(node.store().list(ListKind::Held).unwrap(), None);
        let again = vec![start(ListKind::Held), batch(0..10), end(10)];
        assert!(import(&node, &link, again).is_ok());
    }
}

#[test]
fn a_client_that_goes_away_in_the_middle_of_an_import_changes_nothing() {
    let node = Node::start();
    let link = node.local();
    let (feed, fed) = tokio::sync::mpsc::channel(8);
    let mut calls = raw_calls(&link);
    let importing = node.runtime.spawn(async move {
        let fed = tokio_stream::wrappers::ReceiverStream::new(fed);
        calls.import_list(fed).await.map(|_| ())
    });
    feed.blocking_send(start(ListKind::Held)).unwrap();
    feed.blocking_send(batch(0..1000)).unwrap();
    importing.abort();
    drop(link);
    drop(feed);
    // The next import waits for the one that broke off, or is refused while it goes on.
    let link = node.local();
    loop {
        let good = vec![start(ListKind::Held), batch(5000..5001), end(1)];
        match import(&node, &link, good) {
            Ok(changed) => {
                assert_eq!((changed.people, changed.added, changed.removed), (1, 1, 0));
                break;
            }
            Err(refused) => assert_eq!(refused.code(), Code::ResourceExhausted),
        }
    }
}

#[test]
fn connections_calls_and_silence_have_their_bounds() {
    let node = Node::start_with(ControlLimits {
        connections_per_client_max: 3,
        calls_per_client_max: 2,
        connection_idle: Duration::from_millis(100),
        ..ControlLimits::default()
    });
    // Two calls that go on, and a third.
    let link = node.local();
    let number = submit(&node, &link, &[1]).unwrap();
    let watch = || {
        let mut calls = raw_calls(&link);
        node.runtime.block_on(async move {
            let stream = calls.watch_query(pb::WatchQueryRequest { number }).await?;
            let mut stream = stream.into_inner();
            stream.message().await?;
            Ok::<_, Status>(stream)
        })
    };
    let (one, two) = (watch().unwrap(), watch().unwrap());
    assert_eq!(watch().err().unwrap().code(), Code::ResourceExhausted);
    drop(one);
    loop {
        match watch() {
            Ok(_) => break,
            Err(refused) => assert_eq!(refused.code(), Code::ResourceExhausted),
        }
    }
    // Beside it two connections that say nothing; a fourth is closed at once.
    let mut silent: Vec<UnixStream> = (0..2)
        .map(|_| UnixStream::connect(node.socket()).unwrap())
        .collect();
    let mut flood = Vec::new();
    for _ in 0..200 {
        flood.push(UnixStream::connect(node.socket()).unwrap());
    }
    let mut closed = 0;
    for stream in &mut flood {
        let mut bytes = Vec::new();
        // The server's preface is all that one of them may get.
        if stream.read_to_end(&mut bytes).is_ok() {
            closed += 1;
        }
    }
    assert_eq!(closed, 200);
    // The silent ones are closed in time, and what works goes on.
    for stream in &mut silent {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
    }
    let listed = ask!(node, link, list_queries(pb::ListQueriesRequest {}));
    assert_eq!(listed.unwrap().queries.len(), 1);
    drop(two);
}

#[test]
fn garbage_and_messages_beyond_the_limit_do_no_harm() {
    let node = Node::start();
    for garbage in [
        &b"\x00\xff\x00\xff"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0x55; 70_000],
    ] {
        let mut stream = UnixStream::connect(node.socket()).unwrap();
        // The node may hang up before it has read everything.
        let _ = stream.write_all(garbage);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }
    let (code, _) = node.runtime.block_on(call_raw(
        &node.socket(),
        "/tacit.v1.Control/WatchQuery",
        &[0xff; 40],
    ));
    assert_eq!(code, Code::Internal, "not protobuf");
    let long = vec![0; (1 << 20) + 1];
    let path = "/tacit.v1.Control/WatchQuery";
    let (code, _) = node.runtime.block_on(call_raw(&node.socket(), path, &long));
    assert_eq!(code, Code::OutOfRange, "longer than a message may be");
    assert!(submit(&node, &node.local(), &[1]).is_ok());
}

#[test]
fn a_query_is_watched_until_every_peer_has_answered_and_then_has_its_results() {
    let node = Node::start();
    let (north, south) = (
        node.add_peer(1, Policy::default()),
        node.add_peer(2, Policy::default()),
    );
    let (_, clerk) = node.enrol(11, ClientRole::Clerk);
    let number = submit(&node, &clerk, &[1, 2, 3]).unwrap();
    let query = admin::QueryNumber::new(number);
    let mut calls = raw_calls(&clerk);
    let request = pb::WatchQueryRequest { number };
    let mut stream = ask!(node, clerk, watch_query(request)).unwrap();
    let mut next = || node.runtime.block_on(stream.message()).unwrap();
    let answered = |update: Option<pb::QueryUpdate>| {
        let peers = update.unwrap().peers;
        let pairs: Vec<bool> = peers
            .iter()
            .map(|peer| peer.answered_ms.is_some())
            .collect();
        pairs
    };
    assert_eq!(answered(next()), [false, false]);
    node.answer(north, &[(Some(query), answers(3, &[(2, Answer::Strong)]))]);
    assert_eq!(answered(next()), [true, false]);
    node.answer(
        south,
        &[(Some(query), answers(3, &[(3, Answer::Possible)]))],
    );
    assert_eq!(answered(next()), [true, true]);
    assert!(next().is_none(), "everything is answered");
    let results = node.runtime.block_on(async {
        let request = pb::QueryResultsRequest { number };
        told(calls.query_results(request).await?.into_inner()).await
    });
    let (peers, records) = results.unwrap();
    assert_eq!(peers, ["peer 1", "peer 2"]);
    let cells = || vec!["Шевченко".to_owned()];
    let none = Some(Answer::None);
    assert_eq!(
        records,
        [
            ("id-1".into(), cells(), vec![none, none]),
            ("id-2".into(), cells(), vec![Some(Answer::Strong), none]),
            ("id-3".into(), cells(), vec![none, Some(Answer::Possible)]),
        ]
    );
    let withdraw = async {
        calls
            .withdraw_query(pb::WithdrawQueryRequest { number })
            .await
    };
    node.runtime.block_on(withdraw).unwrap();
    assert!(node.store().open_queries().unwrap().is_empty());
}

#[test]
fn a_watcher_whose_role_is_taken_away_is_sent_away() {
    let node = Node::start();
    let (client, clerk) = node.enrol(11, ClientRole::Clerk);
    let number = submit(&node, &clerk, &[1]).unwrap();
    let request = pb::WatchQueryRequest { number };
    let mut stream = ask!(node, clerk, watch_query(request)).unwrap();
    assert!(node.runtime.block_on(stream.message()).unwrap().is_some());
    let changed = node
        .store()
        .change_role(client, ClientRole::Auditor, Timestamp::now());
    changed.unwrap();
    node.handle.stored();
    let refused = node.runtime.block_on(stream.message()).err().unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[test]
fn a_query_that_breaks_a_bound_is_refused() {
    let node = Node::start();
    let link = node.local();
    for people in [vec![], vec![1, 1], (0..1001).collect()] {
        let refused = submit(&node, &link, &people).err().unwrap();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    assert!(node.store().open_queries().unwrap().is_empty());
}

#[test]
fn answers_about_the_standing_list_come_page_by_page_with_its_cells() {
    let node = Node::start();
    let peer = node.add_peer(1, Policy::default());
    let link = node.local();
    let fetch = |found_only| {
        let mut calls = raw_calls(&link);
        node.runtime.block_on(async move {
            let request = pb::StandingResultsRequest { found_only };
            told(calls.standing_results(request).await?.into_inner()).await
        })
    };
    assert_eq!(fetch(false).err().unwrap().code(), Code::NotFound);
    let list = vec![
        start(ListKind::Requested),
        batch(0..1000),
        batch(1000..1703),
        end(1703),
    ];
    import(&node, &link, list.clone()).unwrap();
    let (peers, records) = fetch(false).unwrap();
    assert!(peers.is_empty() && records.len() == 1703);
    node.answer(peer, &[(None, answers(1703, &[(1702, Answer::Confirm)]))]);
    let (_, records) = fetch(false).unwrap();
    assert_eq!(records.len(), 1703);
    assert_eq!(records[0].2, [Some(Answer::None)]);
    assert_eq!(records[1702].2, [Some(Answer::Confirm)]);
    assert_eq!(records[1702].1, ["Шевченко"]);
    assert_eq!(fetch(true).unwrap().1.len(), 1);
    // What the peer did not find in the list of before may not have been in it.
    import(&node, &link, list).unwrap();
    let (_, records) = fetch(false).unwrap();
    assert_eq!(
        (&records[0].2, &records[1702].2),
        (&vec![None], &vec![Some(Answer::Confirm)])
    );
}

#[test]
fn the_last_officer_stays_and_the_owner_is_one_where_there_is_none() {
    let node = Node::start();
    let link = node.local();
    let own = node.own();
    let mut calls = raw_calls(&link);
    let refused = node.runtime.block_on(async {
        let (number, role) = (own.number(), pb::Role::Clerk.into());
        let remove = pb::RemoveClientRequest { number };
        [
            calls.remove_client(remove).await.err().unwrap().code(),
            calls
                .change_role(pb::ChangeRoleRequest { number, role })
                .await
                .err()
                .unwrap()
                .code(),
        ]
    });
    assert_eq!(refused, [Code::FailedPrecondition; 2]);
    let user = Credential::User(crate::service::own_user());
    let home = crate::service::new_home();
    let store = crate::service::create_store(home.path());
    let own = store.enrol("own", ClientRole::Auditor, user, Timestamp::now());
    ensure_owner(&store, crate::service::own_user(), Timestamp::now()).unwrap();
    let clients = store.clients().unwrap();
    assert_eq!(clients.len(), 1);
    assert_eq!(
        (clients[0].number, clients[0].role),
        (own.unwrap(), ClientRole::Officer)
    );
    let other = crate::service::own_user() + 1;
    ensure_owner(&store, other, Timestamp::now()).unwrap();
    assert_eq!(store.clients().unwrap(), clients, "there is an officer");
}

#[test]
fn the_service_describes_itself_on_the_socket_and_nowhere_else() {
    let node = Node::start();
    // ServerReflectionRequest{list_services: "*"}
    let question = [0x3a, 1, b'*'];
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let (code, answer) = node
            .runtime
            .block_on(call_raw(&node.socket(), &path, &question));
        assert_eq!(code, Code::Ok);
        let names = String::from_utf8_lossy(&answer);
        assert!(names.contains("tacit.v1.Control"));
        assert!(!names.contains("tacit.v1.Peer") && !names.contains("tacit.v1.Relay"));
    }
    let (_, link) = node.enrol(11, ClientRole::Officer);
    let described = node.runtime.block_on(async {
        let mut grpc = tonic::client::Grpc::with_origin(
            link.sender(),
            hyper::Uri::from_static("https://node.invalid"),
        );
        let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        let codec = tonic_prost::ProstCodec::<pb::GetStatusRequest, pb::GetStatusReply>::default();
        let request = tonic::Request::new(pb::GetStatusRequest {});
        grpc.unary(request, path.parse().unwrap(), codec).await
    });
    assert_eq!(described.err().unwrap().code(), Code::Unimplemented);
}

#[test]
fn the_socket_is_the_owners_and_a_dead_ones_place_is_taken() {
    let mut node = Node::start();
    let mode = |path: &std::path::Path| {
        std::fs::symlink_metadata(path)
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&node.socket()), 0o600);
    let bind = |node: &Node, path: &std::path::Path| {
        let config = ControlConfig::at(path.to_owned());
        let bound = node
            .runtime
            .block_on(Control::bind(node.handle.clone(), config));
        bound.err().map(|error| error.to_string())
    };
    let refused = bind(&node, &node.socket()).unwrap();
    assert!(refused.contains("another process answers"), "{refused}");
    node.stop();
    assert!(!node.socket().exists(), "taken away at the end");
    drop(std::os::unix::net::UnixListener::bind(node.socket()).unwrap());
    assert!(node.socket().exists(), "as a killed node leaves it");
    assert_eq!(bind(&node, &node.socket()), None);
    let file = node.home().join("notes");
    std::fs::write(&file, "mine").unwrap();
    assert!(bind(&node, &file).unwrap().contains("is not a socket"));
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    let left = std::fs::read_dir(node.home()).unwrap();
    assert!(
        left.flatten()
            .all(|entry| !entry.file_name().to_string_lossy().starts_with(".s"))
    );
}

#[test]
fn an_altered_audit_log_is_found() {
    let node = Node::start();
    let link = node.local();
    let verify = |earlier: Option<String>| {
        ask!(node, link, verify_audit(pb::VerifyAuditRequest { earlier }))
    };
    let head = verify(None).unwrap().head.unwrap();
    node.store()
        .record(&Event::NodeStarted, Timestamp::now())
        .unwrap();
    assert!(verify(Some(head.clone())).unwrap().fault.is_none());
    // A log of the same node that went another way.
    let elsewhere = crate::service::new_home();
    let other = crate::service::create_store(elsewhere.path());
    for _ in 0..2 {
        let written = other.record(&Event::NodeStopped, Timestamp::now());
        let fault = verify(Some(written.unwrap().to_line())).unwrap().fault;
        assert!(
            fault.is_some_and(
                |fault| fault.contains("the head given") || fault.contains("rewritten")
            )
        );
    }
    assert_eq!(
        verify(Some("nonsense".into())).err().unwrap().code(),
        Code::InvalidArgument
    );
}
