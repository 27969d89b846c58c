//! The body of each role: what is read is written and read as the same, and a draft of its next
//! version is readable.

use std::sync::LazyLock;

use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, assemble};
use notary_schema::name::{RoleName, TargetPath};
use notary_schema::path::Candidate;
use notary_schema::publish::{Batch, Head, Limits, Rules, check_unsigned};
use notary_schema::role::{Delegations, Role, Root, Snapshot, Targets, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::support::{self, Collection, DAY, Edit};

pub(super) fn run(data: &[u8]) {
    let file = assemble(data, &[]);
    same_again::<Root>(&file);
    same_again::<Targets>(&file);
    same_again::<Snapshot>(&file);
    same_again::<Timestamp>(&file);
    if let Ok(targets) = Envelope::<Targets>::parse(file.clone()) {
        edit(&targets);
        judge(file);
    }
}

fn same_again<T: Role + Serialize>(file: &[u8]) {
    let Ok(read) = Envelope::<T>::parse(file.to_vec()) else { return };
    let written = Draft::from_role(read.signed()).finish();
    let again = Envelope::<T>::parse(written.with_signatures(&[]));
    let again = again.expect("a role that was read is read again");
    assert_eq!(value(again.signed()), value(read.signed()));
    let Ok(next) = Draft::next(&read, support::in_days(1)) else { return };
    let version = next.version();
    let next = Envelope::<T>::parse(next.finish().with_signatures(&[]));
    assert_eq!(next.expect("the next version is read").version(), version);
}

fn value<T: Serialize>(role: &T) -> Value {
    serde_json::to_value(role).expect("a role is JSON")
}

/// Each edit of a draft works on whatever was read.
fn edit(file: &Envelope<Targets>) {
    let Ok(draft) = Draft::next(file, support::in_days(1)) else { return };
    if let Some(delegations) = &file.signed().delegations {
        covers_alike(delegations);
        if delegations.succinct().is_some() {
            return;
        }
    }
    let delegation = support::delegation("docs", &["docs/*"], &[support::DOCS], 1);
    let mut draft = draft.with_target("fuzz/a").with_delegation(delegation, &[support::DOCS]);
    let edited = Envelope::<Targets>::parse(draft.clone().finish().with_signatures(&[]));
    let edited = edited.expect("an edited draft is read");
    assert!(edited.signed().targets.contains_key("fuzz/a"));
    assert!(edited.signed().delegation(&support::role("docs")).is_some());
    let name = TargetPath::parse("fuzz/a").expect("a plain name");
    assert!(draft.remove_target(name.as_str()) && draft.remove_delegation(&support::role("docs")));
}

/// What the index of delegations finds is what asking each of them finds.
fn covers_alike(delegations: &Delegations) {
    for name in ["docs/a", "a", ""] {
        let candidate = Candidate::new(name);
        let found = delegations.covering(&candidate);
        let found: Vec<&RoleName> = found.iter().map(|delegated| &delegated.name).collect();
        if delegations.succinct().is_some() {
            let [bin] = found[..] else { panic!("{name} is in {found:?}") };
            assert!(delegations.delegation(bin).is_some_and(|bin| bin.covers(&candidate)));
        } else {
            let each = delegations.listed().iter().filter(|delegated| delegated.covers(&candidate));
            assert_eq!(found, each.map(|delegated| &delegated.name).collect::<Vec<_>>());
        }
    }
}

/// The rules of publishing answer on whatever was read.
fn judge(file: Vec<u8>) {
    let mut batch = Batch::default();
    if batch.add(support::role("docs"), file.into()).is_ok() {
        static HEAD: LazyLock<Head> = LazyLock::new(|| Collection::new().head());
        let rules = Rules {
            limits: Limits::default(),
            offline_max_seconds: 400 * DAY as u64,
            held_keys: support::held_keys(),
            ..Rules::default()
        };
        drop(check_unsigned(Some(&HEAD), &batch, &rules, support::now()));
    }
}
