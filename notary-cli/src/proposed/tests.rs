//! Whatever a server shows, only the next version of what is trusted here is signed.

use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::sha256_hex;
use notary_schema::name::{Gun, TargetPath};
use notary_schema::role::Targets;
use notary_schema::wire::{ProposalState, ProposalSummary, ProposedFile};
use serde_json::json;

use super::*;
use crate::changes::Change;
use crate::testing::{Collection, in_days, now, role, target};

/// A proposal of a file for a role.
fn proposal(name: &str, document: &Unsigned, version: u64) -> Proposal {
    let version = Version::new(version).unwrap();
    let file = ProposedFile {
        name: role(name),
        version,
        signed_sha256: "0".repeat(64),
        file: String::from_utf8(document.with_signatures(&[])).unwrap(),
        signatures: Vec::new(),
    };
    let summary = ProposalSummary {
        id: "1".into(),
        state: ProposalState::Open,
        reason: "because".into(),
        created_at: now(),
        created_by: "a".into(),
        lapses_at: now(),
        closed_at: None,
        displaced_by: None,
        roles: Vec::new(),
    };
    let (pending, orphan, compromised) = (Vec::new(), Vec::new(), Vec::new());
    Proposal { summary, pending, orphan, compromised, files: vec![file], demands: Vec::new() }
}

fn listing(version: u64, name: &str, days: i64) -> Unsigned {
    let version = Version::new(version).unwrap();
    let mut draft = Draft::from_role(&Targets::empty(version, in_days(days)));
    draft.set_target(&TargetPath::parse(name).unwrap(), &target(b"new"));
    draft.finish()
}

/// What is said of a proposal for german, which is at version 1 here.
fn judged(version: u64, name: &str, days: i64) -> Result<Vec<String>, String> {
    let collection = Collection::new();
    let view = collection.view();
    let proposed =
        Proposed::read(proposal("german", &listing(version, name, days), version)).unwrap();
    let judged = proposed.judge(Some(&view), now()).map_err(|failure| failure.to_string())?;
    let changes = judged.files.iter().flat_map(|file| file.changes.iter().map(Change::line));
    Ok(changes.collect())
}

#[test]
fn only_the_next_version_may_be_signed() {
    assert!(judged(2, "docs/de2", 30).is_ok());
    for version in [1, 3] {
        let refused = judged(version, "docs/de2", 30).unwrap_err();
        assert!(refused.contains("the one that is trusted here is 1"), "{refused}");
    }
}

#[test]
fn what_could_never_be_published_is_not_signed() {
    for (name, days, told) in
        [("docs/en", 30, "german may not list"), ("docs/de2", -1, "is not in the future")]
    {
        let refused = judged(2, name, days).unwrap_err();
        assert!(refused.contains(told), "{refused}");
    }
    // How long a file may live is the server's to say.
    assert!(judged(2, "docs/de2", 3_000).is_ok());
}

#[test]
fn the_hash_and_the_change_are_those_of_the_bytes_and_not_what_the_server_says() {
    let collection = Collection::new();
    let view = collection.view();
    let document = listing(2, "docs/de2", 30);
    let proposed = Proposed::read(proposal("german", &document, 2)).unwrap();
    let judged = proposed.judge(Some(&view), now()).unwrap();
    let [file] = &judged.files[..] else { panic!("one file") };
    assert_eq!(file.signed_sha256, sha256_hex(document.message()));
    let changes: String = file.changes.iter().map(Change::line).collect();
    assert!(changes.contains("+ target docs/de2") && changes.contains("- target docs/de.txt"));
    let [demand] = &judged.demands[..] else { panic!("one threshold") };
    assert_eq!(demand.report.missing, [collection.key("german").keyid]);
}

#[test]
fn a_file_that_is_no_metadata_is_refused() {
    let mut wrong = proposal("german", &listing(2, "docs/de2", 30), 2);
    wrong.files[0].file = "{}".into();
    assert!(Proposed::read(wrong).is_err());
}

/// A delegation of german to the key of docs, under the id of the key of team.
fn misnamed(collection: &Collection) -> Unsigned {
    let (honest, other) = (collection.key("team"), collection.key("docs"));
    let unsigned = listing(2, "docs/de2", 30).with_signatures(&[]);
    let mut document = Envelope::<Targets>::parse(unsigned).unwrap().document();
    document["delegations"] = json!({
        "keys": { honest.keyid.as_str(): other.key },
        "roles": [{
            "name": "sub", "keyids": [honest.keyid], "threshold": 1, "terminating": false,
            "paths": ["docs/de/sub/*"],
        }],
    });
    Unsigned::new(&document)
}

#[test]
fn a_key_under_the_id_of_another_is_refused_in_a_delegation_and_in_a_root() {
    let collection = Collection::new();
    let refused = Proposed::read(proposal("german", &misnamed(&collection), 2));
    let refused = refused.err().expect("it is refused").to_string();
    assert!(refused.contains("german: the key") && refused.contains("under its hash"), "{refused}");

    let (honest, other) = (collection.key("team"), collection.key("docs"));
    let before = Envelope::<Root>::parse(collection.root_file().to_vec()).unwrap();
    let root = |key: &Key| {
        let mut document = before.document();
        document["version"] = json!(2);
        document["keys"][honest.keyid.as_str()] = json!(key);
        document["roles"]["root"]["keyids"].as_array_mut().unwrap().push(json!(honest.keyid));
        Proposed::read(proposal("root", &Unsigned::new(&document), 2))
    };
    let refused = root(&other.key).err().expect("it is refused").to_string();
    assert!(refused.contains("root: the key") && refused.contains("under its hash"), "{refused}");
    let allowed = root(&honest.key).unwrap();
    let before = rebase::Before { root: Some(before), ..rebase::Before::default() };
    let gun = Gun::parse("acme/app").unwrap();
    let Ok(rebase::Change::Signers(rotation)) = allowed.change(&gun, &before) else {
        panic!("a rotation")
    };
    assert_eq!(rotation.new, [honest.key]);
}
