//! The rules of a single file, beyond those of reading it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Batch, Limits, Refusal, Rules};
use crate::envelope::Envelope;
use crate::json;
use crate::key::Key;
use crate::name::{KeyId, MAX_INTEGER, RoleName, TargetPath};
use crate::online::{OnlineRole, expires_after};
use crate::role::{Authority, Role, RoleKeys, Root, TargetFile, Targets};
use crate::threshold;

/// Above this a root is longer than clients in the field are willing to download (they stop at
/// 512,000 bytes; half of it leaves time to act).
const ROOT_WARNING_BYTES: usize = 256_000;

/// It expires in the future, and not in a future that the policy does not allow.
pub(super) fn check_life<T: Role>(
    role: &RoleName,
    file: &Envelope<T>,
    rules: &Rules,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let (role, expires) = (role.clone(), file.expires());
    let max_seconds = rules.offline_max_seconds;
    if expires.is_past(now) {
        return Err(Refusal::Expired { role, expires });
    }
    if expires > expires_after(now, max_seconds) {
        return Err(Refusal::ExpiresTooLate { role, expires, max_seconds });
    }
    Ok(())
}

/// The keys of a root, and that every client can read it.
pub(super) fn check_root(file: &Envelope<Root>, limits: &Limits) -> Result<(), Refusal> {
    let root = file.signed();
    if root.consistent_snapshot != Some(true) {
        return Err(Refusal::NotConsistent);
    }
    root_within(file, limits)?;
    readable_by_all(file)?;
    check_keys(&RoleName::ROOT, &root.keys)?;
    for role in [RoleName::ROOT, RoleName::TARGETS, RoleName::SNAPSHOT, RoleName::TIMESTAMP] {
        let authority = root.authority(&role).expect("a root lists the top-level roles");
        check_role_keys(&RoleName::ROOT, &role, authority)?;
    }
    Ok(())
}

/// How much a root holds.
pub(super) fn root_within(file: &Envelope<Root>, limits: &Limits) -> Result<(), Refusal> {
    let (root, name) = (file.signed(), RoleName::ROOT);
    within(&name, "bytes", file.bytes().len() as u64, limits.root_bytes)?;
    keys_within(&name, &root.keys, limits)?;
    root.roles.all().into_iter().try_for_each(|role| signers_within(&name, role, limits))
}

/// The signer can sign for a root.
pub(super) fn check_online_keys(file: &Envelope<Root>, rules: &Rules) -> Result<(), Refusal> {
    let root = file.signed();
    for online in OnlineRole::BOTH {
        let role = online.name();
        let listed = root.role_keys(&role).expect("a root lists the top-level roles");
        let held = rules.held_keys.reachable(root, online);
        let threshold = listed.threshold.get();
        if held < threshold as usize {
            return Err(Refusal::OnlineKeysNotHeld { role, held, threshold });
        }
    }
    Ok(())
}

/// python-tuf stops at a role beside the four and at a key of a type that it does not know.
fn readable_by_all(file: &Envelope<Root>) -> Result<(), Refusal> {
    let document = file.document();
    let roles = document["roles"].as_object().into_iter().flat_map(|roles| roles.keys());
    for role in roles {
        if !RoleName::parse(role).is_ok_and(|role| role.is_top_level()) {
            return Err(Refusal::RootUnreadable { what: format!("the role {role:?}") });
        }
    }
    match file.signed().keys.iter().find(|(_, key)| key.public().is_none()) {
        Some((id, _)) => Err(Refusal::RootUnreadable { what: format!("the key {id}") }),
        None => Ok(()),
    }
}

/// The targets and delegations of a targets role.
pub(super) fn check_targets(
    role: &RoleName,
    file: &Envelope<Targets>,
    limits: &Limits,
) -> Result<(), Refusal> {
    targets_within(role, file, limits)?;
    let targets = file.signed();
    for (name, target) in targets.targets.iter() {
        check_target(role, name, &target, limits)?;
    }
    let Some(delegations) = &targets.delegations else { return Ok(()) };
    check_keys(role, &delegations.keys)?;
    if let Some(succinct) = delegations.succinct() {
        let authority = Authority { keys: &delegations.keys, role: &succinct.signers };
        return check_role_keys(role, &succinct.bins.name(0), authority);
    }
    for delegated in delegations.listed() {
        let authority = Authority { keys: &delegations.keys, role: &delegated.signers };
        check_role_keys(role, &delegated.name, authority)?;
        delegated.paths.check_publishable().map_err(|error| Refusal::DelegatedPath {
            delegator: role.clone(),
            role: delegated.name.clone(),
            error,
        })?;
    }
    Ok(())
}

/// How much a targets role holds, but for what is said of each target.
pub(super) fn targets_within(
    role: &RoleName,
    file: &Envelope<Targets>,
    limits: &Limits,
) -> Result<(), Refusal> {
    let targets = file.signed();
    within(role, "targets", targets.targets.len() as u64, limits.targets_per_role)?;
    let Some(delegations) = &targets.delegations else { return Ok(()) };
    within(role, "delegations", delegations.count(), limits.delegations_per_role)?;
    keys_within(role, &delegations.keys, limits)?;
    let bins = delegations.succinct().map(|succinct| &succinct.signers);
    let listed = delegations.listed().iter().map(|delegated| &*delegated.signers);
    listed.chain(bins).try_for_each(|signers| signers_within(role, signers, limits))
}

/// How many keys a file lists.
pub(super) fn keys_within(
    role: &RoleName,
    keys: &BTreeMap<KeyId, Key>,
    limits: &Limits,
) -> Result<(), Refusal> {
    within(role, "keys", keys.len() as u64, limits.keys_per_file)
}

fn signers_within(listed_in: &RoleName, role: &RoleKeys, limits: &Limits) -> Result<(), Refusal> {
    within(listed_in, "keys of one role", role.keyids.len() as u64, limits.keys_per_role)
}

/// How much is said of a target.
pub(super) fn custom_within(
    role: &RoleName,
    target: &TargetFile,
    limits: &Limits,
) -> Result<(), Refusal> {
    let custom = target.custom.as_ref().map_or(0, |custom| json::compact(custom).len());
    within(role, "bytes of custom", custom as u64, limits.custom_bytes)
}

/// Judges one target of a role: its name, its hashes, and what is said of it. [`super::check`] asks
/// this of every target that is published; a program that gathers targets may ask before.
///
/// # Errors
/// [`Refusal::TargetName`], [`Refusal::Target`], [`Refusal::TooMany`].
pub fn check_target(
    role: &RoleName,
    name: &str,
    target: &TargetFile,
    limits: &Limits,
) -> Result<(), Refusal> {
    TargetPath::parse(name).map_err(|error| Refusal::TargetName { role: role.clone(), error })?;
    let refuse =
        |problem| Err(Refusal::Target { role: role.clone(), target: name.to_owned(), problem });
    if target.length > MAX_INTEGER {
        return refuse("has a length above 2^53-1");
    }
    let digits = |hash: &str| hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match target.hashes.sha256() {
        Some(hash) if hash.len() == 64 && digits(hash) => {}
        Some(_) => return refuse("has a sha256 that is not 64 lower-case hexadecimal digits"),
        None => return refuse("has no sha256"),
    }
    if target.hashes.sha512().is_some_and(|hash| hash.len() != 128 || !digits(hash)) {
        return refuse("has a sha512 that is not 128 lower-case hexadecimal digits");
    }
    match &target.custom {
        Some(custom) if custom.is_null() => refuse("has \"custom\": null; leave it out instead"),
        _ => custom_within(role, target, limits),
    }
}

/// Every key stands under its hash.
pub(super) fn check_keys(role: &RoleName, keys: &BTreeMap<KeyId, Key>) -> Result<(), Refusal> {
    match keys.iter().find(|(listed, key)| *listed != key.id()) {
        Some((listed, key)) => Err(Refusal::KeyIdMismatch {
            role: role.clone(),
            listed: listed.clone(),
            expected: key.id().clone(),
        }),
        None => Ok(()),
    }
}

/// Every named key is there, and the threshold can be reached.
fn check_role_keys(
    listed_in: &RoleName,
    role: &RoleName,
    authority: Authority<'_>,
) -> Result<(), Refusal> {
    let RoleKeys { keyids, threshold } = authority.role;
    let (listed_in, role, threshold) = (listed_in.clone(), role.clone(), threshold.get());
    if let Some(keyid) = keyids.iter().find(|id| !authority.keys.contains_key(*id)) {
        return Err(Refusal::UnknownKey { listed_in, role, keyid: keyid.clone() });
    }
    let usable = threshold::reachable(authority);
    if usable < threshold as usize {
        return Err(Refusal::ThresholdUnreachable { listed_in, role, threshold, usable });
    }
    Ok(())
}

fn within(role: &RoleName, what: &'static str, found: u64, limit: u64) -> Result<(), Refusal> {
    if found > limit {
        return Err(Refusal::TooMany { role: role.clone(), what, found, limit });
    }
    Ok(())
}

/// What is valid and still a trap for clients in the field.
pub(super) fn warnings(batch: &Batch) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(root) = batch.root() {
        let length = root.bytes().len();
        if length > ROOT_WARNING_BYTES {
            warnings.push(format!("root has {length} bytes; clients in the field stop at 512000"));
        }
        if root.signed().roles.root.threshold.get() == 1 {
            warnings.push("root has a threshold of 1: one stolen key takes the collection".into());
        }
    }
    for (role, file) in batch.targets_parts() {
        let delegations = file.signed().delegations.as_ref();
        let keys = delegations.into_iter().flat_map(|delegations| &delegations.keys);
        warnings.extend(
            keys.filter(|(_, key)| key.public().is_none()).map(|(id, _)| {
                format!("{role}: the key {id} is of a kind that python-tuf stops at")
            }),
        );
    }
    warnings.extend(batch.pending.iter().map(|role| {
        format!("{role} has no file: look-ups in its paths fail until its first publish")
    }));
    warnings
}
