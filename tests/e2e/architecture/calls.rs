//! The OpenAPI documents tell of every call that the services register, and of no other.

use std::collections::BTreeSet;

use notary_tests::tree;
use serde_json::Value;

/// What a path of a collection starts with, in the document.
const OF_COLLECTION: &str = "/v2/{gun}/_trust";
const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];

fn read(path: &str) -> String {
    std::fs::read_to_string(tree::root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The calls of a document, as `get /path`.
fn documented(file: &str) -> BTreeSet<String> {
    let document: Value = serde_json::from_str(&read(file)).expect("a document is JSON");
    let paths = document["paths"].as_object().expect("it has paths");
    let calls = paths.iter().flat_map(|(path, calls)| {
        let methods = calls.as_object().expect("a path has methods").keys();
        methods.map(move |method| format!("{method} {path}"))
    });
    calls.collect()
}

/// The calls that a source file registers: `path("…")` below a collection or `resource("…")`, with
/// the methods that follow it.
fn registered(file: &str) -> BTreeSet<String> {
    let source = read(file);
    let mut calls = BTreeSet::new();
    for (at, opening) in source.match_indices("(\"/") {
        let rest = &source[at + opening.len() - 1..];
        let (path, routes) = rest.split_once("\")").expect("a path ends");
        let routes = routes.split("(\"/").next().unwrap_or(routes);
        let base = if source[..at].ends_with("resource") { "" } else { OF_COLLECTION };
        let path = path.replace(":[^/]+", "");
        for method in METHODS.iter().filter(|method| routes.contains(&format!("({method}().to("))) {
            calls.insert(format!("{method} {base}{path}"));
        }
    }
    calls
}

#[test]
fn every_call_is_documented_and_every_documented_call_is_there() {
    for (document, routes) in [
        ("schema/openapi/server.json", "notary-server/src/routes.rs"),
        ("schema/openapi/signer.json", "notary-signer/src/routes.rs"),
    ] {
        let (documented, registered) = (documented(document), registered(routes));
        let undocumented: Vec<_> = registered.difference(&documented).collect();
        assert!(undocumented.is_empty(), "{document} lacks {undocumented:?} of {routes}");
        let gone: Vec<_> = documented.difference(&registered).collect();
        assert!(gone.is_empty(), "{document} tells of {gone:?}, which are not in {routes}");
    }
}
