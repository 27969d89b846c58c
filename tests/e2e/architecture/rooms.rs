//! The arrows between the modules of a package: each knows only those that stand below it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use notary_tests::tree;

/// The modules of each package, from what is asked first down to what knows no other. Where two are joined
/// by `+`, they know each other: the signer signs what the store has prepared, and the store commits
/// what the signer has signed.
const PACKAGES: [(&str, &str); 4] = [
    (
        "schema",
        "openapi wire updater revocation publish online trusted draft threshold envelope role path key \
         json name reason texts",
    ),
    (
        "notary-server",
        "commands startup routes requests openapi handlers refresh survey service publish auth served \
         connections error signer_client+store grant telemetry trace tls panics config",
    ),
    (
        "notary-signer",
        "run commands args startup listener background opening sealing monitoring openapi panics routes intake \
         trace metrics rights online_keys sign signatures turns error store backends tls pki config keys one_line parts",
    ),
    (
        "notary-cli",
        "commands staging declared delivered proposed publishing judging session exit settings staged \
         agent changes wanted keyring view remote named trust_dir output args",
    ),
];

/// A source file without its tests and comments, and the modules that it stands in.
struct Source {
    path: PathBuf,
    modules: Vec<String>,
    code: String,
}

impl Source {
    /// All of a package, but what only its tests use.
    fn all(package: &str) -> Vec<Source> {
        let folder = tree::root().join(package).join("src");
        let read = |(path, text): (PathBuf, String)| {
            let below = path.strip_prefix(&folder).expect("it lies below").with_extension("");
            let modules = below.iter().map(|part| part.to_string_lossy().into_owned());
            let modules: Vec<String> = modules.filter(|module| module != "mod").collect();
            let is_test = modules.iter().any(|module| module == "tests" || module == "testing");
            let text = text.split("#[cfg(test)]").next().expect("a split has a first part");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = code.collect::<Vec<_>>().join("\n");
            (!is_test).then_some(Source { path, modules, code })
        };
        let sources = tree::sources(&format!("{package}/src")).into_iter().filter_map(read);
        sources.filter(|source| source.modules != ["lib"] && source.modules != ["main"]).collect()
    }

    /// The module of the package that it belongs to.
    fn module(&self) -> &str {
        &self.modules[0]
    }

    /// The words that stand where a path names a module of the package.
    fn names(&self) -> impl Iterator<Item = &str> {
        let paths = self.code.split("crate::").skip(1);
        paths.flat_map(|path| {
            let is_end = if path.starts_with('{') { |c| c == ';' } else { |c| !is_word(c) };
            let end = path.find(is_end).expect("a path ends");
            path[..end].split(|c| !is_word(c))
        })
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[test]
fn a_module_knows_only_those_below_it() {
    for (package, order) in PACKAGES {
        let floors: BTreeMap<&str, usize> = order
            .split(' ')
            .enumerate()
            .flat_map(|(floor, modules)| modules.split('+').map(move |module| (module, floor)))
            .collect();
        let sources = Source::all(package);
        let found: BTreeSet<&str> = sources.iter().map(|source| source.module()).collect();
        assert_eq!(found, floors.keys().copied().collect(), "the modules of {package}");
        let mut arrows = 0;
        for source in &sources {
            let (path, module) = (source.path.display(), source.module());
            // Such a path would not be seen here.
            let out = "super::".repeat(source.modules.len());
            assert!(!source.code.contains(&out), "{path} leaves {module} by {out}");
            for name in source.names().filter(|name| *name != module) {
                let Some(other) = floors.get(name) else { continue };
                assert!(*other >= floors[module], "{path} must not know {name} above it");
                arrows += 1;
            }
        }
        assert!(arrows > floors.len(), "only {arrows} arrows were found in {package}");
    }
}

/// What two groups of commands share stands below both.
#[test]
fn no_group_of_commands_takes_anything_from_another() {
    let sources = Source::all("notary-cli");
    let commands = sources.iter().filter(|source| source.module() == "commands");
    // The first of them only hands over to the others.
    let groups: Vec<&Source> = commands.filter(|source| source.modules.len() > 1).collect();
    assert!(groups.len() > 20, "only {} files of commands were found", groups.len());
    for source in groups {
        let out = "super::".repeat(source.modules.len() - 1);
        let leaves = source.code.contains(&out) || source.code.contains("crate::commands");
        assert!(!leaves, "{} takes something from another command", source.path.display());
    }
}
