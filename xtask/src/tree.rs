//! A crate's modules, parsed: what each defines, what it imports, and in which file it stands.
//! What is compiled for tests alone is left out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::{Attribute, Item, ItemMod, Lit, Meta, UseTree, Visibility};

/// Index of a module in [`Tree::modules`].
pub(crate) type ModuleId = usize;
/// Index of a file in [`Tree::files`].
pub(crate) type FileId = usize;

/// All modules of one crate; the first is its root.
pub(crate) struct Tree {
    pub(crate) modules: Vec<Module>,
    pub(crate) files: Vec<File>,
}

/// A source file and the module that it is.
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) module: ModuleId,
    pub(crate) items: Vec<Item>,
}

pub(crate) struct Module {
    pub(crate) parent: Option<ModuleId>,
    pub(crate) file: FileId,
    /// What it defines itself. One name can stand for a module, a type and a function at once.
    pub(crate) defines: HashMap<String, Vec<Definition>>,
    pub(crate) imports: Vec<Import>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Definition {
    Module(ModuleId),
    Trait,
    Macro,
    /// A macro that another module defines for the whole crate: `#[macro_export]` puts its name at the root.
    Exported(ModuleId),
    Other,
}

/// One name, or one glob, that a `use` brings in.
#[derive(Debug, Clone)]
pub(crate) struct Import {
    /// Under which name; `None` for a glob, `_` for a trait whose methods alone are wanted.
    pub(crate) name: Option<String>,
    pub(crate) path: Vec<String>,
    /// `pub` in any form: passed on, and not necessarily used here.
    pub(crate) public: bool,
    pub(crate) line: usize,
}

impl Tree {
    /// Parses the crate whose root is `entry`, with `read` for the text of a file, `None` where there is none.
    ///
    /// # Errors
    /// The file that is missing or does not parse.
    pub(crate) fn load(
        entry: &Path,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> Result<Self, String> {
        let mut tree = Self {
            modules: Vec::new(),
            files: Vec::new(),
        };
        let folder = entry.parent().unwrap_or(Path::new(""));
        tree.file(None, entry, folder, read)?;
        Ok(tree)
    }

    /// Adds the file `path`, whose child modules are in `folder`.
    fn file(
        &mut self,
        parent: Option<ModuleId>,
        path: &Path,
        folder: &Path,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> Result<ModuleId, String> {
        let text = read(path).ok_or_else(|| format!("{}: no such file", path.display()))?;
        let parsed = syn::parse_file(&text).map_err(|e| format!("{}: {e}", path.display()))?;

        let file = self.files.len();
        let module = self.module(parent, file);
        self.files.push(File {
            path: path.to_owned(),
            module,
            items: Vec::new(),
        });
        self.define(module, &parsed.items, folder, read)?;
        self.files[file].items = parsed.items;
        Ok(module)
    }

    fn module(&mut self, parent: Option<ModuleId>, file: FileId) -> ModuleId {
        self.modules.push(Module {
            parent,
            file,
            defines: HashMap::new(),
            imports: Vec::new(),
        });
        self.modules.len() - 1
    }

    fn define(
        &mut self,
        module: ModuleId,
        items: &[Item],
        folder: &Path,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> Result<(), String> {
        for item in items.iter().filter(|item| !for_tests(attributes(item))) {
            match item {
                Item::Mod(child) => {
                    let id = self.child(module, child, folder, read)?;
                    self.add(module, &child.ident, Definition::Module(id));
                }
                Item::Use(import) => imports(import, &mut self.modules[module].imports),
                Item::Const(item) => self.add(module, &item.ident, Definition::Other),
                Item::Enum(item) => self.add(module, &item.ident, Definition::Other),
                Item::Fn(item) => self.add(module, &item.sig.ident, Definition::Other),
                Item::Static(item) => self.add(module, &item.ident, Definition::Other),
                Item::Struct(item) => self.add(module, &item.ident, Definition::Other),
                Item::Trait(item) => self.add(module, &item.ident, Definition::Trait),
                Item::TraitAlias(item) => self.add(module, &item.ident, Definition::Trait),
                Item::Type(item) => self.add(module, &item.ident, Definition::Other),
                Item::Union(item) => self.add(module, &item.ident, Definition::Other),
                Item::Macro(item) => {
                    if let Some(name) = &item.ident {
                        self.add(module, name, Definition::Macro);
                        if item
                            .attrs
                            .iter()
                            .any(|attribute| attribute.path().is_ident("macro_export"))
                        {
                            self.add(0, name, Definition::Exported(module));
                        }
                    }
                }
                _ => (),
            }
        }
        Ok(())
    }

    fn add(&mut self, module: ModuleId, name: &syn::Ident, definition: Definition) {
        self.modules[module]
            .defines
            .entry(word(name))
            .or_default()
            .push(definition);
    }

    fn child(
        &mut self,
        parent: ModuleId,
        child: &ItemMod,
        folder: &Path,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> Result<ModuleId, String> {
        let name = word(&child.ident);
        let inside = folder.join(&name);
        if let Some((_, items)) = &child.content {
            let id = self.module(Some(parent), self.modules[parent].file);
            self.define(id, items, &inside, read)?;
            return Ok(id);
        }
        if let Some(elsewhere) = path_attribute(&child.attrs) {
            // Beside the file that names it, not in that file's folder.
            let beside = self.files[self.modules[parent].file]
                .path
                .parent()
                .unwrap_or(Path::new(""))
                .join(elsewhere);
            let folder = beside.parent().unwrap_or(Path::new("")).to_owned();
            return self.file(Some(parent), &beside, &folder, read);
        }
        let file = folder.join(format!("{name}.rs"));
        let file = if read(&file).is_some() {
            file
        } else {
            inside.join("mod.rs")
        };
        self.file(Some(parent), &file, &inside, read)
    }

    /// Whether `above` is `module` or one of those it stands in.
    pub(crate) fn holds(&self, above: ModuleId, module: ModuleId) -> bool {
        let mut at = Some(module);
        while let Some(id) = at {
            if id == above {
                return true;
            }
            at = self.modules[id].parent;
        }
        false
    }
}

/// A name as it is meant: `r#type` is `type`.
pub(crate) fn word(name: &syn::Ident) -> String {
    let name = name.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// Everything that a `use` declares, groups and renames taken apart.
pub(crate) fn imports(item: &syn::ItemUse, into: &mut Vec<Import>) {
    // `::name` is another crate, whatever a module here is called.
    if item.leading_colon.is_none() {
        let public = !matches!(item.vis, Visibility::Inherited);
        spread(&item.tree, &mut Vec::new(), public, into);
    }
}

fn spread(tree: &UseTree, before: &mut Vec<String>, public: bool, into: &mut Vec<Import>) {
    let mut import = |name: Option<String>, path: Vec<String>, line: usize| {
        into.push(Import {
            name,
            path,
            public,
            line,
        });
    };
    match tree {
        UseTree::Path(step) => {
            before.push(word(&step.ident));
            spread(&step.tree, before, public, into);
            before.pop();
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                spread(tree, before, public, into);
            }
        }
        UseTree::Glob(star) => import(None, before.clone(), star.span().start().line),
        UseTree::Name(name) => {
            let (path, own) = ended(before, &name.ident);
            import(Some(own), path, name.span().start().line);
        }
        UseTree::Rename(name) => {
            let (path, _) = ended(before, &name.ident);
            import(Some(word(&name.rename)), path, name.span().start().line);
        }
    }
}

/// The whole path of an import's last step, and the name that it brings; `self` in a group is what the group is of.
fn ended(before: &[String], last: &syn::Ident) -> (Vec<String>, String) {
    let mut path = before.to_vec();
    if last != "self" || path.is_empty() {
        path.push(word(last));
    }
    let name = path.last().expect("pushed where it was empty").clone();
    (path, name)
}

/// Whether something is compiled for tests only.
pub(crate) fn for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => asks_for_test(list.tokens.clone()),
        Meta::Path(path) => path.is_ident("test"),
        _ => false,
    })
}

/// `test` itself, or `all(…)` that asks for it; `any(test, …)` and `not(test)` are compiled without tests too.
fn asks_for_test(condition: TokenStream) -> bool {
    match syn::parse2::<Meta>(condition) {
        Ok(Meta::Path(path)) => path.is_ident("test"),
        Ok(Meta::List(list)) if list.path.is_ident("all") => {
            let parts = list.parse_args_with(
                syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated,
            );
            parts.is_ok_and(|parts| {
                parts
                    .iter()
                    .any(|part| matches!(part, Meta::Path(path) if path.is_ident("test")))
            })
        }
        _ => false,
    }
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                syn::Expr::Lit(syn::ExprLit {
                    lit: Lit::Str(path),
                    ..
                }) => Some(path.value()),
                _ => None,
            },
            _ => None,
        })
}

/// An item's attributes, whichever kind it is.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
