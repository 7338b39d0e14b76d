//! What a path means: followed through `crate`, `self`, `super`, imports, globs and re-exports to the module
//! that defines the thing.

use std::collections::HashSet;

use crate::tree::{Definition, Import, ModuleId, Tree};

/// What a path leads to inside the crate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Module(ModuleId),
    /// Something that `module` defines, and what the path says after its name: a variant, a method.
    Item {
        module: ModuleId,
        name: String,
        is_trait: bool,
        rest: Vec<String>,
    },
}

fn item(module: ModuleId, name: &str, is_trait: bool) -> Target {
    Target::Item {
        module,
        name: name.to_owned(),
        is_trait,
        rest: Vec::new(),
    }
}

/// Names that are being looked up, so that imports which go in a circle end.
type Seen = HashSet<(ModuleId, String)>;

impl Tree {
    /// What `path`, written in `module`, leads to; nothing where it leaves the crate. `local` are the imports of
    /// the functions it is written in, innermost last.
    pub(crate) fn resolve(
        &self,
        module: ModuleId,
        path: &[String],
        local: &[Import],
    ) -> Vec<Target> {
        let Some(first) = path.first() else {
            return Vec::new();
        };
        // An import inside a function hides what the module has under that name.
        if let Some(import) = local
            .iter()
            .rev()
            .find(|import| import.name.as_ref() == Some(first))
        {
            let mut seen = Seen::new();
            let starts = self.follow(module, &import.path, &mut seen);
            return self.walk(starts, &path[1..], &mut seen);
        }
        let targets = self.follow(module, path, &mut Seen::new());
        if !targets.is_empty() {
            return targets;
        }
        for import in local.iter().filter(|import| import.name.is_none()) {
            let mut seen = Seen::new();
            let starts = self.follow(module, &import.path, &mut seen);
            let targets = self.walk(starts, path, &mut seen);
            if !targets.is_empty() {
                return targets;
            }
        }
        Vec::new()
    }

    fn follow(&self, module: ModuleId, path: &[String], seen: &mut Seen) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else {
            return Vec::new();
        };
        let starts = match first.as_str() {
            "crate" => vec![Target::Module(0)],
            "self" => vec![Target::Module(module)],
            "super" => self.modules[module]
                .parent
                .map(Target::Module)
                .into_iter()
                .collect(),
            name => self.look_up(module, name, seen),
        };
        self.walk(starts, rest, seen)
    }

    /// Goes on from `starts` along the steps of a path.
    fn walk(&self, starts: Vec<Target>, steps: &[String], seen: &mut Seen) -> Vec<Target> {
        let mut at = starts;
        for step in steps {
            let mut next = Vec::new();
            for target in at {
                match target {
                    Target::Module(module) if step == "super" => {
                        next.extend(self.modules[module].parent.map(Target::Module));
                    }
                    Target::Module(module) => next.extend(self.look_up(module, step, seen)),
                    Target::Item {
                        module,
                        name,
                        is_trait,
                        mut rest,
                    } => {
                        rest.push(step.clone());
                        next.push(Target::Item {
                            module,
                            name,
                            is_trait,
                            rest,
                        });
                    }
                }
            }
            at = next;
        }
        at
    }

    /// What `name` is in `module`: defined there, imported by name, or brought by a glob.
    fn look_up(&self, module: ModuleId, name: &str, seen: &mut Seen) -> Vec<Target> {
        let here = &self.modules[module];
        let mut targets: Vec<Target> = Vec::new();
        for definition in here.defines.get(name).into_iter().flatten() {
            targets.push(match definition {
                Definition::Module(id) => Target::Module(*id),
                Definition::Exported(by) => item(*by, name, false),
                kind => item(module, name, *kind == Definition::Trait),
            });
        }
        // `use list::list` asks for `list` again while it is looked up: then what is defined here is all there is.
        if !seen.insert((module, name.to_owned())) {
            return targets;
        }
        for import in here
            .imports
            .iter()
            .filter(|import| import.name.as_deref() == Some(name))
        {
            targets.extend(self.follow(module, &import.path, seen));
        }
        if targets.is_empty() {
            for import in here.imports.iter().filter(|import| import.name.is_none()) {
                for target in self.follow(module, &import.path, seen) {
                    if let Target::Module(of) = target {
                        targets.extend(self.look_up(of, name, seen));
                    }
                }
            }
        }
        seen.remove(&(module, name.to_owned()));
        targets
    }

    /// The module that defines the macro `name` for code in `module`: a `macro_rules!` reaches all modules below it.
    pub(crate) fn macro_in_scope(&self, module: ModuleId, name: &str) -> Option<ModuleId> {
        let mut at = Some(module);
        while let Some(id) = at {
            let defines = self.modules[id].defines.get(name);
            if defines.is_some_and(|kinds| kinds.contains(&Definition::Macro)) {
                return Some(id);
            }
            at = self.modules[id].parent;
        }
        None
    }
}
