//! What only shows itself in a repository that stands in a certain way: the owner brings it there, by
//! the rules, and then one thing goes wrong.

use notary_schema::json;
use notary_tests::hand::{HandKey, Part, Repository};
use notary_tests::judge::{Response, Served};
use serde_json::{Value, json};

use super::answers::next_version;
use super::parts::move_version;
use super::{Draw, How, Mutation};
use crate::differential::owner::NAMES;

/// One attack.
#[derive(Clone, Copy)]
pub(super) struct Attack {
    /// The role that it happens to; none where it may be any.
    pub(super) role: Option<&'static str>,
    /// What the owner does before.
    pub(super) prepare: fn(&mut Repository, &str, &mut Draw<'_>),
    /// What is wrong with the role.
    pub(super) edit: fn(&mut Part, &mut Draw<'_>),
    /// What is wrong with the answers.
    pub(super) serve: fn(&mut Served, &mut Draw<'_>),
}

/// An attack on the file of a role.
const fn attack(
    name: &'static str,
    role: Option<&'static str>,
    prepare: fn(&mut Repository, &str, &mut Draw<'_>),
    edit: fn(&mut Part, &mut Draw<'_>),
) -> Mutation {
    Mutation { name, how: How::Attack(Attack { role, prepare, edit, serve: |_, _| {} }) }
}

pub(super) const ALL: &[Mutation] = &[
    attack("one signature of two is missing", None, two_of_three, |part, draw| {
        part.signers.retain(|key| !is_among(key, &draw.fresh[1..3]));
    }),
    attack("one signature of two is a stranger's", None, two_of_three, |part, draw| {
        part.signers.retain(|key| !is_among(key, &draw.fresh[1..3]));
        part.signers.push(draw.stranger.clone());
    }),
    attack("one signature under two key ids", None, two_of_three, |part, draw| {
        let (key, other) = (draw.fresh[0].id().to_owned(), draw.fresh[1].id().to_owned());
        part.signers.retain(|key| !is_among(key, &draw.fresh[1..3]));
        part.edit_signatures(move |signatures| {
            let one = signatures.iter().find(|one| one["keyid"] == json!(key)).cloned();
            let copy = one.map(|one| json!({"keyid": other, "sig": one["sig"]}));
            signatures.extend(copy);
        });
    }),
    attack("one key signs under two ids", None, twins, |_, _| {}),
    attack("two signatures of three keys", None, two_of_three, |part, draw| {
        part.signers.retain(|key| !is_among(key, &draw.fresh[2..3]));
    }),
    attack("only its own keys sign a new root", Some("root"), two_of_three, |part, draw| {
        part.signers.retain(|key| is_among(key, &draw.fresh));
    }),
    attack("only the keys before sign a new root", Some("root"), two_of_three, |part, draw| {
        part.signers.retain(|key| !is_among(key, &draw.fresh));
    }),
    attack("too few of the keys before sign a new root", Some("root"), twice, |part, draw| {
        part.signers.retain(|key| !is_among(key, &draw.fresh[1..3]));
    }),
    attack("enough of the keys before sign a new root", Some("root"), twice, |part, draw| {
        part.signers.retain(|key| !is_among(key, &draw.fresh[2..4]));
    }),
    attack("the timestamp lists an earlier snapshot", Some("timestamp"), nothing, |part, draw| {
        let listed = |served: &Served| {
            let meta = document(served, "timestamp.json")?["signed"]["meta"].take();
            Some((meta["snapshot.json"]["version"].as_u64()?, meta))
        };
        let past = draw.past.iter().filter_map(listed);
        if let Some((_, meta)) = past.min_by_key(|(version, _)| *version) {
            part.signed["meta"] = meta;
        }
    }),
    attack(
        "an earlier timestamp with what is listed now",
        Some("timestamp"),
        nothing,
        |part, _| {
            move_version(part, -2);
        },
    ),
    attack("another timestamp of the same version", Some("timestamp"), nothing, |part, _| {
        move_version(part, -1);
    }),
    Mutation {
        name: "the root after the next one as the next one",
        how: How::Attack(Attack {
            role: Some("root"),
            prepare: |repository, role, draw| {
                repository.publish_root(draw.published);
                repository.edit(role);
            },
            edit: |_, _| {},
            serve: |served, draw| {
                let next = draw.past.last().map_or(2, next_version);
                if let Some(later) = served.file(&format!("{}.root.json", next + 1)) {
                    served.set(&format!("{next}.root.json"), Response::File(later));
                }
            },
        }),
    },
    attack("an ECDSA key with the scheme of another curve", Some("root"), ecdsa, |part, _| {
        for key in part.signed["keys"].as_object_mut().into_iter().flatten().map(|(_, key)| key) {
            if key["scheme"] == "ecdsa-sha2-nistp256" {
                key["scheme"] = json!("ecdsa-sha2-nistp384");
            }
        }
    }),
    attack("one role below two delegators", Some("targets"), two_ways, |_, _| {}),
    attack("bins before another delegation", Some("targets"), bins_first, |_, _| {}),
    attack("delegations that are none", Some("targets"), nothing, |part, draw| {
        let values = [json!(null), json!([]), json!({}), json!({"keys": {}}), json!("x")];
        part.signed["delegations"] = draw.random.one_of(&values).clone();
    }),
    attack("delegations to listed roles and to bins", Some("targets"), nothing, |part, draw| {
        let (id, key) = (draw.fresh[0].id(), draw.fresh[0].object());
        part.signed["delegations"] = json!({"keys": {id: key}, "roles": [], "succinct_roles": {
            "bit_length": 1, "name_prefix": "bin", "threshold": 1, "keyids": [id],
        }});
    }),
];

fn nothing(_: &mut Repository, _: &str, _: &mut Draw<'_>) {}

/// Gives a role three new keys, two of which must sign.
fn two_of_three(repository: &mut Repository, role: &str, draw: &mut Draw<'_>) {
    for delegator in repository.delegators(role) {
        repository.trust(&delegator, role, &draw.fresh[..3], 2);
    }
}

/// Gives a role one key under two ids, both of which must sign.
fn twins(repository: &mut Repository, role: &str, draw: &mut Draw<'_>) {
    let keys = [draw.fresh[0].clone(), draw.fresh[0].under_id("twin")];
    for delegator in repository.delegators(role) {
        repository.trust(&delegator, role, &keys, 2);
    }
}

/// Gives timestamp a key on P-256.
fn ecdsa(repository: &mut Repository, role: &str, _: &mut Draw<'_>) {
    repository.trust(role, "timestamp", &[HandKey::p256()], 1);
}

/// Replaces the keys of root two times: the last ones sign together with those before.
fn twice(repository: &mut Repository, role: &str, draw: &mut Draw<'_>) {
    two_of_three(repository, role, draw);
    repository.publish_root(draw.published);
    repository.trust("root", role, &draw.fresh[3..], 2);
}

/// Delegates some names to a role, and others through a second role that trusts a stranger with it.
fn two_ways(repository: &mut Repository, role: &str, draw: &mut Draw<'_>) {
    if repository.document(role)["delegations"].get("succinct_roles").is_some() {
        return;
    }
    let names = ["shared", "between"];
    if repository.delegated_by(role).iter().any(|one| names.contains(&one.as_str())) {
        return;
    }
    let paths = |path: &str| json!({"paths": [path], "terminating": true});
    let [shared, between] = names;
    let key = |at: usize| (&draw.fresh[at..=at], 1);
    repository.delegate((role, shared), 0, paths("*.txt"), key(0));
    repository.delegate((role, between), 0, paths("docs/*"), key(1));
    repository.delegate((between, shared), 0, paths("docs/*"), key(2));
    repository.part(shared).signers = vec![draw.fresh[0].clone()];
}

/// Delegates all names to bins first, and then to a role that lists them.
fn bins_first(repository: &mut Repository, role: &str, draw: &mut Draw<'_>) {
    let roles = ["binned", "behind"];
    let delegates = |role: &str| repository.targets_roles().iter().any(|one| one == role);
    let succinct = repository.document(role)["delegations"].get("succinct_roles").is_some();
    if succinct || roles.into_iter().any(delegates) {
        return;
    }
    let key = (&draw.fresh[..1], 1);
    for one in roles.into_iter().rev() {
        let all = json!({"paths": ["*", "*/*", "*/*/*"], "terminating": false});
        repository.delegate((role, one), 0, all, key);
    }
    repository.delegate_to_bins(roles[0], ("binned", 1), key);
    for name in NAMES {
        repository.add_target(roles[1], name, name.as_bytes());
    }
}

fn is_among(key: &HandKey, keys: &[HandKey]) -> bool {
    keys.iter().any(|one| one.id() == key.id())
}

fn document(served: &Served, name: &str) -> Option<Value> {
    json::read(&served.file(name)?).ok()
}
