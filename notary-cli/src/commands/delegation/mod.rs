//! `notary delegation`: a team asks for a role, whoever delegates adds it.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use notary_schema::draft::Draft;
use notary_schema::envelope::Envelope;
use notary_schema::json;
use notary_schema::key::Key;
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::online::{Lifetimes, expires_after};
use notary_schema::path::{PathPattern, PathSet};
use notary_schema::role::{Authority, DelegatedRole, RoleKeys, Targets};
use notary_schema::threshold;
use notary_schema::trusted::Expiry;
use notary_schema::updater::Roles;
use notary_schema::wire::DelegationRequest;
use serde_json::json;

use super::stage::Shown;
use super::{bins, publish, stage};
use crate::agent;
use crate::args::{DelegationAddArgs, DelegationCommand, DelegationRemoveArgs, SignArgs, When};
use crate::exit::{Failure, Outcome};
use crate::keyring::Purpose;
use crate::output::one_line;
use crate::publishing::wanted::Wanted;
use crate::session::Session;
use crate::staged::{NewDelegation, StageError, Staged};
use crate::trust_dir::files;
use crate::view::{View, spelled};

/// Runs `notary delegation …`.
pub(crate) async fn run(session: &Session, command: DelegationCommand) -> Result<Outcome, Failure> {
    match command {
        DelegationCommand::Request { gun, role, key, output, expires } => {
            request(session, &gun, &role, &key, &output, expires).await
        }
        DelegationCommand::Add(args) => add(session, args).await,
        DelegationCommand::Bins(args) => bins::run(session, args).await,
        DelegationCommand::Remove(args) => remove(session, args).await,
        DelegationCommand::List(args) => list(session, &args.gun).await,
    }
}

/// Runs `notary delegation request`.
async fn request(
    session: &Session,
    gun: &Gun,
    role: &RoleName,
    keys: &[String],
    output: &Path,
    expires: Option<When>,
) -> Result<Outcome, Failure> {
    role.check_creatable()?;
    let now = session.now();
    let keyring = session.keyring()?;
    let resolve = |key: &String| keyring.resolve(key, Purpose::Delegation);
    let entries = keys.iter().map(resolve).collect::<Result<Vec<_>, _>>()?;
    let usual = || expires_after(now, Lifetimes::default().targets_seconds);
    let expires = expires.map_or_else(usual, |when| when.from(now));
    let first = Targets::empty(next_version(session, gun, role)?, expires);
    let document = Draft::from_role(&first).finish();
    let signers: Vec<_> = entries.iter().map(|entry| (&entry.keyid, entry)).collect();
    let file = keyring.sign_with(&document, Purpose::Delegation, &signers)?;
    let request = DelegationRequest {
        collection: gun.clone(),
        role: role.clone(),
        keys: entries.iter().map(|entry| entry.key.clone()).collect(),
        file: String::from_utf8(file).expect("JSON is UTF-8"),
    };
    let text = serde_json::to_vec_pretty(&request).expect("a request is JSON");
    files::write(output, &text)?;
    let ids: Vec<_> = entries.iter().map(|entry| &entry.keyid).collect();
    let value = json!({ "collection": gun, "role": role, "keyids": ids, "file": output });
    let text = format!("wrote {}; hand it to whoever delegates {role}\n", output.display());
    session.output.result(&value, &text)?;
    Ok(Outcome::Done)
}

/// A role that was published before goes on after its last version.
fn next_version(session: &Session, gun: &Gun, role: &RoleName) -> Result<Version, Failure> {
    let files = session.collection(gun)?.trusted();
    let stored = agent::stored(&files, Wanted::default(), session.now())?;
    let last = stored.and_then(|trusted| View::new(trusted).listed(role));
    Ok(last.map_or(Ok(Version::FIRST), Version::next)?)
}

/// Runs `notary delegation add`.
async fn add(session: &Session, args: DelegationAddArgs) -> Result<Outcome, Failure> {
    let new = new_delegation(session, &args)?;
    if args.pending {
        session.output.warn(format_args!(
            "look-ups in the paths of {} fail until its first publish",
            args.role
        ));
    }
    let (collection, _lock) = session.locked(&args.gun).await?;
    let keys = session.keyring()?.available(&args.sign_keys)?;
    let change = |view: &View, staged: &mut Staged| {
        if view.role(&args.parent).is_none() {
            return Err(StageError::UnknownRole(args.parent.clone()).into());
        }
        let changes = staged.roles.entry(args.parent.clone()).or_default();
        changes.undelegated.remove(&args.role);
        changes.delegations.insert(args.role.clone(), new.clone());
        Ok(())
    };
    let roles = [args.parent.clone(), args.role.clone()];
    let wanted = Wanted { roles: &roles, keys: &keys, ..Wanted::default() };
    stage::stage(session, &args.gun, &collection, wanted, change).await?;
    if args.publish {
        let sign = SignArgs { key: args.sign_keys, expires: args.expires };
        return publish::publish(session, &args.gun, &collection, &sign).await;
    }
    let (gun, role, parent) = (&args.gun, &args.role, &args.parent);
    let value = json!({ "collection": gun, "role": role, "parent": parent, "staged": true });
    session.output.result(&value, &format!("{parent}: delegate {role}\n"))?;
    session.output.message(format_args!("`notary publish {gun}` publishes what is staged"));
    Ok(Outcome::Done)
}

/// Runs `notary delegation remove`.
async fn remove(session: &Session, args: DelegationRemoveArgs) -> Result<Outcome, Failure> {
    let (gun, role) = (&args.gun, &args.role);
    let (collection, _lock) = session.locked(gun).await?;
    let keys = session.keyring()?.available(&args.stage.key)?;
    let change = |view: &View, staged: &mut Staged| {
        let was_staged = unstage(staged, role, args.parent.as_ref());
        let parent = match view.role(role) {
            Some(known) => known.delegator.clone(),
            None if was_staged => return Ok(Vec::new()),
            None => return Err(StageError::UnknownRole(role.clone()).into()),
        };
        if *role == RoleName::TARGETS
            || args.parent.as_ref().is_some_and(|wanted| *wanted != parent)
        {
            return Err(Failure::NotFound(format!("it is {parent} that delegates to {role}")));
        }
        let changes = staged.roles.entry(parent.clone()).or_default();
        changes.undelegated.insert(role.clone());
        Ok(vec![Shown::new(&parent, "undelegate", role.as_str())])
    };
    let roles: Vec<RoleName> = args.parent.iter().chain([role]).cloned().collect();
    let subtrees = std::slice::from_ref(role);
    let wanted = Wanted { roles: &roles, subtrees, keys: &keys, ..Wanted::default() };
    let shown = stage::stage(session, gun, &collection, wanted, change).await?;
    stage::finish(session, gun, &collection, &args.stage, shown).await
}

/// Takes back the staged delegation to a role; answers whether there was one.
fn unstage(staged: &mut Staged, role: &RoleName, parent: Option<&RoleName>) -> bool {
    let mut was_staged = false;
    for (delegator, changes) in &mut staged.roles {
        if parent.is_none_or(|parent| parent == delegator) {
            was_staged |= changes.delegations.remove(role).is_some();
        }
    }
    staged.roles.retain(|_, changes| !changes.is_empty());
    was_staged
}

fn new_delegation(session: &Session, args: &DelegationAddArgs) -> Result<NewDelegation, Failure> {
    let (keys, first_file) = match &args.request {
        Some(path) => {
            let request = read_request(path, &args.gun, &args.role)?;
            (request.keys, Some(request.file))
        }
        None => {
            let keyring = session.keyring()?;
            let keys = args.public_key.iter().map(|key| keyring.public(key));
            (keys.collect::<Result<Vec<_>, _>>()?, None)
        }
    };
    let keyids = keys.iter().map(|key| key.id().clone()).collect();
    let delegation = DelegatedRole {
        name: args.role.clone(),
        signers: RoleKeys::new(keyids, args.threshold).map_err(Failure::Usage)?.into(),
        terminating: args.terminating,
        paths: PathSet::Paths(args.paths.iter().map(|path| PathPattern::new(path)).collect()),
    };
    Ok(NewDelegation { delegation, keys, first_file })
}

/// Reads a request and checks that who made it holds every key in it.
fn read_request(path: &Path, gun: &Gun, role: &RoleName) -> Result<DelegationRequest, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::file("read", path, error))?;
    check_request(&bytes, gun, role)
        .map_err(|why| Failure::Refused(format!("{}: {why}", path.display())))
}

fn check_request(bytes: &[u8], gun: &Gun, role: &RoleName) -> Result<DelegationRequest, String> {
    let request: DelegationRequest =
        json::read(bytes).map_err(|error| format!("not a delegation request: {error}"))?;
    if request.collection != *gun || request.role != *role {
        let (collection, asked) = (&request.collection, &request.role);
        return Err(format!("it asks for {asked} of {collection}, not for {role} of {gun}"));
    }
    let file: Arc<[u8]> = request.file.as_bytes().into();
    let file = Envelope::<Targets>::parse(file).map_err(|error| error.to_string())?;
    let keyids = request.keys.iter().map(|key| key.id().clone()).collect();
    let all = u32::try_from(request.keys.len()).map_err(|error| error.to_string())?;
    let signers = RoleKeys::new(keyids, all)?;
    let keys = request.keys.iter().map(|key| (key.id().clone(), Key::clone(key))).collect();
    let authority = Authority { keys: &keys, role: &signers };
    let report = threshold::count(&file, authority);
    match report.is_met() {
        true => Ok(request),
        false => Err("its first file is not signed by every key in it; ask for a new one".into()),
    }
}

/// Runs `notary delegation list`.
async fn list(session: &Session, gun: &Gun) -> Result<Outcome, Failure> {
    let (_, _lock) = session.locked(gun).await?;
    let mut agent = session.refreshed(gun, session.now(), Expiry::Reported).await?;
    for unread in agent.visit(Roles::Teams).await?.iter().filter(|one| !one.is_pending()) {
        session.output.warn(format_args!("{} could not be read: {}", unread.role, unread.error));
    }
    let view = View::new(agent.trusted()?.clone());
    let (mut roles, mut text) = (Vec::new(), String::new());
    for role in view.roles().iter().filter(|role| role.name != RoleName::TARGETS) {
        let delegation = role.chain.last().expect("a delegated role has a delegation");
        let version = view.listed(&role.name);
        let of = delegation.signers.keyids.len();
        let state = version.map_or("not published yet".to_owned(), |v| format!("version {v}"));
        let ends = if delegation.terminating { ", terminating" } else { "" };
        let ids: Vec<&str> = delegation.signers.keyids.iter().map(|id| id.as_str()).collect();
        writeln!(
            text,
            "{} by {}: {}{ends}, {state}\n  {} of {of} keys: {}",
            role.name,
            role.delegator,
            one_line(&spelled(&delegation.paths)),
            delegation.signers.threshold,
            ids.join(", ")
        )
        .expect("a String takes all");
        roles.push(json!({
            "delegated_by": role.delegator, "version": version, "delegation": &**delegation,
        }));
    }
    let mut bins = Vec::new();
    for (role, succinct) in view.succinct() {
        let (divided, signers) = (&succinct.bins, &succinct.signers);
        let (prefix, count, of) = (divided.name_prefix(), divided.count(), signers.keyids.len());
        let ids: Vec<&str> = signers.keyids.iter().map(|id| id.as_str()).collect();
        writeln!(
            text,
            "{count} bins {} to {} by {}\n  {} of {of} keys: {}",
            divided.name(0),
            divided.name(divided.last()),
            role.name,
            signers.threshold,
            ids.join(", ")
        )
        .expect("a String takes all");
        bins.push(json!({
            "delegated_by": role.name, "name_prefix": prefix, "count": count,
            "succinct_roles": succinct,
        }));
    }
    session.output.result(&json!({ "delegations": roles, "bins": bins }), &text)?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use notary_schema::role::Expires;
    use notary_signer::keys::Algorithm;
    use notary_signer::keys::private::PrivateKey;

    use super::*;

    fn request(signers: &[&PrivateKey], keys: &[&PrivateKey]) -> Vec<u8> {
        let expires = Expires::try_from("2030-01-01T00:00:00Z".to_owned()).unwrap();
        let document = Draft::first_targets(expires).finish();
        let sign = |key: &&PrivateKey| (key.id(), key.sign(document.message()).unwrap());
        let file = document.with_signatures(&signers.iter().map(sign).collect::<Vec<_>>());
        let request = DelegationRequest {
            collection: Gun::parse("acme/app").unwrap(),
            role: RoleName::parse("docs").unwrap(),
            keys: keys.iter().map(|key| Key::new(key.public().clone())).collect(),
            file: String::from_utf8(file).unwrap(),
        };
        serde_json::to_vec(&request).unwrap()
    }

    #[test]
    fn a_request_is_signed_by_every_key_in_it() {
        let [a, b] = [(); 2].map(|()| PrivateKey::generate(Algorithm::Ed25519).unwrap());
        let (gun, role) = (Gun::parse("acme/app").unwrap(), RoleName::parse("docs").unwrap());
        let check = |bytes: &[u8]| check_request(bytes, &gun, &role);
        check(&request(&[&a], &[&a])).unwrap();
        check(&request(&[&a, &b], &[&a, &b])).unwrap();
        for (signers, keys) in [(vec![&b], vec![&a]), (vec![], vec![&a]), (vec![&a], vec![&a, &b])]
        {
            let refused = check(&request(&signers, &keys)).unwrap_err();
            assert!(refused.contains("not signed by every key"), "{refused}");
        }
        assert!(check(&request(&[], &[])).is_err(), "a request without keys");
        assert!(check(b"{}").is_err());
    }

    #[test]
    fn a_request_counts_for_its_collection_and_role_only() {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let bytes = request(&[&key], &[&key]);
        for (gun, role) in [("acme/other", "docs"), ("acme/app", "other")] {
            let (gun, role) = (Gun::parse(gun).unwrap(), RoleName::parse(role).unwrap());
            assert!(check_request(&bytes, &gun, &role).is_err());
        }
    }
}
