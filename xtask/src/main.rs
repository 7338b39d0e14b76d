//! `cargo run -p xtask -- circles` and `-- house`.

use std::path::Path;
use std::process::ExitCode;

use xtask::circles::{circles, render};
use xtask::house::{CODE_LINES_MAX, Lines, count};
use xtask::{Package, packages, root};

const USAGE: &str = "usage: cargo run -p xtask -- (circles | house) [--crate NAME]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (task, only) = match words[..] {
        [task] => (task, None),
        [task, "--crate", name] => (task, Some(name)),
        _ => ("", None),
    };
    let root = root();
    let mut chosen = packages(&root);
    chosen.retain(|package| only.is_none_or(|name| package.is_called(name)));
    if let (Some(name), true) = (only, chosen.is_empty()) {
        eprintln!("no crate is called {name}");
        return ExitCode::from(2);
    }
    let done = match task {
        "circles" => tell_circles(&chosen, &root),
        "house" => tell_house(&chosen, &root),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

/// Prints every circle; `true` where there is none.
fn tell_circles(packages: &[Package], root: &Path) -> Result<bool, String> {
    let mut none = true;
    for package in packages {
        for circle in circles(package)? {
            none = false;
            print!("{}: {}", package.name, render(&circle, root));
        }
    }
    if none {
        println!("no circles");
    }
    Ok(none)
}

/// Prints a line for each crate and each file that is too long; `true` where none is.
fn tell_house(packages: &[Package], root: &Path) -> Result<bool, String> {
    let mut all_short = true;
    println!(
        "{:16} {:>7} {:>14} {:>17}",
        "crate", "code", "docs per 100", "reasons per 100"
    );
    for package in packages {
        let files = count(package)?;
        let sum = files
            .iter()
            .fold(Lines::default(), |sum, (_, lines)| Lines {
                code: sum.code + lines.code,
                docs: sum.docs + lines.docs,
                reasons: sum.reasons + lines.reasons,
            });
        let (docs, reasons) = (sum.per_hundred(sum.docs), sum.per_hundred(sum.reasons));
        println!(
            "{:16} {:>7} {docs:>14.1} {reasons:>17.1}",
            package.name, sum.code
        );
        for (path, lines) in files
            .iter()
            .filter(|(_, lines)| lines.code > CODE_LINES_MAX)
        {
            all_short = false;
            let path = path.strip_prefix(root).unwrap_or(path);
            println!(
                "  {} has {} lines of code, more than {CODE_LINES_MAX}",
                path.display(),
                lines.code
            );
        }
    }
    Ok(all_short)
}
