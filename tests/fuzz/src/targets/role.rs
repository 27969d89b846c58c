//! The body of each role: what is read is written and read as the same, and a draft of its next
//! version is readable.

use std::sync::LazyLock;

use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, assemble};
use notary_schema::name::TargetPath;
use notary_schema::publish::{Batch, Head, Limits, Rules, check_unsigned};
use notary_schema::role::{Role, Root, Snapshot, Targets, Timestamp};
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
    if file.signed().delegations.as_ref().is_some_and(|all| all.succinct().is_some()) {
        return; // no role is listed beside succinct bins
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

/// The rules of publishing answer on whatever was read.
fn judge(file: Vec<u8>) {
    let mut batch = Batch::default();
    if batch.add(support::role("docs"), file.into()).is_ok() {
        static HEAD: LazyLock<Head> = LazyLock::new(|| Collection::new().head());
        let rules = Rules {
            limits: Limits::default(),
            offline_max_seconds: 400 * DAY as u64,
            held_keys: support::held_keys(),
        };
        drop(check_unsigned(Some(&HEAD), &batch, &rules, support::now()));
    }
}
