//! What must change for a collection to be as a file declares it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use notary_schema::key::Key;
use notary_schema::name::{KeyId, RoleName};
use notary_schema::role::{Authority, DelegatedRole, Delegations, RoleKeys, SuccinctRoles};
use notary_schema::wire::DelegationRequest;
use serde::Serialize;

use super::present::teams;
use super::{Declared, DeclaredBins, DeclaredRole, Delegating};
use crate::exit::Failure;
use crate::output::one_line;
use crate::publishing::delegated::must_sign_anew;
use crate::staged::{Changes, NewDelegation, Staged, SuccinctBins, Witness};
use crate::view::{PresentBins, View, spelled};

/// Where that which a file names comes from.
pub(crate) struct Sources<'a> {
    /// A public key that the collection does not know.
    pub(crate) key: &'a dyn Fn(&str) -> Result<Key, Failure>,
    /// The request of a team.
    pub(crate) request: &'a dyn Fn(&Path, &RoleName) -> Result<DelegationRequest, Failure>,
}

/// One thing that changes.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Difference {
    /// The role whose file says it.
    delegator: RoleName,
    /// The role that is delegated to, or what the names of the bins start with.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    /// `add`, `remove`, `change`, `order` or `sign`.
    change: &'static str,
    /// What exactly, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

impl Difference {
    /// Whether a role is signed anew because of others.
    pub(crate) fn is_signature(&self) -> bool {
        self.change == "sign"
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { delegator, role, change, detail } = self;
        let (role, detail) = (role.as_deref().unwrap_or_default(), one_line(detail));
        match *change {
            "add" => write!(f, "+ {role} by {delegator}: {detail}"),
            "remove" => write!(f, "- {role} by {delegator}"),
            "order" => write!(f, "~ {delegator} asks in the order {detail}"),
            "sign" => write!(f, "~ {role} is signed anew"),
            _ => write!(f, "~ {role} by {delegator}: {detail}"),
        }
    }
}

/// Compares a file with what is there.
///
/// # Errors
/// Keys that nobody knows, a threshold that the keys cannot reach, bins that are others than there
/// are, a new role without a file, roles below one that has no file.
pub(crate) fn changes(
    declared: &Declared,
    view: &View,
    sources: &Sources<'_>,
) -> Result<(Staged, Vec<Difference>), Failure> {
    let (staged, differences) = (Staged::default(), Vec::new());
    let mut comparison = Comparison { view, sources, known: known(view), staged, differences };
    for delegating in declared.delegating() {
        comparison.compare(&delegating)?;
    }
    comparison.staged.roles.retain(|_, changes| !changes.is_empty());
    Ok((comparison.staged, comparison.differences))
}

/// Every key that the collection lists.
fn known(view: &View) -> BTreeMap<KeyId, Key> {
    let files = view.roles().iter().filter_map(|role| view.file(&role.name));
    let delegated = files.filter_map(|file| file.signed().delegations.as_ref());
    let root = &view.trusted().root().signed().keys;
    let keys = delegated.map(|all| &all.keys).chain([root]).flatten();
    keys.map(|(id, key)| (id.clone(), key.clone())).collect()
}

struct Comparison<'a> {
    view: &'a View,
    sources: &'a Sources<'a>,
    known: BTreeMap<KeyId, Key>,
    staged: Staged,
    differences: Vec<Difference>,
}

/// Who shall sign, with the key objects.
struct Signers {
    role: RoleKeys,
    keys: BTreeMap<KeyId, Key>,
}

impl Comparison<'_> {
    fn compare(&mut self, declared: &Delegating<'_>) -> Result<(), Failure> {
        let delegator = &declared.delegator;
        let Some(file) = self.view.file(delegator) else {
            return Err(Failure::Refused(format!(
                "{delegator} has no file yet: leave out what it delegates to until it has"
            )));
        };
        let nothing = Delegations::new(BTreeMap::new(), Vec::new()).expect("no role twice");
        let all = file.signed().delegations.as_ref().unwrap_or(&nothing);
        let present = PresentBins::of(all);
        self.bins(delegator, all, present.as_ref(), declared.bins)?;
        let names: BTreeSet<&RoleName> = declared.roles.iter().map(|role| &role.name).collect();
        for gone in teams(all, present.as_ref()).filter(|role| !names.contains(&role.name)) {
            self.note(delegator, Some(gone.name.as_str()), "remove", String::new());
            self.changes(delegator).undelegated.insert(gone.name.clone());
        }
        for role in declared.roles {
            self.role(delegator, all, role)?;
        }
        let changes = self.changes(delegator);
        let as_it_comes = changes.order_after(Some(file.signed()));
        changes.order = declared.roles.iter().map(|role| role.name.clone()).collect();
        let wanted = changes.order_after(Some(file.signed()));
        match wanted == as_it_comes {
            true => changes.order.clear(),
            false => self.note(delegator, None, "order", RoleName::list(&wanted)),
        }
        Ok(())
    }

    fn role(
        &mut self,
        delegator: &RoleName,
        all: &Delegations,
        declared: &DeclaredRole,
    ) -> Result<(), Failure> {
        let name = &declared.name;
        let now = all.delegation(name);
        let request = match (&declared.request, self.view.listed(name)) {
            (Some(path), listed)
                if now.is_none() && listed.is_none() || declared.keys.is_empty() =>
            {
                Some((self.sources.request)(path, name)?)
            }
            _ => None,
        };
        let of_request = || request.iter().flat_map(|r| &r.keys).cloned().collect();
        let keys = match declared.keys.is_empty() {
            true => of_request(),
            false => Vec::new(),
        };
        let before = now.as_ref().map(|now| &*now.signers);
        let signers =
            self.signers(name.as_str(), &declared.keys, keys, declared.threshold, before)?;
        let wanted = DelegatedRole {
            name: name.clone(),
            signers: signers.role.clone().into(),
            terminating: declared.terminating,
            paths: declared.path_set(),
        };
        let Some(now) = now else {
            let is_new = self.view.listed(name).is_none();
            if is_new && request.is_none() && !declared.pending {
                return Err(Failure::Refused(format!(
                    "{name} has no file yet: name the `request` of the team, or say `pending: true`"
                )));
            }
            let detail = format!("{}, {}", spelled(&wanted.paths), of(&signers.role));
            self.note(delegator, Some(name.as_str()), "add", detail);
            let first_file = request.map(|request| request.file);
            self.delegate(delegator, all, wanted, signers, first_file);
            return Ok(());
        };
        if *now == wanted {
            return Ok(());
        }
        for detail in differences(&now, &wanted) {
            self.note(delegator, Some(name.as_str()), "change", detail);
        }
        if now.signers != wanted.signers {
            self.sign_anew(delegator, name, &signers);
        }
        self.delegate(delegator, all, wanted, signers, None);
        Ok(())
    }

    fn bins(
        &mut self,
        delegator: &RoleName,
        all: &Delegations,
        present: Option<&PresentBins>,
        declared: Option<&DeclaredBins>,
    ) -> Result<(), Failure> {
        let (present, declared) = match (present, declared) {
            (None, None) => return Ok(()),
            (Some(present), Some(declared)) if is_same(present, declared) => (present, declared),
            (Some(present), _) => {
                return Err(Failure::Refused(format!(
                    "the names of {delegator} are divided into {} {}bins {}-…, and the file says \
                     otherwise; `notary delegation bins` divides them anew",
                    present.bins.count(),
                    if present.succinct { "succinct " } else { "" },
                    present.bins.name_prefix()
                )));
            }
            (None, Some(declared)) => {
                return Err(Failure::Refused(format!(
                    "the names of {delegator} are not divided yet, which moves its targets: \
                     `notary delegation bins` with --count {} --prefix {} first",
                    declared.count, declared.prefix
                )));
            }
        };
        let (prefix, before) = (present.bins.name_prefix(), Some(&present.signers));
        let signers =
            self.signers(prefix, &declared.keys, Vec::new(), declared.threshold, before)?;
        if signers.role == present.signers {
            return Ok(());
        }
        for detail in other_signers(&present.signers, &signers.role) {
            self.note(delegator, Some(&format!("{prefix}-…")), "change", detail);
        }
        for bin in present.bins.names() {
            self.sign_anew(delegator, &bin, &signers);
        }
        if present.succinct {
            let roles = SuccinctRoles { bins: present.bins.clone(), signers: signers.role.clone() };
            let keys = unlisted(all, &signers);
            self.changes(delegator).succinct = Some(SuccinctBins { roles, keys });
            return Ok(());
        }
        let common = std::sync::Arc::new(signers.role.clone());
        for index in 0..=present.bins.last() {
            let delegation = present.bins.delegation(index, common.clone(), false);
            let new = NewDelegation { delegation, keys: unlisted(all, &signers), first_file: None };
            let bin = new.delegation.name.clone();
            self.changes(delegator).delegations.insert(bin, new);
        }
        Ok(())
    }

    /// Reads the keys of a role. Where they are those of now, they stay in their order.
    fn signers(
        &self,
        what: &str,
        named: &[String],
        more: Vec<Key>,
        threshold: u32,
        before: Option<&RoleKeys>,
    ) -> Result<Signers, Failure> {
        let mut keys: Vec<(KeyId, Key)> =
            more.into_iter().map(|key| (key.id().clone(), key)).collect();
        for text in named {
            let known = KeyId::parse(text).ok().and_then(|id| self.known.get_key_value(&id));
            keys.push(match known {
                Some((id, key)) => (id.clone(), key.clone()),
                None => {
                    let key = (self.sources.key)(text)?;
                    (key.id().clone(), key)
                }
            });
        }
        let position = |id: &KeyId| before?.keyids.iter().position(|before| before == id);
        keys.sort_by_key(|(id, _)| position(id).unwrap_or(usize::MAX));
        let refuse = |why: String| Failure::Refused(format!("{what}: {why}"));
        if threshold as usize > keys.len() {
            return Err(refuse(format!("a threshold of {threshold}, and {} keys", keys.len())));
        }
        let keyids = keys.iter().map(|(id, _)| id.clone()).collect();
        let role = RoleKeys::new(keyids, threshold).map_err(refuse)?;
        Ok(Signers { role, keys: keys.into_iter().collect() })
    }

    fn sign_anew(&mut self, delegator: &RoleName, role: &RoleName, signers: &Signers) {
        let after = Authority { keys: &signers.keys, role: &signers.role };
        if must_sign_anew(self.view, role, after) {
            self.note(delegator, Some(role.as_str()), "sign", String::new());
            self.changes(role).witness = Some(Witness { reviewed: None });
        }
    }

    fn delegate(
        &mut self,
        delegator: &RoleName,
        all: &Delegations,
        delegation: DelegatedRole,
        signers: Signers,
        first_file: Option<String>,
    ) {
        let keys = unlisted(all, &signers);
        let (role, new) = (delegation.name.clone(), NewDelegation { delegation, keys, first_file });
        self.changes(delegator).delegations.insert(role, new);
    }

    fn changes(&mut self, role: &RoleName) -> &mut Changes {
        self.staged.roles.entry(role.clone()).or_default()
    }

    fn note(&mut self, by: &RoleName, role: Option<&str>, change: &'static str, detail: String) {
        let (delegator, role) = (by.clone(), role.map(str::to_owned));
        self.differences.push(Difference { delegator, role, change, detail });
    }
}

/// The keys that the delegator does not list yet.
fn unlisted(all: &Delegations, signers: &Signers) -> Vec<Key> {
    let keys = signers.keys.iter().filter(|(id, _)| !all.keys.contains_key(*id));
    keys.map(|(_, key)| key.clone()).collect()
}

fn is_same(present: &PresentBins, declared: &DeclaredBins) -> bool {
    let names = (present.bins.name_prefix(), present.bins.count(), present.succinct);
    names == (declared.prefix.as_str(), declared.count, declared.succinct)
}

fn differences(now: &DelegatedRole, wanted: &DelegatedRole) -> Vec<String> {
    let mut all = Vec::new();
    if now.paths != wanted.paths {
        all.push(format!("paths {} -> {}", spelled(&now.paths), spelled(&wanted.paths)));
    }
    if now.terminating != wanted.terminating {
        all.push(format!("terminating {} -> {}", now.terminating, wanted.terminating));
    }
    all.extend(other_signers(&now.signers, &wanted.signers));
    all
}

fn other_signers(now: &RoleKeys, wanted: &RoleKeys) -> Vec<String> {
    let of = |some: &RoleKeys, others: &RoleKeys, what: &str| -> Vec<String> {
        let only = some.keyids.iter().filter(|id| !others.keyids.contains(id));
        only.map(|id| format!("key {what} {id}")).collect()
    };
    let mut all = [of(wanted, now, "in"), of(now, wanted, "out")].concat();
    if now.threshold != wanted.threshold {
        all.push(format!("threshold {} -> {}", now.threshold, wanted.threshold));
    }
    all
}

fn of(signers: &RoleKeys) -> String {
    format!("{} of {} keys", signers.threshold, signers.keyids.len())
}
