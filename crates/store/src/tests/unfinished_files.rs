//! What `tacit match` has in `unfinished/` from the moment before the peer is called to the end.

use std::collections::BTreeMap;

use super::whole_sessions::played_at;
use super::*;
use crate::unfinished::{About, Draft, Entry, Unfinished};
use identity::list::{Columns, ListReport};
use identity::{List, Person, Schema};
use protocol::{Persist, SignedState};

const CEILING: u32 = 1024;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> Unfinished {
        Unfinished::of(self.0.path(), &key())
    }

    fn draft(&self, people: u32) -> Draft {
        let mut rng = ChaCha20Rng::from_seed([6; 32]);
        let drafted = self.folder().draft(&about(), &list(people), &mut rng);
        drafted.unwrap()
    }

    fn path(&self, directory: &str) -> PathBuf {
        self.0.path().join(directory)
    }

    /// The files of a directory by their names.
    fn files(&self, directory: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let Ok(entries) = fs::read_dir(self.path(directory)) else {
            return BTreeMap::new();
        };
        let read = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.unwrap().path();
            let content = fs::read(&path).unwrap();
            (PathBuf::from(path.file_name().unwrap()), content)
        };
        entries.map(read).collect()
    }

    fn endings(&self, directory: &str) -> Vec<String> {
        let names = self.files(directory).into_keys();
        let ending = |name: PathBuf| name.extension().unwrap().to_str().unwrap().to_owned();
        let mut endings: Vec<_> = names.map(ending).collect();
        endings.sort();
        endings
    }

    fn put(&self, name: &Path, content: &[u8]) {
        let path = self.path("unfinished").join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn about() -> About {
    About {
        peer: NodeKey::from_seed(&[101; 32]).id(),
        begun: now(),
        mediator: None,
        wide: false,
        peer_people: 9,
        output: Some("answers.csv".into()),
        force: true,
        json: false,
    }
}

fn list(people: u32) -> List {
    let header = ["family_name", "given_name", "date_of_birth"].map(String::from);
    List {
        schema: Schema::default(),
        columns: Columns::restored(header.to_vec(), &[]).unwrap(),
        report: ListReport {
            people,
            ..ListReport::default()
        },
        people: (1..=people).map(|n| person(n, 7)).collect(),
    }
}

fn signed(people: u32) -> Arc<SignedState> {
    let identity = |n| person(n, 7).keys[0].1;
    let asked: Vec<_> = (1..=people).map(identity).collect();
    played_at(CEILING, &asked, prepared(CEILING)).0
}

fn keep(draft: &mut Draft, state: &Arc<SignedState>) {
    let mut rng = ChaCha20Rng::from_seed([8; 32]);
    let state = Persist::Signed(Arc::clone(state));
    draft.keep(&state, &mut rng).unwrap();
}

#[test]
fn as_much_is_written_at_signing_for_one_requested_person_as_for_a_thousand() {
    let written = [1, 1000].map(|people| {
        let (place, state) = (Place::new(), signed(people));
        let mut draft = place.draft(people);
        let before = place.files("unfinished");
        let of_the_list: usize = before.values().map(Vec::len).sum();
        assert!(of_the_list > 128 * people as usize, "the list is there");
        keep(&mut draft, &state);
        let mut after = place.files("unfinished");
        for (name, content) in &before {
            assert_eq!(after.remove(name).as_ref(), Some(content));
        }
        let lengths: Vec<_> = after.values().map(Vec::len).collect();
        assert_eq!(lengths.len(), 1, "the signed state");
        lengths
    });
    assert_eq!(written[0], written[1]);
}

#[test]
fn a_draft_is_on_disk_for_its_owner_alone_and_goes_with_its_session_unless_that_was_signed() {
    let place = Place::new();
    let draft = place.draft(3);
    assert_eq!(place.endings("unfinished"), ["about", "lock"]);
    for name in place.files("unfinished").keys() {
        let path = place.path("unfinished").join(name);
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
    // Another process neither finds it nor takes it away.
    assert!(place.folder().all().unwrap().is_empty());
    assert_eq!(place.endings("unfinished"), ["about", "lock"]);
    drop(draft);
    assert!(place.files("unfinished").is_empty());
    place.draft(3).erase().unwrap();
    assert!(place.files("unfinished").is_empty());
    let mut rng = ChaCha20Rng::from_seed([8; 32]);
    place.draft(3).set_aside(None, &mut rng).unwrap();
    assert!(place.files("unfinished").is_empty() && place.files("evidence").is_empty());
}

#[test]
fn what_a_crash_left_of_a_draft_is_no_unfinished_session_and_is_removed() {
    let place = Place::new();
    let draft = place.draft(3);
    let left = place.files("unfinished");
    drop(draft);
    for (name, content) in &left {
        place.put(name, content);
        if name.extension().is_some_and(|ending| ending == "about") {
            // The crash may come in the middle of the write, too.
            let beside = format!(".{}.Xq3f7A", name.display());
            place.put(Path::new(&beside), content);
        }
    }
    assert_eq!(place.files("unfinished").len(), 3);
    assert!(place.folder().all().unwrap().is_empty());
    assert!(place.files("unfinished").is_empty());
}

#[test]
fn a_signed_session_is_found_with_what_it_was_about_and_is_evidence_with_it() {
    let (place, state) = (Place::new(), signed(3));
    let mut draft = place.draft(3);
    keep(&mut draft, &state);
    assert!(matches!(place.folder().all().unwrap()[..], [Entry::Busy]));
    drop(draft);
    let mut entries = place.folder().all().unwrap();
    let Some(Entry::Session(found)) = entries.pop() else {
        panic!("not found");
    };
    assert!(entries.is_empty());
    assert_eq!(found.about, about());
    let whole = |list: &List| -> Vec<_> {
        let parts = |person: &Person| {
            let cells: Vec<String> = person
                .columns
                .iter()
                .flat_map(Cells::iter)
                .map(String::from)
                .collect();
            (
                person.line,
                person.record_id.clone(),
                cells,
                person.keys.clone(),
            )
        };
        list.people.iter().map(parts).collect()
    };
    assert!(whole(&found.requested) == whole(&list(3)));
    assert!(found.state.session == state.session && found.agreed.is_none());
    let mut rng = ChaCha20Rng::from_seed([8; 32]);
    found.set_aside(&place.folder(), None, &mut rng).unwrap();
    assert!(place.files("unfinished").is_empty());
    assert_eq!(place.endings("evidence"), ["about", "match"]);

    // A crash between the two.
    let name = place.files("evidence").into_keys().next().unwrap();
    let [from, to] = ["evidence", "unfinished"].map(|directory| place.path(directory).join(&name));
    fs::rename(from, to).unwrap();
    assert!(place.folder().all().unwrap().is_empty());
    assert!(place.files("unfinished").is_empty());
    assert_eq!(place.endings("evidence"), ["about", "match"]);
}

#[test]
fn a_signed_session_without_what_it_was_about_or_with_anothers_is_said_and_stays() {
    let (place, state) = (Place::new(), signed(1));
    let mut draft = place.draft(1);
    keep(&mut draft, &state);
    drop(draft);
    let kept = place.files("unfinished");
    let name = kept
        .keys()
        .find(|name| name.extension().unwrap() == "about");
    let other = Place::new();
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let others = other.folder().draft(&about(), &list(1), &mut rng).unwrap();
    let foreign = other.files("unfinished").into_values();
    let foreign = foreign.max_by_key(Vec::len).unwrap();
    drop(others);
    let unreadable = || matches!(place.folder().all().unwrap()[..], [Entry::Unreadable(_)]);
    place.put(name.unwrap(), &foreign);
    assert!(unreadable());
    fs::remove_file(place.path("unfinished").join(name.unwrap())).unwrap();
    assert!(unreadable());
    assert_eq!(place.endings("unfinished"), ["lock", "match"]);
    place.put(name.unwrap(), &kept[name.unwrap()]);
    assert!(matches!(
        place.folder().all().unwrap()[..],
        [Entry::Session(_)]
    ));
}
