//! Mistakes in what snapshot and timestamp say of other files.

use serde_json::{Value, json};

use super::{Draw, How, Mutation};

const fn listing(name: &'static str, edit: fn(&mut Value, &str, &mut Draw<'_>)) -> Mutation {
    Mutation { name, how: How::Listing(edit) }
}

pub(super) const ALL: &[Mutation] = &[
    listing("an entry is missing", |meta, name, _| {
        meta.as_object_mut().expect("entries are a map").remove(name);
    }),
    listing("a wrong hash", |meta, name, _| {
        meta[name]["hashes"] = json!({"sha256": "0".repeat(64)});
    }),
    listing("a hash in upper case", |meta, name, _| {
        let hashes = meta[name].get_mut("hashes").and_then(Value::as_object_mut);
        for (_, hash) in hashes.into_iter().flatten() {
            *hash = json!(hash.as_str().map(str::to_uppercase));
        }
    }),
    listing("null for what may be missing", |meta, name, draw| {
        meta[name][*draw.random.one_of(&["length", "hashes"])] = json!(null);
    }),
    listing("a second hash that is wrong", |meta, name, _| {
        meta[name]["hashes"]["sha512"] = json!("0".repeat(128));
    }),
    listing("a hash of an unknown algorithm", |meta, name, _| {
        meta[name]["hashes"]["future"] = json!("00");
    }),
    listing("only a hash of an unknown algorithm", |meta, name, _| {
        meta[name]["hashes"] = json!({"future": "00"});
    }),
    listing("no hash at all in hashes", |meta, name, _| meta[name]["hashes"] = json!({})),
    listing("a length that is one too short", |meta, name, _| {
        if let Some(length) = meta[name]["length"].as_u64() {
            meta[name]["length"] = json!(length.saturating_sub(1));
        }
    }),
    listing("a length that is one too long", |meta, name, _| {
        if let Some(length) = meta[name]["length"].as_u64() {
            meta[name]["length"] = json!(length + 1);
        }
    }),
    listing("a length of 0", |meta, name, _| meta[name]["length"] = json!(0)),
    listing("a negative length", |meta, name, _| meta[name]["length"] = json!(-1)),
    listing("an entry of the version before", |meta, name, _| {
        let version = meta[name]["version"].as_i64().unwrap_or(1);
        meta[name]["version"] = json!(version - 1);
    }),
    listing("an entry of the next version", |meta, name, _| {
        let version = meta[name]["version"].as_i64().unwrap_or(1);
        meta[name]["version"] = json!(version + 1);
    }),
    listing("an entry without a version", |meta, name, _| {
        meta[name].as_object_mut().expect("an entry is an object").remove("version");
    }),
    listing("nothing but versions", |meta, _, _| {
        for entry in meta.as_object_mut().expect("entries are a map").values_mut() {
            *entry = json!({"version": entry["version"]});
        }
    }),
    listing("entries of files that nobody has", |meta, _, _| {
        meta["root.json"] = json!({"version": 1});
        meta["nobody.json"] = json!({"version": 7, "length": 1, "hashes": {"sha256": "00"}});
    }),
    listing("unknown members in an entry", |meta, name, _| meta[name]["x-unknown"] = json!([])),
];
