//! Mistakes in who may sign a role, and in the list of delegations.

use notary_tests::hand::Repository;
use serde_json::{Value, json};

use super::{Draw, How, Mutation};
use crate::differential::owner::NAMES;

const fn one(name: &'static str, edit: fn(&mut Value, &mut Value, &mut Draw<'_>)) -> Mutation {
    Mutation { name, how: How::Delegation(edit) }
}

const fn list(name: &'static str, edit: fn(&mut Vec<Value>, &mut Draw<'_>)) -> Mutation {
    Mutation { name, how: How::Delegations(edit) }
}

pub(super) const ALL: &[Mutation] = &[
    one("a threshold of 0", |role, _, _| role["threshold"] = json!(0)),
    one("a threshold above the number of keys", |role, _, _| {
        let keys = role["keyids"].as_array().map_or(0, Vec::len);
        role["threshold"] = json!(keys + 1);
    }),
    one("a threshold that is no number", |role, _, draw| {
        let values = [json!("1"), json!(-1), json!(null)];
        role["threshold"] = draw.random.one_of(&values).clone();
    }),
    one("no keys for a role", |role, _, _| role["keyids"] = json!([])),
    one("a keyid twice for one role", |role, _, _| {
        let keyids = role["keyids"].as_array_mut().expect("they are a list");
        keyids.extend(keyids.first().cloned());
    }),
    one("a keyid of no key", |role, _, draw| {
        let keyids = role["keyids"].as_array_mut().expect("they are a list");
        keyids.insert(0, json!(draw.stranger.id()));
    }),
    one("a stranger's key that need not sign", |role, keys, draw| {
        let keyids = role["keyids"].as_array_mut().expect("they are a list");
        keyids.push(json!(draw.stranger.id()));
        keys[draw.stranger.id()] = draw.stranger.object().clone();
    }),
    one("only a stranger's key", |role, keys, draw| {
        role["keyids"] = json!([draw.stranger.id()]);
        role["threshold"] = json!(1);
        keys[draw.stranger.id()] = draw.stranger.object().clone();
    }),
    one("a key under an id that is not its own", |_, keys, draw| {
        keys["another id"] = draw.stranger.object().clone();
    }),
    one("a key of an unknown type", |role, keys, _| {
        keys["future"] =
            json!({"keytype": "sphincs", "scheme": "sphincs", "keyval": {"public": "00"}});
        role["keyids"].as_array_mut().expect("they are a list").push(json!("future"));
    }),
    one("one key under two ids", |role, keys, _| {
        let first = role["keyids"][0].as_str().unwrap_or_default().to_owned();
        if let Some(key) = keys.get(&first).cloned() {
            keys["twin"] = key;
            role["keyids"].as_array_mut().expect("they are a list").push(json!("twin"));
        }
    }),
    one("a key with a garbled value", |role, keys, _| {
        let first = role["keyids"][0].as_str().unwrap_or_default().to_owned();
        if let Some(key) = keys.get_mut(&first) {
            key["keyval"]["public"] = json!("00");
        }
    }),
    one("a key that is none", |role, keys, draw| {
        let first = role["keyids"][0].as_str().unwrap_or_default().to_owned();
        if let Some(key) = keys.get_mut(&first) {
            let member = *draw.random.one_of(&["keytype", "scheme", "keyval"]);
            key[member] = draw.random.one_of(&[json!(7), json!(null), json!([])]).clone();
        }
    }),
    one("a listed key is missing", |role, keys, _| {
        let first = role["keyids"][0].as_str().unwrap_or_default().to_owned();
        keys.as_object_mut().expect("they are a map").remove(&first);
    }),
    list("a role has another name", |roles, _| roles[0]["name"] = json!("renamed")),
    list("a delegation to a top-level role", |roles, draw| {
        roles[0]["name"] = json!(draw.random.one_of(&["root", "targets", "snapshot", "timestamp"]));
    }),
    list("a delegation in a circle", |roles, draw| {
        let name = draw.random.one_of(&draw.roles).clone();
        if roles.iter().all(|role| role["name"] != name) {
            roles[0]["name"] = json!(name);
            roles[0]["paths"] = json!(["*", "*/*", "*/*/*"]);
            roles[0].as_object_mut().expect("a role is an object").remove("path_hash_prefixes");
        }
    }),
    list("two delegations to one role", |roles, _| roles.push(roles[0].clone())),
    list("a delegation by paths and by hash prefixes", |roles, _| {
        roles[0]["paths"] = json!(["*"]);
        roles[0]["path_hash_prefixes"] = json!(["0"]);
    }),
    list("a delegation of nothing", |roles, _| {
        let role = roles[0].as_object_mut().expect("a role is an object");
        role.remove("path_hash_prefixes");
        role.insert("paths".into(), json!([]));
    }),
    list("a delegation by neither paths nor hash prefixes", |roles, _| {
        let role = roles[0].as_object_mut().expect("a role is an object");
        role.remove("paths");
        role.remove("path_hash_prefixes");
    }),
    list("a delegation that does not say whether it is terminating", |roles, _| {
        roles[0].as_object_mut().expect("a role is an object").remove("terminating");
    }),
    list("all delegations are terminating", |roles, _| {
        roles.iter_mut().for_each(|role| role["terminating"] = json!(true));
    }),
    list("unknown members in a delegation", |roles, _| roles[0]["x-unknown"] = json!([1])),
    list("no delegations", |roles, _| roles.clear()),
    Mutation { name: "a chain of 63 delegations", how: How::Repository(|all, _| chain(63, all)) },
    Mutation { name: "a chain of 70 delegations", how: How::Repository(|all, _| chain(70, all)) },
    Mutation {
        name: "another delegator trusts a stranger",
        how: How::Repository(second_delegator),
    },
];

/// One role below the other; the last one lists all names. A client visits 64 roles for one name.
fn chain(length: u32, repository: &mut Repository) {
    let keys = repository.part("targets").signers.clone();
    let mut delegator = "targets".to_owned();
    if repository.document("targets")["delegations"].get("succinct_roles").is_some() {
        return;
    }
    for n in 0..length {
        let role = format!("link {n}");
        let all = json!({"paths": ["*", "*/*", "*/*/*"], "terminating": false});
        repository.delegate((&delegator, &role), 0, all, (&keys, 1));
        delegator = role;
    }
    for name in NAMES {
        repository.add_target(&delegator, name, name.as_bytes());
    }
}

/// A second delegation to a role, under which nobody has signed it.
fn second_delegator(repository: &mut Repository, draw: &mut Draw<'_>) {
    let role = draw.random.one_of(&draw.roles).clone();
    let delegator = draw.random.one_of(&draw.roles).clone();
    let listed = repository.delegated_by(&delegator);
    let is_free = repository.document(&delegator)["delegations"].get("succinct_roles").is_none();
    if role == "targets" || listed.contains(&role) || !is_free {
        return;
    }
    let paths = *draw.random.one_of(&["*", "*.txt", "docs/*", "*/*/*"]);
    let delegation = json!({"paths": [paths], "terminating": false});
    let signers = repository.part(&role).signers.clone();
    let (place, keys) = (draw.random.index(listed.len() + 1), [draw.stranger.clone()]);
    repository.delegate((&delegator, &role), place, delegation, (&keys, 1));
    repository.part(&role).signers = signers;
}
