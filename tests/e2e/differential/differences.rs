//! The differences that are listed in `tests/interop/deviations.toml`, held against what is seen.

use std::collections::BTreeSet;

use notary_tests::judge::{Answer, Decision};
use notary_tests::tree;
use serde::Deserialize;

use super::pair::Both;

/// A way in which python-tuf differs from us.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Difference {
    pub(super) name: String,
    /// Whether the two part ways there, since one trusts what the other cannot: whatever else differs
    /// follows from it, and the scenario is over.
    #[serde(default)]
    parts_ways: bool,
    /// Part of our words and of its words where it differs.
    #[serde(default)]
    ours: String,
    #[serde(default)]
    theirs: String,
    /// What is not part of its words.
    #[serde(default)]
    unlike: Vec<String>,
    /// Files that only one of us requests: `+snapshot` is python-tuf's request, `-snapshot` is ours;
    /// `~snapshot` is another file of the same role.
    #[serde(default)]
    requests: Vec<String>,
    /// Files that only one of us has stored, or (`~stored snapshot`) that are not the same.
    #[serde(default)]
    stored: Vec<String>,
    /// Where these are all that ever goes wrong, it is seen soon.
    pub(super) shown_by: Vec<String>,
    /// Whether it is seen after those only.
    #[serde(default)]
    only_then: bool,
    /// Whether it is seen only where the clients have just taken a new root.
    #[serde(default)]
    after_new_root: bool,
    why: String,
}

/// The listed ones.
pub(super) fn listed() -> Vec<Difference> {
    let table = tree::toml("tests/interop/deviations.toml");
    let listed = table["difference"].clone().try_into::<Vec<Difference>>().expect("the list");
    let names: BTreeSet<&str> = listed.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names.len(), listed.len(), "two differences have one name");
    let unfounded: Vec<&str> = listed
        .iter()
        .filter(|one| one.why.trim().is_empty())
        .map(|one| one.name.as_str())
        .collect();
    assert!(unfounded.is_empty(), "without a reason: {unfounded:?}");
    listed
}

/// What one question showed.
pub(super) enum Comparison<'a> {
    /// Both did the same.
    Alike,
    /// They differ as these say, and go on alike.
    Listed(BTreeSet<&'a str>),
    /// They part ways as this one says.
    PartedWays(&'a str),
    /// They differ in a way that is not listed.
    Unlisted(String),
}

/// Compares what both did with a question. `happened` names every mutation so far; `new_root` says
/// whether the clients have taken a root since they last got beyond the roots.
pub(super) fn compare<'a>(
    both: &Both,
    happened: &BTreeSet<&str>,
    new_root: bool,
    listed: &'a [Difference],
) -> Comparison<'a> {
    if both.are_alike() {
        return Comparison::Alike;
    }
    let (ours, theirs) = (said(&both.ours.decision), said(&both.theirs.decision));
    let applies = |one: &&Difference| {
        let then = !one.only_then || one.shown_by.iter().any(|name| happened.contains(&name[..]));
        let after = new_root || !one.after_new_root;
        let unlike = one.unlike.iter().all(|words| !theirs.contains(&words[..]));
        then && after && unlike && ours.contains(&one.ours) && theirs.contains(&one.theirs)
    };
    let listed: Vec<&Difference> = listed.iter().filter(applies).collect();
    let (requests, stored) = (requests(both), stored(both));
    // Where python-tuf ends at the roots, what we do later explains nothing.
    let ended_before = requests.iter().any(|item| item == "-timestamp");
    let parts_ways = |one: &&&Difference| {
        let marks = || one.requests.iter().chain(&one.stored);
        let marked = marks().next().is_none()
            || !ended_before
                && marks().any(|item| requests.contains(item) || stored.contains(item));
        one.parts_ways && marked
    };
    if let Some(one) = listed.iter().find(parts_ways) {
        return Comparison::PartedWays(&one.name);
    }
    let mut explained = BTreeSet::new();
    let mut all = both.agree();
    for item in requests.iter().chain(&stored) {
        let one =
            listed.iter().find(|one| one.requests.contains(item) || one.stored.contains(item));
        match one {
            Some(one) => drop(explained.insert(one.name.as_str())),
            None => all = false,
        }
    }
    if all {
        return Comparison::Listed(explained);
    }
    Comparison::Unlisted(format!(
        "  ours {ours:?}\n    requests {:?}\n  theirs {theirs:?}\n    requests {:?}\n  \
         differing: {requests:?}, stored {stored:?}",
        both.ours.requests, both.theirs.requests,
    ))
}

/// What a client says of its decision.
fn said(decision: &Decision) -> String {
    match decision {
        Decision::Done => "done".to_owned(),
        Decision::Found(target) => format!("found {target}"),
        Decision::NotListed => "not listed".to_owned(),
        Decision::Refused(why) => format!("refused: {why}"),
    }
}

/// The requests that only one of them makes; `~snapshot` where each requests its own file of a role,
/// `order` where they request the same files in another order.
fn requests(both: &Both) -> Vec<String> {
    let (ours, theirs) = (&both.ours.requests, &both.theirs.requests);
    let mut differing: Vec<String> =
        only(theirs, ours).iter().map(|name| format!("+{}", kind(name))).collect();
    for name in only(ours, theirs) {
        let kind = kind(name);
        match differing.iter_mut().find(|item| **item == format!("+{kind}")) {
            Some(item) => *item = format!("~{kind}"),
            None => differing.push(format!("-{kind}")),
        }
    }
    if differing.is_empty() && ours != theirs {
        differing.push("order".to_owned());
    }
    differing
}

/// Those of the first list that are not in the second, as often as they are not.
fn only<'a>(these: &'a [String], those: &[String]) -> Vec<&'a String> {
    let mut left: Vec<&String> = those.iter().collect();
    let is_left = |name: &&String| match left.iter().position(|other| other == name) {
        Some(place) => {
            left.remove(place);
            false
        }
        None => true,
    };
    these.iter().filter(is_left).collect()
}

fn stored(both: &Both) -> Vec<String> {
    let (Answer { stored: ours, .. }, Answer { stored: theirs, .. }) = (&both.ours, &both.theirs);
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let differing = |name: &String| -> Option<String> {
        let sign = match (ours.get(name), theirs.get(name)) {
            (ours, theirs) if ours == theirs => return None,
            (Some(_), Some(_)) => '~',
            (Some(_), None) => '-',
            (None, _) => '+',
        };
        Some(format!("{sign}stored {}", kind(name)))
    };
    names.into_iter().filter_map(differing).collect()
}

/// Which role a file belongs to, by its name; all delegated roles are alike.
fn kind(name: &str) -> &'static str {
    let name = match name.split_once('.') {
        Some((version, rest)) if version.parse::<u64>().is_ok() => rest,
        _ => name,
    };
    match name {
        "root.json" => "root",
        "timestamp.json" => "timestamp",
        "snapshot.json" => "snapshot",
        "targets.json" => "targets",
        _ if name.starts_with("targets/") => "target file",
        _ => "delegated",
    }
}
