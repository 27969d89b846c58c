//! The list of known differences, held against what the judges answer.

use std::collections::BTreeSet;

use notary_tests::agent::Verdict;
use notary_tests::tree;
use serde::Deserialize;

use crate::differential::Difference;
use crate::pitfalls::Case;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deviations {
    deviation: Vec<Deviation>,
    /// Those of [`crate::differential`].
    #[expect(dead_code, reason = "read there")]
    difference: Vec<Difference>,
}

/// Cases in which one judge differs from us in one way.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deviation {
    /// `python-tuf` or `tough`.
    who: String,
    /// Part of the error with which it refuses what is right; absent where it trusts what is wrong.
    error: Option<String>,
    /// Why we are right.
    why: String,
    /// The names of the cases.
    cases: Vec<String>,
}

/// Asserts that a judge differs from what is right exactly where it is listed to differ, and in the
/// listed way.
pub(super) fn check(who: &str, cases: &[Case], verdicts: &[Verdict]) {
    assert_eq!(cases.len(), verdicts.len());
    let file = std::fs::read_to_string(tree::root().join("tests/interop/deviations.toml"));
    let listed: Deviations = toml::from_str(&file.expect("the list is there")).expect("the list");
    let listed: Vec<Deviation> =
        listed.deviation.into_iter().filter(|one| one.who == who).collect();
    let known: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let mut problems = Vec::new();
    for name in listed.iter().flat_map(|deviation| &deviation.cases) {
        if !known.contains(name.as_str()) {
            problems.push(format!("{name}: is listed, but there is no such case"));
        }
    }
    for (case, verdict) in cases.iter().zip(verdicts) {
        let deviation = listed.iter().find(|deviation| deviation.cases.contains(&case.name));
        problems.extend(problem(case, verdict, deviation));
    }
    let why = listed.iter().filter(|one| one.why.trim().is_empty());
    problems.extend(why.map(|one| format!("{:?}: without a reason", one.cases)));
    let count = problems.len();
    assert!(count == 0, "{who}: {count} differences from the list:\n{}", problems.join("\n"));
}

/// What is wrong with the list as far as it concerns one case.
fn problem(case: &Case, verdict: &Verdict, listed: Option<&Deviation>) -> Option<String> {
    let right = case.right_verdict();
    let differs = |name: &&String| match (&right[*name], &verdict[*name]) {
        (Ok(right), Ok(found)) => right != found,
        (right, found) => right.is_ok() != found.is_ok(),
    };
    let differing: Vec<&String> = right.keys().filter(differs).collect();
    if differing.is_empty() {
        return listed.map(|_| format!("{}: is listed, but does not differ", case.name));
    }
    let is_listed = |name: &&String| match (listed.map(|one| &one.error), &verdict[*name]) {
        (Some(Some(part)), Err(error)) => error.contains(part.as_str()),
        (Some(None), Ok(_)) => true,
        _ => false,
    };
    let name = differing.into_iter().find(|name| !is_listed(name))?;
    let (found, right) = (&verdict[name], &right[name]);
    Some(format!("{}: {name:?} is {found:?}, right is {right:?}", case.name))
}
