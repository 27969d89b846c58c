//! What differs between two documents of one role: its targets, delegations, roles, keys and other
//! members, each by name.

pub(crate) mod files;

use std::collections::BTreeMap;

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
    fn names(document: &Value) -> Vec<&Value> {
        let roles = document["delegations"]["roles"].as_array();
        roles.into_iter().flatten().map(|role| &role["name"]).collect()
    }
    let others = names(other);
    let common: Vec<Value> =
        names(document).into_iter().filter(|name| others.contains(name)).cloned().collect();
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
    fn a_new_delegation_alone_changes_no_order() {
        let with = |names: &[&str]| {
            let roles: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
            json!({"delegations": {"keys": {}, "roles": roles}})
        };
        assert_eq!(lines(&with(&["a", "b"]), &with(&["a", "c", "b"])).len(), 1);
        assert_eq!(lines(&with(&["a", "b"]), &with(&["b"])).len(), 1);
    }
}
