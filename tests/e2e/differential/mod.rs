//! Does another client decide otherwise, whatever happens to a repository?
//!
//! A scenario is drawn from a seed: an owner sets a repository up and changes it over time, mistakes
//! are made and mirrors lie, and at each moment two clients come by, ours and python-tuf's. Compared
//! are the decision, what was found, the requests and their order, and every stored byte. Where
//! python-tuf differs, the difference is listed in `tests/interop/deviations.toml`.
//!
//! `NOTARY_TEST_CASES` says how many scenarios are drawn, then others in each run; without it they are
//! the same few. With the seed that a failed one prints and `NOTARY_TEST_CASES=1`, it comes alone.

mod count;
mod differences;
mod mutations;
mod owner;
mod pair;
mod program;
mod scenario;

use std::collections::BTreeSet;
use std::fmt;

use notary_tests::judge::NgClient;
use notary_tests::seed;

use count::Count;
pub(crate) use differences::Difference;
use differences::{Comparison, compare, listed};
use mutations::Who;
use pair::Pair;
use scenario::Scenario;

/// Scenarios in one run, where nobody asks for another number.
const CASES: u64 = 60;
/// Every so many scenarios, the program takes part instead of the library.
const PROGRAM_EVERY: u64 = 10;
/// Scenarios in which a listed difference must show itself.
const PATIENCE: u64 = 60;

/// How the scenario of a seed comes alone; told where anything panics in it, too.
struct Alone(u64);

impl fmt::Display for Alone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = "cargo test -p notary-tests --test e2e differential";
        write!(f, "NOTARY_TEST_SEED={} NOTARY_TEST_CASES=1 {command}", self.0)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("run it alone: {self}");
        }
    }
}

/// Lets both clients live through a scenario, until they part ways. Where they have stored other
/// files, the rest of the visit follows from that; at the next one both go on from the same files.
fn live_through(
    name: &str,
    scenario: &Scenario,
    mut pair: Pair<'_>,
    listed: &[Difference],
    count: &mut Count,
) {
    let (mut happened, mut new_root) = (BTreeSet::new(), false);
    for (n, moment) in scenario.moments.iter().enumerate() {
        happened.extend(moment.mutations.iter().map(|one| one.name()));
        for both in pair.visit(moment) {
            new_root |= both.took_a_root();
            let comparison = compare(&both, &happened, new_root, listed);
            if both.ours.requests.iter().any(|name| name == "timestamp.json") {
                new_root = false;
            }
            count.add(&format!("{name}\n  moment {n}"), moment, &both, &comparison);
            match comparison {
                Comparison::PartedWays(_) | Comparison::Unlisted(_) => return,
                _ if !both.stored_alike() => break,
                _ => {}
            }
        }
    }
}

#[test]
fn python_tuf_decides_as_we_do_in_drawn_repositories() {
    let (cases, first) = match std::env::var("NOTARY_TEST_CASES") {
        Ok(text) => {
            let cases = text.parse();
            (
                cases.unwrap_or_else(|_| panic!("NOTARY_TEST_CASES={text} is no number")),
                seed::seed(),
            )
        }
        Err(_) => (CASES, seed::usual_seed()),
    };
    let listed = listed();
    let mut python = NgClient::start();
    let mut count = Count::default();
    for case in 0..cases {
        let seed = first.wrapping_add(case);
        let alone = Alone(seed);
        let who = if seed.is_multiple_of(PROGRAM_EVERY) { Who::Program } else { Who::Library };
        let scenario = Scenario::of(seed, &mutations::of(seed, who));
        let pair = Pair::new(who, &scenario.root, &mut python);
        live_through(&alone.to_string(), &scenario, pair, &listed, &mut count);
    }
    println!("{cases} scenarios\n{count}");
    count.assert_all_listed();
    if cases >= CASES {
        count.assert_balanced();
    }
}

#[test]
fn every_listed_difference_is_still_there() {
    let mut python = NgClient::start();
    let mut gone = Vec::new();
    for difference in listed() {
        let name = &difference.name;
        let mut mutations = mutations::all();
        mutations.retain(|one| difference.shown_by.iter().any(|name| name == one.name));
        assert_eq!(mutations.len(), difference.shown_by.len(), "{name}: no such mutation");
        let alone = std::slice::from_ref(&difference);
        let mut shows = |seed: &u64| {
            let mut count = Count::default();
            let scenario = Scenario::of(*seed, &mutations);
            let pair = Pair::new(Who::Library, &scenario.root, &mut python);
            live_through(name, &scenario, pair, alone, &mut count);
            count.has_seen(name)
        };
        let shown = (0..PATIENCE).find(|seed| shows(seed));
        println!("{name:?} is seen in scenario {shown:?}");
        gone.extend(shown.is_none().then(|| name.clone()));
    }
    assert!(gone.is_empty(), "listed, but no longer seen: {gone:#?}");
}
