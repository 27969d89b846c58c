//! The next version of a role, built from the present one.
//!
//! A draft works on the document as it came, so members that this program does not know survive into
//! the next version. Whether the result may be published is asked of [`crate::publish::check`].

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::envelope::{Envelope, Unsigned};
use crate::key::Key;
use crate::name::{NameError, RoleName, TargetPath, Version};
use crate::role::{
    DelegatedRole, Expires, Role, RoleKeys, SPEC_VERSION, SuccinctRoles, TargetFile, Targets,
};

/// A document that is being written.
///
/// ```
/// use chrono::DateTime;
/// use notary_schema::draft::Draft;
/// use notary_schema::name::TargetPath;
/// use notary_schema::role::{Expires, Hashes, TargetFile};
///
/// let expires = Expires::at(DateTime::from_timestamp(1_900_000_000, 0).unwrap());
/// let mut draft = Draft::first_targets(expires);
/// let hashes = Hashes::sha256_of("0".repeat(64));
/// draft.set_target(&TargetPath::parse("a.txt")?, &TargetFile { length: 3, hashes, custom: None });
/// assert!(draft.finish().message().starts_with(b"{\"_type\":\"targets\""));
/// # Ok::<(), notary_schema::name::NameError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Draft {
    document: Map<String, Value>,
    version: Version,
}

impl Draft {
    /// The first version of a targets role, empty.
    pub fn first_targets(expires: Expires) -> Draft {
        Draft::from_role(&Targets::empty(Version::FIRST, expires))
    }

    /// A document of ours, as it is.
    pub fn from_role<T: Role + Serialize>(role: &T) -> Draft {
        let document = serde_json::to_value(role).expect("a role is JSON");
        Draft { document: members(document), version: role.version() }
    }

    /// The version after a file, with a new date and all else as it is.
    ///
    /// # Errors
    /// When there is no version after it.
    pub fn next<T: Role>(file: &Envelope<T>, expires: Expires) -> Result<Draft, NameError> {
        Ok(Draft::with_version(file, file.version().next()?, expires))
    }

    /// The content of a file as another version.
    pub fn with_version<T: Role>(file: &Envelope<T>, version: Version, expires: Expires) -> Draft {
        let mut document = members(file.document());
        document.insert("spec_version".into(), SPEC_VERSION.into());
        document.insert("version".into(), version.get().into());
        document.insert("expires".into(), expires.to_string().into());
        Draft { document, version }
    }

    /// The version of the document.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Adds or replaces a target.
    pub fn set_target(&mut self, name: &TargetPath, file: &TargetFile) {
        let file = serde_json::to_value(file).expect("a target is JSON");
        self.object("targets").insert(name.to_string(), file);
    }

    /// Takes out a target; answers whether it was there.
    pub fn remove_target(&mut self, name: &str) -> bool {
        self.object("targets").remove(name).is_some()
    }

    /// Takes out a target and puts it into another draft, with every member that it has; answers
    /// whether it was there.
    pub fn move_target(&mut self, name: &str, to: &mut Draft) -> bool {
        let file = self.object("targets").remove(name);
        let is_moved = file.is_some();
        to.object("targets").extend(file.map(|file| (name.to_owned(), file)));
        is_moved
    }

    /// Adds a delegation at the end, or replaces the one to the same role in its place.
    ///
    /// # Panics
    /// Where the role delegates to succinct bins, beside which no role is listed.
    pub fn set_delegation(&mut self, role: &DelegatedRole, keys: &[Key]) {
        self.set_delegations(std::slice::from_ref(role), keys);
    }

    /// Does for all of these what [`Draft::set_delegation`] does for one.
    pub fn set_delegations(&mut self, new: &[DelegatedRole], keys: &[Key]) {
        self.add_keys(keys);
        let roles = self.delegated_roles();
        let position = |(at, old): (usize, &Value)| Some((old["name"].as_str()?.to_owned(), at));
        let positions: BTreeMap<String, usize> =
            roles.iter().enumerate().filter_map(position).collect();
        for role in new {
            let value = serde_json::to_value(role).expect("a delegation is JSON");
            match positions.get(role.name.as_str()) {
                Some(at) => roles[*at] = value,
                None => roles.push(value),
            }
        }
        self.drop_unused_keys();
    }

    /// Puts the delegations into this order; those to roles that it does not name come after them, as
    /// they are.
    ///
    /// # Panics
    /// Where the role delegates to succinct bins, which have no order.
    pub fn order_delegations(&mut self, order: &[RoleName]) {
        let ranks: BTreeMap<&str, usize> = order.iter().map(RoleName::as_str).zip(0..).collect();
        let rank = |role: &Value| ranks.get(role["name"].as_str()?).copied();
        self.delegated_roles().sort_by_key(|role| rank(role).unwrap_or(usize::MAX));
    }

    /// Delegates to succinct bins, in place of all other delegations.
    pub fn set_succinct(&mut self, bins: &SuccinctRoles, keys: &[Key]) {
        self.add_keys(keys);
        let bins = serde_json::to_value(bins).expect("succinct roles are JSON");
        let delegations = self.delegations();
        delegations.remove("roles");
        delegations.insert("succinct_roles".into(), bins);
        self.drop_unused_keys();
    }

    /// Takes out the delegation to a role; answers whether it was there.
    pub fn remove_delegation(&mut self, role: &RoleName) -> bool {
        self.remove_delegations(&BTreeSet::from([role.clone()])) > 0
    }

    /// Takes out the delegations to these roles; answers how many there were.
    pub fn remove_delegations(&mut self, gone: &BTreeSet<RoleName>) -> usize {
        if self.is_succinct() {
            return 0;
        }
        let gone: BTreeSet<&str> = gone.iter().map(RoleName::as_str).collect();
        let roles = self.delegated_roles();
        let before = roles.len();
        roles.retain(|old| old["name"].as_str().is_none_or(|name| !gone.contains(name)));
        let removed = before - roles.len();
        self.drop_unused_keys();
        removed
    }

    /// Says who signs a top-level role, in a root. These keys are added to those that are listed;
    /// what no role names any more is taken out.
    pub fn set_signers(&mut self, role: &RoleName, signers: &RoleKeys, keys: &[Key]) {
        let listed = self.object("keys");
        for key in keys {
            let object = serde_json::to_value(key).expect("a key is JSON");
            listed.insert(key.id().to_string(), object);
        }
        let roles = self.object("roles");
        let entry = roles.entry(role.as_str()).or_insert_with(|| json!({}));
        entry["keyids"] = serde_json::to_value(&signers.keyids).expect("key ids are JSON");
        entry["threshold"] = signers.threshold.get().into();
        let used = key_ids(roles.values());
        self.object("keys").retain(|id, _| used.contains(id));
    }

    /// Says, in a root, that names of files carry versions.
    pub fn set_consistent_snapshot(&mut self) {
        self.document.insert("consistent_snapshot".into(), true.into());
    }

    /// The document to sign.
    pub fn finish(self) -> Unsigned {
        Unsigned::new(&Value::Object(self.document))
    }

    fn add_keys(&mut self, keys: &[Key]) {
        let listed = self.delegations().entry("keys").or_insert_with(|| json!({}));
        if let Some(listed) = listed.as_object_mut() {
            for key in keys {
                let object = serde_json::to_value(key).expect("a key is JSON");
                listed.insert(key.id().to_string(), object);
            }
        }
    }

    fn drop_unused_keys(&mut self) {
        let delegations = self.delegations();
        let listed = delegations.get("roles").and_then(Value::as_array).into_iter().flatten();
        let used = key_ids(listed.chain(delegations.get("succinct_roles")));
        if let Some(keys) = delegations.get_mut("keys").and_then(Value::as_object_mut) {
            keys.retain(|id, _| used.contains(id));
        }
    }

    fn is_succinct(&mut self) -> bool {
        self.delegations().contains_key("succinct_roles")
    }

    fn delegated_roles(&mut self) -> &mut Vec<Value> {
        assert!(!self.is_succinct(), "no role is listed beside succinct bins");
        let delegations = self.delegations();
        let roles = delegations.get_mut("roles").and_then(Value::as_array_mut);
        roles.expect("the file was read: its roles are an array")
    }

    fn delegations(&mut self) -> &mut Map<String, Value> {
        let empty = || json!({"keys": {}, "roles": []});
        let delegations = self.document.entry("delegations").or_insert_with(empty);
        if delegations.is_null() {
            *delegations = empty();
        }
        delegations.as_object_mut().expect("the file was read: its delegations are an object")
    }

    fn object(&mut self, member: &str) -> &mut Map<String, Value> {
        let object = self.document.entry(member).or_insert_with(|| json!({}));
        object.as_object_mut().expect("the file was read: this member is an object")
    }
}

/// The ids that these roles name.
fn key_ids<'a>(roles: impl Iterator<Item = &'a Value>) -> BTreeSet<String> {
    let ids = roles.flat_map(|role| role["keyids"].as_array().into_iter().flatten());
    ids.filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

fn members(document: Value) -> Map<String, Value> {
    match document {
        Value::Object(members) => members,
        _ => unreachable!("a role is an object"),
    }
}
