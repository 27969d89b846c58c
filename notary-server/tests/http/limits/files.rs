//! What one file may hold: the limits of the configuration, and those that all who read the format
//! agree on.

use notary_schema::envelope::{MAX_SIGNATURES, Unsigned};
use notary_schema::json::MAX_DEPTH;
use notary_schema::key::sha256_hex;
use notary_schema::name::{MAX_GUN_BYTES, MAX_ROLE_BYTES, MAX_TARGET_PATH_BYTES, RoleName};
use notary_schema::path::{PathPattern, PathSet};
use notary_schema::role::{DelegatedRole, Delegations, Hashes, RoleKeys, TargetFile, Targets};
use notary_server::config::Limits;
use serde_json::{Value, json};

use super::{GUN, refused};
use crate::repo::{Part, Repo};
use crate::signer::TestKey;
use crate::world::World;

/// What a limit counts: how it is set, and a publish that has so much of it.
struct Counted {
    what: &'static str,
    set: fn(&mut Limits, u64),
    /// So much of it the publish has; it is asked for with the parts.
    found: fn(&[Part]) -> u64,
    parts: fn(&Repo) -> Vec<Part>,
    query: &'static str,
    code: (u16, &'static str),
}

fn target(custom: Option<Value>) -> TargetFile {
    TargetFile { length: 1, hashes: Hashes::sha256_of(sha256_hex(b"x")), custom }
}

fn docs_with(repo: &Repo, edit: impl FnOnce(&mut Targets)) -> Part {
    repo.edited("docs", 2, edit)
}

fn described(targets: &mut Targets, custom: Value) {
    targets.targets.insert("docs/x", &target(Some(custom)));
}

fn delegate(targets: &mut Targets, names: &[&str], keys: &[&TestKey]) {
    let keyids: Vec<_> = keys.iter().map(|key| key.key.id().clone()).collect();
    let role = |name: &&str| DelegatedRole {
        name: RoleName::parse(name).unwrap(),
        signers: RoleKeys::new(keyids.clone(), 1).unwrap().into(),
        terminating: false,
        paths: PathSet::Paths(vec![PathPattern::new("docs/deep/*")]),
    };
    let keys = keys.iter().map(|key| (key.key.id().clone(), key.key.clone())).collect();
    let roles = names.iter().map(role).collect();
    targets.delegations = Some(Delegations::new(keys, roles).unwrap());
}

const COUNTED: [Counted; 7] = [
    Counted {
        what: "targets of one role",
        set: |limits, most| limits.targets_per_role = most,
        found: |_| 3,
        parts: |repo| vec![repo.team("docs", 2, &["x", "y", "z"])],
        query: "",
        code: (422, "too_many"),
    },
    Counted {
        what: "bytes of custom",
        set: |limits, most| limits.custom_bytes = most,
        found: |_| r#"{"a":"0123456789"}"#.len() as u64,
        parts: |repo| vec![docs_with(repo, |docs| described(docs, json!({"a": "0123456789"})))],
        query: "",
        code: (422, "too_many"),
    },
    Counted {
        what: "delegations of one role",
        set: |limits, most| limits.delegations_per_role = most,
        found: |_| 2,
        parts: |repo| {
            let key = TestKey::draw();
            vec![docs_with(repo, |docs| delegate(docs, &["e", "f"], &[&key]))]
        },
        query: "?pending=e&pending=f",
        code: (422, "too_many"),
    },
    Counted {
        what: "keys of one role",
        set: |limits, most| limits.keys_per_role = most,
        found: |_| 2,
        parts: |repo| {
            let keys = [TestKey::draw(), TestKey::draw()];
            vec![docs_with(repo, |docs| delegate(docs, &["e"], &[&keys[0], &keys[1]]))]
        },
        query: "?pending=e",
        code: (422, "too_many"),
    },
    Counted {
        what: "keys of one file",
        set: |limits, most| limits.keys_per_file = most,
        found: |_| 5,
        parts: |repo| vec![repo.root_with(2, &[&TestKey::draw()])],
        query: "",
        code: (422, "too_many"),
    },
    Counted {
        what: "bytes of a root",
        set: |limits, most| limits.root_bytes = most,
        found: |parts| parts[0].1.len() as u64,
        parts: |repo| vec![repo.root_with(2, &[&TestKey::draw()])],
        query: "",
        code: (413, "too_many"),
    },
    Counted {
        what: "delegations on the way to a role",
        set: |limits, most| limits.delegation_depth = most as usize,
        found: |_| 2,
        parts: |repo| {
            let key = TestKey::draw();
            vec![docs_with(repo, |docs| delegate(docs, &["e"], &[&key]))]
        },
        query: "?pending=e",
        code: (422, "delegation_too_deep"),
    },
];

#[actix_web::test]
async fn a_file_holds_as_much_as_each_limit_and_not_one_more() {
    for counted in COUNTED {
        let found = {
            let world = World::start().await;
            let repo = world.reserve(GUN, &["docs"]).await;
            (counted.found)(&(counted.parts)(&repo))
        };
        for (most, taken) in [(found - 1, false), (found, true)] {
            let mut world =
                World::start_with(|config| (counted.set)(&mut config.limits, most)).await;
            let repo = world.collection(GUN, &["docs"]).await;
            let parts = (counted.parts)(&repo);
            let answer = world.send(&repo.gun, counted.query, &world.admin, &parts).await;
            let what = counted.what;
            match taken {
                true => assert_eq!(answer.status, 200, "{most} {what}: {answer:?}"),
                false => {
                    let (status, code) = counted.code;
                    assert_eq!(answer.outcome(), refused(status, code), "{most} {what}");
                }
            }
            world.end().await;
        }
    }
}

#[actix_web::test]
async fn no_more_roles_are_new_than_the_snapshot_has_room_for() {
    let names: Vec<String> = (10..22).map(|number| format!("team-{number}")).collect();
    // Enough for the first publish, which has no team.
    let mut most = 2_300;
    for taken in [false, true, false] {
        let mut world = World::start_with(|config| config.limits.snapshot_bytes = most).await;
        let repo = world.collection(GUN, &[]).await;
        let teams = names.iter().map(|name| (name.clone(), TestKey::draw())).collect();
        let repo = Repo { teams, ..repo };
        let mut parts = vec![repo.targets(2, &["a.txt"])];
        parts.extend(names.iter().map(|name| repo.team(name, 1, &["x"])));
        let answer = world.publish(&repo, &parts).await;
        if taken {
            assert_eq!(answer.status, 200, "{answer:?}");
            most -= 1;
        } else {
            assert_eq!(answer.outcome(), refused(413, "too_many"));
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            let found = detail.strip_prefix("snapshot: ").and_then(|rest| rest.split(' ').next());
            let found: u64 = found.unwrap().parse().unwrap();
            assert!(found > most, "{detail}");
            most = found;
        }
        world.end().await;
    }
}

// ---- what all who read the format agree on

#[actix_web::test]
async fn a_file_has_as_many_signatures_as_the_format_allows() {
    let mut world = World::start().await;
    let repo = world.collection(GUN, &["docs"]).await;
    let others: Vec<TestKey> = (0..MAX_SIGNATURES).map(|_| TestKey::draw()).collect();
    let signed_by = |count: usize| {
        let file = repo.unsigned_targets(2, &["docs/x"]);
        let unsigned = Unsigned::of(&file);
        let keys = others[..count - 1].iter().chain([repo.key_of("docs")]);
        let signatures: Vec<_> = keys.map(|key| key.sign(unsigned.message())).collect();
        [("docs".to_owned(), unsigned.with_signatures(&signatures))]
    };
    let answer = world.publish(&repo, &signed_by(MAX_SIGNATURES + 1)).await;
    assert_eq!(answer.outcome(), refused(400, "unreadable"));
    assert_eq!(world.publish(&repo, &signed_by(MAX_SIGNATURES)).await.status, 200);
    world.end().await;
}

#[actix_web::test]
async fn a_file_is_nested_as_deep_as_the_format_allows() {
    // The file, `signed`, `targets`, the target, and `custom`.
    const ABOVE: usize = 5;
    let mut world = World::start().await;
    let repo = world.collection(GUN, &["docs"]).await;
    let nested = |depth: usize| {
        let arrays = (ABOVE..depth).fold(json!(1), |inner, _| json!([inner]));
        [docs_with(&repo, |docs| described(docs, json!({ "a": arrays })))]
    };
    let answer = world.publish(&repo, &nested(MAX_DEPTH + 1)).await;
    assert_eq!(answer.outcome(), refused(400, "unreadable"));
    assert_eq!(world.publish(&repo, &nested(MAX_DEPTH)).await.status, 200);
    world.end().await;
}

#[actix_web::test]
async fn names_are_as_long_as_the_format_allows() {
    let mut world = World::start().await;
    let repo = world.collection(GUN, &["docs"]).await;
    let target_named = |length: usize| {
        let name = format!("docs/{}", "x".repeat(length - "docs/".len()));
        [docs_with(&repo, |docs| docs.targets.insert(&name, &target(None)))]
    };
    let answer = world.publish(&repo, &target_named(MAX_TARGET_PATH_BYTES + 1)).await;
    assert_eq!(answer.outcome(), refused(422, "target_name"));
    assert_eq!(world.publish(&repo, &target_named(MAX_TARGET_PATH_BYTES)).await.status, 200);

    let key = TestKey::draw();
    for (length, status) in [(MAX_ROLE_BYTES + 1, 422), (MAX_ROLE_BYTES, 200)] {
        let name = "r".repeat(length);
        let parts = [repo.edited("docs", 3, |docs| delegate(docs, &[&name], &[&key]))];
        let query = format!("?pending={name}");
        let answer = world.send(&repo.gun, &query, &world.admin, &parts).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(status == 200 || answer.outcome().1 == "role_name", "{answer:?}");
    }

    for (length, status) in [(MAX_GUN_BYTES + 1, 400), (MAX_GUN_BYTES, 200)] {
        let path = format!("/v2/{}/_trust/keys/snapshot", "a".repeat(length));
        let answer = world.post(&path, &world.admin).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    world.end().await;
}
