//! The roles of a collection, as its info tells them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::key::Key;
use notary_schema::name::{KeyId, RoleName};
use notary_schema::path::PathSet;
use notary_schema::publish::{Head, StoredFile};
use notary_schema::role::{Authority, DelegatedRole, Delegations, Role, RoleKeys, SuccinctRoles};
use notary_schema::wire::{BinsInfo, FileInfo, RoleInfo};

/// Roles of a head and the keys that they name.
pub(super) struct RoleList<'a> {
    head: &'a Head,
    now: DateTime<Utc>,
    pub(super) roles: Vec<RoleInfo>,
    pub(super) bins: Vec<BinsInfo>,
    pub(super) keys: BTreeMap<KeyId, Key>,
    /// The roles with a file to which delegations lead.
    reached: BTreeSet<&'a RoleName>,
}

/// A delegation that is still to be listed.
type Edge<'a> = (&'a RoleName, &'a Delegations, Cow<'a, DelegatedRole>);

impl<'a> RoleList<'a> {
    /// Lists the top-level roles and all delegated ones, of which succinct bins are told as a whole,
    /// and those that were delegated to before; or only the wanted ones, bins among them, with those
    /// on the way to them.
    pub(super) fn of(
        head: &'a Head,
        wanted: Option<BTreeSet<RoleName>>,
        now: DateTime<Utc>,
    ) -> RoleList<'a> {
        let (roles, bins, keys) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut list = RoleList { head, now, roles, bins, keys, reached: BTreeSet::new() };
        let wanted = wanted.map(|roles| list.with_delegators(roles));
        list.add_top_level();
        list.add_delegated(wanted.as_ref());
        list.add_left_behind(wanted.as_ref());
        list
    }

    fn add_top_level(&mut self) {
        let head = self.head;
        let root = head.root.signed();
        let files = [
            (RoleName::ROOT, Some(self.envelope(&head.root))),
            (RoleName::TARGETS, self.current(&RoleName::TARGETS)),
            (RoleName::SNAPSHOT, Some(self.envelope(&head.snapshot))),
            (RoleName::TIMESTAMP, Some(self.envelope(&head.timestamp))),
        ];
        for (name, file) in files {
            let signers = root.role_keys(&name).expect("a root lists the top-level roles");
            let role = self.signed_by(signers, &root.keys, role_info(name, file));
            self.roles.push(role);
        }
    }

    /// The delegated roles in the order in which a look-up meets them (TUF 5.6.7), each once for
    /// each delegator.
    fn add_delegated(&mut self, wanted: Option<&BTreeSet<RoleName>>) {
        let mut visited = BTreeSet::from([RoleName::TARGETS]);
        let targets = self.head.files.get_key_value(&RoleName::TARGETS);
        let mut stack = targets.map_or_else(Vec::new, |(name, _)| self.below(name, wanted));
        while let Some((delegator, delegations, delegated)) = stack.pop() {
            let name = &delegated.name;
            let is_bin = delegations.succinct().is_some();
            if wanted.map_or(!is_bin, |wanted| wanted.contains(name)) {
                let file = self.current(name);
                let role = delegated_info(&delegated, file, delegator);
                let role = self.signed_by(&delegated.signers, &delegations.keys, role);
                self.roles.push(role);
            }
            let Some((name, _)) = self.head.files.get_key_value(name) else { continue };
            self.reached.insert(name);
            if self.delegations(name).is_some() && visited.insert(name.clone()) {
                stack.extend(self.below(name, wanted));
            }
        }
    }

    /// The roles that have a file and nobody who delegates to them any more: they have no keys. Hash
    /// bins of before, of which there may be thousands, are told to those who name them.
    fn add_left_behind(&mut self, wanted: Option<&BTreeSet<RoleName>>) {
        let snapshot = self.head.snapshot.signed();
        let is_bin =
            |name: &RoleName| snapshot.entry(name).is_none_or(|entry| entry.hashes.is_none());
        let is_told =
            |name: &RoleName| wanted.map_or(!is_bin(name), |wanted| wanted.contains(name));
        let left = self.head.files.iter().filter(|(name, _)| !self.reached.contains(name));
        let left = left.filter(|(name, _)| **name != RoleName::TARGETS && is_told(name));
        let left = left.map(|(name, file)| role_info(name.clone(), Some(self.stored(file))));
        let left: Vec<_> = left.collect();
        self.roles.extend(left);
    }

    /// What a role delegates to, the last first. Of succinct bins those that are wanted or delegate
    /// themselves.
    fn below(&mut self, name: &'a RoleName, wanted: Option<&BTreeSet<RoleName>>) -> Vec<Edge<'a>> {
        let Some(delegations) = self.delegations(name) else { return Vec::new() };
        let listed = delegations.listed().iter().map(Cow::Borrowed);
        let mut edges: Vec<Edge<'a>> = listed.map(|role| (name, delegations, role)).collect();
        if let Some(succinct) = delegations.succinct() {
            self.add_bins(name, delegations, succinct, wanted);
            let bins = succinct.bins.among(&self.head.files);
            self.reached.extend(bins);
            let is_told = |bin: &&RoleName| {
                let is_wanted = wanted.is_some_and(|wanted| wanted.contains(*bin));
                is_wanted || self.delegations(bin).is_some()
            };
            let bins = succinct.bins.among(&self.head.files).filter(is_told);
            let edge = |bin| Some((name, delegations, delegations.delegation(bin)?));
            edges.extend(bins.filter_map(edge));
        }
        edges.reverse();
        edges
    }

    fn add_bins(
        &mut self,
        delegator: &RoleName,
        delegations: &Delegations,
        SuccinctRoles { bins, signers }: &SuccinctRoles,
        wanted: Option<&BTreeSet<RoleName>>,
    ) {
        if wanted.is_some_and(|wanted| !wanted.contains(delegator)) {
            return;
        }
        self.add_keys(signers, &delegations.keys);
        let revoked = self.revoked(signers, &delegations.keys);
        let files = bins.among(&self.head.files).filter_map(|bin| self.head.files.get(bin));
        let earliest = files.map(|file| file.expires).min();
        self.bins.push(BinsInfo {
            delegated_by: delegator.clone(),
            name_prefix: bins.name_prefix().to_owned(),
            bit_length: bins.bit_length(),
            count: bins.count(),
            keyids: signers.keyids.clone(),
            revoked,
            threshold: signers.threshold.get(),
            expires: earliest.map(|expires| expires.time()),
            expired: earliest.is_some_and(|expires| expires.is_past(self.now)),
        });
    }

    /// These roles and all that delegations lead through on the way to them.
    fn with_delegators(&self, mut roles: BTreeSet<RoleName>) -> BTreeSet<RoleName> {
        let delegating =
            self.head.files.keys().filter_map(|name| Some((name, self.delegations(name)?)));
        let delegating: Vec<_> = delegating.collect();
        let mut queue: Vec<RoleName> = roles.iter().cloned().collect();
        while let Some(role) = queue.pop() {
            let to_role = delegating.iter().filter(|(_, all)| all.authority(&role).is_some());
            let new = to_role.filter(|(name, _)| roles.insert((*name).clone()));
            queue.extend(new.map(|(name, _)| (*name).clone()));
        }
        roles
    }

    /// The delegations of a role, where it has any: files that delegate are always loaded.
    fn delegations(&self, role: &RoleName) -> Option<&'a Delegations> {
        let file = self.head.files.get(role)?.file.as_ref()?;
        file.signed().delegations.as_ref().filter(|all| all.count() > 0)
    }

    /// A role with its keys.
    fn signed_by(
        &mut self,
        signers: &RoleKeys,
        keys: &BTreeMap<KeyId, Key>,
        role: RoleInfo,
    ) -> RoleInfo {
        self.add_keys(signers, keys);
        RoleInfo {
            keyids: signers.keyids.clone(),
            revoked: self.revoked(signers, keys),
            threshold: signers.threshold.get(),
            ..role
        }
    }

    fn revoked(&self, role: &RoleKeys, keys: &BTreeMap<KeyId, Key>) -> Vec<KeyId> {
        self.head.revoked.listed_by(Authority { keys, role }).cloned().collect()
    }

    fn add_keys(&mut self, signers: &RoleKeys, keys: &BTreeMap<KeyId, Key>) {
        for keyid in &signers.keyids {
            if let Some(key) = keys.get(keyid) {
                self.keys.insert(keyid.clone(), key.clone());
            }
        }
    }

    fn envelope<T: Role>(&self, file: &Envelope<T>) -> FileInfo {
        FileInfo {
            version: file.version(),
            length: file.bytes().len() as u64,
            sha256: file.sha256().to_owned(),
            expires: file.expires().time(),
            expired: file.expires().is_past(self.now),
        }
    }

    /// The current file of a role, unless it is lost.
    fn current(&self, role: &RoleName) -> Option<FileInfo> {
        let held = self.head.files.get(role).filter(|_| !self.head.lost.contains_key(role));
        held.map(|file| self.stored(file))
    }

    fn stored(&self, file: &StoredFile) -> FileInfo {
        FileInfo {
            version: file.version,
            length: file.length,
            sha256: file.sha256.clone(),
            expires: file.expires.time(),
            expired: file.expires.is_past(self.now),
        }
    }
}

/// A role without keys.
fn role_info(name: RoleName, file: Option<FileInfo>) -> RoleInfo {
    RoleInfo {
        name,
        file,
        keyids: Vec::new(),
        revoked: Vec::new(),
        threshold: 0,
        delegated_by: None,
        paths: None,
        path_hash_prefixes: None,
        terminating: false,
    }
}

fn delegated_info(
    delegated: &DelegatedRole,
    file: Option<FileInfo>,
    delegator: &RoleName,
) -> RoleInfo {
    let (paths, path_hash_prefixes) = match &delegated.paths {
        PathSet::Paths(paths) => {
            (Some(paths.iter().map(|path| path.as_str().to_owned()).collect()), None)
        }
        PathSet::HashPrefixes(prefixes) => {
            (None, Some(prefixes.iter().map(str::to_owned).collect()))
        }
    };
    RoleInfo {
        delegated_by: Some(delegator.clone()),
        paths,
        path_hash_prefixes,
        terminating: delegated.terminating,
        ..role_info(delegated.name.clone(), file)
    }
}
