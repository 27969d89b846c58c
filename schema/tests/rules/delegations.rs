//! Which delegations of many cover a name: through indexes, and as each of them says.

use std::collections::BTreeMap;

use notary_schema::path::Candidate;
use notary_schema::role::{DelegatedRole, Delegations};
use proptest::prelude::*;
use serde_json::json;

use crate::support::*;

/// Pieces of patterns and of names that often match each other.
fn text(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(pieces), 0..5).prop_map(|pieces| pieces.concat())
}

const OF_PATTERNS: &[&str] = &["a", "b", "ü", "/", "*", "?", "[ab]", "[", "]", "docs/"];
const OF_NAMES: &[&str] = &["a", "b", "ü", "\u{fe}", "/", "[", "]", "docs/", "*"];

proptest! {
    #[test]
    fn the_delegations_that_cover_a_name_are_those_that_say_so(
        patterns in prop::collection::vec(prop::collection::vec(text(OF_PATTERNS), 0..4), 0..9),
        names in prop::collection::vec(text(OF_NAMES), 1..20),
    ) {
        let delegated = |(number, patterns): (usize, &Vec<String>)| {
            let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
            delegation(&format!("role{number}"), &patterns, &[DOCS], 1)
        };
        let roles = patterns.iter().enumerate().map(delegated).collect();
        let delegations = Delegations::new(BTreeMap::new(), roles).unwrap();
        for name in &names {
            let candidate = Candidate::new(name.as_str());
            let found = delegations.covering(&candidate);
            let found: Vec<_> = found.iter().map(|delegated| &delegated.name).collect();
            let listed = delegations.listed().iter();
            let expected = listed.filter(|delegated| delegated.covers(&candidate));
            prop_assert_eq!(found, expected.map(|d| &d.name).collect::<Vec<_>>(), "{}", name);
        }
    }
}

#[test]
fn a_delegation_has_one_kind_of_paths_and_none_is_null() {
    let read = |kinds: &[(&str, serde_json::Value)]| {
        let mut object = json!({"keyids": [], "name": "a", "terminating": false, "threshold": 1});
        for (kind, value) in kinds {
            object[kind] = value.clone();
        }
        serde_json::from_value::<DelegatedRole>(object).map(drop)
    };
    let (paths, prefixes) = (("paths", json!(["a"])), ("path_hash_prefixes", json!(["0"])));
    let null = |(kind, _): &(&'static str, _)| (*kind, json!(null));
    read(std::slice::from_ref(&paths)).unwrap();
    read(std::slice::from_ref(&prefixes)).unwrap();
    for kinds in [
        vec![],
        vec![paths.clone(), prefixes.clone()],
        vec![paths.clone(), null(&prefixes)],
        vec![null(&paths), prefixes.clone()],
    ] {
        assert!(read(&kinds).is_err(), "{kinds:?} was accepted");
    }
}
