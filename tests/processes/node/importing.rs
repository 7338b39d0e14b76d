//! Sessions and imports do not wait for each other.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{ask, two_that_meet};
use crate::running::{Node, ids, import, introduce};
use crate::service::{batch, end, raw_calls, start};
use transport::{ControlConnection, Limits};

/// More than a connection takes before anybody reads it.
const BATCHES: u32 = 24;

#[test]
fn a_session_runs_to_its_end_while_an_import_is_half_way_and_the_import_then_finishes() {
    let [one, two] = two_that_meet();
    let terms = ["--on-demand", "--schedule", "none", "--ceiling", "1024"];
    introduce(&one, &two, &terms);
    import(&one, 0..50, 100..110);
    import(&two, 100..150, 0..60);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (socket, limits) = (one.home().join("control.sock"), Limits::default());
    let link = runtime.block_on(ControlConnection::local(&socket, &limits));
    let link = link.unwrap();
    let mut calls = raw_calls(&link);
    let (feed, fed) = mpsc::channel(1);
    let importing = runtime.spawn(async move {
        let imported = calls.import_list(ReceiverStream::new(fed)).await;
        imported.map(tonic::Response::into_inner)
    });
    feed.blocking_send(start(protocol::ListKind::Held)).unwrap();
    for n in 0..BATCHES {
        if feed.blocking_send(batch(n * 1000..(n + 1) * 1000)).is_err() {
            panic!("{:?}", runtime.block_on(importing).unwrap().err());
        }
    }
    for n in [1, 2] {
        ask(&two, n, &["--now"]);
    }
    assert_eq!(two.outcomes(), ["answered"; 2]);
    assert_eq!(two.found(None), ids(0..50), "the old list answers");
    let people = |node: &Node| node.json(&["list", "show"])["held"]["people"].clone();
    assert_eq!(people(&one), 50);
    feed.blocking_send(end(u64::from(BATCHES) * 1000)).unwrap();
    drop(feed);
    let imported = runtime.block_on(importing).unwrap().unwrap();
    assert_eq!(imported.people, u64::from(BATCHES) * 1000);
    assert_eq!(people(&one), BATCHES * 1000);
}
