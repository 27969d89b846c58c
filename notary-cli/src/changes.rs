//! What differs between two documents of one role: its targets, delegations, roles, keys and other
//! members, each by name.

pub(crate) mod files;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::output::one_line;

/// Something that differs.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Change {
    /// `target`, `delegation`, `role`, `key`, `file`, or the member itself.
    what: String,
    /// Which one; absent for a member that is there once.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Absent for what was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<Value>,
    /// Absent for what was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<Value>,
}

impl Change {
    /// The change on one line.
    pub(crate) fn line(&self) -> String {
        let name = self.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        let what = one_line(&format!("{}{name}", self.what));
        // What else is in a key, its id is the hash of.
        let shown = |value: &Value| match (&self.what[..], &value["scheme"]) {
            ("key", Value::String(scheme)) => one_line(scheme),
            _ => value.to_string(),
        };
        match (&self.old, &self.new) {
            (None, Some(new)) => format!("+ {what}: {}\n", shown(new)),
            (Some(old), None) => format!("- {what}: {}\n", shown(old)),
            (Some(old), Some(new)) => format!("~ {what}: {}\n", one_line(&difference(old, new))),
            (None, None) => String::new(),
        }
    }

    /// Whether it is no more than another date.
    fn is_date(&self) -> bool {
        self.what == "expires"
    }

    /// What differs in the delegation to a bin.
    fn of_bin(&self) -> Option<String> {
        let (Some(old), Some(new)) = (&self.old, &self.new) else { return None };
        let is_bin = self.what == "delegation" && new["path_hash_prefixes"].is_array();
        is_bin.then(|| difference(old, new))
    }
}

/// The changes, each on a line; bins whose delegations change alike, such as those that get another key,
/// on one line together.
pub(crate) fn lines(changes: &[Change]) -> impl Iterator<Item = String> {
    let alike =
        changes.chunk_by(|one, next| one.of_bin().is_some_and(|it| Some(it) == next.of_bin()));
    alike.map(|alike| match alike {
        [first, .., last] => {
            let name = |change: &Change| change.name.clone().unwrap_or_default();
            let (count, bins) = (alike.len(), format!("{} to {}", name(first), name(last)));
            let difference = first.of_bin().unwrap_or_default();
            one_line(&format!("~ delegations of {count} bins {bins}: {difference}")) + "\n"
        }
        alike => alike.iter().map(Change::line).collect(),
    })
}

/// The members that differ; all of it where it is no object.
fn difference(old: &Value, new: &Value) -> String {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return format!("{old} -> {new}");
    };
    let shown = |value: Option<&Value>| value.map_or("none".to_owned(), Value::to_string);
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let differing = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    let one =
        |name: &String| format!("{name} {} -> {}", shown(old.get(name)), shown(new.get(name)));
    differing.map(one).collect::<Vec<_>>().join(", ")
}

/// What differs, in the order of the names; of keys, whose names mean nothing, those that go first.
/// The versions always differ and are left out.
pub(crate) fn between(old: &Value, new: &Value) -> Vec<Change> {
    let (mut before, mut after) = (parts(old), parts(new));
    before.extend(order(old, new));
    after.extend(order(new, old));
    let mut keys: Vec<_> = before.keys().chain(after.keys()).cloned().collect();
    keys.sort();
    keys.dedup();
    let change = |key: (String, Option<String>)| {
        let (old, new) = (before.get(&key).cloned(), after.get(&key).cloned());
        let (what, name) = key;
        (old != new).then_some(Change { what, name, old, new })
    };
    let mut changes: Vec<Change> = keys.into_iter().filter_map(change).collect();
    changes
        .sort_by_key(|change| (change.what.clone(), change.what == "key" && change.old.is_none()));
    changes
}

type Part = ((String, Option<String>), Value);

/// A document taken apart: what each part is, its name, and what is said of it.
fn parts(document: &Value) -> BTreeMap<(String, Option<String>), Value> {
    let members = document.as_object().into_iter().flatten();
    let members = members.filter(|(name, _)| !matches!(name.as_str(), "version" | "_type"));
    members
        .flat_map(|(name, value)| match name.as_str() {
            "targets" => named("target", value),
            "roles" => named("role", value),
            "keys" => named("key", value),
            "meta" => named("file", value),
            "delegations" => delegations(value),
            _ => vec![((name.clone(), None), value.clone())],
        })
        .collect()
}

fn named(what: &str, object: &Value) -> Vec<Part> {
    let members = object.as_object().into_iter().flatten();
    members.map(|(name, value)| ((what.to_owned(), Some(name.clone())), value.clone())).collect()
}

fn delegations(delegations: &Value) -> Vec<Part> {
    let members = delegations.as_object().into_iter().flatten();
    let part = |(member, value): (&String, &Value)| match member.as_str() {
        "keys" => named("key", value),
        "roles" => {
            let roles = value.as_array().into_iter().flatten();
            let name = |role: &Value| Some(role["name"].as_str()?.to_owned());
            roles.map(|role| (("delegation".to_owned(), name(role)), role.clone())).collect()
        }
        _ => vec![((member.clone(), None), value.clone())],
    };
    members.flat_map(part).collect()
}

/// The delegations that both have, in the order of this one: it is their priority.
fn order(document: &Value, other: &Value) -> Option<Part> {
    fn names(document: &Value) -> impl Iterator<Item = &str> {
        let roles = document["delegations"]["roles"].as_array();
        roles.into_iter().flatten().filter_map(|role| role["name"].as_str())
    }
    // There may be 16,384 bins.
    let others: BTreeSet<&str> = names(other).collect();
    let common: Vec<Value> =
        names(document).filter(|name| others.contains(name)).map(Value::from).collect();
    let what = "order of delegations".to_owned();
    (!common.is_empty()).then_some(((what, None), Value::Array(common)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(old: &Value, new: &Value) -> Vec<String> {
        between(old, new).iter().map(|change| change.line().trim_end().to_owned()).collect()
    }

    #[test]
    fn each_part_is_told_by_its_name() {
        let old = json!({
            "_type": "targets", "version": 1, "expires": "a",
            "targets": {"kept": {"length": 1}, "changed": {"length": 1}, "gone": {"length": 1}},
            "delegations": {"keys": {"k2": {}}, "roles": [{"name": "a"}, {"name": "b"}]},
        });
        let new = json!({
            "_type": "targets", "version": 2, "expires": "b",
            "targets": {"kept": {"length": 1}, "changed": {"length": 2}, "new": {"length": 1}},
            "delegations": {"keys": {"k1": {}}, "roles": [{"name": "b"}, {"name": "a"}]},
        });
        assert_eq!(
            lines(&old, &new),
            [
                r#"~ expires: "a" -> "b""#,
                r#"- key k2: {}"#,
                r#"+ key k1: {}"#,
                r#"~ order of delegations: ["a","b"] -> ["b","a"]"#,
                r#"~ target changed: length 1 -> 2"#,
                r#"- target gone: {"length":1}"#,
                r#"+ target new: {"length":1}"#,
            ]
        );
        assert_eq!(lines(&old, &old), Vec::<String>::new());
    }

    #[test]
    fn bins_whose_delegations_change_alike_are_told_together() {
        let role = |name: &str, hash: &str, key: &str| json!({"name": name, "keyids": [key], "path_hash_prefixes": [hash]});
        let with = |roles: [Value; 5]| json!({"delegations": {"keys": {}, "roles": roles}});
        let team = |key: &str| json!({"name": "b-3", "keyids": [key], "paths": ["*"]});
        let bins = |key| [role("b-0", "0", key), role("b-1", "1", key), role("b-2", "2", key)];
        let all = |key, last| {
            let [first, second, third] = bins(key);
            with([first, second, third, team(key), last])
        };
        let (old, new) = (all("k", role("b-4", "4", "k")), all("l", role("b-4", "5", "l")));
        let told: Vec<String> = super::lines(&between(&old, &new)).collect();
        assert_eq!(
            told,
            [
                "~ delegations of 3 bins b-0 to b-2: keyids [\"k\"] -> [\"l\"]\n",
                "~ delegation b-3: keyids [\"k\"] -> [\"l\"]\n",
                "~ delegation b-4: keyids [\"k\"] -> [\"l\"], path_hash_prefixes [\"4\"] -> [\"5\"]\n",
            ]
        );
    }

    #[test]
    fn a_new_delegation_alone_changes_no_order() {
        let with = |names: &[&str]| {
            let roles: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
            json!({"delegations": {"keys": {}, "roles": roles}})
        };
        assert_eq!(lines(&with(&["a", "b"]), &with(&["a", "c", "b"])).len(), 1);
        assert_eq!(lines(&with(&["a", "b"]), &with(&["b"])).len(), 1);
    }
}
