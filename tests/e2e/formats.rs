//! Does schema read what it must and refuse what it must, by name?

use std::collections::BTreeSet;

use chrono::DateTime;
use notary_schema::envelope::Envelope;
use notary_schema::key::sha256_hex;
use notary_schema::role::Targets;
use notary_tests::agent;
use notary_tests::hand::{Collection, Layout};

use crate::pitfalls::{self, Right};

#[test]
fn every_pitfall_is_read_or_refused_as_its_row_says() {
    let table = pitfalls::table();
    let names: BTreeSet<&str> = table.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), table.len(), "two cases have one name");
    let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a date in 2027");
    let mut wrong = Vec::new();
    for case in &table {
        let verdict =
            agent::look_up(&case.collection.files(), &case.collection.target_names(), now);
        for (name, right) in case.right_verdict() {
            let is_right = match (&verdict[&name], case.right) {
                (Err(found), Right::Refuses { role, because }) => {
                    right.is_err() && found.starts_with(role) && found.contains(because)
                }
                (found, _) => *found == right,
            };
            if !is_right {
                wrong.push(format!(
                    "{}: {name:?} is {:?}, not {right:?}",
                    case.name, verdict[&name]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} look-ups:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_file_is_kept_byte_for_byte_whatever_its_layout() {
    let mut collection = Collection::new();
    collection.targets.layout = Layout::Pretty;
    let file = collection.targets.file();
    let read: Envelope<Targets> = Envelope::parse(file.as_slice()).expect("it is metadata");
    assert_eq!(&read.bytes()[..], &file[..]);
    assert_eq!(read.sha256(), sha256_hex(&file));
    assert_eq!(
        read.message(),
        collection.targets.message(),
        "what is signed is the canonical form"
    );
}
