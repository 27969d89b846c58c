//! What the documents name exists.

use std::collections::BTreeSet;

use notary_tests::tree;

/// The names of all test functions of the tree.
fn tests() -> BTreeSet<String> {
    let folders = ["tests", "schema", "notary-server", "notary-signer", "notary-cli"];
    let sources = folders.iter().flat_map(|folder| tree::sources(folder));
    let mut names = BTreeSet::new();
    for (_, text) in sources {
        let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
        names.extend(functions.map(str::to_owned));
    }
    names
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

/// Pages that say what stands where: from the root, or from the `src` of a package.
const MAPS: [&str; 2] = ["README.md", "docs/ARCHITECTURE.md"];

#[test]
fn every_file_that_a_map_names_is_there() {
    let root = tree::root();
    let packages = ["notary-server", "notary-signer", "notary-cli", "schema"];
    let sources = packages.map(|package| root.join(package).join("src"));
    let is_there = |path: &str| {
        root.join(path).exists() || sources.iter().any(|source| source.join(path).exists())
    };
    for page in MAPS {
        let text = std::fs::read_to_string(root.join(page)).expect("the page");
        let is_path = |word: &&str| {
            let folder = word.split_once('/').is_some_and(|(first, _)| root.join(first).is_dir());
            let is_named = folder || word.ends_with('/') || word.ends_with(".rs");
            is_named && !word.starts_with('/') && !word.contains(['<', '*', ' '])
        };
        let words = text.split('`').skip(1).step_by(2).filter(is_path);
        let named: BTreeSet<&str> = words.collect();
        assert!(named.len() >= 10, "only {named:?}");
        let missing: Vec<&&str> = named.iter().filter(|path| !is_there(path)).collect();
        assert!(missing.is_empty(), "{page} names files that are not there: {missing:?}");
    }
}
