//! What the documents name exists.

use std::collections::BTreeSet;
use std::path::Path;

use notary_tests::tree;

/// The names of all test functions of the tree.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["tests", "schema", "notary-server", "notary-signer", "notary-cli"] {
        collect(&tree::root().join(folder), &mut names);
    }
    names
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the tree") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("source is UTF-8");
            let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            names.extend(functions.map(str::to_owned));
        }
    }
}

/// Pages that say which test stands for what.
const PAGES: [&str; 2] = ["docs/SECURITY.md", "schema/tests/rules/client/mod.rs"];

#[test]
fn every_test_that_a_page_names_is_there() {
    let tests = tests();
    let is_test = |name: &&str| {
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        // Shorter words in code style are configuration keys and error codes.
        plain && name.matches('_').count() >= 3
    };
    for page in PAGES {
        let text = std::fs::read_to_string(tree::root().join(page)).expect("the page");
        let words = text.split('`').skip(1).step_by(2);
        let words = words.filter_map(|word| word.rsplit("::").next());
        let named: Vec<&str> = words.filter(is_test).collect();
        assert!(named.len() >= 10, "only {named:?}");
        let missing: Vec<&&str> = named.iter().filter(|name| !tests.contains(**name)).collect();
        assert!(missing.is_empty(), "{page} names tests that are not there: {missing:?}");
    }
}
