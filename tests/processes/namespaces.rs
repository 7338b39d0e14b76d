//! A relay and two nodes in three network namespaces: the nodes have a line to the relay and none to
//! each other.
//!
//! Where the system lets an ordinary user have no namespaces, or has no `ip`, this cannot be tried and
//! says so; `match_via_relay` has the same with three processes in one network.

use std::process::Command;

use crate::machines::{Machine, RelayHome, found};

/// Makes the namespaces, hosts the relay in the first, and runs one side in each of the others.
const SCRIPT: &str = r#"
set -eu
finish() { kill $started 2>/dev/null || :; }
trap finish EXIT
started=
# A namespace with a line to this one: namespace NUMBER
namespace() {
    mkfifo "$WORK/ready$1"
    unshare -n sh -c "echo > '$WORK/ready$1'; exec sleep 600" & node=$!
    started="$started $node"
    read -r _ < "$WORK/ready$1"
    ip link add "node$1" type veth peer name relay netns "$node"
    ip address add "10.77.$1.1/24" dev "node$1"
    ip link set "node$1" up
    nsenter -t "$node" -n ip link set lo up
    nsenter -t "$node" -n ip address add "10.77.$1.2/24" dev relay
    nsenter -t "$node" -n ip link set relay up
}
ip link set lo up
namespace 1; one=$node
namespace 2; two=$node
"$TACIT" relay run --home "$RELAY" --listen 0.0.0.0:7448 2> "$WORK/relay.err" & started="$started $!"
match() { # match NAMESPACE FOLDER PEER RELAY'S ADDRESS
    nsenter -t "$1" -n "$TACIT" match --home "$2/home" --held "$2/held.csv" --requested "$2/requested.csv" \
        --ceiling 1024 --json --peer "$3" --mediator "$MEDIATOR" --via "$RELAY_ID@$4:7448" \
        > "$2/answers.json" 2> "$2/said"
}
# The higher id listens at the relay; it is the first to be there.
match "$two" "$FOLDER2" "$ID1" 10.77.2.1 & waiting=$!
until grep -q 'Waiting at the relay' "$FOLDER2/said" 2>/dev/null; do
    kill -0 "$waiting" || { cat "$FOLDER2/said" >&2; exit 1; }
done
if nsenter -t "$two" -n cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 | grep -E ' 0A | 07 '; then
    echo 'something listens at the node' >&2; exit 1
fi
if nsenter -t "$one" -n timeout 20 bash -c 'exec 3<>/dev/tcp/10.77.2.2/9' 2> "$WORK/direct"; then
    echo 'the nodes reach each other' >&2; exit 1
fi
if ! grep -qi unreachable "$WORK/direct"; then
    echo 'the nodes have a way to each other:' >&2; cat "$WORK/direct" >&2; exit 1
fi
match "$one" "$FOLDER1" "$ID2" 10.77.1.1 || { cat "$FOLDER1/said" >&2; exit 1; }
wait "$waiting" || { cat "$FOLDER2/said" >&2; exit 1; }
"#;

fn namespaces_are_to_be_had() -> bool {
    let tried = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c"])
        .arg("ip link add try type veth && command -v nsenter && command -v bash")
        .output();
    tried.is_ok_and(|tried| tried.status.success())
}

#[test]
fn two_nodes_that_cannot_reach_each_other_match_through_the_relay() {
    if !namespaces_are_to_be_had() {
        println!("no network namespaces on this machine: not tried");
        return;
    }
    let [low, high] = Machine::pair();
    low.lists(0..60, 95..130);
    high.lists(100..160, 50..90);
    let home = RelayHome::new(&[&low, &high]);
    let work = tempfile::tempdir().unwrap();
    let ran = Command::new("unshare")
        .args(["--map-root-user", "--net", "bash", "-c", SCRIPT])
        .env("TACIT", env!("CARGO_BIN_EXE_tacit"))
        .env("WORK", work.path())
        .env("RELAY", home.machine.home())
        .env("RELAY_ID", &home.machine.id)
        .env("MEDIATOR", home.descriptor(""))
        .env("FOLDER1", low.folder.path())
        .env("FOLDER2", high.folder.path())
        .env("ID1", &low.id)
        .env("ID2", &high.id)
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let answers = |machine: &Machine| found(&std::fs::read(machine.path("answers.json")).unwrap());
    assert_eq!(answers(&low), (100..130).collect());
    assert_eq!(answers(&high), (50..60).collect());
}
