//! The commands that use a running node, as processes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Output, Stdio};

use crate::service::{Node, answers, tacit, text};
use admin::policy::Approval;
use admin::{ClientRole, Policy, QueryNumber};
use identity::Answer;
use jiff::Timestamp;
use pairing::NodeKey;
use rand::SeedableRng;
use serde_json::Value;
use store::Store;

const LIST: &str = "id,surname,name,dob,note\nid-1,Шевченко,Тарас,1990-03-09,=1+1\n\
                    id-2,Франко,Іван,1991-08-27,\"x, y\"\nid-3,Косач,Лариса,1992-02-25,-5\n";

fn failed(output: &Output, code: i32) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    stderr
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn lists_are_imported_shown_and_withdrawn() {
    let node = Node::start();
    let file = node.file("list.csv", LIST);
    let told = node.ok(&["list", "import", "requested", &file]);
    assert!(
        told.contains("3 people: 3 added, 0 changed, 0 removed, 0 unchanged"),
        "{told}"
    );
    let other = LIST.replace("Тарас", "Петро").replace("id-3", "id-4");
    let file = node.file("list.csv", &other);
    let told = json(&node.ok(&["list", "import", "requested", &file, "--json"]));
    let counts =
        ["people", "added", "changed", "removed", "unchanged"].map(|name| told[name].as_u64());
    assert_eq!(counts, [3, 1, 1, 1, 1].map(Some));
    node.ok(&["list", "import", "held", &file]);
    let shown = json(&node.ok(&["list", "show", "--json"]));
    assert_eq!(shown["requested"]["columns"][4], "note");
    assert_eq!(shown["held"]["columns"], Value::from(Vec::<String>::new()));
    assert!(node.ok(&["list", "show"]).contains("requested"));
    node.ok(&["list", "withdraw", "held"]);
    let again = node.run(&["list", "withdraw", "held"]);
    assert!(failed(&again, 2).contains("there is no list"));
    assert!(json(&node.ok(&["list", "show", "--json"]))["held"].is_null());
}

/// Cells of the held list stay on the client's machine.
#[test]
fn the_node_gets_no_cell_of_the_held_list() {
    let node = Node::start();
    let file = node.file("list.csv", LIST);
    node.ok(&["list", "import", "held", &file]);
    let mut people = 0;
    let read = node
        .store()
        .each_person(protocol::ListKind::Held, |person| {
            assert!(person.columns.is_none() && !person.keys.is_empty());
            people += 1;
            Ok::<(), store::Error>(())
        });
    read.unwrap();
    assert_eq!(people, 3);
}

#[test]
fn a_list_with_bad_rows_changes_nothing_unless_they_are_to_be_left_out() {
    let node = Node::start();
    let bad = format!("{LIST},Без,Номера,1990-01-01,\n");
    let file = node.file("list.csv", &bad);
    let refused = failed(&node.run(&["list", "import", "held", &file]), 2);
    assert!(refused.contains("1 of 4 rows have errors"), "{refused}");
    assert!(!refused.contains("Без"), "no names in errors");
    assert!(json(&node.ok(&["list", "show", "--json"]))["held"].is_null());
    let told = node.ok(&["list", "import", "held", &file, "--skip-bad-rows"]);
    assert!(told.contains("3 people"), "{told}");
    let no_list = node.file("no.csv", "what,ever\n1,2\n");
    failed(&node.run(&["list", "import", "held", &no_list]), 2);
    let empty = node.file("empty.csv", "");
    failed(&node.run(&["list", "import", "held", &empty]), 2);
    assert!(node.ok(&["list", "show"]).contains('3'), "as it was");
}

/// The most memory that a process ever had, in MiB.
fn peak_mib(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// Some minutes, and some gigabytes of disk. The client keeps a hash of each record id and strong key, to
/// tell records that come twice; everything else passes through.
#[test]
#[ignore = "a measurement: run it alone, with --release"]
fn two_million_rows_are_imported_in_bounded_memory() {
    const ROWS: u32 = 2_000_000;
    let node = Node::start();
    let path = node.home().join("large.csv");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    writeln!(out, "id,surname,name,patronymic,dob,document_number").unwrap();
    for n in 0..ROWS {
        let (year, month, day) = (1950 + n % 50, 1 + n / 50 % 12, 1 + n / 600 % 28);
        let surname: String = (0..5)
            .map(|place| ['б', 'в', 'г', 'д', 'ж', 'к', 'м'][(n / 7_u32.pow(place) % 7) as usize])
            .flat_map(|letter| [letter, 'а'])
            .collect();
        writeln!(
            out,
            "r-{n},{surname},Тарас,Іванович,{year}-{month:02}-{day:02},ЕК{n:07}"
        )
        .unwrap();
    }
    out.into_inner().unwrap();
    let begun = std::time::Instant::now();
    let mut client = node
        .command(&[
            "list",
            "import",
            "held",
            path.to_str().unwrap(),
            "--json",
            "--skip-bad-rows",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut client_mib = 0;
    while client.try_wait().unwrap().is_none() {
        client_mib = client_mib.max(peak_mib(&client.id().to_string()));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let told = json(&text(&client.wait_with_output().unwrap()));
    let node_mib = peak_mib("self");
    println!("{told}");
    println!(
        "{} s; client {client_mib} MiB, node {node_mib} MiB",
        begun.elapsed().as_secs()
    );
    assert_eq!(told["people"], ROWS);
    assert!(
        client_mib < 700 && node_mib < 400,
        "{client_mib} and {node_mib} MiB"
    );
}

#[test]
fn peers_are_added_with_words_to_compare_changed_and_removed() {
    let node = Node::start();
    let id = NodeKey::from_seed(&[50; 32]).id();
    let told = node.ok(&[
        "peer",
        "add",
        "north",
        &id.to_string(),
        "--address",
        "192.0.2.7:7447",
    ]);
    assert!(told.contains(&id.words().join(" ")), "{told}");
    let twice = node.run(&["peer", "add", "other", &id.to_string()]);
    assert!(failed(&twice, 2).contains("there already"));
    let own = node.handle.id().to_string();
    failed(&node.run(&["peer", "add", "own", &own]), 2);
    failed(&node.run(&["peer", "add", "far", &own, "--by-relay"]), 2);
    let changes = [
        "peer",
        "change",
        "north",
        "--ceiling",
        "1000",
        "--wide",
        "--approval",
        "by-hand",
        "--schedule",
        "none",
        "--on-demand",
        "--rename",
        "nord",
        "--budget-sessions",
        "2",
        "--budget-window",
        "7200",
    ];
    node.ok(&changes);
    let listed = json(&node.ok(&["peer", "list", "--json"]));
    let (peer, policy) = (&listed[0], &listed[0]["policy"]);
    assert_eq!(
        (peer["name"].as_str(), peer["address"].as_str()),
        (Some("nord"), Some("192.0.2.7:7447"))
    );
    assert_eq!(peer["words"][0], id.words()[0]);
    assert_eq!(policy["narrow"]["own"]["held"], 1024);
    assert_eq!(policy["wide"]["budget"]["elements"], 2 * 4096);
    assert_eq!(
        (&policy["approval"], &policy["on_demand"]),
        (&"by_hand".into(), &true.into())
    );
    assert!(policy["schedule_s"].is_null());
    failed(&node.run(&["peer", "change", "nord", "--schedule", "5"]), 2);
    assert!(node.ok(&["peer", "list"]).contains("approved by hand"));
    let file = node.file("list.csv", LIST);
    node.ok(&["peer", "change", "nord", "--ceiling", "1024", "--no-wide"]);
    node.ok(&["list", "import", "held", &file]);
    node.ok(&["peer", "remove", "nord"]);
    failed(&node.run(&["peer", "remove", "nord"]), 2);
}

#[test]
fn a_query_waits_and_shows_the_answers_when_every_peer_has_answered() {
    let node = Node::start();
    let north = node.add_peer(1, Policy::default());
    let mut query = node
        .command(&[
            "query",
            "--family",
            "Шевченко",
            "--given",
            "Тарас",
            "--born",
            "1990-03-09",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(query.stderr.take().unwrap()).lines();
    assert_eq!(
        said.next().unwrap().unwrap(),
        "Query 1 asks about 1 people."
    );
    let why = said.next().unwrap().unwrap();
    assert!(why.contains("peer 1: not yet; no session is due"), "{why}");
    let found = store::answers::Answers {
        asked: 1,
        list: None,
        wide: false,
        found: vec![store::answers::MatchedRecord {
            record_id: "1".into(),
            answer: Answer::Strong,
            kinds: vec![identity::KeyKind::N1],
        }],
    };
    node.answer(north, &[(Some(QueryNumber::new(1)), found)]);
    let output = query.wait_with_output().unwrap();
    let table = text(&output);
    assert!(
        table.contains("strong") && table.contains("Шевченко Тарас") && table.contains("peer 1")
    );
    assert!(said.next().unwrap().unwrap().contains("answered at"));
    let again = json(&node.ok(&["results", "1", "--json"]));
    assert_eq!(again["results"][0]["record"]["family_name"], "Шевченко");
    assert_eq!(
        (&again["counts"]["strong"], &again["peers"][0]["name"]),
        (&1.into(), &"peer 1".into())
    );
    node.ok(&["query", "--withdraw", "1"]);
    assert!(node.ok(&["results", "--queries"]).contains("withdrawn"));
}

#[test]
fn a_query_that_nobody_waits_for_any_more_goes_on() {
    let node = Node::start();
    node.add_peer(1, Policy::default());
    let file = node.file("asked.csv", LIST);
    assert_eq!(node.ok(&["query", &file, "--detach"]).trim(), "1");
    let mut waiting = node
        .command(&["query", "--wait", "1"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap()).lines();
    assert!(said.next().unwrap().unwrap().contains("not yet"));
    let pid = rustix::process::Pid::from_raw(i32::try_from(waiting.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let told = said.next().unwrap().unwrap();
    assert!(told.contains("Query 1 goes on"), "{told}");
    assert_eq!(waiting.wait().unwrap().code(), Some(130));
    assert_eq!(node.store().open_queries().unwrap().len(), 1);
    assert!(
        node.ok(&["results", "1"])
            .contains("No peer has answered yet")
    );
    // At once only where policy allows it; the query stays.
    let now = node.run(&["query", &file, "--detach", "--now"]);
    assert!(text(&now).contains('2'));
    assert!(String::from_utf8_lossy(&now.stderr).contains("policy"));
    node.ok(&["peer", "change", "peer 1", "--on-demand"]);
    let now = node.run(&["query", &file, "--detach", "--now"]);
    text(&now);
    assert!(String::from_utf8_lossy(&now.stderr).contains("can tell that somebody here asked"));
    for bad in [
        &["query", "--family", "Шевченко"][..],
        &[
            "query",
            "--family",
            "Шевченко",
            "--given",
            "Тарас",
            "--born",
            "yesterday",
        ],
        &["query", "no-such-file.csv"],
        &["query"],
    ] {
        failed(&node.run(bad), 2);
    }
}

#[test]
fn results_of_the_standing_list_carry_its_columns_safely_into_files() {
    let node = Node::start();
    let north = node.add_peer(1, Policy::default());
    let south = node.add_peer(2, Policy::default());
    let file = node.file("list.csv", LIST);
    failed(&node.run(&["results"]), 2);
    node.ok(&["list", "import", "requested", &file]);
    node.answer(north, &[(None, answers(3, &[(1, Answer::Possible)]))]);
    node.answer(south, &[(None, answers(3, &[(3, Answer::Strong)]))]);
    let expected = "record_id,answer,keys,peer,surname,name,dob,note\n\
                    id-3,strong,N1,peer 2,Косач,Лариса,1992-02-25,-5\n\
                    id-1,possible,N1,peer 1,Шевченко,Тарас,1990-03-09,'=1+1\n\
                    id-1,none,,peer 2,Шевченко,Тарас,1990-03-09,'=1+1\n\
                    id-2,none,,peer 1,Франко,Іван,1991-08-27,\"x, y\"\n\
                    id-2,none,,peer 2,Франко,Іван,1991-08-27,\"x, y\"\n\
                    id-3,none,,peer 1,Косач,Лариса,1992-02-25,-5\n";
    assert_eq!(node.ok(&["results", "--csv"]), expected);
    let out = node.home().join("out.csv");
    let out = out.to_str().unwrap();
    assert!(
        node.ok(&["results", "--output", out])
            .contains("6 asked about: 1 strong")
    );
    assert_eq!(std::fs::read_to_string(out).unwrap(), expected);
    failed(&node.run(&["results", "--output", out]), 2);
    let found = json(&node.ok(&["results", "--found", "--json"]));
    assert_eq!(found["results"].as_array().unwrap().len(), 4);
}

#[test]
fn sessions_wait_for_an_officer_and_status_says_so() {
    let node = Node::start();
    let by_hand = Policy {
        approval: Approval::ByHand,
        ..Policy::default()
    };
    let peer = node.add_peer(1, by_hand);
    node.answer(peer, &[]);
    let one = node.store().ask_approval(peer, Timestamp::now()).unwrap();
    let told = node.ok(&["sessions"]);
    assert!(
        told.contains(&format!("tacit approve {one}")) && told.contains("answered"),
        "{told}"
    );
    node.ok(&["approve", &one.to_string()]);
    failed(&node.run(&["refuse", &one.to_string()]), 3);
    failed(&node.run(&["approve", "77"]), 2);
    let listed = json(&node.ok(&["sessions", "--json"]));
    assert_eq!(listed["sessions"][0]["outcome"], "answered");
    assert_eq!(listed["approvals"][0]["approved"], true);
    let status = json(&node.ok(&["status", "--json"]));
    assert_eq!(status["id"], node.handle.id().to_string());
    let peer = &status["peers"][0];
    assert_eq!(
        (&peer["name"], &peer["doing"]),
        (&"peer 1".into(), &"nothing".into())
    );
    assert_eq!(peer["they_may_ask"][0]["sessions"], 47);
    assert_eq!(peer["we_may_ask"][0]["elements"], 65_536 * 48 - 4);
    assert!(node.ok(&["status"]).contains("peer 1"));
}

/// Of the third only the year of birth is known, which makes keys of the wide class alone.
#[test]
fn whoever_was_not_asked_about_is_not_shown_as_not_held() {
    let node = Node::start();
    let list = LIST.replace("1992-02-25", "1992");
    let file = node.file("list.csv", &list);
    node.ok(&["list", "import", "requested", &file]);
    let peer = node.add_peer(1, Policy::default());
    node.answer(peer, &[(None, answers(2, &[(1, Answer::Strong)]))]);
    let shown = || json(&node.ok(&["results", "--json"]))["results"].clone();
    let answer = |shown: &Value, id: &str| {
        let mut records = shown.as_array().unwrap().iter();
        let record = records.find(|record| record["record_id"] == id).unwrap();
        record["answer"].clone()
    };
    let narrow = shown();
    assert_eq!(answer(&narrow, "id-1"), "strong");
    assert_eq!(answer(&narrow, "id-2"), "none");
    assert_ne!(answer(&narrow, "id-3"), "none");
    let mut both = answers(3, &[(1, Answer::Strong)]);
    both.wide = true;
    node.answer(peer, &[(None, both)]);
    assert_eq!(answer(&shown(), "id-3"), "none");

    let asked = node.run(&[
        "query",
        "--family",
        "Косач",
        "--given",
        "Лариса",
        "--born",
        "1992",
    ]);
    assert!(
        failed(&asked, 3).contains("give a full date of birth"),
        "{asked:?}"
    );
}

#[test]
fn clients_are_enrolled_and_use_the_node_with_their_own_key() {
    let node = Node::start();
    let desk = crate::service::new_home();
    let id = json(&text(
        &tacit(desk.path(), &["id", "--no-passphrase", "--json"])
            .output()
            .unwrap(),
    ));
    let id = id["id"].as_str().unwrap();
    let address = format!("{}@{}", node.handle.id(), node.address);
    let asked = || {
        tacit(desk.path(), &["status", "--node", &address])
            .output()
            .unwrap()
    };
    assert!(failed(&asked(), 3).contains("does not know this key"));
    let told = node.ok(&["client", "enrol", "desk", "--role", "clerk", "--key", id]);
    assert!(told.contains("number 2"), "{told}");
    text(&asked());
    let clerk = |args: &[&str]| {
        let output = tacit(desk.path(), args)
            .arg("--node")
            .arg(&address)
            .output();
        output.unwrap()
    };
    assert!(failed(&clerk(&["list", "show"]), 3).contains("the role clerk may not call ListInfo"));
    node.ok(&["client", "role", "2", "auditor"]);
    assert!(text(&clerk(&["audit"])).contains("role_changed"));
    failed(&clerk(&["status"]), 3);
    assert_eq!(
        json(&node.ok(&["client", "list", "--json"]))[1]["role"],
        "auditor"
    );
    node.ok(&["client", "remove", "2"]);
    failed(&clerk(&["audit"]), 3);
    failed(&node.run(&["client", "role", "1", "clerk"]), 3);
    failed(&node.run(&["client", "enrol", "x", "--role", "clerk"]), 2);
    failed(
        &node.run(&[
            "client",
            "enrol",
            "x",
            "--role",
            "clerk",
            "--user",
            "no such user",
        ]),
        2,
    );
    node.ok(&["client", "enrol", "x", "--role", "clerk", "--user", "12345"]);
    let (_, _link) = node.enrol(60, ClientRole::Clerk);
}

#[test]
fn an_exported_log_is_checked_without_the_node_and_every_change_is_found() {
    let node = Node::start();
    let path = |name: &str| node.home().join(name).to_str().unwrap().to_owned();
    let (first, second, altered) = (path("1.log"), path("2.log"), path("altered.log"));
    node.ok(&["audit", "export", &first]);
    node.add_peer(1, Policy::default());
    node.ok(&["audit", "export", &second]);
    failed(&node.run(&["audit", "export", &second]), 2);
    assert!(node.ok(&["audit", "verify"]).contains("The log holds"));
    assert!(
        node.ok(&["audit", "verify", "--earlier", &first])
            .contains("The log holds")
    );
    assert!(node.ok(&["audit", "--last", "1"]).contains("peer_added"));
    let node_id = node.handle.id().to_string();
    let home = node.home().to_owned();
    let offline = |args: &[&str]| tacit(&home, args).output().unwrap();
    let whole = std::fs::read_to_string(&second).unwrap();
    let holds = [
        "audit",
        "verify",
        &second,
        "--earlier",
        &first,
        "--of",
        &node_id,
    ];
    assert!(text(&offline(&holds)).contains("The log holds"));
    let lines: Vec<&str> = whole.lines().collect();
    for change in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(change);
        std::fs::write(&altered, fewer.join("\n") + "\n").unwrap();
        let refused = offline(&["audit", "verify", &altered]);
        assert_eq!(refused.status.code(), Some(4), "line {change} taken out");
    }
    std::fs::write(&altered, whole.replacen("peer_added", "peer_abbed", 1)).unwrap();
    failed(&offline(&["audit", "verify", &altered]), 4);
    // Cut back to an earlier state, with its right head.
    let refused = failed(
        &offline(&["audit", "verify", &first, "--earlier", &second]),
        4,
    );
    assert!(refused.contains("before the head given"), "{refused}");
    let missing = node.run(&["audit", "receipt", "1", &path("receipt")]);
    assert!(failed(&missing, 2).contains("no receipt"));
}

#[test]
fn a_node_that_is_not_there_is_said_to_be_so() {
    let home = crate::service::new_home();
    for args in [
        &["status"][..],
        &["peer", "list"],
        &["audit"],
        &["query", "--wait", "1"],
    ] {
        let told = failed(&tacit(home.path(), args).output().unwrap(), 5);
        assert!(told.contains("does the node run?"), "{told}");
    }
    let mut node = Node::start();
    node.stop();
    failed(&node.run(&["status"]), 5);
}

#[test]
fn the_passphrase_is_changed_while_the_node_is_stopped() {
    let node = Node::start();
    let old = node.file("old", crate::service::PASSPHRASE);
    let new = node.file("new", "another passphrase of good length");
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
    for file in [&old, &new] {
        std::fs::set_permissions(file, mode.clone()).unwrap();
    }
    let key = store::key_file::create(
        node.home(),
        &NodeKey::from_seed(&[1; 32]),
        store::key_file::Protection::Plain,
        &mut rand::rngs::StdRng::from_seed([1; 32]),
    );
    key.unwrap();
    let change = [
        "passphrase",
        "change",
        "--passphrase-file",
        &old,
        "--new-passphrase-file",
        &new,
    ];
    assert!(failed(&node.run(&change), 3).contains("stop the node first"));
    let home = node.close();
    let changed = tacit(home.path(), &change).output().unwrap();
    assert!(text(&changed).contains("is changed"));
    let open = |passphrase: &str| {
        let passphrase = store::passphrase::Passphrase::new(passphrase).unwrap();
        let key = std::sync::Arc::new(NodeKey::from_seed(&[1; 32]));
        Store::open(home.path(), key, &passphrase, Timestamp::now())
    };
    assert!(matches!(
        open(crate::service::PASSPHRASE),
        Err(store::Error::WrongPassphrase)
    ));
    assert!(open("another passphrase of good length").is_ok());
    let again = tacit(home.path(), &change).output().unwrap();
    failed(&again, 1);
}

#[test]
fn every_command_has_an_example_in_its_help() {
    let home = crate::service::new_home();
    for args in [
        &["list"][..],
        &["list", "import"],
        &["list", "show"],
        &["list", "withdraw"],
        &["peer"],
        &["peer", "add"],
        &["peer", "change"],
        &["peer", "list"],
        &["peer", "remove"],
        &["query"],
        &["results"],
        &["sessions"],
        &["approve"],
        &["refuse"],
        &["status"],
        &["audit"],
        &["audit", "verify"],
        &["audit", "export"],
        &["audit", "receipt"],
        &["client"],
        &["client", "enrol"],
        &["client", "role"],
        &["client", "list"],
        &["client", "remove"],
        &["passphrase"],
        &["passphrase", "change"],
    ] {
        let mut args = args.to_vec();
        args.push("--help");
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("tacit"));
        let help = text(
            &command
                .args(&args)
                .current_dir(home.path())
                .output()
                .unwrap(),
        );
        assert!(help.contains("Example"), "{args:?}");
    }
}
