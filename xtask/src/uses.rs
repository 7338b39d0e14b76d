//! Which file uses which: every path in a crate's code, followed to the file that defines what it names.
//!
//! Seen are imports, paths in code, in macros' tokens and in attributes, and `self.method()` where the method is
//! in another file than its type. Not seen are other methods, as that needs types.

use std::collections::{HashMap, HashSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Lit, Meta, Stmt};

use crate::names::Target;
use crate::tree::{
    Definition, FileId, Import, ModuleId, Tree, attributes, for_tests, imports, word,
};

/// One place where a file uses another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub(crate) from: FileId,
    pub(crate) to: FileId,
    pub(crate) line: usize,
    /// As it is written there.
    pub(crate) path: String,
}

/// All uses between different files of the crate.
pub(crate) fn uses(tree: &Tree) -> Vec<Use> {
    let methods = Methods::of(tree);
    let mut found = Vec::new();
    imported(tree, &mut found);
    for (id, file) in tree.files.iter().enumerate() {
        let mut reader = Reader {
            tree,
            methods: &methods,
            file: id,
            module: file.module,
            local: Vec::new(),
            own: None,
            found: &mut found,
        };
        for item in &file.items {
            reader.visit_item(item);
        }
    }
    found.sort();
    found.dedup();
    found
}

/// What modules import, used or not.
fn imported(tree: &Tree, found: &mut Vec<Use>) {
    for (id, module) in tree.modules.iter().enumerate() {
        for import in &module.imports {
            for target in tree.resolve_import(id, import) {
                let (to, counts) = match &target {
                    Target::Module(to) => {
                        (*to, import.name.is_none() && defines_something(tree, *to))
                    }
                    Target::Item { module: to, .. } => (*to, true),
                };
                // A file above another passes on what that one has; what it uses itself, its code names. A trait's
                // methods are used without its name.
                let above = tree.holds(tree.files[module.file].module, to);
                let is_trait = matches!(target, Target::Item { is_trait: true, .. });
                if counts && (!above || is_trait && !import.public) {
                    push(
                        found,
                        module.file,
                        tree.modules[to].file,
                        import.line,
                        &written(import),
                    );
                }
            }
        }
    }
}

fn defines_something(tree: &Tree, module: ModuleId) -> bool {
    let kinds = tree.modules[module].defines.values().flatten();
    kinds
        .into_iter()
        .any(|kind| !matches!(kind, Definition::Module(_) | Definition::Exported(_)))
}

fn written(import: &Import) -> String {
    let path = import.path.join("::");
    if import.name.is_none() {
        format!("use {path}::*")
    } else {
        format!("use {path}")
    }
}

fn push(found: &mut Vec<Use>, from: FileId, to: FileId, line: usize, path: &str) {
    if from != to {
        found.push(Use {
            from,
            to,
            line,
            path: path.to_owned(),
        });
    }
}

impl Tree {
    fn resolve_import(&self, module: ModuleId, import: &Import) -> Vec<Target> {
        self.resolve(module, &import.path, &[])
    }
}

/// Methods that are in another file than the type they belong to.
struct Methods(HashMap<(ModuleId, String, String), HashSet<FileId>>);

impl Methods {
    fn of(tree: &Tree) -> Self {
        let mut methods = Self(HashMap::new());
        for file in &tree.files {
            methods.collect(tree, file.module, &file.items);
        }
        methods
    }

    fn collect(&mut self, tree: &Tree, module: ModuleId, items: &[Item]) {
        for item in items.iter().filter(|item| !for_tests(attributes(item))) {
            match item {
                Item::Mod(inner) => {
                    if let (Some((_, items)), Some(id)) =
                        (&inner.content, child(tree, module, inner))
                    {
                        self.collect(tree, id, items);
                    }
                }
                Item::Impl(block) if block.trait_.is_none() => {
                    let Some((of, name)) = own_type(tree, module, &block.self_ty) else {
                        continue;
                    };
                    for part in &block.items {
                        let method = match part {
                            syn::ImplItem::Fn(method) if !for_tests(&method.attrs) => {
                                word(&method.sig.ident)
                            }
                            syn::ImplItem::Const(value) => word(&value.ident),
                            _ => continue,
                        };
                        let files = self.0.entry((of, name.clone(), method)).or_default();
                        files.insert(tree.modules[module].file);
                    }
                }
                _ => (),
            }
        }
    }
}

/// The type of this crate that an `impl` is for.
fn own_type(tree: &Tree, module: ModuleId, of: &syn::Type) -> Option<(ModuleId, String)> {
    let syn::Type::Path(of) = of else { return None };
    tree.resolve(module, &words(&of.path), &[])
        .into_iter()
        .find_map(|target| match target {
            Target::Item { module, name, .. } => Some((module, name)),
            Target::Module(_) => None,
        })
}

fn child(tree: &Tree, module: ModuleId, inner: &syn::ItemMod) -> Option<ModuleId> {
    tree.modules[module]
        .defines
        .get(&word(&inner.ident))?
        .iter()
        .find_map(|kind| match kind {
            Definition::Module(id) => Some(*id),
            _ => None,
        })
}

fn words(path: &syn::Path) -> Vec<String> {
    path.segments
        .iter()
        .map(|segment| word(&segment.ident))
        .collect()
}

/// Reads one file's code.
struct Reader<'a> {
    tree: &'a Tree,
    methods: &'a Methods,
    file: FileId,
    module: ModuleId,
    /// Imports of the functions that are being read.
    local: Vec<Import>,
    /// The type whose `impl` is being read.
    own: Option<(ModuleId, String)>,
    found: &'a mut Vec<Use>,
}

impl Reader<'_> {
    fn path(&mut self, path: &[String], line: usize) {
        if path.first().is_some_and(|first| first == "Self") {
            if let ([_, method, ..], Some((of, name))) = (path, self.own.clone()) {
                self.method(of, &name, method, line);
            }
            return;
        }
        for target in self.tree.resolve(self.module, path, &self.local) {
            // A module alone is not yet a use of anything in it.
            if let Target::Item {
                module, name, rest, ..
            } = target
            {
                push(
                    self.found,
                    self.file,
                    self.tree.modules[module].file,
                    line,
                    &path.join("::"),
                );
                if let Some(method) = rest.first() {
                    self.method(module, &name, method, line);
                }
            }
        }
    }

    /// A path that may be a macro's, which reaches further down than other names.
    fn named(&mut self, path: &[String], is_macro: bool, line: usize) {
        let reaching = match path {
            [name] if is_macro && self.tree.resolve(self.module, path, &self.local).is_empty() => {
                self.tree.macro_in_scope(self.module, name)
            }
            _ => None,
        };
        match reaching {
            Some(module) => {
                push(
                    self.found,
                    self.file,
                    self.tree.modules[module].file,
                    line,
                    &format!("{}!", path[0]),
                );
            }
            None => self.path(path, line),
        }
    }

    fn method(&mut self, of: ModuleId, name: &str, method: &str, line: usize) {
        let key = (of, name.to_owned(), method.to_owned());
        for file in self.methods.0.get(&key).into_iter().flatten() {
            push(
                self.found,
                self.file,
                *file,
                line,
                &format!("{name}::{method}"),
            );
        }
    }

    /// Paths that can be seen in what a macro or an attribute is given.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => {
                    self.tokens(group.stream());
                    at += 1;
                }
                TokenTree::Ident(first) => {
                    let line = first.span().start().line;
                    let mut path = vec![word(first)];
                    let mut next = at + 1;
                    while let Some(ident) = continued(&tokens, next) {
                        path.push(ident);
                        next += 3;
                    }
                    let before = at.checked_sub(1).and_then(|before| tokens.get(before));
                    let is_field =
                        matches!(before, Some(TokenTree::Punct(dot)) if dot.as_char() == '.');
                    let is_macro = matches!(tokens.get(next), Some(TokenTree::Punct(mark)) if mark.as_char() == '!');
                    if !is_field {
                        self.named(&path, is_macro, line);
                    } else if let Some((of, name)) =
                        self.own.clone().filter(|_| after_self(&tokens, at))
                    {
                        self.method(of, &name, &path[0], line);
                    }
                    at = next;
                }
                _ => at += 1,
            }
        }
    }
}

/// The word at `at + 2`, where `::` stands before it.
fn continued(tokens: &[TokenTree], at: usize) -> Option<String> {
    match tokens.get(at..at + 3)? {
        [
            TokenTree::Punct(a),
            TokenTree::Punct(b),
            TokenTree::Ident(next),
        ] if a.as_char() == ':' && b.as_char() == ':' => Some(word(next)),
        _ => None,
    }
}

/// Whether `self.` stands before the word at `at`.
fn after_self(tokens: &[TokenTree], at: usize) -> bool {
    let two_before = at.checked_sub(2).and_then(|before| tokens.get(before));
    matches!(two_before, Some(TokenTree::Ident(own)) if own == "self")
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, inner: &'ast syn::ItemMod) {
        // A module in a file of its own is read with that file.
        if inner.content.is_none() {
            return;
        }
        if let Some(id) = child(self.tree, self.module, inner) {
            let outer = std::mem::replace(&mut self.module, id);
            visit::visit_item_mod(self, inner);
            self.module = outer;
        }
    }

    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        let own = own_type(self.tree, self.module, &block.self_ty);
        let outer = std::mem::replace(&mut self.own, own);
        visit::visit_item_impl(self, block);
        self.own = outer;
    }

    fn visit_impl_item_fn(&mut self, method: &'ast syn::ImplItemFn) {
        if !for_tests(&method.attrs) {
            visit::visit_impl_item_fn(self, method);
        }
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        let outer = self.local.len();
        for statement in &block.stmts {
            if let Stmt::Item(Item::Use(import)) = statement {
                imports(import, &mut self.local);
            }
        }
        let imported: Vec<Import> = self.local[outer..].to_vec();
        for import in &imported {
            self.path(&import.path, import.line);
        }
        visit::visit_block(self, block);
        self.local.truncate(outer);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.path(&words(path), path.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let on_self =
            matches!(&*call.receiver, syn::Expr::Path(receiver) if receiver.path.is_ident("self"));
        if let Some((of, name)) = self.own.clone().filter(|_| on_self) {
            self.method(
                of,
                &name,
                &word(&call.method),
                call.method.span().start().line,
            );
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let name = words(&call.path);
        let line = call.path.span().start().line;
        match &name[..] {
            [name]
                if self
                    .tree
                    .resolve(self.module, std::slice::from_ref(name), &self.local)
                    .is_empty() =>
            {
                if let Some(module) = self.tree.macro_in_scope(self.module, name) {
                    push(
                        self.found,
                        self.file,
                        self.tree.modules[module].file,
                        line,
                        &format!("{name}!"),
                    );
                }
            }
            _ => self.path(&name, line),
        }
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let Meta::List(list) = &attribute.meta else {
            return;
        };
        self.tokens(list.tokens.clone());
        // serde names functions in strings: `#[serde(with = "module")]`.
        if list.path.is_ident("serde") {
            self.named_in_strings(list);
        }
    }

    /// `pub(in path)` gives access and uses nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

impl Reader<'_> {
    fn named_in_strings(&mut self, list: &syn::MetaList) {
        for token in list.tokens.clone() {
            let line = token.span().start().line;
            let TokenTree::Literal(literal) = token else {
                continue;
            };
            let Lit::Str(text) = Lit::new(literal) else {
                continue;
            };
            let Ok(path) = text.parse::<syn::Path>() else {
                continue;
            };
            let path = words(&path);
            self.path(&path, line);
            // `with` names a module, whose two functions serde calls.
            for function in ["serialize", "deserialize"] {
                let function: Vec<String> =
                    path.iter().cloned().chain([function.to_owned()]).collect();
                self.path(&function, line);
            }
        }
    }
}
