//! How long files are, and how much of them is told: lines of code, of documentation, and of comments that give a
//! reason. Code for tests alone does not count.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use syn::spanned::Spanned;

use crate::packages::Package;
use crate::tree::{Tree, attributes, for_tests};

/// A file past this usually holds two ideas.
pub const CODE_LINES_MAX: usize = 500;

/// Lines of one file, or of all files of a crate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lines {
    /// Lines with code on them.
    pub code: usize,
    /// Lines of doc comments.
    pub docs: usize,
    /// Lines with a comment that is not documentation, beside code or on their own.
    pub reasons: usize,
}

impl Lines {
    /// How many of `part` there are to 100 lines of code.
    pub fn per_hundred(&self, part: usize) -> f64 {
        if self.code == 0 {
            0.0
        } else {
            part as f64 * 100.0 / self.code as f64
        }
    }
}

/// Counts every file of `package`.
///
/// # Errors
/// A file that cannot be read or parsed.
pub fn count(package: &Package) -> Result<Vec<(PathBuf, Lines)>, String> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let tree = Tree::load(&package.entry, &read)?;
    let mut counted = Vec::new();
    for file in &tree.files {
        let text =
            read(&file.path).ok_or_else(|| format!("{}: no such file", file.path.display()))?;
        counted.push((file.path.clone(), count_text(&text)?));
    }
    Ok(counted)
}

/// Counts the lines of one file's `text`.
///
/// # Errors
/// Text that is not Rust.
pub fn count_text(text: &str) -> Result<Lines, String> {
    let parsed = syn::parse_file(text).map_err(|e| e.to_string())?;
    let mut tests = BTreeSet::new();
    for item in parsed
        .items
        .iter()
        .filter(|item| for_tests(attributes(item)))
    {
        tests.extend(item.span().start().line..=item.span().end().line);
    }

    let mut marks = Marks::default();
    marks.tokens(text.parse().map_err(|e| format!("{e}"))?);
    let mut lines = Lines::default();
    for (at, line) in text
        .lines()
        .enumerate()
        .filter(|(at, _)| !tests.contains(&(at + 1)))
    {
        let number = at + 1;
        let after_code = marks.ends.get(&number).copied().unwrap_or(0);
        let is_doc = marks.docs.contains(&number);
        lines.code += usize::from(marks.ends.contains_key(&number));
        lines.docs += usize::from(is_doc);
        let rest: String = line.chars().skip(after_code).collect();
        lines.reasons += usize::from(!is_doc && rest.trim_start().starts_with("//"));
    }
    Ok(lines)
}

/// What stands on which line, counted from 1.
#[derive(Default)]
struct Marks {
    /// Where a line's last token ends, in characters.
    ends: std::collections::BTreeMap<usize, usize>,
    docs: BTreeSet<usize>,
}

impl Marks {
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            if let Some(length) = documentation(&tokens[at..]) {
                // The lexer gives a doc comment as `#[doc = "…"]` with the comment's place.
                let span = tokens[at].span();
                self.docs.extend(span.start().line..=span.end().line);
                at += length;
                continue;
            }
            match &tokens[at] {
                TokenTree::Group(group) => {
                    if group.delimiter() != Delimiter::None {
                        self.span(group.span_open());
                        self.span(group.span_close());
                    }
                    self.tokens(group.stream());
                }
                token => self.span(token.span()),
            }
            at += 1;
        }
    }

    fn span(&mut self, span: proc_macro2::Span) {
        let (start, end) = (span.start(), span.end());
        for line in start.line..=end.line {
            let column = if line == end.line {
                end.column
            } else {
                usize::MAX
            };
            let last = self.ends.entry(line).or_default();
            *last = column.max(*last);
        }
    }
}

/// How many tokens a doc comment at the start of `tokens` is made of.
fn documentation(tokens: &[TokenTree]) -> Option<usize> {
    let is = |token: Option<&TokenTree>, wanted: char| {
        matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == wanted && mark.spacing() == Spacing::Alone)
            || matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == wanted)
    };
    if !is(tokens.first(), '#') {
        return None;
    }
    let inner = usize::from(is(tokens.get(1), '!'));
    let Some(TokenTree::Group(group)) = tokens.get(1 + inner) else {
        return None;
    };
    let first = group.stream().into_iter().next();
    matches!(first, Some(TokenTree::Ident(name)) if name == "doc").then_some(2 + inner)
}
