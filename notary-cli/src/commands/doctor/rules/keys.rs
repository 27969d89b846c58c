//! Who can sign what.

use std::collections::{BTreeMap, BTreeSet};

use notary_schema::key::{Key, PublicKey};
use notary_schema::name::{KeyId, RoleName};
use notary_schema::role::{Delegations, RoleKeys, Targets};
use notary_schema::threshold;

use super::{Finding, Subject, counted};

static ROOT: RoleName = RoleName::ROOT;

/// One holder of a root key can replace every key.
pub(super) fn root_threshold(subject: &Subject<'_>) -> Vec<Finding> {
    let root = subject.collected.view.trusted().root().signed();
    if root.roles.root.threshold.get() > 1 {
        return Vec::new();
    }
    let what = "its threshold is 1: who steals one root key can replace every key".to_owned();
    let next = "name two or more holders and a threshold of 2 in its next version".to_owned();
    vec![Finding::warning("root_threshold_one", &RoleName::ROOT, what, next)]
}

/// Where all holders must sign, a lost key is the end.
pub(super) fn spare_root_key(subject: &Subject<'_>) -> Vec<Finding> {
    let root = subject.collected.view.trusted().root().signed();
    let authority = root.authority(&RoleName::ROOT).expect("a root lists the top-level roles");
    let keys = threshold::reachable(authority);
    if keys > root.roles.root.threshold.get() as usize {
        return Vec::new();
    }
    let all = counted(keys, "key, which", "keys, which all");
    let what =
        format!("it has {all} must sign: after the loss of one, no next version can be signed");
    let next = "name one holder more than the threshold in its next version".to_owned();
    vec![Finding::note("root_without_spare_key", &RoleName::ROOT, what, next)]
}

/// Keys that sign for more than one role.
pub(super) fn shared(subject: &Subject<'_>) -> Vec<Finding> {
    let mut holders: BTreeMap<&PublicKey, (KeyId, BTreeSet<String>)> = BTreeMap::new();
    for Signers { who, keys, role } in signers(subject) {
        for keyid in &role.keyids {
            let Some(public) = keys.get(keyid).and_then(Key::public) else { continue };
            let (_, roles) = holders.entry(public).or_insert((keyid.clone(), BTreeSet::new()));
            roles.insert(who.clone());
        }
    }
    let shared = holders.into_values().filter(|(_, roles)| roles.len() > 1);
    shared.map(|(keyid, roles)| shared_key(&keyid, &roles)).collect()
}

fn shared_key(keyid: &KeyId, roles: &BTreeSet<String>) -> Finding {
    let some: Vec<&str> = roles.iter().take(5).map(String::as_str).collect();
    let dots = if roles.len() > some.len() { ", …" } else { "" };
    let what = format!("the key {keyid} signs for {}{dots}", some.join(", "));
    let next = "give each of them a key of its own, unless it shall be one for all".to_owned();
    let found = |role: &str| roles.contains(role);
    match ["root", "snapshot", "timestamp"].iter().find(|role| found(role)) {
        Some(role) => {
            let role = RoleName::parse(role).expect("a top-level role");
            let next = "give each of them a key of its own in the next root: what one can do, who \
                        holds the key can do";
            Finding::warning("key_shared", &role, what, next.to_owned())
        }
        None => Finding::note("key_shared", &RoleName::TARGETS, what, next),
    }
}

/// Who signs for whom.
struct Signers<'a> {
    /// A role, or all bins of one: these are signed by the same keys on purpose.
    who: String,
    keys: &'a BTreeMap<KeyId, Key>,
    role: &'a RoleKeys,
}

fn signers<'a>(subject: &Subject<'a>) -> Vec<Signers<'a>> {
    let root = subject.collected.view.trusted().root().signed();
    let top = [RoleName::ROOT, RoleName::SNAPSHOT, RoleName::TARGETS, RoleName::TIMESTAMP];
    let top = top.iter().filter_map(|name| {
        let role = root.role_keys(name)?;
        Some(Signers { who: name.to_string(), keys: &root.keys, role })
    });
    let mut all: Vec<_> = top.collect();
    for (delegator, file) in delegators(subject) {
        let Some(Delegations { keys, .. }) = &file.delegations else { continue };
        let bins = format!("the bins of {delegator}");
        for role in file.delegations.iter().flat_map(Delegations::listed) {
            let who = if role.is_bin() { bins.clone() } else { role.name.to_string() };
            all.push(Signers { who, keys, role: &role.signers });
        }
        if let Some(succinct) = file.delegations.as_ref().and_then(Delegations::succinct) {
            all.push(Signers { who: bins, keys, role: &succinct.signers });
        }
    }
    all
}

/// The files of targets roles that were read.
fn delegators<'a>(subject: &Subject<'a>) -> impl Iterator<Item = (&'a RoleName, &'a Targets)> {
    let view = &subject.collected.view;
    view.roles().iter().filter_map(|role| Some((&role.name, view.file(&role.name)?.signed())))
}

/// Every role that lists keys, and these.
fn lists<'a>(subject: &Subject<'a>) -> Vec<(&'a RoleName, &'a BTreeMap<KeyId, Key>)> {
    let root = &subject.collected.view.trusted().root().signed().keys;
    let delegated = delegators(subject);
    let delegated =
        delegated.filter_map(|(role, file)| Some((role, &file.delegations.as_ref()?.keys)));
    [(&ROOT, root)].into_iter().chain(delegated).collect()
}

/// Keys of a type or scheme that we do not know either.
pub(super) fn unknown(subject: &Subject<'_>) -> Vec<Finding> {
    let next = "list ed25519, ecdsa and rsa keys only".to_owned();
    let in_list = |(role, keys): (&RoleName, &BTreeMap<KeyId, Key>)| {
        let unknown: Vec<&KeyId> =
            keys.iter().filter(|(_, key)| key.public().is_none()).map(|(id, _)| id).collect();
        let first = unknown.first()?;
        let what = format!(
            "it lists {} of an unknown type or scheme, such as {first}: python-tuf and tough cannot \
             read such a file",
            counted(unknown.len(), "key", "keys")
        );
        Some(Finding::warning("key_unknown", role, what, next.clone()))
    };
    lists(subject).into_iter().filter_map(in_list).collect()
}

/// Key ids that are not the hash of their key.
pub(super) fn other_ids(subject: &Subject<'_>) -> Vec<Finding> {
    let next = "list each key under the SHA-256 of its canonical form".to_owned();
    let in_list = |(role, keys): (&RoleName, &BTreeMap<KeyId, Key>)| {
        let (id, _) = keys.iter().find(|(id, key)| *id != key.id())?;
        let what = format!("the key id {id} is not the hash of its key: tough refuses such a file");
        Some(Finding::warning("key_id_differs", role, what, next.clone()))
    };
    lists(subject).into_iter().filter_map(in_list).collect()
}
