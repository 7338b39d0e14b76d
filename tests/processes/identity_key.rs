//! `tacit id`, and the key file it makes, from the outside.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use store::Error;
use store::key_file::{self, StoredKey};
use store::passphrase::Passphrase;
use tempfile::TempDir;

/// A place for homes and passphrase files, gone after the test.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn home(&self) -> PathBuf {
        self.0.path().join("home")
    }

    fn key(&self) -> PathBuf {
        self.home().join("identity.key")
    }

    fn passphrase_file(&self, passphrase: &str) -> String {
        let path = self.0.path().join("passphrase");
        fs::write(&path, passphrase).unwrap();
        set_mode(&path, 0o600);
        path.to_str().unwrap().to_owned()
    }

    /// Runs in a session of its own, so that there is no terminal to ask on, whoever runs the tests.
    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        command.arg("--wait").arg(cargo_bin!("tacit"));
        command.arg("id").arg("--home").arg(self.home());
        command.args(options).stdin(Stdio::null());
        command
    }

    fn run(&self, options: &[&str]) -> Output {
        self.command(options).output().unwrap()
    }

    fn answer(&self, options: &[&str]) -> Value {
        let output = self.run(&[&["--json"], options].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn refusal(&self, options: &[&str], code: i32) -> String {
        let output = self.run(options);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
        stderr(&output)
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_first_use_makes_the_key_and_the_next_prints_the_same() {
    let place = Place::new();
    let first = place.answer(&["--no-passphrase"]);
    assert_eq!(first["created"], true);
    assert_eq!(first["sealed"], false);
    let written = fs::read(place.key()).unwrap();

    let second = place.answer(&[]);
    assert_eq!(second["created"], false);
    assert_eq!(second["id"], first["id"]);
    assert_eq!(second["words"], first["words"]);
    assert_eq!(fs::read(place.key()).unwrap(), written);

    let text = String::from_utf8(place.run(&[]).stdout).unwrap();
    assert!(text.contains(first["id"].as_str().unwrap()));
    for word in first["words"].as_array().unwrap() {
        assert!(text.contains(word.as_str().unwrap()));
    }
}

#[test]
fn home_is_0700_the_key_0600_and_nothing_else_is_left() {
    let place = Place::new();
    place.answer(&["--no-passphrase"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&place.home()), 0o700);
    assert_eq!(mode(&place.key()), 0o600);
    assert_eq!(fs::read_dir(place.home()).unwrap().count(), 1);
}

#[test]
fn without_a_home_option_the_xdg_directory_is_used() {
    let place = Place::new();
    let id_in = |variables: &[(&str, &Path)]| {
        let output = Command::new(cargo_bin!("tacit"))
            .args(["id", "--no-passphrase", "--json"])
            .env_remove("XDG_DATA_HOME")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        PathBuf::from(answer["key_file"].as_str().unwrap())
    };
    let (data, user) = (place.0.path().join("data"), place.0.path().join("user"));
    let by_default = user.join(".local/share/tacit/identity.key");
    assert_eq!(
        id_in(&[("XDG_DATA_HOME", &data), ("HOME", &user)]),
        data.join("tacit/identity.key")
    );
    assert_eq!(id_in(&[("HOME", &user)]), by_default);
    let relative = Path::new("data");
    assert_eq!(
        id_in(&[("XDG_DATA_HOME", relative), ("HOME", &user)]),
        by_default
    );
}

#[test]
fn a_sealed_key_opens_with_its_passphrase_and_shows_its_id_without() {
    let place = Place::new();
    let file = place.passphrase_file("correct horse battery staple\n");
    let made = place.answer(&["--passphrase-file", &file]);
    assert_eq!(made["sealed"], true);
    assert_eq!(place.answer(&[])["id"], made["id"], "without");
    assert_eq!(
        place.answer(&["--passphrase-file", &file])["id"],
        made["id"]
    );

    let Some(StoredKey::Sealed(sealed)) = key_file::load(&place.home()).unwrap() else {
        panic!("not sealed");
    };
    let passphrase = Passphrase::new("correct horse battery staple").unwrap();
    let key = sealed.unseal(&passphrase).unwrap();
    assert_eq!(key.id().to_string(), made["id"]);
}

#[test]
fn a_wrong_passphrase_and_an_unneeded_option_are_refused() {
    let place = Place::new();
    let file = place.passphrase_file("correct horse battery staple");
    place.answer(&["--passphrase-file", &file]);
    let file = place.passphrase_file("correct horse battery stapler");
    let told = place.refusal(&["--passphrase-file", &file], 1);
    assert!(told.contains("wrong passphrase"), "{told}");
    assert!(!told.contains("stapler"));
    let told = place.refusal(&["--no-passphrase"], 2);
    assert!(told.contains("is sealed"), "{told}");
}

#[test]
fn without_a_terminal_the_error_says_which_options_help() {
    let place = Place::new();
    let told = place.refusal(&[], 2);
    assert!(told.contains("--passphrase-file") && told.contains("--no-passphrase"));
    assert!(!place.home().exists());
}

#[test]
fn empty_passphrases_are_refused_and_short_ones_warned_about() {
    let place = Place::new();
    let file = place.passphrase_file("\n");
    let told = place.refusal(&["--passphrase-file", &file], 1);
    assert!(told.contains("empty"), "{told}");
    let file = place.passphrase_file("elevenchars");
    let output = place.run(&["--passphrase-file", &file]);
    assert!(output.status.success());
    assert!(stderr(&output).contains("fewer than 12"));
}

#[test]
fn a_key_that_others_may_read_is_refused_and_the_remedy_named() {
    let place = Place::new();
    place.answer(&["--no-passphrase"]);
    for mode in [0o640, 0o604, 0o660, 0o610, 0o644] {
        set_mode(&place.key(), mode);
        let told = place.refusal(&[], 1);
        let remedy = format!("chmod 600 {}", place.key().display());
        assert!(told.contains(&remedy), "{told}");
    }
    set_mode(&place.key(), 0o400);
    place.answer(&[]);
}

#[test]
fn a_passphrase_file_that_others_may_read_is_refused() {
    let place = Place::new();
    let file = place.passphrase_file("correct horse battery staple");
    set_mode(Path::new(&file), 0o640);
    let told = place.refusal(&["--passphrase-file", &file], 1);
    assert!(told.contains(&format!("chmod 600 {file}")), "{told}");
    assert!(!place.key().exists());
}

#[test]
fn a_home_that_others_may_write_to_is_refused() {
    let place = Place::new();
    fs::create_dir(place.home()).unwrap();
    set_mode(&place.home(), 0o770);
    let told = place.refusal(&["--no-passphrase"], 1);
    let remedy = format!("chmod 700 {}", place.home().display());
    assert!(told.contains(&remedy), "{told}");
    set_mode(&place.home(), 0o755);
    place.answer(&["--no-passphrase"]);
}

/// Only root can give a file away; for anybody else there is nothing to try.
#[test]
fn a_key_of_another_user_is_refused() {
    let place = Place::new();
    place.answer(&["--no-passphrase"]);
    if std::os::unix::fs::chown(place.key(), Some(65534), None).is_ok() {
        let told = place.refusal(&[], 1);
        assert!(told.contains("belongs to user 65534"), "{told}");
    }
}

#[test]
fn links_and_pipes_in_the_keys_place_are_refused() {
    let place = Place::new();
    place.answer(&["--no-passphrase"]);
    let elsewhere = place.0.path().join("elsewhere.key");
    fs::rename(place.key(), &elsewhere).unwrap();

    symlink(&elsewhere, place.key()).unwrap();
    let told = place.refusal(&["--no-passphrase"], 1);
    assert!(told.contains("not an ordinary file"), "{told}");

    fs::remove_file(place.key()).unwrap();
    symlink("nowhere", place.key()).unwrap();
    place.refusal(&["--no-passphrase"], 1);
    assert!(!place.home().join("nowhere").exists());

    fs::remove_file(place.key()).unwrap();
    let made = Command::new("mkfifo")
        .arg("--mode=600")
        .arg(place.key())
        .status();
    assert!(made.unwrap().success());
    place.refusal(&["--no-passphrase"], 1);
}

#[test]
fn a_key_file_cut_at_any_length_is_reported_and_left_alone() {
    let place = Place::new();
    let file = place.passphrase_file("correct horse battery staple");
    for options in [vec!["--no-passphrase"], vec!["--passphrase-file", &file]] {
        place.answer(&options);
        let whole = fs::read(place.key()).unwrap();
        for length in 0..whole.len() {
            fs::write(place.key(), &whole[..length]).unwrap();
            let refused = key_file::load(&place.home());
            assert!(matches!(refused, Err(Error::KeyFile { .. })), "{length}");
        }
        for length in [0, 1, 100, whole.len() - 1] {
            fs::write(place.key(), &whole[..length]).unwrap();
            let told = place.refusal(&options, 1);
            assert!(told.contains("damaged or cut short"), "{told}");
            assert_eq!(fs::read(place.key()).unwrap(), &whole[..length]);
        }
        fs::remove_file(place.key()).unwrap();
    }
}

#[test]
fn of_processes_that_race_one_makes_the_key_and_all_print_it() {
    let place = Place::new();
    let file = place.passphrase_file("correct horse battery staple");
    for options in [vec!["--no-passphrase"], vec!["--passphrase-file", &file]] {
        for _ in 0..8 {
            let running: Vec<_> = (0..4)
                .map(|_| {
                    let mut command = place.command(&[&["--json"], &options[..]].concat());
                    command.stdout(Stdio::piped()).stderr(Stdio::piped());
                    command.spawn().unwrap()
                })
                .collect();
            let answers: Vec<Value> = running
                .into_iter()
                .map(|child| child.wait_with_output().unwrap())
                .inspect(|output| assert!(output.status.success(), "{}", stderr(output)))
                .map(|output| serde_json::from_slice(&output.stdout).unwrap())
                .collect();
            let created = answers.iter().filter(|a| a["created"] == true).count();
            assert_eq!(created, 1);
            assert!(answers.iter().all(|a| a["id"] == answers[0]["id"]));
            assert_eq!(place.answer(&[])["id"], answers[0]["id"]);
            assert_eq!(fs::read_dir(place.home()).unwrap().count(), 1);
            fs::remove_dir_all(place.home()).unwrap();
        }
    }
}
