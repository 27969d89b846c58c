//! Does schema read what it must and refuse what it must, by name?

use std::collections::BTreeSet;

use notary_schema::envelope::Envelope;
use notary_schema::name::RoleName;
use notary_schema::role::{FileMeta, Role, Root, Snapshot, Targets, Timestamp};
use notary_schema::threshold;
use notary_tests::hand::{Collection, Files};

use crate::pitfalls::{self, Right};

/// The role whose file was refused, and why.
type Refusal = (String, String);

/// The file that `entry` describes, by the name under which a client asks for it.
fn fetch<'a>(files: &'a Files, role: &str, entry: &FileMeta) -> Result<&'a [u8], Refusal> {
    let file = &files[&format!("{}.{role}.json", entry.version)];
    if entry.describes(file) {
        Ok(file)
    } else {
        Err((role.into(), "is not what is described".into()))
    }
}

fn parse<T: Role>(role: &str, file: &[u8]) -> Result<Envelope<T>, Refusal> {
    Envelope::parse(file).map_err(|error| (role.to_owned(), error.to_string()))
}

/// Reads and verifies every file, from root to the delegated role.
fn read(files: &Files) -> Result<(), Refusal> {
    let name = |role: &str| RoleName::parse(role).expect("a role name");
    let root: Envelope<Root> = parse("root", &files["1.root.json"])?;
    let top_level = |role: &str| root.signed().authority(&name(role)).expect("root lists it");
    let refused = |role: &str| {
        let role = role.to_owned();
        move |error: threshold::ThresholdNotMet| (role, error.to_string())
    };
    let (by, count) = (RoleName::ROOT, threshold::require);
    count(&root, &by, &by, top_level("root")).map_err(refused("root"))?;
    let timestamp: Envelope<Timestamp> = parse("timestamp", &files["timestamp.json"])?;
    threshold::require(&timestamp, &RoleName::TIMESTAMP, &by, top_level("timestamp"))
        .map_err(refused("timestamp"))?;
    let file = fetch(files, "snapshot", &timestamp.signed().meta.snapshot)?;
    let snapshot: Envelope<Snapshot> = parse("snapshot", file)?;
    threshold::require(&snapshot, &RoleName::SNAPSHOT, &by, top_level("snapshot"))
        .map_err(refused("snapshot"))?;
    let entry = |role: &str| snapshot.signed().entry(&name(role)).expect("the snapshot lists it");
    let targets: Envelope<Targets> = parse("targets", fetch(files, "targets", entry("targets"))?)?;
    threshold::require(&targets, &RoleName::TARGETS, &by, top_level("targets"))
        .map_err(refused("targets"))?;
    let docs: Envelope<Targets> = parse("docs", fetch(files, "docs", entry("docs"))?)?;
    let authority = targets.signed().authority(&name("docs")).expect("targets delegates to docs");
    threshold::require(&docs, &name("docs"), &RoleName::TARGETS, authority)
        .map_err(refused("docs"))?;
    Ok(())
}

#[test]
fn every_pitfall_is_read_or_refused_as_its_row_says() {
    let table = pitfalls::table();
    let names: BTreeSet<&str> = table.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), table.len(), "two cases have one name");
    let mut wrong = Vec::new();
    for case in &table {
        let found = read(&case.collection.files());
        let is_right = match (&found, case.right) {
            (Ok(()), Right::Reads) => true,
            (Err((role, reason)), Right::Refuses { role: expected, because }) => {
                role == expected && reason.contains(because)
            }
            _ => false,
        };
        if !is_right {
            wrong.push(format!("{}: {found:?}, not {:?}", case.name, case.right));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), table.len(), wrong.join("\n"));
}

#[test]
fn a_file_is_kept_byte_for_byte_whatever_its_layout() {
    let mut collection = Collection::new();
    collection.targets.layout = notary_tests::hand::Layout::Pretty;
    let file = collection.targets.file();
    let read: Envelope<Targets> = Envelope::parse(file.as_slice()).expect("it is metadata");
    assert_eq!(&read.bytes()[..], &file[..]);
    assert_eq!(read.sha256(), notary_schema::key::sha256_hex(&file));
    assert_eq!(
        read.message(),
        collection.targets.message(),
        "what is signed is the canonical form"
    );
}
