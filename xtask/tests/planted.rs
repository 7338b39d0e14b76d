//! Circles planted in small crates are found, whichever way a file names another; and what is no circle is not one.

use std::path::Path;

use xtask::circles::{circles_of, render};
use xtask::house::{CODE_LINES_MAX, Lines, count, count_text};
use xtask::{packages, root};

/// The files of each circle in a crate of `files`, the first of which is its root.
fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let read = |path: &Path| {
        files
            .iter()
            .find(|(name, _)| Path::new(name) == path)
            .map(|(_, text)| (*text).to_owned())
    };
    let found = circles_of(Path::new(files[0].0), &read).expect("the planted crate parses");
    found.into_iter().map(|circle| circle.files).collect()
}

fn assert_circle(files: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(circles(files), [expected]);
}

fn assert_no_circle(files: &[(&str, &str)]) {
    assert_eq!(circles(files), Vec::<Vec<String>>::new());
}

#[test]
fn two_files_that_import_each_other_are_a_circle() {
    assert_circle(
        &[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use super::b::B; pub struct A(B);"),
            (
                "b.rs",
                "use crate::a::{self, A as Other}; pub struct B(Box<Other>);",
            ),
        ],
        &["a.rs", "b.rs"],
    );
}

#[test]
fn an_inline_path_without_any_import_makes_a_circle() {
    assert_circle(
        &[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub fn a() { crate::b::b() }"),
            ("b.rs", "pub fn b() { if false { super::a::a() } }"),
        ],
        &["a.rs", "b.rs"],
    );
}

#[test]
fn a_path_that_starts_at_an_imported_module_makes_a_circle() {
    assert_circle(
        &[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use super::b as other; pub fn a() { other::b() }"),
            ("b.rs", "pub fn b() { use super::*; a::a() }"),
        ],
        &["a.rs", "b.rs"],
    );
}

#[test]
fn a_re_export_is_followed_to_the_file_that_defines() {
    assert_circle(
        &[
            ("lib.rs", "mod a; mod b; mod front; pub use front::Renamed;"),
            ("front.rs", "pub use super::b::B as Renamed;"),
            ("a.rs", "pub struct A(Box<crate::Renamed>);"),
            ("b.rs", "use super::a::A; pub struct B(A);"),
        ],
        &["a.rs", "b.rs"],
    );
}

#[test]
fn a_glob_makes_a_circle() {
    assert_circle(
        &[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use super::b::*; pub struct A(B);"),
            ("b.rs", "use super::a::*; pub struct B(Box<A>);"),
        ],
        &["a.rs", "b.rs"],
    );
}

#[test]
fn a_name_brought_by_the_glob_of_a_re_export_makes_a_circle() {
    assert_circle(
        &[
            ("lib.rs", "mod a; mod b; pub use a::*;"),
            ("a.rs", "pub struct A(crate::b::B);"),
            ("b.rs", "pub struct B(Box<super::A>);"),
        ],
        &["a.rs", "b.rs"],
    );
}

#[test]
fn three_files_round_a_corner_are_a_circle() {
    assert_circle(
        &[
            ("lib.rs", "mod a; mod b; mod c; mod leaf;"),
            (
                "a.rs",
                "use super::{b::B, leaf::Leaf}; pub struct A(B, Leaf);",
            ),
            (
                "b.rs",
                "use super::{c::C, leaf::Leaf}; pub struct B(C, Leaf);",
            ),
            ("c.rs", "use super::a::A; pub struct C(Box<A>);"),
            ("leaf.rs", "pub struct Leaf;"),
        ],
        &["a.rs", "b.rs", "c.rs"],
    );
}

#[test]
fn a_child_that_uses_what_its_parent_defines_and_uses_it_in_turn_is_a_circle() {
    assert_circle(
        &[
            ("lib.rs", "mod a;"),
            (
                "a.rs",
                "mod b; pub struct Shared; pub fn a() -> b::B { b::b(Shared) }",
            ),
            (
                "a/b.rs",
                "use super::Shared; pub struct B; pub fn b(_: Shared) -> B { B }",
            ),
        ],
        &["a.rs", "a/b.rs"],
    );
}

#[test]
fn a_trait_whose_methods_alone_are_used_makes_a_circle() {
    assert_circle(
        &[
            ("lib.rs", "mod a;"),
            (
                "a.rs",
                "mod b; use b::Twice as _; pub struct Shared; pub fn a() { Shared.twice() }",
            ),
            (
                "a/b.rs",
                "use super::Shared; pub trait Twice { fn twice(&self) {} } impl Twice for Shared {}",
            ),
        ],
        &["a.rs", "a/b.rs"],
    );
}

#[test]
fn a_method_of_self_in_another_file_makes_a_circle() {
    assert_circle(
        &[
            ("lib.rs", "mod a;"),
            (
                "a.rs",
                "mod b; pub struct A; impl A { pub fn run(&self) { self.step() } }",
            ),
            (
                "a/b.rs",
                "use super::A; impl A { pub(super) fn step(&self) {} }",
            ),
        ],
        &["a.rs", "a/b.rs"],
    );
}

#[test]
fn paths_in_a_macros_tokens_make_a_circle() {
    assert_circle(
        &[
            ("lib.rs", "#[macro_use] mod a; mod b;"),
            (
                "a.rs",
                "#[macro_export] macro_rules! ask { () => { $crate::b::b() } }",
            ),
            (
                "b.rs",
                "pub fn b() { println!(\"{}\", [crate::ask!()].len()) }",
            ),
        ],
        &["a.rs", "b.rs"],
    );
}

#[test]
fn a_function_named_in_an_attribute_makes_a_circle() {
    assert_circle(
        &[
            ("lib.rs", "mod a; mod b;"),
            (
                "a.rs",
                "#[derive(Serialize)] pub struct A { #[serde(serialize_with = \"crate::b::hex\")] bytes: [u8; 4] }",
            ),
            ("b.rs", "use super::a::A; pub fn hex(_: &A) {}"),
        ],
        &["a.rs", "b.rs"],
    );
}

#[test]
fn a_module_in_a_file_of_its_own_may_keep_modules_inside_that_use_it() {
    assert_no_circle(&[
        ("lib.rs", "mod a;"),
        (
            "a.rs",
            "pub struct A; mod inner { use super::A; pub struct B(A); } pub use inner::B;",
        ),
    ]);
}

#[test]
fn a_parent_that_declares_and_passes_on_is_in_no_circle() {
    assert_no_circle(&[
        (
            "lib.rs",
            "mod a; mod b; pub use a::{A, make}; pub use b::*; use b::Only;",
        ),
        ("a.rs", "use super::b::B; pub struct A(B); pub fn make() {}"),
        ("b.rs", "pub struct B; pub(crate) struct Only;"),
    ]);
    assert_no_circle(&[
        ("lib.rs", "mod a; mod b; pub struct Root; pub use a::A;"),
        (
            "a.rs",
            "use super::Root; use super::b::B; pub struct A(Root, B);",
        ),
        ("b.rs", "pub struct B(super::Root);"),
    ]);
}

#[test]
fn a_parent_that_imports_for_its_children_only_is_in_no_circle() {
    assert_no_circle(&[
        ("lib.rs", "mod a; mod b; use a::A; pub struct Root;"),
        ("a.rs", "pub struct A(super::Root);"),
        ("b.rs", "use super::A; pub struct B(A);"),
    ]);
}

#[test]
fn tests_may_look_wherever_they_want() {
    assert_no_circle(&[
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "use super::b::B; pub struct A(B); #[cfg(test)] mod tests;",
        ),
        (
            "b.rs",
            "pub struct B; #[cfg(test)] mod tests { use crate::a::A; fn t(_: A) {} }",
        ),
    ]);
    assert_no_circle(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use super::b::B; pub struct A(B);"),
        (
            "b.rs",
            "#[cfg(all(test, unix))] use super::a::A; pub struct B; #[cfg(test)] fn t(_: A) {}",
        ),
    ]);
}

#[test]
fn a_name_of_another_crate_is_not_the_module_that_sounds_like_it() {
    assert_no_circle(&[
        ("lib.rs", "mod csv; mod a;"),
        (
            "csv.rs",
            "use super::a::A; use ::csv::Reader; pub struct B(A, Reader);",
        ),
        (
            "a.rs",
            "pub struct A(::csv::Reader); /// [`crate::csv::B`] is a link for readers.\npub struct C;",
        ),
    ]);
}

#[test]
fn a_circle_is_told_with_the_lines_that_make_it() {
    let files = [
        ("/house/src/lib.rs", "mod a;\nmod b;"),
        ("/house/src/a.rs", "pub fn a() {\n    crate::b::b()\n}"),
        (
            "/house/src/b.rs",
            "use super::a::a;\npub fn b() {\n    a()\n}",
        ),
    ];
    let read = |path: &Path| {
        files
            .iter()
            .find(|(name, _)| Path::new(name) == path)
            .map(|(_, text)| (*text).to_owned())
    };
    let found = circles_of(Path::new("/house/src/lib.rs"), &read).unwrap();
    assert_eq!(
        render(&found[0], Path::new("/house")),
        "a circle of 2 files:\n  src/a.rs uses src/b.rs\n    2: crate::b::b\n  src/b.rs uses src/a.rs\n    1: use super::a::a\n    3: a\n"
    );
}

#[test]
fn a_file_that_is_missing_is_told() {
    let error = circles_of(Path::new("lib.rs"), &|path| {
        (path == Path::new("lib.rs")).then(|| "mod gone;".to_owned())
    });
    assert!(error.unwrap_err().contains("gone"));
}

#[test]
fn code_documentation_and_reasons_are_told_apart() {
    let text = "\
//! A module.
//! Two lines of it.

/// A constant. // not a reason
#[derive(Debug)]
pub struct A {
    // A reason on its own line.
    field: u8, // A reason beside code.
}

const TEXT: &str = \"// no reason
and no comment\";

#[cfg(test)]
mod tests {
    // Not counted.
    fn t() {}
}
";
    assert_eq!(
        count_text(text).unwrap(),
        Lines {
            code: 6,
            docs: 3,
            reasons: 2
        }
    );
}

#[test]
fn no_files_of_this_workspace_are_in_a_circle() {
    let (root, mut told) = (root(), String::new());
    let packages = packages(&root);
    assert!(packages.len() >= 15, "the crates were found");
    for package in &packages {
        for circle in xtask::circles::circles(package).expect("it parses") {
            told += &format!("{}: {}", package.name, render(&circle, &root));
        }
    }
    assert_eq!(told, "");
}

#[test]
fn no_file_of_this_workspace_is_longer_than_500_lines_of_code() {
    for package in packages(&root()) {
        let files = count(&package).expect("it parses");
        assert!(!files.is_empty(), "{} has files", package.name);
        for (path, lines) in files {
            assert!(lines.code <= CODE_LINES_MAX, "{}", path.display());
        }
    }
}
