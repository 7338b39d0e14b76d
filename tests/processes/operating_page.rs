//! The commands of the page that tells delegations how to run a node, run as they stand there.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use pairing::NodeKey;
use protocol::{Descriptor, MediatorTime, SettlingKey};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const PAGE: &str = include_str!("../../docs/operating.md");

/// The blocks of the node's chapter that are in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let chapter = PAGE.split("## For mediators").next().unwrap();
    let fence = format!("```{language}\n");
    let starts = chapter.match_indices(&fence);
    starts
        .map(|(at, _)| chapter[at + fence.len()..].split("```").next().unwrap())
        .collect()
}

fn tacit(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
    command
        .args(args)
        .current_dir(folder)
        .env("XDG_DATA_HOME", folder)
        .stdin(Stdio::null());
    command
}

fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A node that ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, args: &[&str]) -> Running {
    let mut child = tacit(folder, args).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(
        said.any(|line| line.unwrap().contains(" is ready")),
        "the node gets ready"
    );
    std::thread::spawn(move || said.for_each(drop));
    Running(child)
}

fn stop(mut node: Running) {
    let id = rustix::process::Pid::from_child(&node.0);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert!(node.0.wait().unwrap().success());
}

#[test]
fn every_command_for_delegations_on_the_operating_page_runs_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    private(&folder.join("passphrase"), "correct horse battery staple\n");
    private(
        &folder.join("new-passphrase"),
        "another horse battery staple\n",
    );
    for (name, numbers) in [("held.csv", 100..140), ("requested.csv", 120..160)] {
        std::fs::write(folder.join(name), crate::running::list_of(numbers)).unwrap();
    }
    let id = |seed| NodeKey::from_seed(&[seed; 32]).id().to_string();
    let point = SettlingKey::generate(&mut ChaCha20Rng::from_seed([3; 32])).point();
    let epoch = (MediatorTime(0), MediatorTime(86_400));
    let mediator = NodeKey::from_seed(&[4; 32]);
    let descriptor = Descriptor::new(&mediator, &point, epoch, "127.0.0.1:9").unwrap();
    let lines: Vec<String> = blocks("sh")
        .iter()
        .flat_map(|block| block.lines())
        .filter(|line| line.starts_with("tacit "))
        .map(|line| {
            line.replace("tacit1THEIRS", &id(1))
                .replace("tacit1CLERK", &id(2))
                .replace("tacitm1DESCRIPTOR", &descriptor.to_string())
        })
        .collect();
    assert!(lines.len() > 20, "{lines:?}");

    let mut node = None;
    for line in &lines {
        let args: Vec<&str> = line.split_whitespace().skip(1).collect();
        match args[0] {
            "node" if args.contains(&"--check") => {
                let [config] = blocks("toml")[..] else {
                    panic!("one configuration")
                };
                std::fs::write(folder.join("tacit/node.toml"), config).unwrap();
            }
            "node" => {
                // The page's ports may be taken on the machine that tests it.
                std::fs::write(folder.join("tacit/node.toml"), "").unwrap();
                node = Some(start(folder, &args));
                continue;
            }
            // The page says to stop the node first.
            "passphrase" => stop(node.take().unwrap()),
            _ => {}
        }
        let output = tacit(folder, &args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {said}");
    }
    assert!(folder.join("found.xlsx").exists());
    stop(start(
        folder,
        &["node", "--passphrase-file", "new-passphrase"],
    ));
}

/// The page says what each way is worth; the units are for the one that leaves nothing on the disk.
#[test]
fn the_units_on_the_page_leave_neither_passphrase_nor_memory_on_the_disk() {
    let units = blocks("ini");
    assert_eq!(units.len(), 3);
    let line = |key: &str| {
        let mut lines = units.iter().flat_map(|unit| unit.lines());
        lines.find_map(|line| line.strip_prefix(key)).unwrap()
    };
    let credential = line("LoadCredential=");
    assert_eq!(
        credential,
        format!("tacit.passphrase:{}", line("ListenStream="))
    );
    assert_eq!(line("SocketMode="), "0600");
    for unit in &units {
        assert!(
            !unit.contains("Encrypted") && !unit.contains("-file"),
            "{unit}"
        );
        if unit.contains("[Service]") {
            for bound in ["MemorySwapMax=0", "LimitCORE=0"] {
                assert!(unit.lines().any(|line| line == bound), "{bound}: {unit}");
            }
        }
    }
}
